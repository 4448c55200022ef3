"""The config files in TOML: the user's own with its profiles, and a project's `.noxcli.toml`."""

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
PROFILE_OPTION = "--profile"
NAME_VARIABLE = "NOXCLI_PROFILE"
PROJECT_FILE = ".noxcli.toml"
# In bytes: tomllib's work for a dotted key grows with the square of its parts.
MAX_PROJECT_FILE = 8 * 1024
# Keys that only the user's own file may have, by our names and by common others.
USERS_OWN = frozenset(
    {"profile", "default_profile", "base_url", "url", "host", "allow_http", "proxy"}
)
SECRET_WORDS = ("key", "token", "secret", "password")
TABLES = ("aliases", "defaults")
SETTINGS = ("base_url", "api_key_command", *TABLES)
# Options and limits that users may give a default. Scripts rely on stdout: only output_dir changes
# how that looks.
DEFAULTS = (
    "timeout",
    "stall_timeout",
    "idle_timeout",
    "retry_for",
    "connect_timeout",
    "answer_timeout",
    "poll_interval",
    "on_pause",
    "on_interrupt",
    "on_timeout",
    "output_dir",
    "progress",
)
MAX_TABLE = 256 * 1024  # bytes
MAX_MISTAKE = 200  # characters
MAX_KEY = 80  # characters, where one is shown


@value_class(frozen=True, slots=True)
class Table:
    """A table and its place.

    No message quotes a value, which may be a secret in the wrong place.
    """

    path: Path
    name: str  # dotted; empty for the file as a whole
    values: Mapping[str, Any]

    def place(self, key: str) -> str:
        """Return the place of a key, as `PATH:table.key`."""
        if len(key) > MAX_KEY:
            key = f"{key[:MAX_KEY]}..."
        return f"{self.path}:{self._dotted(key)}"

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
        name = self._dotted(key)
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise ConfigProblem(f"{self.place(key)} must be a table", f"begin it with [{name}]")
        return Table(self.path, name, value)

    def _dotted(self, key: str) -> str:
        if not self.name:
            return key
        return f"{self.name}.{key}"

    def text(self, key: str) -> str | None:
        """Return the text under a key, or None if it is missing.

        Raises ConfigProblem for anything but a non-empty text.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise ConfigProblem(
                f"{self.place(key)} must be a non-empty string", f'write it like {key} = "..."'
            )
        return value


def read_table(path: Path, most: int = MAX_TABLE) -> Table | None:
    """Return the content of a file of at most `most` bytes, or None if there is no such file.

    Raises ConfigProblem if it can't be read or is not valid TOML, OSError if no more files can be
    opened.
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
    except ValueError as error:
        # Not only TOMLDecodeError: a number may have more digits than Python takes.
        mistake = str(error)[:MAX_MISTAKE]
        raise ConfigProblem(
            f"{path} is not valid TOML: {mistake}", "strings need quotes, tables a [name]"
        ) from None


@value_class(frozen=True, slots=True)
class Setting:
    """The value of a setting as written, and its source.

    It may be a command with a token among its words.
    """

    name: str
    value: str = field(repr=False)
    source: str


@value_class(frozen=True, slots=True)
class Layer:
    """What one place sets: values by the names of settings, and workflows by alias."""

    values: Mapping[str, Setting] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)


def read_users_file(environ: Mapping[str, str]) -> Table:
    """Return the content of the user's config file, empty if there is none, or no home for one.

    Raises ConfigProblem for a file with a mistake, and for a missing file that NOXCLI_CONFIG names.
    """
    named = environ.get(FILE_VARIABLE)
    directory = users_directory("config")
    table = None
    if named:
        path = Path(named).absolute()
        table = read_table(path)
        if table is None:
            raise ConfigProblem(f"there is no config file {path}", f"check {FILE_VARIABLE}")
    elif directory:
        path = Path(directory, "config.toml")
        table = read_table(path)
    else:
        path = Path("config.toml")
    if table is None:
        table = Table(path, "", {})
    table.allow(("default_profile", "profile"), "use default_profile and [profile.NAME]")
    return table


