"""All settings below the options, and the server and key that they choose: environment, project, profile, default."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path

from noxcli.config.config_files import (
    DEFAULTS,
    PROFILE_OPTION,
    Layer,
    Setting,
    choose_profile,
    find_project_file,
    parse_profile,
    read_project_file,
    read_users_file,
)
from noxcli.config.credentials import InTime, read_key_file, run_key_command, usable
from noxcli.errors import ConfigProblem, Unauthorized, UsageProblem
from noxcli.timing import parse_duration
from noxcli.urls import check_url, same_origin, to_url
from noxcli.value_class import value_class
from noxcli.waiting import run_apart

# noxus-sdk 0.6.0, client.py: the default host, and the second names of its variable and of the key's.
DEFAULT_SERVER = Setting("base_url", "https://backend.noxus.ai", "default")
VARIABLES = {
    "base_url": ("NOXCLI_BASE_URL", "NOXUS_BACKEND_URL"),
    "allow_http": ("NOXCLI_ALLOW_HTTP",),
    "api_key_file": ("NOXCLI_API_KEY_FILE",),
    "api_key": ("NOXCLI_API_KEY", "NOXUS_API_KEY"),
    **{name: (f"NOXCLI_{name.upper()}",) for name in DEFAULTS},
}
KEYS = ("api_key_file", "api_key", "api_key_command")
# Limits that are no options of any verb, in seconds.
LIMITS = {"idle_timeout": 30.0, "connect_timeout": 10.0}


@value_class(frozen=True, slots=True)
class Settings:
    """A server and the key for it. The key is kept out of `repr`, so that no log shows it by accident.

    `overriding` are the variables that count although an option names a profile.
    """

    url: str
    key: str = field(repr=False)
    key_from: str = "NOXUS_API_KEY"  # the setting to change
    overriding: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)  # for messages


@value_class(frozen=True, slots=True)
class Configured:
    """What was read. Each of the layers overrides the next: variables, the project's file, the profile.

    `profile` is the selected one of `profiles`, `directory` has the user's file, and `project` is the project's.
    """

    layers: tuple[Layer, ...]
    profile: Setting | None
    profiles: Collection[str]
    directory: Path
    project: Path | None = None

    @property
    def aliases(self) -> Mapping[str, str]:
        """Workflows by alias."""
        return {name: workflow for layer in reversed(self.layers) for name, workflow in layer.aliases.items()}

    @property
    def named(self) -> str | None:
        """The profile that an option names."""
        return self.profile.value if self.profile and self.profile.source == PROFILE_OPTION else None

    def find(self, *names: str) -> Setting | None:
        """Return the strongest of these settings; of one layer's, the first."""
        found = (layer.values[name] for layer in self.layers for name in names if name in layer.values)
        return next(found, None)

    def limit(self, name: str) -> float:
        """Return one of LIMITS in seconds. Raises ConfigProblem if it is not a duration, or none at all."""
        chosen = self.find(name)
        if chosen is None:
            return LIMITS[name]
        try:
            seconds = parse_duration(chosen.value)
        except UsageProblem as problem:
            raise ConfigProblem(f"{chosen.source}, for {name}: {problem.message}", problem.hint) from None
        if seconds <= 0:
            raise ConfigProblem(f"{chosen.source}, for {name}: must be more than zero", "write 10s")
        return seconds


def read_configured(environ: Mapping[str, str], profile: str | None = None) -> Configured:
    """Read all files and variables. Raises ConfigProblem for a file with a mistake, or a missing profile."""
    file = read_users_file(environ)
    chosen, profiles = choose_profile(file, profile, environ), file.table("profile")
    project = None
    with suppress(OSError, RuntimeError):  # the working directory is gone, or there is no home
        project = find_project_file(Path.cwd(), Path.home())
    layers = (
        _variables(environ),
        Layer() if project is None else read_project_file(project, file.path),
        Layer() if chosen is None else parse_profile(profiles.table(chosen.value)),
    )
    return Configured(layers, chosen, profiles.values, file.path.parent, project)


def _variables(environ: Mapping[str, str]) -> Layer:
    """Return what variables set. An empty one counts as unset, but not a key's: in CI it is a secret not passed on."""
    found: dict[str, Setting] = {}
    for name, variables in VARIABLES.items():
        for variable in variables:
            if environ.get(variable) or (name == "api_key" and variable in environ):
                found.setdefault(name, Setting(name, environ[variable], variable))
    return Layer(found)


def load_settings(
    configured: Configured, base_url: str | None = None, api_key_file: str | None = None, in_time: InTime = run_apart
) -> Settings:
    """Return the current server and key; `in_time` reads the key.

    Raises ConfigProblem for a URL that can't be used or that the key is not for, Unauthorized without a usable key.
    """
    given = {"base_url": base_url, "api_key_file": api_key_file}
    flags = {name: Setting(name, value, f"--{name.replace('_', '-')}") for name, value in given.items() if value}
    every = replace(configured, layers=(Layer(flags), *configured.layers))
    url, allowed, key = every.find("base_url") or DEFAULT_SERVER, every.find("allow_http"), every.find(*KEYS)
    address = check_url(url.value, allow_http=allowed is not None and allowed.value == "1")
    if key is None:
        raise Unauthorized("no API key", "set NOXUS_API_KEY or give --api-key-file FILE")
    profile = configured.layers[-1].values
    if profile.get(key.name) is key:
        home = check_url(profile.get("base_url", DEFAULT_SERVER).value, allow_http=True)
        if not same_origin(home, address):
            raise ConfigProblem(
                f"the key of {key.source} is for {to_url(home).netloc}, and is not sent to {to_url(address).netloc}",
                "give the other host's key in NOXUS_API_KEY or --api-key-file, or choose another --profile",
            )
    variables = configured.layers[0].values.values() if configured.named else ()
    overriding = tuple(each.source for each in (url, key) if each in variables)
    match key.name:
        case "api_key_file":
            secret = read_key_file(key.value, key.source, in_time)
        case "api_key_command":
            secret = run_key_command(key.value, key.source, configured.directory, in_time)
        case _:
            secret = usable(key.value, key.source)
    return Settings(address, secret, key.source, overriding, configured.aliases)
