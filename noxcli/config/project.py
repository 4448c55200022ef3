"""A project's `.noxcli.toml`: aliases and defaults for everyone who works on it.

Anybody who can change a repository can change this file, so it cannot set keys or servers.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from noxcli.config.preferences import TABLES, USERS_DEFAULTS, Preferences, read_preferences
from noxcli.config.table import Table, read_table
from noxcli.errors import ConfigProblem

PROJECT_FILE = ".noxcli.toml"
LARGEST_PROJECT_FILE = 64 * 1024  # bytes
# Keys that only the user's own file may have, by our names and by common others.
USERS_OWN = frozenset({"profile", "default_profile", "base_url", "url", "host", "allow_http", "proxy"})
SECRET_WORDS = ("key", "token", "secret", "password")


def find_project_file(start: Path, home: Path) -> Path | None:
    """Return the file nearest to `start`: upwards to the root of its repository or else to the home directory.

    Outside of both, only `start` itself counts: anybody may write to a directory above it, such as /tmp.
    """
    return next((place / PROJECT_FILE for place in _upwards(start, home) if (place / PROJECT_FILE).is_file()), None)


def read_project_file(path: Path, users_file: str) -> Preferences:
    """Return the project's aliases and defaults.

    Raises ConfigProblem for anything else in the file; what only a user may set belongs in `users_file`.
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
