"""Aliases of workflows and defaults of options, each with its source."""

from collections.abc import Mapping
from dataclasses import field

from noxcli.config.table import Table
from noxcli.errors import ConfigProblem, UsageProblem
from noxcli.fixed import fixed
from noxcli.models import is_uuid
from noxcli.timing import parse_duration

# Options and limits that users may give a default. Scripts rely on stdout: only output_dir changes how that looks.
DEFAULTS = (
    "timeout",
    "stall_timeout",
    "idle_timeout",
    "retry_for",
    "connect_timeout",
    "poll_interval",
    "on_pause",
    "on_interrupt",
    "on_timeout",
    "output_dir",
    "progress",
)
# Limits that are no options of any verb, in seconds.
LIMITS = {"idle_timeout": 30.0, "connect_timeout": 10.0}
# Only the user decides where files are written, never a repository.
USERS_DEFAULTS = frozenset({"output_dir"})
TABLES = ("aliases", "defaults")


@fixed
class Sourced:
    """A value as written, and its source."""

    value: str
    source: str


@fixed
class Preferences:
    """Workflows by alias, and option values by the option's name with underscores."""

    aliases: Mapping[str, Sourced] = field(default_factory=dict)
    defaults: Mapping[str, Sourced] = field(default_factory=dict)

    def over(self, other: "Preferences") -> "Preferences":
        """Return both; these override the others."""
        return Preferences({**other.aliases, **self.aliases}, {**other.defaults, **self.defaults})

    def check_limits(self) -> None:
        """Raise ConfigProblem if one of LIMITS is not valid."""
        for name in LIMITS:
            self.limit(name)

    def limit(self, name: str) -> float:
        """Return one of LIMITS in seconds. Raises ConfigProblem if it is not a duration, or none at all."""
        chosen = self.defaults.get(name)
        if chosen is None:
            return LIMITS[name]
        try:
            seconds = parse_duration(chosen.value)
        except UsageProblem as problem:
            raise ConfigProblem(f"{chosen.source}, for {name}: {problem.message}", problem.hint) from None
        if seconds <= 0:
            raise ConfigProblem(f"{chosen.source}, for {name}: must be more than zero", "write 10s")
        return seconds


def read_preferences(table: Table) -> Preferences:
    """Return the content of `aliases` and `defaults`.

    Raises ConfigProblem for anything that can be neither.
    """
    aliases, defaults = (table.table(name) for name in TABLES)
    defaults.allow(DEFAULTS, f"these may have defaults: {', '.join(DEFAULTS)}")
    return Preferences(
        {name: Sourced(_workflow(aliases, name), aliases.place(name)) for name in aliases.values},
        {name: Sourced(_value(defaults, name), defaults.place(name)) for name in defaults.values},
    )


def read_variables(environ: Mapping[str, str]) -> Preferences:
    """Return the defaults from `NOXCLI_TIMEOUT` and similar variables; an empty one counts as unset."""
    names = {name: f"NOXCLI_{name.upper()}" for name in DEFAULTS}
    return Preferences(
        defaults={
            name: Sourced(environ[variable], f"env {variable}")
            for name, variable in names.items()
            if environ.get(variable)
        }
    )


def _workflow(aliases: Table, name: str) -> str:
    if not name.strip() or is_uuid(name):
        raise ConfigProblem(f"{aliases.place(name)}: an alias must not look like an id", "give the alias another name")
    return aliases.text(name) or ""


def _value(defaults: Table, name: str) -> str:
    value = defaults.values[name]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ConfigProblem(f"{defaults.place(name)} must be a string or a number", f'write it like {name} = "10m"')
    try:
        return str(value)
    except ValueError:  # a hexadecimal number of thousands of digits
        raise ConfigProblem(f"{defaults.place(name)} is too large a number", f'write it like {name} = "10m"') from None
