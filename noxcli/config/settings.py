"""All settings below the options, and the server and key that they choose: environment, project, profile, default."""

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from noxcli.config.credentials import InTime, KeyCommand, KeyFile, KeySource, KeyVariable
from noxcli.config.files import (
    Profile,
    choose_profile,
    config_path,
    find_project_file,
    read_project_file,
    read_users_file,
)
from noxcli.config.preferences import Preferences, Sourced, read_variables
from noxcli.config.table import Table
from noxcli.errors import ConfigProblem, Unauthorized
from noxcli.fixed import fixed
from noxcli.urls import check_url, read_url, same_origin
from noxcli.waiting import run_apart

# noxus-sdk 0.6.0, client.py: the default host and both names.
DEFAULT_URL = "https://backend.noxus.ai"
URL_VARIABLES = ("NOXCLI_BASE_URL", "NOXUS_BACKEND_URL")
KEY_VARIABLES = ("NOXCLI_API_KEY", "NOXUS_API_KEY")
KEY_FILE_VARIABLE = "NOXCLI_API_KEY_FILE"


@fixed
class Settings:
    """A server and the key for it. The key is kept out of `repr`, so that no log shows it by accident."""

    url: str
    key: str = field(repr=False)
    key_from: str = KEY_VARIABLES[-1]  # the setting to change


def load_settings(
    base_url: str | None = None,
    api_key_file: str | None = None,
    environ: Mapping[str, str] = os.environ,
    profile: Profile | None = None,
    in_time: InTime = run_apart,
) -> Settings:
    """Return the current settings; `in_time` reads the key.

    Raises ConfigProblem for a URL that can't be used or that the key is not for, Unauthorized without a usable key.
    """
    url = find_url(base_url, environ, profile)
    address = check_url(url.value, allow_http=allows_http(environ))
    source = find_key(api_key_file, environ, profile)
    check_server(source, address)
    return Settings(address, source.read(in_time), source.source.removeprefix("env "))


def find_url(base_url: str | None, environ: Mapping[str, str], profile: Profile | None) -> Sourced:
    """Return the current base URL as it was written."""
    if base_url:
        return Sourced(base_url, "flag --base-url")
    for name in URL_VARIABLES:
        if environ.get(name):
            return Sourced(environ[name], f"env {name}")
    if profile is not None and profile.base_url is not None:
        return Sourced(profile.base_url, f"{profile.place}.base_url")
    return Sourced(DEFAULT_URL, "default")


def find_key(api_key_file: str | None, environ: Mapping[str, str], profile: Profile | None) -> KeySource:
    """Return where the current key is, without reading it.

    Raises Unauthorized if no setting names a key.
    """
    if api_key_file:
        return KeyFile(api_key_file, "flag --api-key-file", "--api-key-file")
    if environ.get(KEY_FILE_VARIABLE):
        return KeyFile(environ[KEY_FILE_VARIABLE], f"env {KEY_FILE_VARIABLE}", KEY_FILE_VARIABLE)
    for name in KEY_VARIABLES:
        if name in environ:
            return KeyVariable(name, environ[name])
    server = (profile.base_url if profile else None) or DEFAULT_URL
    if profile is not None and profile.key_command:
        return KeyCommand(profile.key_command, profile.directory, f"{profile.place}.api_key_command", server)
    if profile is not None and profile.key_file is not None:
        place = f"{profile.place}.api_key_file"
        return KeyFile(str(profile.key_file), place, place, server)
    raise Unauthorized("no API key", "set NOXUS_API_KEY or give --api-key-file FILE")


def overruling(
    base_url: str | None, api_key_file: str | None, environ: Mapping[str, str], profile: Profile | None
) -> list[str]:
    """Return the variables that override a profile named by an option."""
    if profile is None or not profile.name.source.startswith("flag"):
        return []
    sources = (find_url(base_url, environ, profile).source, find_key(api_key_file, environ, profile).source)
    return [source.removeprefix("env ") for source in sources if source.startswith("env ")]


def check_server(source: KeySource, url: str) -> None:
    """Keep a profile's key from every other server.

    Raises ConfigProblem.
    """
    if source.server is None:
        return
    server = check_url(source.server, allow_http=True)
    if not same_origin(server, url):
        raise ConfigProblem(
            f"the key of {source.source} is for {read_url(server).netloc}, and is not sent to {read_url(url).netloc}",
            "give the other host's key in NOXUS_API_KEY or --api-key-file, or choose another --profile",
        )


def allows_http(environ: Mapping[str, str]) -> bool:
    """True if the user accepts plain http to another machine."""
    return environ.get("NOXCLI_ALLOW_HTTP") == "1"


@fixed
class Configured:
    """What was read, and from where; `preferences` has variables over the project's file over the profile."""

    path: Sourced
    file: Table  # the user's own config file
    profile: Profile | None
    project: Path | None
    preferences: Preferences

    @property
    def aliases(self) -> Mapping[str, str]:
        """Workflows by alias."""
        return {name: alias.value for name, alias in self.preferences.aliases.items()}


def read_configured(environ: Mapping[str, str], profile: str | None = None) -> Configured:
    """Read all files and variables.

    Raises ConfigProblem for a file with a mistake, or a missing profile.
    """
    path = config_path(environ)
    file = read_users_file(path)
    chosen = choose_profile(file, profile, environ)
    project = _project_file()
    preferences = read_variables(environ)
    if project is not None:
        preferences = preferences.over(read_project_file(project, path.value))
    return Configured(path, file, chosen, project, preferences.over(chosen.preferences) if chosen else preferences)


def _project_file() -> Path | None:
    try:
        return find_project_file(Path.cwd(), Path.home())
    except (OSError, RuntimeError):
        return None  # the working directory is gone, or there is no home
