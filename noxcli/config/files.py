"""The config files: the user's own with its profiles, and a project's `.noxcli.toml`."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from noxcli.config.preferences import TABLES, USERS_DEFAULTS, Preferences, Sourced, read_preferences
from noxcli.config.table import Table, read_table
from noxcli.errors import ConfigProblem
from noxcli.files import users_directory
from noxcli.fixed import fixed

FILE_VARIABLE = "NOXCLI_CONFIG"
NAME_VARIABLE = "NOXCLI_PROFILE"
PROJECT_FILE = ".noxcli.toml"
LARGEST_PROJECT_FILE = 64 * 1024  # bytes
# Keys that only the user's own file may have, by our names and by common others.
USERS_OWN = frozenset({"profile", "default_profile", "base_url", "url", "host", "allow_http", "proxy"})
SECRET_WORDS = ("key", "token", "secret", "password")
SETTINGS = ("base_url", "api_key_command", "api_key_file", *TABLES)


@fixed
class Profile:
    """A profile in the file; `place` is its position, as `PATH:profile.NAME`."""

    name: Sourced
    place: str
    directory: Path
    base_url: str | None = None
    key_command: tuple[str, ...] = field(default=(), repr=False)  # a token may be among its words
    key_file: Path | None = None
    preferences: Preferences = field(default_factory=Preferences)


def config_path(environ: Mapping[str, str]) -> Sourced:
    """Return the path of the user's config file, which need not exist; an empty one for a user without a home."""
    if environ.get(FILE_VARIABLE):
        return Sourced(str(Path(environ[FILE_VARIABLE]).absolute()), f"env {FILE_VARIABLE}")
    directory = users_directory("config")
    return Sourced("", "no home directory") if directory is None else Sourced(str(directory / "config.toml"), "default")


def read_users_file(path: Sourced) -> Table:
    """Return the content of the user's config file, empty if there is none.

    Raises ConfigProblem for a file with a mistake, and for a missing file that NOXCLI_CONFIG names.
    """
    table = read_table(Path(path.value)) if path.value else None
    if table is None and path.source.startswith("env"):
        raise ConfigProblem(f"there is no config file {path.value}", f"check {FILE_VARIABLE}")
    table = table or Table(Path(path.value), "", {})
    table.allow(("default_profile", "profile"), "use default_profile and [profile.NAME]")
    return table


def choose_profile(file: Table, named: str | None, environ: Mapping[str, str]) -> Profile | None:
    """Return the selected profile: the one that is `named`, or NOXCLI_PROFILE, or `default_profile` in the file.

    Only its content is checked. Raises ConfigProblem if it is missing or wrong.
    """
    profiles = file.table("profile")
    name = _chosen(file, named, environ)
    if name is None:
        return None
    if name.value not in profiles.values:
        there = ", ".join(sorted(profiles.values)) or "none"
        raise ConfigProblem(f"{file.path} has no profile {name.value!r} ({name.source})", f"there are: {there}")
    return _profile(profiles.table(name.value), name)


def _chosen(table: Table, named: str | None, environ: Mapping[str, str]) -> Sourced | None:
    if named is not None:
        return Sourced(named, "flag --profile")
    if environ.get(NAME_VARIABLE):
        return Sourced(environ[NAME_VARIABLE], f"env {NAME_VARIABLE}")
    default = table.text("default_profile")
    return None if default is None else Sourced(default, table.place("default_profile"))


def _profile(table: Table, name: Sourced) -> Profile:
    for key in table.values:
        if key in {"api_key", "key", "token"}:
            raise ConfigProblem(
                f"{table.place(key)}: API keys do not belong in config files", "use api_key_command or api_key_file"
            )
    table.allow(SETTINGS, f"a profile takes {', '.join(SETTINGS)}")
    directory = table.path.parent
    key_file = table.text("api_key_file")
    command = _command(table)
    if command and key_file is not None:
        raise ConfigProblem(f"{table.place('api_key_command')} and api_key_file are both given", "remove one of them")
    return Profile(
        name,
        f"{table.path}:{table.name}",
        directory,
        table.text("base_url"),
        command,
        None if key_file is None else directory / _at_home(table, "api_key_file", key_file),
        read_preferences(table),
    )


def _command(table: Table) -> tuple[str, ...]:
    value = table.values.get("api_key_command")
    if value is None:
        return ()
    import shlex  # only where there is a command

    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError:
        words = None  # a quotation mark without its partner
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words) or not words[0]:
        raise ConfigProblem(
            f"{table.place('api_key_command')} is not a valid command", 'write it like ["pass", "show", "noxus"]'
        )
    return _at_home(table, "api_key_command", words[0]), *words[1:]


def _at_home(table: Table, key: str, path: str) -> str:
    try:
        return str(Path(path).expanduser()) if path.startswith("~") else path  # `./x` must stay `./x`
    except RuntimeError:
        raise ConfigProblem(f"{table.place(key)}: there is no such user", "write the full path") from None


def find_project_file(start: Path, home: Path) -> Path | None:
    """Return the file nearest to `start`: upwards to the root of its repository or else to the home directory.

    Outside of both, only `start` itself counts: anybody may write to a directory above it, such as /tmp.
    """
    return next((place / PROJECT_FILE for place in _upwards(start, home) if (place / PROJECT_FILE).is_file()), None)


def read_project_file(path: Path, users_file: str) -> Preferences:
    """Return the project's aliases and defaults.

    Anybody who can change a repository can change this file. Raises ConfigProblem for anything else in it; what only a
    user may set, such as keys and servers, belongs in `users_file`.
    """
    table = read_table(path, LARGEST_PROJECT_FILE) or Table(path, "", {})  # it may be gone by now
    _refuse_users_own(table, users_file)
    table.allow(TABLES, "a project takes [aliases] and [defaults]")
    preferences = read_preferences(table)
    for name, default in preferences.defaults.items():
        if name in USERS_DEFAULTS:
            raise ConfigProblem(
                f"{default.source}: a project file cannot say where files are written",
                f"put it into a profile in {users_file}, or set NOXCLI_{name.upper()}",
            )
    return preferences


def _upwards(start: Path, home: Path) -> Iterator[Path]:
    above = [start, *start.parents]
    for top in above:
        with suppress(OSError):
            if (top / ".git").exists() or top == home:
                return iter(above[: above.index(top) + 1])
    return iter(above[:1])


def _refuse_users_own(table: Table, users_file: str) -> None:
    for key in table.values:
        if key.lower() in USERS_OWN or any(word in key.lower() for word in SECRET_WORDS):
            raise ConfigProblem(
                f"{table.place(key)}: a project file cannot set keys or servers",
                f"put it into a profile in {users_file}",
            )
