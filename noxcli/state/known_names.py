"""The names and ids that commands have saved for Tab, as `cli/complete.py` reads them: without loading anything else.

`state/completion_cache.py` writes the files. A line is a word, what it stands for, and a description, with a TAB
between them; only the first is always there. KEY is a server's address in a form for file names.

| file | a line |
|---|---|
| servers | KEY<TAB>PROFILE, and KEY<TAB> alone for the default server |
| KEY.aliases | ALIAS<TAB>WORKFLOW |
| KEY.workflows | NAME<TAB>WORKFLOW_ID |
| KEY.runs | RUN_ID<TAB>WORKFLOW_ID<TAB>DESCRIPTION, the newest last |
| KEY.WORKFLOW_ID.inputs | LABEL=, LABEL:= or LABEL@ |
| KEY.WORKFLOW_ID.outputs | LABEL |
"""

import os
import sys

TYPE_CHECKING = False  # importing `typing` would take longer than all the rest
if TYPE_CHECKING:
    from collections.abc import Mapping

CACHE_VARIABLE = "NOXCLI_CACHE_DIR"
# The settings that select a server, highest precedence first: an address, or a profile that has one.
SERVER_NAMES = ("--base-url", "NOXCLI_BASE_URL", "NOXUS_BACKEND_URL", "--profile", "NOXCLI_PROFILE")
DEFAULT_URL = "https://backend.noxus.ai"  # noxus-sdk 0.6.0, client.py
LARGEST_WORDS_FILE = 4 * 1024 * 1024  # bytes
RECENT_RUNS = 20  # offered before anything is typed; the older ones only after that
LAST = ("@last", "", "the run that you started last")

Line = tuple[str, str, str]  # a word, what it stands for, its description


def cache_directory(environ: "Mapping[str, str]") -> str | None:
    """Return the directory of the files, or None if the user has none."""
    if environ.get(CACHE_VARIABLE):
        return environ[CACHE_VARIABLE]
    if environ.get("XDG_CACHE_HOME", "").startswith("/"):
        return f"{environ['XDG_CACHE_HOME']}/noxcli"
    home = environ.get("HOME") or os.path.expanduser("~")
    below = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return f"{home}/{below}/noxcli" if home.startswith("/") else None


def server_key(base_url: str) -> str:
    """Return the beginning of file names for a server."""
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in base_url.rstrip("/"))


class Names:
    """The names that are saved for the server of one command line."""

    def __init__(self, words: list[str], environ: "Mapping[str, str]") -> None:
        *self._words, self._begun = words
        self._directory = cache_directory(environ)
        self._key = self._server(environ)

    def offered(self, kind: str) -> list[Line]:
        """Return a line for each word of this kind."""
        match kind:
            case "workflow":
                return self._workflows()
            case "run":
                runs = [line for line in reversed(self._lines("runs")) if line[0].startswith(self._begun)]
                return [LAST, *(runs if self._begun else runs[:RECENT_RUNS])]
            case "input" | "output":
                found = (self._lines(f"{self._workflow(word)}.{kind}s") for word in self._words)
                return next(filter(None, found), [])
            case "profile":
                return [(name, "", "") for _, name, _ in self._read("servers") if name]
        return []

    def _workflows(self) -> list[Line]:
        """Return names and aliases, and where none begins as the word does, ids."""
        lines = self._lines("workflows")
        named = [(name, target, target) for name, target, _ in lines + self._lines("aliases")]
        if any(name.startswith(self._begun) for name, *_ in named):
            return named
        return named + [(target, name, name) for name, target, _ in lines]

    def _workflow(self, word: str) -> str:
        """Return the workflow id that a word leads to: an alias, a name, a run or an id."""
        for kind in ("aliases", "workflows"):
            word = next((target for name, target, _ in self._lines(kind) if name == word), word)
        runs = reversed(self._lines("runs"))
        return next((workflow for run, workflow, _ in runs if word in (run, LAST[0])), word)

    def _server(self, environ: "Mapping[str, str]") -> str:
        """Return the beginning of the server's files: an address, a profile or nothing names it."""
        named = next(filter(None, (self._given(n) if n.startswith("-") else environ.get(n) for n in SERVER_NAMES)), "")
        keys = {profile: key for key, profile, _ in self._read("servers")}
        return keys.get(named) or server_key(named or DEFAULT_URL)

    def _given(self, option: str) -> str:
        """Return the value that the words have for an option; the last one counts."""
        found = ""
        for word, following in zip(self._words, [*self._words, ""][1:], strict=True):
            if word == option:
                found = following
            elif word.startswith(f"{option}="):
                found = word.partition("=")[2]
        return found

    def _lines(self, name: str) -> list[Line]:
        """Return the lines of one of the server's files."""
        return self._read(f"{self._key}.{name}")

    def _read(self, name: str) -> list[Line]:
        """Return the lines of a file, none if it can't be read, or is not one that noxcli wrote."""
        path = f"{self._directory}/{name}"
        if self._directory is None or "/" in name or not os.path.isfile(path):
            return []
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = file.read(LARGEST_WORDS_FILE).split("\n")
        except OSError:
            return []
        fields = ((*line.split("\t"), "", "") for line in lines if line.replace("\t", "").isprintable())
        return [(word, target, said) for word, target, said, *_ in fields if word]
