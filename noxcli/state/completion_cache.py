"""The words for completion: names and ids that commands see, saved for `state/known_names.py`;
never a value.

A word is an argument of noxcli; each shell quotes it in its own way. As in the history, an error
here never fails a command.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from noxcli.inputs.definition import InputNode, OutputNode, keys_of
from noxcli.inputs.parse import item_start
from noxcli.masking import Mask
from noxcli.models import Run, Workflow
from noxcli.safe_dir import SafeDir
from noxcli.state.known_names import MAX_NAMES_FILE, NAMES_FILE, cache_directory

MAX_WORD = 200  # characters of a word
MAX_WORDS = 2000  # of one kind
MAX_LINES = 5000  # of all kinds
NOTED_RUNS = 250


class CompletionCache:
    """The words known about one server; `key` is its `server_key`."""

    def __init__(self, environ: Mapping[str, str], key: str, mask: Mask | None = None) -> None:
        self._directory = cache_directory(environ)
        self._mask = mask or Mask()
        self._key = key

    def save_settings(self, profiles: Iterable[str], workflows: Mapping[str, str]) -> None:
        """Save the names of the profiles, and the current aliases, each with the workflow's name or
        id.
        """
        self._replace_words(
            {"profile": profiles, f"{self._key} alias": map("\t".join, workflows.items())}
        )

    def save_workflows(self, listed: Collection[Workflow]) -> None:
        """Save the whole list, each by its name, or by its id if the name can't be typed or is not
        unique.
        """
        named = Counter(workflow.name for workflow in listed)
        words = []
        for workflow in listed:
            word = workflow.id
            if typable(workflow.name) and named[workflow.name] == 1:
                word = workflow.name
            words.append(f"{word}\t{workflow.id}")
        self._replace_words({f"{self._key} workflow": words})

    def save_keys(
        self, workflow_id: str, inputs: Iterable[InputNode], outputs: Iterable[OutputNode] = ()
    ) -> None:
        """Save the keys of a workflow's inputs and outputs."""
        starts = []
        for key, given in keys_of(inputs).items():
            label = key if typable(key) else given.id
            starts.append(item_start(label, given.kind))
        labels = []
        for key, node in keys_of(outputs).items():
            labels.append(key if typable(key) else node.id)
        self._replace_words(
            {
                f"{self._key} input {workflow_id}": starts,
                f"{self._key} output {workflow_id}": labels,
            }
        )

    def save_run(self, run: Run, workflow_name: str) -> None:
        """Save a run that was just started."""
        shown = workflow_name if typable(workflow_name) else run.workflow_id
        about = ", ".join(filter(None, (shown, run.created_at)))
        word = f"{run.id}\t{run.workflow_id}\t{about}"
        self._replace_words({f"{self._key} run": [word]}, kept=NOTED_RUNS)

    def _replace_words(self, words: Mapping[str, Iterable[str]], *, kept: int = 0) -> None:
        """Put these words in place of all of their kinds but the last `kept`.

        One that can't be typed is left out. Of two commands that do so at the same moment, one may
        lose its words.
        """
        if self._directory is None:
            return
        with (
            suppress(OSError),
            SafeDir.open_named(Path(self._directory), make=True, mode=0o700) as place,
        ):
            saved: list[str] = []
            with suppress(OSError):  # there is none yet, or it can't be read
                saved = place.read(NAMES_FILE, MAX_NAMES_FILE).decode(errors="replace").splitlines()
            now = saved
            for kind, new in words.items():
                before = []
                others = []
                for line in now:
                    if line.startswith(f"{kind}\t"):
                        before.append(line)
                    else:
                        others.append(line)
                if kept > 0:
                    others += before[-kept:]
                now = others + self._lines(kind, new)[:MAX_WORDS]
            if sorted(now) != sorted(saved):
                with place.replacing(NAMES_FILE, 0o600, durable=False) as written:
                    written.write("".join(f"{line}\n" for line in now[-MAX_LINES:]).encode())

    def _lines(self, kind: str, words: Iterable[str]) -> list[str]:
        """Return the lines of these words, without those that can't be typed or have a secret."""
        lines = []
        for word in words:
            line = f"{kind}\t{word}"
            if not typable(word.partition("\t")[0]):
                continue
            if line.replace("\t", "").isprintable() and self._mask(line) == line:
                lines.append(line)
        return lines


def typable(word: str) -> bool:
    """True for a word on one line, safe on a terminal, and neither an option nor, to fish, a home
    directory.
    """
    return 0 < len(word) <= MAX_WORD and word.isprintable() and word[0] not in "-~"
