"""What Tab offers: verbs, options, fixed words and kinds of values from `complete.tsv`, and names.

Run for each Tab, so it loads next to nothing. A shell hands over its line up to the cursor, and
gets a first line ACTION<TAB>NUMBER, then one line WORD<TAB>DESCRIPTION for each candidate. The
candidates of `words` are whole words, those of `keys` end where a value follows without a blank.
Those of `files` and `directories` are among file names, which the shell adds after NUMBER
characters of the word. The names are those that commands saved.
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
            lines = [f"{offer.action}\t{number}"]
            lines += [f"{word}\t{about}" for word, about in offer.lines]
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
        self.action = "words"
        self.lines: list[tuple[str, str]] = []  # each candidate with its description
        # The beginning of the word that belongs to no candidate: `--format=`, `key=@`.
        self.prefix = ""
        self._words = words
        self._begun = begun
        with open(TABLE, encoding="utf-8") as file:
            self._table = [line.rstrip("\n").split("\t") for line in file]
        self._read()

    def _read(self) -> None:
        """Find out what is at the cursor, as Typer would, and offer what fits there."""
        verb = pending = ""
        closed = False
        number = 1
        for word in self._words[1:]:
            is_option = not closed and word.startswith("-") and word != "-"
            if pending:
                pending = ""
            elif not closed and word == "--":
                closed = True
            elif is_option:
                if self._value(verb, word):
                    pending = word
            elif not verb:
                verb = word
            else:
                number += 1
        begun = self._begun
        if pending:
            self._offer(self._value(verb, pending))
        elif not closed and begun.startswith("--") and "=" in begun:
            option = begun.partition("=")[0]
            self.prefix = f"{option}="
            self._offer(self._value(verb, option))
        elif not closed and begun.startswith("-"):
            self._offer_options(verb)
        elif not verb:
            self._offer_verbs()
        else:
            self._offer(self._value(verb, str(number)))

    def _offer_verbs(self) -> None:
        for verbs, name, _, about in self._table:
            if not verbs:
                self.lines.append((name, about))

    def _offer_options(self, verb: str) -> None:
        """Offer the options of the verb, or of the program."""
        for verbs, names, _, about in self._table:
            if (verb or "-") not in verbs.split():
                continue
            for name in names.split():
                if name.startswith("-"):
                    self.lines.append((name, about))

    def _value(self, verb: str, name: str) -> list[str]:
        """Return the kinds and fixed words of a value: of an option, or of the argument of this
        number.

        There are none for a flag.
        """
        known_as = [name]
        if name.isdigit():
            known_as.append("*")
        for known in known_as:
            for verbs, names, values, _ in self._table:
                if (verb or "-") in verbs.split() and known in names.split():
                    return values.split()
        return []

    def _offer(self, values: list[str]) -> None:
        rest = self._begun[len(self.prefix) :]
        for value in values:
            start = _until_file(rest) if value == "<input>" else ""
            if not value.startswith("<"):
                self.lines.append((value, ""))
            elif value == "<file>":
                self.action = "files"
            elif value == "<directory>":
                self.action = "directories"
            elif value == "<@file>" and rest.startswith("@"):
                self.action = "files"
                self.prefix = f"{self.prefix}@"
            elif start:
                self.action = "files"
                self.prefix = f"{self.prefix}{start}"
            else:
                self._offer_names(value)

    def _offer_names(self, kind: str) -> None:
        """Offer names of this kind, such as `<run>`, that commands have saved."""
        begun = self._begun[len(self.prefix) :]
        names = KnownNames([*self._words[1:], begun], os.environ)
        for word, _, about in names.offered(kind[1:-1]):
            self.lines.append((word, about))
        if kind == "<input>":
            self.action = "keys"


def _until_file(item: str) -> str:
    """Return the beginning of `KEY=@FILE`, `KEY:=@FILE` or `KEY@FILE` up to its @.

    It is empty for any other item.
    """
    place = 0
    while place < len(item) and item[place] not in "=@":
        place += 2 if item[place] == "\\" else 1
    if item[place : place + 1] == "=":
        end = place + 1
    else:
        end = place
    if place > 0 and item[end : end + 1] == "@":
        return item[: end + 1]
    return ""


class TypedLine:
    """A command line as it was typed up to the cursor: its words without their quotes, and the last
    one.
    """

    def __init__(self, line: str, breaks: str = "") -> None:
        self.begun = ""
        self.words: list[str] = []
        self._start = 0  # where the last word begins
        self._ends: list[int] = []  # where each character of the last word ends
        self.kept = 0  # how much of the last word readline does not replace
        self.quote = ""  # the quote that is open at the end
        self._depth = 0  # of brackets
        self._breaks = breaks
        escaped = False
        for place, char in enumerate(line):
            if not escaped and char == "\\" and self.quote != "'":
                escaped = True
            elif not escaped and char == self.quote:
                self.quote = ""
            elif escaped or self.quote:
                self._add(char, place)
                escaped = False
            elif char in "'\"":
                self.quote = char
                self.kept = len(self.begun)
            elif char in " \t\n" and self._depth == 0:
                self._end_word(place)
            else:
                self._add_plain(char, place)

    def _end_word(self, place: int) -> None:
        """Begin the next word behind a blank."""
        if self._start < place:
            self.words.append(self.begun)
        self._start = place + 1
        self.begun = ""
        self._ends = []
        self.kept = 0

    def _add_plain(self, char: str, place: int) -> None:
        """Add a character that is neither escaped nor in quotes."""
        if char == "(":
            self._depth += 1
        elif char == ")" and self._depth > 0:
            self._depth -= 1
        if char not in self._breaks:
            self._add(char, place)
        elif char == "@":  # it belongs to the word after it
            self.kept = len(self.begun)
            self._add(char, place)
        else:
            self._add(char, place)
            self.kept = len(self.begun)

    def _add(self, char: str, place: int) -> None:
        self.begun += char
        self._ends.append(place + 1)

    def length(self, prefix: str) -> int:
        """Return how many of the last word's characters, quotes included, are its prefix."""
        if not prefix:
            return 0
        return self._ends[len(prefix) - 1] - self._start


