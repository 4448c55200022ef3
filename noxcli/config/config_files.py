"""The config files in TOML: the user's own with its profiles, and a project's `.noxcli.toml`, as layers of settings."""

import os
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from noxcli.errors import NO_ROOM, ConfigProblem, nearest, suggestion
from noxcli.files import reason_of, users_directory
from noxcli.models import is_uuid
from noxcli.safe_dir import read_named
from noxcli.value_class import value_class

FILE_VARIABLE = "NOXCLI_CONFIG"
PROFILE_OPTION, NAME_VARIABLE = "--profile", "NOXCLI_PROFILE"
PROJECT_FILE = ".noxcli.toml"
MAX_PROJECT_FILE = (
    8 * 1024
)  # bytes: tomllib's work for a dotted key grows with the square of its parts
# Keys that only the user's own file may have, by our names and by common others.
USERS_OWN = frozenset(
    {"profile", "default_profile", "base_url", "url", "host", "allow_http", "proxy"}
)
SECRET_WORDS = ("key", "token", "secret", "password")
TABLES = ("aliases", "defaults")
SETTINGS = ("base_url", "api_key_command", *TABLES)
# Options and limits that users may give a default. Scripts rely on stdout: only output_dir changes how that looks.
DEFAULTS = (
    "timeout", "stall_timeout", "idle_timeout", "retry_for", "connect_timeout", "poll_interval", "on_pause",
    "on_interrupt", "on_timeout", "output_dir", "progress",
)  # fmt: skip
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
        """Accept these keys only. Raises ConfigProblem with the nearest known key, or else the hint."""
        for key in self.values:
            if key not in known:
                hint = suggestion(nearest(key, known), hint)
                raise ConfigProblem(f"{self.place(key)}: there is no such setting", hint)

    def table(self, key: str) -> "Table":
        """Return the table under a key, or an empty one if it is missing.

        Raises ConfigProblem for anything but a table.
        """
        name, value = f"{self.name}.{key}" if self.name else key, self.values.get(key, {})
        if not isinstance(value, dict):
            raise ConfigProblem(f"{self.place(key)} must be a table", f"begin it with [{name}]")
        return Table(self.path, name, value)

    def text(self, key: str) -> str | None:
        """Return the text under a key, or None if it is missing.

        Raises ConfigProblem for anything but a non-empty text.
        """
        value = self.values.get(key)
        if value is not None and not (isinstance(value, str) and value.strip()):
            raise ConfigProblem(
                f"{self.place(key)} must be a non-empty string", f'write it like {key} = "..."'
            )
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
        raise ConfigProblem(
            f"can't read {path}: it is not UTF-8 text", "save it as UTF-8"
        ) from None
    import tomllib  # only where there is a file

    try:
        return Table(path, "", tomllib.loads(text))
    except RecursionError:
        raise ConfigProblem(f"{path} is nested too deeply", "check its brackets") from None
    except (
        ValueError
    ) as error:  # not only TOMLDecodeError: a number may have more digits than Python takes
        mistake = str(error)[:MAX_MISTAKE]
        raise ConfigProblem(
            f"{path} is not valid TOML: {mistake}", "strings need quotes, tables a [name]"
        ) from None


@value_class(frozen=True, slots=True)
class Setting:
    """The value of a setting as written, and its source. It may be a command with a token among its words."""

    name: str
    value: str = field(repr=False)
    source: str


@value_class(frozen=True, slots=True)
class Layer:
    """What one place sets: values by the names of settings, and workflows by alias."""

    values: Mapping[str, Setting] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


def read_users_file(environ: Mapping[str, str]) -> Table:
    """Return the content of the user's config file, empty if there is none, or no home directory for one.

    Raises ConfigProblem for a file with a mistake, and for a missing file that NOXCLI_CONFIG names.
    """
    named, directory = environ.get(FILE_VARIABLE), users_directory("config")
    path = Path(named).absolute() if named else Path(directory or "", "config.toml")
    table = read_table(path) if named or directory else None
    if table is None and named:
        raise ConfigProblem(f"there is no config file {path}", f"check {FILE_VARIABLE}")
    table = table or Table(path, "", {})
    table.allow(("default_profile", "profile"), "use default_profile and [profile.NAME]")
    return table


