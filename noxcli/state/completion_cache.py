"""What Tab can offer: names of workflows and keys of inputs, as the commands come across them; never a value.

Plain text files in the cache directory, so that a shell can read them with nothing started and nobody asked:
HOST.workflows with lines WORD<TAB>ID, HOST.ID.inputs with lines KEY=, KEY:= or KEY@. A word is what noxcli is to be
given; each shell quotes it in its own way. Nothing here ever fails a command, as in the history.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from noxcli.inputs.definition import InputNode, keys_of
from noxcli.inputs.parse import item_start
from noxcli.models import PLAIN_ID, Workflow
from noxcli.place import Place
from noxcli.redaction import Mask

CACHE_VARIABLE = "NOXCLI_CACHE_DIR"
LONGEST_WORD = 200  # characters of a word
MOST_WORDS = 2000  # words in a file
KEPT_FILES = 300
PRUNE_FILES_AT = 350


class CompletionCache:
    """What is known of one server."""

    def __init__(self, environ: Mapping[str, str], base_url: str, mask: Mask | None = None) -> None:
        self._environ = environ
        self._mask = mask or Mask()
        # The scripts name the files in the same way.
        self._host = re.sub(r"[^A-Za-z0-9.-]", "_", base_url)

    @property
    def directory(self) -> Path:
        """Where the files are; platformdirs knows each system's place."""
        if self._environ.get(CACHE_VARIABLE):
            return Path(self._environ[CACHE_VARIABLE])
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
        text = "".join(f"{line}\n" for line, _ in zip(told, range(MOST_WORDS), strict=False)).encode()
        file = f"{self._host}.{name}"
        with suppress(OSError), Place.named(self.directory, make=True, mode=0o700) as place:
            with suppress(OSError):
                if place.read(file, len(text)) == text:
                    return
            with place.replacing(file, 0o600, durable=False) as written:
                written.write(text)
            _prune(place)


def _prune(place: Place) -> None:
    names = place.names()
    if len(names) >= PRUNE_FILES_AT:
        for name in sorted(names, key=lambda name: place.look(name).st_mtime_ns)[:-KEPT_FILES]:
            place.remove(name)


def typable(word: str) -> bool:
    """True for what fits on a line, acts on no terminal, and is neither an option nor, to fish, a home directory."""
    return 0 < len(word) <= LONGEST_WORD and word.isprintable() and word[0] not in "-~"