def _for_bash(typed: TypedLine) -> list[str]:
    """Return the lines for bash, which takes candidates and files matched, cut and quoted."""
    offer = Offer(typed.words, typed.begun)
    words = [f"{offer.prefix}{word}" for word, _ in offer.lines]
    words = [word for word in words if word.startswith(typed.begun)]
    replies = [_quoted(word[typed.kept :], typed.quote) for word in words]
    if offer.action in {"files", "directories"}:
        start = typed.begun[len(offer.prefix) :]
        paths = _files(start, directories=offer.action == "directories")
        found = [f"{offer.prefix}{path}" for path in paths]
        # Readline treats what it replaces as the name of a file, and quotes it: not if a key is
        # still before it.
        if typed.kept >= len(offer.prefix):
            return ["files", *replies, *(path[typed.kept :].removesuffix("/") for path in found)]
        replies += [_quoted(path[typed.kept :], typed.quote) for path in found]
        if len(found) == 1 and found[0].endswith("/"):
            return ["keys", *replies]
    action = "keys" if offer.action == "keys" else "words"
    return [action, *replies]


def _files(start: str, *, directories: bool = False) -> list[str]:
    """Return the paths that begin so; a directory's ends in a slash."""
    directory, slash, name = start.rpartition("/")
    place = os.path.expanduser(f"{directory}{slash}") or "."
    found = []
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                is_hidden = entry.name.startswith(".") and not name
                if not entry.name.startswith(name) or is_hidden or "\n" in entry.name:
                    continue
                is_directory = entry.is_dir()
                if is_directory or not directories:
                    found.append((entry.name, is_directory))
    except OSError:
        return []
    paths = []
    for file, is_directory in sorted(found):
        path = f"{directory}{slash}{file}"
        paths.append(f"{path}/" if is_directory else path)
    return paths


def _quoted(word: str, quote: str) -> str:
    """Return the word as readline has to insert it."""
    plain = "".join(char if char.isalnum() or char in UNQUOTED else f"\\{char}" for char in word)
    if word == plain or not quote:
        return plain
    text = word
    if quote == "'":
        text = text.replace("'", "'\\''")
    else:
        text = "".join(f"\\{char}" if char in '"\\$`' else char for char in text)
        text = text.replace("!", "\"'!'\"")
    # Readline treats a quote at either end as its own, and then adds none.
    if text.startswith(quote):
        text = f"{quote}{text}"
    if text.endswith(quote):
        text = f"{text}{quote}"
    return text
