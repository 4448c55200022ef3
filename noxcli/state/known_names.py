"""The names and ids that commands have saved for Tab, as `cli/complete.py` reads them: without loading anything else.

`state/completion_cache.py` writes the file. A line is a kind, a word, what it stands for, and a description, with a TAB
between them; only the first two are always there. SERVER is an address as `server_key` spells it.

| kind | the rest of the line |
|---|---|
| profile | SERVER<TAB>PROFILE, and SERVER<TAB> alone for the default server |
| SERVER alias | ALIAS<TAB>WORKFLOW |
| SERVER workflow | NAME<TAB>WORKFLOW_ID |
| SERVER run | RUN_ID<TAB>WORKFLOW_ID<TAB>DESCRIPTION, the newest last |
| SERVER input WORKFLOW_ID | LABEL=, LABEL:= or LABEL@ |
| SERVER output WORKFLOW_ID | LABEL |
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
NAMES_FILE = "names"
LARGEST_NAMES_FILE = 4 * 1024 * 1024  # bytes
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
    """Return a server's address in one word."""
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-") else "_" for c in base_url.rstrip("/"))


class Names:
    """The names that are saved for the server of one command line."""

    def __init__(self, words: list[str], environ: "Mapping[str, str]") -> None:
        *self._words, self._begun = words
        self._saved = _read(cache_directory(environ))
        self._profiles = self._saved.get("profile", [])
        self._server = self._key(environ)

    def offered(self, kind: str) -> list[Line]:
        """Return a line for each word of this kind."""
        match kind:
            case "workflow":
                return self._workflows()
            case "run":
                runs = [line for line in reversed(self._of("run")) if line[0].startswith(self._begun)]
                return [LAST, *(runs if self._begun else runs[:RECENT_RUNS])]
            case "input" | "output":
                found = (self._of(f"{kind} {self._workflow(word)}") for word in self._words)
                return next(filter(None, found), [])
            case "profile":
                return [(name, "", "") for _, name, _ in self._profiles if name]
        return []

    def _workflows(self) -> list[Line]:
        """Return names and aliases, and where none begins as the word does, ids."""
        lines = self._of("workflow")
        named = [(name, target, target) for name, target, _ in lines + self._of("alias")]
        if any(name.startswith(self._begun) for name, *_ in named):
            return named
        return named + [(target, name, name) for name, target, _ in lines]

    def _workflow(self, word: str) -> str:
        """Return the workflow id that a word leads to: an alias, a name, a run or an id."""
        for kind in ("alias", "workflow"):
            word = next((target for name, target, _ in self._of(kind) if name == word), word)
        runs = reversed(self._of("run"))
        return next((workflow for run, workflow, _ in runs if word in (run, LAST[0])), word)

    def _key(self, environ: "Mapping[str, str]") -> str:
        """Return the server's key: an address, a profile or nothing names it."""
        named = next(filter(None, (self._given(n) if n.startswith("-") else environ.get(n) for n in SERVER_NAMES)), "")
        keys = {profile: key for key, profile, _ in self._profiles}
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

    def _of(self, kind: str) -> list[Line]:
        """Return the server's lines of a kind."""
        return self._saved.get(f"{self._server} {kind}", [])


def _read(directory: str | None) -> dict[str, list[Line]]:
    """Return the lines of the file by their kind, none if it can't be read."""
    path = f"{directory}/{NAMES_FILE}"
    if directory is None or not os.path.isfile(path):
        return {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(LARGEST_NAMES_FILE).split("\n")
    except OSError:
        return {}
    found = dict[str, list[Line]]()
    for line in lines:
        kind, word, target, said, *_ = *line.split("\t"), "", "", ""
        if word and line.replace("\t", "").isprintable():
            found.setdefault(kind, []).append((word, target, said))
    return found
