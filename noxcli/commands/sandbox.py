"""`noxcli sandbox`: the Noxus API on this machine, until Ctrl-C or around one command."""

import errno
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import typer

from noxcli.cli.options import argument, declared, option
from noxcli.cli.verbs import VerbFacts
from noxcli.errors import ConfigProblem, ReaderGone, UsageProblem
from noxcli.files import reason_of
from noxcli.signals import SIGNALS

if TYPE_CHECKING:
    from noxcli.sandbox.scenario import Scenario
    from noxcli.sandbox.switches import Switches


@declared
class Options(VerbFacts):
    """Serve the Noxus API on this machine, or run one command against it.

    Examples:
        noxcli sandbox -- noxcli run qa Question=hello
        # Rehearse a run that fails, ten times faster.
        noxcli sandbox --speed 10 -- sh -c 'noxcli run fails || echo "exit code $?"'
    """

    codes: ClassVar = {
        0: "ended, or COMMAND did",
        2: "bad usage, or the port is taken",
        127: "no such COMMAND",
    }

    command: list[str] | None = argument(
        "[-- COMMAND...]", "Run this command against the sandbox, then stop.", None
    )
    port: int | None = option(
        "--port",
        "PORT",
        "Listen on this port. [default: 8765; with COMMAND: any free one]",
        None,
        min=0,
        max=65535,
    )
    key: str | None = option(
        "--key", "KEY", "Accept this API key. [default: a new one for each start]", None
    )
    speed: float = option(
        "--speed", "FACTOR", "Make time pass this many times faster.", 1.0, min=0.01
    )
    scenario: list[Path] | None = option("--scenario", "FILE", "Add workflows (TOML).", None)
    replay: list[Path] | None = option(
        "--replay", "FILE", "Serve a run saved with --format ndjson; repeatable.", None
    )
    tape: list[Path] | None = option(
        "--tape", "DIR|FILE", "Serve the stored answers of a batch, by their input.", None
    )
    switches: list[Path] | None = option(
        "--switches", "FILE", "Set the switches in this file.", None
    )
    switch: list[str] | None = option(
        "--switch",
        "NAME=VALUE",
        "Choose a behavior that the API's docs leave open; noxcli help switches lists them.",
        None,
    )


def execute(_: typer.Context, options: Options) -> None:
    """Serve until a signal, or run the command.

    Raises typer.Exit with its code; ConfigProblem, UsageProblem.
    """
    from noxcli.sandbox import INSTALL_HINT, missing_packages

    missing = missing_packages()
    if missing:
        raise ConfigProblem(f"the sandbox needs {', '.join(missing)}", INSTALL_HINT)
    from noxcli.sandbox.command import DEFAULT_PORT, fresh_key, run_command, serve_forever
    from noxcli.sandbox.server import Sandbox

    SIGNALS.release()
    command = options.command
    port = options.port
    if port is None:
        port = 0 if command else DEFAULT_PORT
    key = options.key
    try:
        scenarios = _scenarios(options)
        switches = _switches(options)
        if key is None:
            key = fresh_key()
        server = Sandbox(scenarios, key=key, port=port, speed=options.speed, switches=switches)
        code = run_command(command, server) if command else serve_forever(server)
    except BrokenPipeError:
        raise ReaderGone("the reader of stdout closed the pipe") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageProblem(
                f"port {port} is in use", "give another --port, or 0 for any free one"
            ) from None
        where = f"{error.filename}: " if error.filename else ""
        raise UsageProblem(f"the sandbox can't start: {where}{reason_of(error)}") from None
    except ValueError as error:
        raise UsageProblem(f"the sandbox can't start: {error}") from None
    raise typer.Exit(code)


def _scenarios(options: Options) -> "list[Scenario]":
    """Return the workflows to serve: built-in ones, those of files, replayed and taped ones."""
    from noxcli.sandbox.builtin import BUILT_IN
    from noxcli.sandbox.replay import load_replays
    from noxcli.sandbox.scenario_file import load_scenarios
    from noxcli.sandbox.tape import load_tapes

    added = []
    for path in options.scenario or ():
        added.extend(load_scenarios(path))
    taped = load_tapes(options.tape or ())
    # A built-in workflow of the same name would make the name ambiguous.
    names = {each.name for each in taped}
    built_in = [each for each in BUILT_IN if each.name not in names]
    return [*built_in, *added, *load_replays(options.replay or ()), *taped]


def _switches(options: Options) -> "Switches":
    """Return the switches: those on the command line override those in files."""
    from noxcli.sandbox.switches import Switches, load_switches, with_overrides

    settings = {}
    for path in options.switches or ():
        settings.update(load_switches(path))
    for text in options.switch or ():
        name, _, value = text.partition("=")
        settings[name] = value
    return with_overrides(Switches(), settings)
