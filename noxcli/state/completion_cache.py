"""The words for completion: names and ids that commands see, saved for `state/known_names.py`; never a value.

A word is an argument of noxcli; each shell quotes it in its own way. As in the history, an error here never fails a
command.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from noxcli.inputs.definition import InputNode, OutputNode, keys_of
from noxcli.inputs.parse import item_start
from noxcli.masking import Mask
from noxcli.models import PLAIN_ID, Run, Workflow
from noxcli.place import Place
from noxcli.state.known_names import LARGEST_WORDS_FILE, cache_directory, server_key

LONGEST_WORD = 200  # characters of a word
MOST_WORDS = 2000  # words in a file
KEPT_FILES = 300
PRUNE_FILES_AT = 350
NOTED_RUNS = 250
PRUNE_RUNS_FILE_AT = 64 * 1024  # bytes, about 500 runs


class CompletionCache:
    """The words known about one server."""

    def __init__(self, environ: Mapping[str, str], base_url: str, mask: Mask | None = None) -> None:
        self._directory = cache_directory(environ)
        self._mask = mask or Mask()
        self._key = server_key(base_url)

    def servers(self, addresses: Mapping[str, str]) -> None:
        """Save the address of each profile; the empty name has that of the default server."""
        named = {name: server_key(address) for name, address in addresses.items() if not name or typable(name)}
        self._note("servers", (f"{key}\t{name}" for name, key in named.items()))

    def aliases(self, workflows: Mapping[str, str]) -> None:
        """Save the current aliases, each with the workflow's name or id."""
        pairs = ((alias, target) for alias, target in workflows.items() if typable(alias) and typable(target))
        self._note(f"{self._key}.aliases", (f"{alias}\t{target}" for alias, target in pairs))

    def workflows(self, listed: Iterable[Workflow]) -> None:
        """Save the whole list, each by its name, or by its id if the name can't be typed or is not unique."""
        plain = [workflow for workflow in listed if PLAIN_ID.fullmatch(workflow.id)]
        named = Counter(workflow.name for workflow in plain)
        words = (flow.name if typable(flow.name) and named[flow.name] == 1 else flow.id for flow in plain)
        lines = (f"{word}\t{flow.id}" for word, flow in zip(words, plain, strict=True))
        self._note(f"{self._key}.workflows", lines)

    def inputs(self, workflow_id: str, nodes: Iterable[InputNode]) -> None:
        """Save the keys of a workflow's inputs."""
        if PLAIN_ID.fullmatch(workflow_id):
            keys = ((key if typable(key) else node.id, node) for key, node in keys_of(nodes).items())
            lines = (item_start(key, node.kind) for key, node in keys if typable(key))
            self._note(f"{self._key}.{workflow_id}.inputs", lines)

    def outputs(self, workflow_id: str, nodes: Iterable[OutputNode]) -> None:
        """Save the keys of a workflow's outputs."""
        if PLAIN_ID.fullmatch(workflow_id):
            keys = (key if typable(key) else node.id for key, node in keys_of(nodes).items())
            self._note(f"{self._key}.{workflow_id}.outputs", filter(typable, keys))

    def run(self, run: Run, workflow_name: str) -> None:
        """Save a run that was just started, by one write, since several processes may do so at once."""
        shown = workflow_name if typable(workflow_name) else run.workflow_id
        said = ", ".join(part for part in (shown, run.created_at or "") if typable(part))
        line = f"{run.id}\t{run.workflow_id}\t{said}\n"
        if not all(map(PLAIN_ID.fullmatch, (run.id, run.workflow_id))) or self._mask(line) != line:
            return
        name = f"{self._key}.runs"
        with suppress(OSError), self._opened() as place:
            file = place.opened(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line.encode())
                size = os.fstat(file).st_size
            finally:
                os.close(file)
            if size > PRUNE_RUNS_FILE_AT:
                kept = place.read(name, LARGEST_WORDS_FILE).splitlines(keepends=True)[-NOTED_RUNS:]
                with place.replacing(name, 0o600, durable=False) as written:
                    written.writelines(kept)
            _prune(place)

    def _opened(self) -> Place:
        """Open the directory. Raises OSError, also where the user has no place for it."""
        if self._directory is None:
            raise FileNotFoundError
        return Place.named(Path(self._directory), make=True, mode=0o700)

    def _note(self, name: str, lines: Iterable[str]) -> None:
        told = (line for line in lines if self._mask(line) == line)
        text = "".join(f"{line}\n" for line, _ in zip(told, range(MOST_WORDS), strict=False)).encode()
        with suppress(OSError), self._opened() as place:
            if _content(place, name) == text:
                return
            with place.replacing(name, 0o600, durable=False) as written:
                written.write(text)
            _prune(place)


def typable(word: str) -> bool:
    """True for a word on one line, safe on a terminal, and neither an option nor, to fish, a home directory."""
    return 0 < len(word) <= LONGEST_WORD and word.isprintable() and word[0] not in "-~"


def _content(place: Place, name: str) -> bytes | None:
    """Return a file's content, empty if it does not exist, None if it can't be read."""
    try:
        return place.read(name, LARGEST_WORDS_FILE)
    except FileNotFoundError:
        return b""
    except OSError:
        return None


def _prune(place: Place) -> None:
    names = [name for name in place.names() if name != "servers"]
    if len(names) >= PRUNE_FILES_AT:
        for name in sorted(names, key=lambda name: place.look(name).st_mtime_ns)[:-KEPT_FILES]:
            place.remove(name)
