"""`noxcli sandbox`: the Noxus API on this machine, until Ctrl-C or around one command."""

import errno
from pathlib import Path
from typing import Annotated

import typer

from noxcli.cli.context import Context
from noxcli.errors import ConfigProblem, UsageProblem
from noxcli.files import reason_of

Command = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[-- COMMAND...]", help="Run this command against the sandbox, then stop.", show_default=False
    ),
]
Port = Annotated[
    int | None,
    typer.Option(
        metavar="PORT", help="Listen on this port. [default: 8765; with COMMAND: any free one]", show_default=False
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Accept this API key. [default: a new one for each start]", show_default=False),
]
Speed = Annotated[float, typer.Option(metavar="FACTOR", help="Make time pass this many times faster.", min=0.01)]
Scenarios = Annotated[list[Path] | None, typer.Option("--scenario", metavar="FILE", help="Add workflows (TOML).")]
Replays = Annotated[
    list[Path] | None,
    typer.Option("--replay", metavar="FILE", help="Serve a run recorded with --record or --format ndjson."),
]
Switches = Annotated[
    list[str] | None,
    typer.Option(
        "--switch",
        metavar="NAME=VALUE",
        help="Choose a behavior that the API's docs leave open; noxcli help switches lists them.",
    ),
]
SwitchFiles = Annotated[
    list[Path] | None,
    typer.Option("--switches", metavar="FILE", help="Set the switches in this file (probe --write makes one)."),
]


def sandbox(
    ctx: typer.Context,
    command: Command = None,
    port: Port = None,
    key: KeyOption = None,
    speed: Speed = 1.0,
    scenario: Scenarios = None,
    replay: Replays = None,
    switches: SwitchFiles = None,
    switch: Switches = None,
) -> None:
    """Serve the Noxus API on this machine, or run one command against it.

    Examples:
        noxcli sandbox -- noxcli run qa Question=hello
        # Rehearse a run that fails, ten times faster.
        noxcli sandbox --speed 10 -- sh -c 'noxcli run fails || echo "exit code $?"'
    """
    context: Context = ctx.obj
    from noxcli.sandbox import INSTALL_HINT, missing_packages

    if missing := missing_packages():
        raise ConfigProblem(f"the sandbox needs {', '.join(missing)}", INSTALL_HINT)
    from noxcli.sandbox.command import DEFAULT_PORT, play_recording, run_command, serve_forever
    from noxcli.sandbox.files import load_replay, load_scenarios
    from noxcli.sandbox.recordings import only_recording
    from noxcli.sandbox.switches import Switches as ServerSwitches
    from noxcli.sandbox.switches import parsed, with_overrides
    from noxcli.sandbox.switchfile import load_switches

    context.signals.release()
    try:
        if recording := only_recording(replay or [], scenario, switches, switch):
            default = 0 if command else DEFAULT_PORT
            at = default if port is None else port
            raise typer.Exit(play_recording(command or [], recording, key=key, port=at, speed=speed))
        added = [made for path in scenario or [] for made in load_scenarios(path)]
        added += [load_replay(path) for path in replay or []]
        pairs = [text.partition("=") for text in switch or []]
        settings = {name: value for path in switches or [] for name, value in load_switches(path).items()}
        decided = with_overrides(ServerSwitches(), settings | {name: parsed(name, value) for name, _, value in pairs})
        if command:
            code = run_command(command, key=key, port=port or 0, speed=speed, scenarios=added, switches=decided)
        else:
            code = serve_forever(
                key=key, port=DEFAULT_PORT if port is None else port, speed=speed, scenarios=added, switches=decided
            )
    except ValueError as error:
        raise UsageProblem(f"the sandbox can't start: {error}") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            wanted = DEFAULT_PORT if port is None else port
            raise UsageProblem(f"port {wanted} is in use", "give another --port, or 0 for any free one") from None
        if error.filename is not None:
            raise UsageProblem(f"can't read {error.filename}: {reason_of(error)}", "give the path of a file") from None
        raise UsageProblem(f"the sandbox can't start: {error}") from None
    raise typer.Exit(code)
