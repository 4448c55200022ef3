"""The settings of environment, project, profile and default, and the server and key of all."""

import os
import re
import select
import shlex
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path

from noxcli.config.config_files import (
    DEFAULTS,
    NAME_VARIABLE,
    PROFILE_OPTION,
    Layer,
    Setting,
    choose_profile,
    find_project_file,
    parse_profile,
    read_project_file,
    read_users_file,
)
from noxcli.errors import NO_ROOM, ConfigProblem, Unauthorized, Unavailable, UsageProblem
from noxcli.files import reason_of
from noxcli.timing import parse_duration
from noxcli.urls import check_url, to_url
from noxcli.value_class import value_class
from noxcli.waiting import run_apart

# noxus-sdk 0.6.0, client.py: the default host, and the second name of its variable and the key's.
DEFAULT_SERVER = Setting("base_url", "https://backend.noxus.ai", "default")
VARIABLES = {
    "base_url": ("NOXCLI_BASE_URL", "NOXUS_BACKEND_URL"),
    "allow_http": ("NOXCLI_ALLOW_HTTP",),
    "api_key_file": ("NOXCLI_API_KEY_FILE",),
    "api_key": ("NOXCLI_API_KEY", "NOXUS_API_KEY"),
    **{name: (f"NOXCLI_{name.upper()}",) for name in DEFAULTS},
}
KEYS = ("api_key_file", "api_key", "api_key_command")
CONNECTION = frozenset({"base_url"}).union(KEYS)
# Limits that are no options of any verb, in seconds.
LIMITS = {"idle_timeout": 30.0, "connect_timeout": 10.0, "answer_timeout": 120.0}
MIN_KEY_NAME = 16  # characters of a name that is not repeated: it may be the key itself
COMMAND_LIMIT = 60.0  # seconds: the user may have to unlock the key
MAX_OUTPUT = 64 * 1024
InTime = Callable[[Callable[[], bytes]], bytes]  # makes a read that may block


def usable(text: str, what: str) -> str:
    """Return the key without white space around it.

    Its form is not checked: the docs show more than one. Raises Unauthorized if there is none, or
    if a header can't carry it.
    """
    key = text.strip()
    if not key:
        raise Unauthorized(f"{what} is empty", "set NOXUS_API_KEY or give --api-key-file FILE")
    mistake = ""
    if key[0] in "'\"" and key[-1] == key[0]:
        mistake = "has quotes around the key"
    elif key.lower().startswith("bearer "):
        mistake = "begins with Bearer, which is not part of the key"
    elif re.fullmatch(r"\$\{?\w+\}?", key):
        mistake = "is the name of a variable, not its value"
    if mistake:
        raise Unauthorized(f"{what} {mistake}", "give the key alone")
    if not key.isascii() or not key.isprintable():
        raise Unauthorized(
            f"{what} contains a line break or another invalid character", "check what was pasted"
        )
    return key


def read_key_file(path: str, setting: str, in_time: InTime) -> str:
    """Return the key in a file, which `setting` names.

    Raises Unauthorized, and what `in_time` raises.
    """
    try:
        content = in_time(lambda: _read_content(path))
        if len(content) > MAX_OUTPUT:
            raise Unauthorized(f"the key file {path} contains more than a key", f"check {setting}")
        text = content.decode("utf-8-sig")
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: `~nobody`
        may_be_key = len(path) >= MIN_KEY_NAME and "/" not in path and "." not in path
        if isinstance(error, FileNotFoundError) and may_be_key:
            raise Unauthorized(
                "there is no such key file",
                f"{setting} takes a file: check its name, or put the key itself into NOXUS_API_KEY",
            ) from None
        reason = reason_of(error) if isinstance(error, OSError) else "it is not text"
        raise Unauthorized(
            f"can't read the key file {path}: {reason}", f"check {setting}"
        ) from None
    return usable(text, f"the key file {path}")


def _read_content(path: str) -> bytes:
    # Wait for a pipe: a shell's <(...) and some password managers use one.
    with Path(path).expanduser().open("rb") as file:
        return file.read(MAX_OUTPUT + 1)


