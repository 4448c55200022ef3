"""A TOML file with known keys only; errors name the path, the key and the nearest known one."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from noxcli.errors import NO_ROOM, ConfigProblem, nearest, suggestion
from noxcli.files import reason_of
from noxcli.safe_dir import read_named
from noxcli.value_class import value_class

MAX_TABLE = 256 * 1024  # bytes
MAX_MISTAKE = 200  # characters
MAX_KEY = 80  # characters, where one is shown


@value_class(frozen=True, slots=True)
class Table:
    """A table and its place. No message quotes a value, which may be a secret in the wrong place."""

    path: Path
    name: str  # dotted; empty for the file as a whole
    values: Mapping[str, Any]

    def place(self, key: str) -> str:
        """Return the place of a key, as `PATH:table.key`."""
        shown = key if len(key) <= MAX_KEY else f"{key[:MAX_KEY]}..."
        return f"{self.path}:{self.name}.{shown}" if self.name else f"{self.path}:{shown}"

    def allow(self, known: Collection[str], hint: str) -> None:
        """Accept these keys only.

        Raises ConfigProblem with the nearest known key, or else the hint.
        """
        for key in self.values:
            if key not in known:
                hint = suggestion(nearest(key, known), hint)
                raise ConfigProblem(f"{self.place(key)}: there is no such setting", hint)

    def table(self, key: str) -> "Table":
        """Return the table under a key, or an empty one if it is missing.

        Raises ConfigProblem for anything but a table.
        """
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise ConfigProblem(
                f"{self.place(key)} must be a table", f"begin it with [{self.place(key).split(':')[-1]}]"
            )
        return Table(self.path, f"{self.name}.{key}" if self.name else key, value)

    def text(self, key: str) -> str | None:
        """Return the text under a key, or None if it is missing.

        Raises ConfigProblem for anything but a non-empty text.
        """
        value = self.values.get(key)
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise ConfigProblem(f"{self.place(key)} must be a non-empty string", f'write it like {key} = "..."')
        return value


def read_table(path: Path, most: int = MAX_TABLE) -> Table | None:
    """Return the content of a file of at most `most` bytes, or None if there is no such file.

    Raises ConfigProblem if it can't be read or is not valid TOML, OSError if no more files can be opened.
    """
    try:
        text = read_named(path, most).decode("utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in NO_ROOM:
            raise
        raise ConfigProblem(f"can't read {path}: {reason_of(error)}", "check it") from None
    except UnicodeDecodeError:
        raise ConfigProblem(f"can't read {path}: it is not UTF-8 text", "save it as UTF-8") from None
    import tomllib  # only where there is a file

    try:
        return Table(path, "", tomllib.loads(text))
    except RecursionError:
        raise ConfigProblem(f"{path} is nested too deeply", "check its brackets") from None
    except ValueError as error:  # not only TOMLDecodeError: a number may have more digits than Python takes
        mistake = str(error)[:MAX_MISTAKE]
        raise ConfigProblem(f"{path} is not valid TOML: {mistake}", "strings need quotes, tables a [name]") from None
