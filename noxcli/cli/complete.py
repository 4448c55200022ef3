"""What Tab offers: verbs, options, fixed words and kinds of values from `complete.tsv`, and names that commands saved.

Run for each Tab, so it loads next to nothing. A shell hands over its line up to the cursor, and gets a first line
ACTION<TAB>NUMBER, then one line WORD<TAB>DESCRIPTION for each candidate. The candidates of `words` are whole words,
those of `keys` end where a value follows without a blank. Those of `files` and `directories` are among file names,
which the shell adds after NUMBER characters of the word.
"""

import os

from noxcli.state.known_names import KnownNames

TABLE = f"{os.path.dirname(__file__)}/complete.tsv"
UNQUOTED = "_-./,:=@+%"  # characters that bash takes as they are, like letters and digits


def complete(argv: list[str]) -> None:
    """Print the candidates: `bash LINE WORDBREAKS`, `zsh LINE QUOTED`, or `fish WORD...`."""
    match argv:
        case ["bash", line, breaks]:
            lines = _for_bash(TypedLine(line, breaks))
        case ["zsh", line, quoted]:
            # zsh matches and quotes; of the last word it does not count the opening quote.
            typed = TypedLine(line)
            offer = Offer(typed.words, typed.begun)
            number = max(0, typed.length(offer.prefix) - len(quoted))
            lines = [f"{offer.action}\t{number}", *("\t".join(line) for line in offer.lines)]
        case ["fish", *words, begun] if words:  # which matches and quotes whole words
            offer = Offer(words, begun)
            lines = [f"{offer.action}\t{len(offer.prefix)}"]
            lines += [f"{offer.prefix}{word}\t{about}" for word, about in offer.lines]
        case _:
            lines = []
    os.write(1, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


class Offer:
    """What fits at the end of a command line: candidates, and what the shell itself has to add."""

    def __init__(self, words: list[str], begun: str) -> None:
        self.action, self.lines = (
            "words",
            list[tuple[str, str]](),
        )  # each candidate with its description
        self.prefix = (
            ""  # the beginning of the word that belongs to no candidate: `--format=`, `key=@`
        )
        self._words, self._begun = words, begun
        with open(TABLE, encoding="utf-8") as file:
            self._table = [line.rstrip("\n").split("\t") for line in file]
        self._read()

    def _read(self) -> None:
        """Find out what is at the cursor, as Typer would: an option, its value, the verb or an argument."""
        verb = pending = ""
        closed, number = False, 1
        for word in self._words[1:]:
            if pending:
                pending = ""
            elif not closed and word == "--":
                closed = True
            elif not closed and word[:1] == "-" and word != "-":
                pending = word if self._value(verb, word) else ""
            elif not verb:
                verb = word
            else:
                number += 1
        begun = self._begun
        if pending:
            self._offer(self._value(verb, pending))
        elif not closed and begun.startswith("--") and "=" in begun:
            self.prefix = begun[: begun.index("=") + 1]
            self._offer(self._value(verb, self.prefix[:-1]))
        elif not closed and begun.startswith("-"):
            options = (
                (names, about)
                for verbs, names, *_, about in self._table
                if (verb or "-") in verbs.split()
            )
            self.lines = [
                (name, about)
                for names, about in options
                for name in names.split()
                if name[0] == "-"
            ]
        elif not verb:
            self.lines = [(name, about) for verbs, name, *_, about in self._table if not verbs]
        else:
            self._offer(self._value(verb, str(number)))

    def _value(self, verb: str, name: str) -> list[str]:
        """Return the kinds and fixed words that an option or the argument of this number takes; none for a flag."""
        for known in (name, "*") if name.isdigit() else (name,):
            for verbs, names, values, _ in self._table:
                if (verb or "-") in verbs.split() and known in names.split():
                    return values.split()
        return []

    def _offer(self, values: list[str]) -> None:
        rest = self._begun[len(self.prefix) :]
        for value in values:
            if value[0] != "<":
                self.lines.append((value, ""))
            elif value in ("<file>", "<directory>"):
                self.action = "files" if value == "<file>" else "directories"
            elif value == "<@file>" and rest.startswith("@"):
                self.prefix, self.action = f"{self.prefix}@", "files"
            elif value == "<input>" and (start := _until_file(rest)):
                self.prefix, self.action = f"{self.prefix}{start}", "files"
            else:
                names = KnownNames([*self._words[1:], self._begun[len(self.prefix) :]], os.environ)
                self.lines += [(word, about) for word, _, about in names.offered(value[1:-1])]
                self.action = "keys" if value == "<input>" else self.action


def _until_file(item: str) -> str:
    """Return the beginning of `KEY=@FILE`, `KEY:=@FILE` or `KEY@FILE` up to its @, empty without one."""
    place = 0
    while place < len(item) and item[place] not in "=@":
        place += 2 if item[place] == "\\" else 1
    end = place + (item[place : place + 1] == "=")
    return item[: end + 1] if place > 0 and item[end : end + 1] == "@" else ""


class TypedLine:
    """A command line as it was typed up to the cursor: its words without their quotes, and the last one."""

    def __init__(self, line: str, breaks: str = "") -> None:
        self.begun = ""
        self.words: list[str] = []
        self._start = 0  # where the last word begins
        self._ends: list[int] = []  # where each character of the last word ends
        self.kept = 0  # how much of the last word readline does not replace
        self.quote = ""  # the quote that is open at the end
        escaped, depth = False, 0
        for place, char in enumerate(line):
            if not escaped and char == "\\" and self.quote != "'":
                escaped = True
            elif not escaped and char == self.quote:
                self.quote = ""
            elif escaped or self.quote:
                self._add(char, place)
                escaped = False
            elif char in "'\"":
                self.quote, self.kept = char, len(self.begun)
            elif char in " \t\n" and depth == 0:
                if self._start < place:
                    self.words.append(self.begun)
                self._start = place + 1
                self.begun, self._ends, self.kept = "", [], 0
            else:
                depth += (char == "(") - (char == ")" and depth > 0)
                self._add(char, place)
                if char in breaks:
                    self.kept = len(self.begun) - (char == "@")  # an @ belongs to the word after it

    def _add(self, char: str, place: int) -> None:
        self.begun += char
        self._ends.append(place + 1)

    def length(self, prefix: str) -> int:
        """Return how many of the last word's characters, quotes included, are its prefix."""
        return self._ends[len(prefix) - 1] - self._start if prefix else 0


def _for_bash(typed: TypedLine) -> list[str]:
    """Return the lines for bash, to which candidates and files have to go matched, cut and quoted."""
    offer = Offer(typed.words, typed.begun)
    words = [f"{offer.prefix}{word}" for word, _ in offer.lines]
    words = [word for word in words if word.startswith(typed.begun)]
    replies = [_quoted(word[typed.kept :], typed.quote) for word in words]
    if offer.action in ("files", "directories"):
        start = typed.begun[len(offer.prefix) :]
        found = [
            f"{offer.prefix}{path}"
            for path in _files(start, directories=offer.action == "directories")
        ]
        # Readline takes what it replaces for the name of a file, and quotes it: not if a key is still before it.
        if typed.kept >= len(offer.prefix):
            return ["files", *replies, *(path[typed.kept :].removesuffix("/") for path in found)]
        replies += [_quoted(path[typed.kept :], typed.quote) for path in found]
        if len(found) == 1 and found[0].endswith("/"):
            return ["keys", *replies]
    return [offer.action if offer.action == "keys" else "words", *replies]


def _files(start: str, *, directories: bool = False) -> list[str]:
    """Return the paths that begin so; a directory's ends in a slash."""
    directory, slash, name = start.rpartition("/")
    try:
        with os.scandir(os.path.expanduser(f"{directory}{slash}") or ".") as entries:
            found = sorted(
                (entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(name)
            )
    except OSError:
        return []
    return [
        f"{directory}{slash}{file}{'/' if is_directory else ''}"
        for file, is_directory in found
        if (is_directory or not directories) and "\n" not in file and (name or file[0] != ".")
    ]


def _quoted(word: str, quote: str) -> str:
    """Return the word as readline has to insert it."""
    plain = "".join(char if char.isalnum() or char in UNQUOTED else f"\\{char}" for char in word)
    if word == plain or not quote:
        return plain
    inside = (
        {"'": "'\\''"}
        if quote == "'"
        else {"!": "\"'!'\"", **{char: f"\\{char}" for char in '"\\$`'}}
    )
    text = "".join(inside.get(char, char) for char in word)
    # Readline takes a quote at either end for its own, and then adds none.
    text = f"{quote}{text}" if text.startswith(quote) else text
    return f"{text}{quote}" if text.endswith(quote) else text