def run_key_command(
    command: str, setting: str, directory: Path, in_time: InTime, *, may_prompt: bool = True
) -> str:
    """Return the key that a command prints, which runs in `directory`.

    If it may not prompt, it gets no terminal. Only its first word is ever shown: a token may be
    among the others. Raises as `read_key_file`.
    """
    argv = shlex.split(command)
    what = f"the command {argv[0]} ({setting})"
    printed = _run(argv, what, directory, in_time, may_prompt=may_prompt)
    lines = printed.decode("utf-8", "replace").splitlines()
    first = lines[0] if lines else ""
    return usable(first, what)


def _run(
    argv: list[str], what: str, directory: Path, in_time: InTime, *, may_prompt: bool
) -> bytes:
    """Return its output. It shares our stderr, since it may prompt the user; its stdin is empty."""
    import subprocess  # only where there is a command

    try:
        process = subprocess.Popen(  # noqa: S603 - a command from the user's own config file
            argv,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=not may_prompt,
        )
    except (OSError, ValueError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "it is not a command"
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise Unavailable(f"can't run {what}: {reason}", sent=False) from None
        raise Unauthorized(f"can't run {what}: {reason}", "check api_key_command") from None

    def read() -> bytes:
        output = b""
        end = time.monotonic() + COMMAND_LIMIT
        assert process.stdout is not None
        with process.stdout as printed:
            while len(output) <= MAX_OUTPUT:
                # A child of the command may hold it open for ever.
                ready, _, _ = select.select([printed], [], [], max(0.0, end - time.monotonic()))
                if not ready:
                    raise subprocess.TimeoutExpired(argv, COMMAND_LIMIT)
                piece = os.read(printed.fileno(), MAX_OUTPUT)
                if not piece:
                    process.wait(max(0.0, end - time.monotonic()))
                    return output
                output += piece
        return output

    try:
        output = in_time(read)
    except subprocess.TimeoutExpired:
        raise Unauthorized(
            f"{what} took longer than {COMMAND_LIMIT:g} s", "run it by hand"
        ) from None
    finally:
        process.kill()
        process.wait()
    if len(output) > MAX_OUTPUT:
        raise Unauthorized(f"{what} prints more than a key", "make it print only the key")
    status = process.returncode
    if status == 0:
        return output
    ended = f"ended with {status}" if status > 0 else f"was killed by signal {-status}"
    raise Unauthorized(f"{what} {ended}", "run it by hand to see why")


@value_class(frozen=True, slots=True)
class Settings:
    """A server and the key for it.

    The key is kept out of `repr`, so that no log shows it by accident.
    """

    url: str
    key: str = field(repr=False)
    key_from: str = "NOXUS_API_KEY"  # the setting to change
    # Calls the command that prints the key, from any thread. Raises as `run_key_command`.
    read_anew: Callable[[], str] | None = field(default=None, repr=False)
    aliases: Mapping[str, str] = field(default_factory=dict)  # for messages


@value_class(frozen=True, slots=True)
class Configured:
    """What was read.

    Each of the layers overrides the next: variables, the project's file, the profile. `profile` is
    the selected one of `profiles`, `directory` has the user's file, and `project` is the project's.
    """

    layers: tuple[Layer, ...]
    profile: Setting | None
    profiles: Collection[str]
    directory: Path
    project: Path | None = None

    @property
    def aliases(self) -> Mapping[str, str]:
        """Workflows by alias."""
        aliases: dict[str, str] = {}
        for layer in reversed(self.layers):
            aliases.update(layer.aliases)
        return aliases

    @property
    def named(self) -> str | None:
        """The profile that an option names."""
        if self.profile is None or self.profile.source != PROFILE_OPTION:
            return None
        return self.profile.value

    @property
    def selecting(self) -> str | None:
        """The profile that an option or NOXCLI_PROFILE names, and that no variable overrides.

        Where a variable gives the server or the key, `--profile` would lead to another one.
        """
        if self.profile is None or self.named is not None:
            return self.named
        variables = self.layers[0].values
        if self.profile.source != NAME_VARIABLE or not variables.keys().isdisjoint(CONNECTION):
            return None
        return self.profile.value

    def find(self, *names: str) -> Setting | None:
        """Return the strongest of these settings; of one layer's, the first."""
        for layer in self.layers:
            for name in names:
                if name in layer.values:
                    return layer.values[name]
        return None

    def limit(self, name: str) -> float:
        """Return one of LIMITS in seconds.

        Raises ConfigProblem if it is not a duration, or none at all.
        """
        chosen = self.find(name)
        if chosen is None:
            return LIMITS[name]
        try:
            seconds = parse_duration(chosen.value)
        except UsageProblem as problem:
            raise ConfigProblem(
                f"{chosen.source}, for {name}: {problem.message}", problem.hint
            ) from None
        if seconds <= 0:
            raise ConfigProblem(f"{chosen.source}, for {name}: must be more than zero", "write 10s")
        return seconds


def read_configured(environ: Mapping[str, str], profile: str | None = None) -> Configured:
    """Read all files and variables.

    Raises ConfigProblem for a file with a mistake, or a missing profile.
    """
    file = read_users_file(environ)
    chosen = choose_profile(file, profile, environ)
    profiles = file.table("profile")
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
    """Return what variables set.

    An empty one counts as unset, but not a key's: in CI it is a secret not passed on.
    """
    found: dict[str, Setting] = {}
    for name, variables in VARIABLES.items():
        for variable in variables:
            if environ.get(variable) or (name == "api_key" and variable in environ):
                found.setdefault(name, Setting(name, environ[variable], variable))
    return Layer(found)


def load_settings(
    configured: Configured,
    base_url: str | None = None,
    api_key_file: str | None = None,
    in_time: InTime = run_apart,
    *,
    may_prompt: bool = False,
) -> Settings:
    """Return the current server and key; `in_time` reads the key.

    `may_prompt` says whether its command may do so when it is called again.

    Raises ConfigProblem for a URL that can't be used or that the key is not for, Unauthorized
    without a usable key.
    """
    given = {"base_url": base_url, "api_key_file": api_key_file}
    flags = {}
    for name, value in given.items():
        if value:
            flags[name] = Setting(name, value, f"--{name.replace('_', '-')}")
    profile = configured.layers[-1].values
    layers = [Layer(flags)]
    if configured.named:
        layers.append(_connection_of(profile))
    every = replace(configured, layers=(*layers, *configured.layers))
    url = every.find("base_url") or DEFAULT_SERVER
    allowed = every.find("allow_http")
    key = every.find(*KEYS)
    address = check_url(url.value, allow_http=allowed is not None and allowed.value == "1")
    if key is None:
        raise Unauthorized("no API key", "set NOXUS_API_KEY or give --api-key-file FILE")
    _require_own_server(configured.layers[0], key, address)
    if profile.get(key.name) is key:
        home = to_url(check_url(profile.get("base_url", DEFAULT_SERVER).value, allow_http=True))
        given_server = to_url(address)
        if given_server.origin != home.origin:
            raise ConfigProblem(
                f"the key of {key.source} is for {home.netloc}, "
                f"and is not sent to {given_server.netloc}",
                "give the other host's key in NOXUS_API_KEY or --api-key-file, "
                "or choose another --profile",
            )
    read_anew = None
    match key.name:
        case "api_key_file":
            secret = read_key_file(key.value, key.source, in_time)
        case "api_key_command":
            secret = run_key_command(key.value, key.source, configured.directory, in_time)

            def read_anew() -> str:
                return run_key_command(
                    key.value,
                    key.source,
                    configured.directory,
                    lambda read: read(),
                    may_prompt=may_prompt,
                )

        case _:
            secret = usable(key.value, key.source)
    return Settings(address, secret, key.source, read_anew, configured.aliases)


def _connection_of(profile: Mapping[str, Setting]) -> Layer:
    """Return the server and the key of a profile that an option names: above the environment's."""
    values = {"base_url": profile.get("base_url", DEFAULT_SERVER)}
    for name in KEYS:
        if name in profile:
            values[name] = profile[name]
    return Layer(values)


def _require_own_server(variables: Layer, key: Setting, address: str) -> None:
    """Raise ConfigProblem if variables name a key and its server, and this is another one."""
    own = variables.values.get("base_url")
    from_a_variable = variables.values.get(key.name) is key
    if own is None or not from_a_variable:
        return
    home = to_url(check_url(own.value, allow_http=True))
    if to_url(address).origin != home.origin:
        raise ConfigProblem(
            f"the key of {key.source} is for {home.netloc} ({own.source}), "
            f"and is not sent to {to_url(address).netloc}",
            f"give the other host's key with --api-key-file FILE, or unset {own.source}",
        )
