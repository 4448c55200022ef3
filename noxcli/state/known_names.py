"""The names and ids that commands have saved for Tab, as `cli/complete.py` reads them: without
loading anything else.

`state/completion_cache.py` writes the file. A line is a kind, a word, what it stands for, and a
description, with a TAB between them; only the first two are always there. SERVER is what names the
server, as `server_key` spells it.

| kind | the rest of the line |
|---|---|
| profile | PROFILE |
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
NAMES_FILE = "names"
MAX_NAMES_FILE = 4 * 1024 * 1024  # bytes
RECENT_RUNS = 20  # offered before anything is typed; the older ones only after that
LAST = ("@last", "", "the run that you started last")

SavedWord = tuple[str, str, str]  # a word, what it stands for, its description


def cache_directory(environ: "Mapping[str, str]") -> str | None:
    """Return the directory of the files, or None if the user has none."""
    if environ.get(CACHE_VARIABLE):
        return environ[CACHE_VARIABLE]
    if environ.get("XDG_CACHE_HOME", "").startswith("/"):
        return f"{environ['XDG_CACHE_HOME']}/noxcli"
    home = environ.get("HOME") or os.path.expanduser("~")
    if not home.startswith("/"):
        return None
    below = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return f"{home}/{below}/noxcli"


def server_key(base_url: str, profile: str, environ: "Mapping[str, str]") -> str:
    """Return in one word what names the server: the first of these settings, or nothing.

    `base_url` and `profile` are those on the command line, or empty. The config files are not read:
    they are TOML.
    """
    settings = (
        base_url,
        profile,
        environ.get("NOXCLI_BASE_URL"),
        environ.get("NOXUS_BACKEND_URL"),
        environ.get("NOXCLI_PROFILE"),
    )
    for named in settings:
        if named:
            return "".join(map(_in_word, named.rstrip("/")))
    return ""


def _in_word(character: str) -> str:
    if character.isascii() and (character.isalnum() or character in ".-"):
        return character
    return "_"


class KnownNames:
    """The names that are saved for the server of one command line."""

    def __init__(self, words: list[str], environ: "Mapping[str, str]") -> None:
        *self._words, self._begun = words
        self._saved = _read(cache_directory(environ))
        self._server = server_key(self._given("--base-url"), self._given("--profile"), environ)

    def offered(self, kind: str) -> list[SavedWord]:
        """Return a line for each word of this kind."""
        match kind:
            case "workflow":
                lines = self._of("workflow") + self._of("alias")
                return [(name, target, target) for name, target, _ in lines]
            case "run":
                newest_first = self._of("run")[::-1]
                if self._begun:
                    return [LAST, *(run for run in newest_first if run[0].startswith(self._begun))]
                return [LAST, *newest_first[:RECENT_RUNS]]
            case "input" | "output":
                for word in self._words:
                    keys = self._of(f"{kind} {self._workflow(word)}")
                    if keys:
                        return keys
                return []
        return self._saved.get(kind, [])  # of all servers: the profiles

    def _workflow(self, word: str) -> str:
        """Return the workflow id that a word leads to: an alias, a name, a run or an id."""
        for kind in ("alias", "workflow"):
            for name, target, _ in self._of(kind):
                if name == word:
                    word = target
                    break
        for run, workflow, _ in reversed(self._of("run")):
            if word in (run, LAST[0]):
                return workflow
        return word

    def _given(self, option: str) -> str:
        """Return the value that the words have for an option; the last one counts."""
        found = ""
        for word, following in zip(self._words, [*self._words, ""][1:], strict=True):
            if word == option:
                found = following
            elif word.startswith(f"{option}="):
                found = word.partition("=")[2]
        return found

    def _of(self, kind: str) -> list[SavedWord]:
        """Return the server's lines of a kind."""
        return self._saved.get(f"{self._server} {kind}", [])


def _read(directory: str | None) -> dict[str, list[SavedWord]]:
    """Return the lines of the file by their kind, none if it can't be read."""
    path = f"{directory}/{NAMES_FILE}"
    if directory is None or not os.path.isfile(path):
        return {}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_NAMES_FILE).split("\n")
    except OSError:
        return {}
    found: dict[str, list[SavedWord]] = {}
    for line in lines:
        columns = [*line.split("\t"), "", "", ""]
        kind, word, target, about = columns[:4]
        if word and line.replace("\t", "").isprintable():
            found.setdefault(kind, []).append((word, target, about))
    return found