def choose_profile(file: Table, named: str | None, environ: Mapping[str, str]) -> Setting | None:
    """Return the name of the profile: the one that is `named`, or NOXCLI_PROFILE, or the default.

    Raises ConfigProblem if there is no such profile.
    """
    by_default = file.text("default_profile")
    if named is not None:
        chosen = Setting("profile", named, PROFILE_OPTION)
    elif environ.get(NAME_VARIABLE):
        chosen = Setting("profile", environ[NAME_VARIABLE], NAME_VARIABLE)
    elif by_default is not None:
        chosen = Setting("profile", by_default, file.place("default_profile"))
    else:
        return None
    profiles = file.table("profile").values
    if chosen.value in profiles:
        return chosen
    name = f"{chosen.value!r} ({chosen.source})"
    if not file.path.exists():
        raise ConfigProblem(
            f"there is no config file {file.path}, so there is no profile {name}",
            f"write it, with a base_url under [profile.{chosen.value}]",
        )
    there = ", ".join(sorted(profiles)) or "none"
    raise ConfigProblem(f"{file.path} has no profile {name}", f"there are: {there}")


def parse_profile(table: Table) -> Layer:
    """Return the content of one profile. Raises ConfigProblem for a mistake in it."""
    for key in table.values:
        if key in {"api_key", "key", "token"}:
            raise ConfigProblem(
                f"{table.place(key)}: API keys do not belong in config files", "use api_key_command"
            )
    table.allow(SETTINGS, f"a profile takes {', '.join(SETTINGS)}")
    base_url = table.text("base_url")
    command = _command(table)
    shared = _shared(table)
    values = dict(shared.values)
    if base_url is not None:
        values["base_url"] = Setting("base_url", base_url, table.place("base_url"))
    if command is not None:
        place = table.place("api_key_command")
        values["api_key_command"] = Setting("api_key_command", command, place)
    return Layer(values, shared.aliases)


def _command(table: Table) -> str | None:
    value = table.values.get("api_key_command")
    if value is None:
        return None
    words = value
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError:
            words = []  # a quotation mark without its partner
    if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
        program = words[0]
        if program:
            return shlex.join(words)
    raise ConfigProblem(
        f"{table.place('api_key_command')} is not a valid command",
        'write it like ["pass", "show", "noxus"]',
    )


def _shared(table: Table) -> Layer:
    """Return what a profile and a project may both set: aliases and defaults."""
    aliases = table.table("aliases")
    defaults = table.table("defaults")
    defaults.allow(DEFAULTS, f"these may have defaults: {', '.join(DEFAULTS)}")
    values = {}
    for name, value in defaults.values.items():
        place = defaults.place(name)
        hint = f'write it like {name} = "10m"'
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ConfigProblem(f"{place} must be a string or a number", hint)
        if not isinstance(value, str) and abs(value) > sys.maxsize:
            raise ConfigProblem(f"{place} is too large a number", hint)
        values[name] = Setting(name, str(value), place)
    for name in aliases.values:
        if not name.strip() or is_uuid(name):
            what = f"{aliases.place(name)}: an alias must not look like an id"
            raise ConfigProblem(what, "give the alias another name")
    return Layer(values, {name: aliases.text(name) or "" for name in aliases.values})


def find_project_file(start: Path, home: Path) -> Path | None:
    """Return the file nearest to `start`: upwards to the root of its repository, or else to `home`.

    Outside of both, only `start` counts: any user may write to a directory above it, such as /tmp.
    """
    top = _top_of(start, home)
    for place in (start, *start.parents):
        path = place / PROJECT_FILE
        if path.is_file():
            return path
        if place == top:
            break
    return None


def _top_of(start: Path, home: Path) -> Path:
    """Return the nearest directory at which the search for a project's file ends."""
    for place in (start, *start.parents):
        if place == home or os.path.exists(place / ".git"):  # noqa: PTH110 - never raises
            return place
    return start


def read_project_file(path: Path, users_file: Path) -> Layer:
    """Return the project's aliases and defaults.

    A contributor to a repository can change this file. Raises ConfigProblem for anything else in
    it; what only a user may set, such as keys, servers and where files are written, belongs in
    `users_file`.
    """
    table = read_table(path, MAX_PROJECT_FILE)
    if table is None:
        table = Table(path, "", {})  # it is gone by now
    hint = f"put it into a profile in {users_file}"
    for key in table.values:
        if key.lower() in USERS_OWN or any(word in key.lower() for word in SECRET_WORDS):
            raise ConfigProblem(
                f"{table.place(key)}: a project file cannot set keys or servers", hint
            )
    table.allow(TABLES, "a project takes [aliases] and [defaults]")
    layer = _shared(table)
    directory = layer.values.get("output_dir")
    if directory is not None:
        what = f"{directory.source}: a project file cannot say where files are written"
        raise ConfigProblem(what, f"{hint}, or set NOXCLI_OUTPUT_DIR")
    return layer
