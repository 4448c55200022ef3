"""What Tab can offer: names of workflows and keys of inputs, as the commands come across them; never a value.

Plain text files in the cache directory, so that a shell can read them with nothing started and nobody asked:
HOST.workflows with lines WORD<TAB>ID, HOST.ID.inputs with lines KEY=, KEY:= or KEY@. A word is what noxcli is to be
given; each shell quotes it in its own way. Nothing here ever fails a command, as in the journal.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from noxcli.definition import InputNode, keys_of
from noxcli.files import put_privately
from noxcli.inputs import item_start
from noxcli.models import PLAIN_ID, Workflow
from noxcli.secrets import Mask

VARIABLE = "NOXCLI_CACHE_DIR"
LONGEST = 200  # characters of a word
MOST = 2000  # words in a file
KEPT = 300  # files
PRUNE_AT = 350


class Known:
    """What is known of one server."""

    def __init__(self, environ: Mapping[str, str], base_url: str, mask: Mask | None = None) -> None:
        self._environ = environ
        self._mask = mask or Mask()
        # The scripts name the files in the same way.
        self._host = re.sub(r"[^A-Za-z0-9.-]", "_", base_url)

    @property
    def directory(self) -> Path:
        """Where the files are; platformdirs knows each system's place."""
        if self._environ.get(VARIABLE):
            return Path(self._environ[VARIABLE])
        from platformdirs import user_cache_path  # loaded where something was learnt, not by --help

        return user_cache_path("noxcli", appauthor=False)

    def workflows(self, listed: Iterable[Workflow]) -> None:
        """Note the whole list, each by its name, or by its id where the name can't be typed or means several."""
        plain = [workflow for workflow in listed if PLAIN_ID.fullmatch(workflow.id)]
        named = Counter(workflow.name for workflow in plain)
        words = (flow.name if typable(flow.name) and named[flow.name] == 1 else flow.id for flow in plain)
        self._note("workflows", (f"{word}\t{flow.id}" for word, flow in zip(words, plain, strict=True)))

    def inputs(self, workflow_id: str, nodes: Iterable[InputNode]) -> None:
        """Note the keys of a workflow."""
        if PLAIN_ID.fullmatch(workflow_id):
            keys = ((key if typable(key) else node.id, node) for key, node in keys_of(nodes).items())
            self._note(f"{workflow_id}.inputs", (item_start(key, node.kind) for key, node in keys if typable(key)))

    def _note(self, name: str, lines: Iterable[str]) -> None:
        told = (line for line in lines if self._mask(line) == line)
        text = "".join(f"{line}\n" for line, _ in zip(told, range(MOST), strict=False)).encode()
        with suppress(OSError):
            path = self.directory / f"{self._host}.{name}"
            if path.exists() and path.read_bytes() == text:
                return
            put_privately(path, text)
            self._prune()

    def _prune(self) -> None:
        files = list(self.directory.iterdir())
        if len(files) >= PRUNE_AT:
            for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)[:-KEPT]:
                path.unlink(missing_ok=True)


def typable(word: str) -> bool:
    """True for what fits on a line, acts on no terminal, and is neither an option nor, to fish, a home directory."""
    return 0 < len(word) <= LONGEST and word.isprintable() and word[0] not in "-~"