def choose_profile(file: Table, named: str | None, environ: Mapping[str, str]) -> Setting | None:
    """Return the name of the selected profile: the one that is `named`, or NOXCLI_PROFILE, or the file's default.

    Raises ConfigProblem if there is no such profile.
    """
    given = (
        (named, PROFILE_OPTION),
        (environ.get(NAME_VARIABLE) or None, NAME_VARIABLE),
        (file.text("default_profile"), file.place("default_profile")),
    )
    name = next(
        (Setting("profile", value, source) for value, source in given if value is not None), None
    )
    if name is None:
        return None
    profiles = file.table("profile").values
    if name.value not in profiles:
        if not file.path.exists():
            what = f"there is no config file {file.path}, so there is no profile {name.value!r} ({name.source})"
            raise ConfigProblem(what, f"write it, with a base_url under [profile.{name.value}]")
        there = ", ".join(sorted(profiles)) or "none"
        raise ConfigProblem(
            f"{file.path} has no profile {name.value!r} ({name.source})", f"there are: {there}"
        )
    return name


def parse_profile(table: Table) -> Layer:
    """Return the content of one profile. Raises ConfigProblem for a mistake in it."""
    for key in table.values:
        if key in {"api_key", "key", "token"}:
            raise ConfigProblem(
                f"{table.place(key)}: API keys do not belong in config files", "use api_key_command"
            )
    table.allow(SETTINGS, f"a profile takes {', '.join(SETTINGS)}")
    given = {"base_url": table.text("base_url"), "api_key_command": _command(table)}
    shared = _shared(table)
    own = {
        name: Setting(name, value, table.place(name))
        for name, value in given.items()
        if value is not None
    }
    return Layer({**shared.values, **own}, shared.aliases)


def _command(table: Table) -> str | None:
    value = table.values.get("api_key_command")
    if value is None:
        return None
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        words = None  # a quotation mark without its partner
    if (
        not isinstance(words, list)
        or not words
        or not all(isinstance(word, str) for word in words)
        or not words[0]
    ):
        raise ConfigProblem(
            f"{table.place('api_key_command')} is not a valid command",
            'write it like ["pass", "show", "noxus"]',
        )
    return shlex.join(words)


def _shared(table: Table) -> Layer:
    """Return what a profile and a project may both set: aliases and defaults."""
    aliases, defaults = (table.table(name) for name in TABLES)
    defaults.allow(DEFAULTS, f"these may have defaults: {', '.join(DEFAULTS)}")
    for name, value in defaults.values.items():
        place, hint = defaults.place(name), f'write it like {name} = "10m"'
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ConfigProblem(f"{place} must be a string or a number", hint)
        if not isinstance(value, str) and abs(value) > sys.maxsize:
            raise ConfigProblem(f"{place} is too large a number", hint)
    for name in aliases.values:
        if not name.strip() or is_uuid(name):
            what = f"{aliases.place(name)}: an alias must not look like an id"
            raise ConfigProblem(what, "give the alias another name")
    return Layer(
        {
            name: Setting(name, str(value), defaults.place(name))
            for name, value in defaults.values.items()
        },
        {name: aliases.text(name) or "" for name in aliases.values},
    )


def find_project_file(start: Path, home: Path) -> Path | None:
    """Return the file nearest to `start`: upwards to the root of its repository or else to the home directory.

    Outside of both, only `start` itself counts: any user may write to a directory above it, such as /tmp.
    """
    above = [start, *start.parents]
    tops = (place for place in above if place == home or os.path.exists(place / ".git"))  # noqa: PTH110 - never raises
    below = above[: above.index(next(tops, start)) + 1]
    return next((place / PROJECT_FILE for place in below if (place / PROJECT_FILE).is_file()), None)


def read_project_file(path: Path, users_file: Path) -> Layer:
    """Return the project's aliases and defaults.

    A contributor to a repository can change this file. Raises ConfigProblem for anything else in it; what only a
    user may set, such as keys, servers and where files are written, belongs in `users_file`.
    """
    table = read_table(path, MAX_PROJECT_FILE) or Table(path, "", {})  # it may be gone by now
    hint = f"put it into a profile in {users_file}"
    for key in table.values:
        if key.lower() in USERS_OWN or any(word in key.lower() for word in SECRET_WORDS):
            raise ConfigProblem(
                f"{table.place(key)}: a project file cannot set keys or servers", hint
            )
    table.allow(TABLES, "a project takes [aliases] and [defaults]")
    layer = _shared(table)
    if directory := layer.values.get("output_dir"):
        what = f"{directory.source}: a project file cannot say where files are written"
        raise ConfigProblem(what, f"{hint}, or set NOXCLI_OUTPUT_DIR")
    return layer
