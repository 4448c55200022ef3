"""`python -m noxcli.sandbox`: the sandbox without the client."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from noxcli.sandbox import INSTALL_HINT, missing_packages
from noxcli.sandbox.files import load_replay, load_scenarios
from noxcli.sandbox.switches import Switches, parsed, with_overrides
from noxcli.sandbox.switchfile import load_switches


def main(argv: Sequence[str] | None = None) -> int:
    """Serve, or run the command after `--`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    options, command = _split(arguments)
    given = _parser().parse_args(options)
    missing = missing_packages()
    if missing:
        print(f"the sandbox needs {', '.join(missing)}: {INSTALL_HINT}", file=sys.stderr)
        return 2
    from noxcli.sandbox.command import port_of, run_command, serve_forever

    port = port_of(given.port, command)
    try:
        common: dict[str, Any] = {
            "key": given.key,
            "port": port,
            "speed": given.speed,
            "switches": _switches(given.switches, given.switch),
            "scenarios": [
                *(scenario for path in given.scenario for scenario in load_scenarios(path)),
                *(load_replay(path) for path in given.replay),
            ],
        }
        return run_command(command, **common) if command else serve_forever(**common)
    except (ValueError, OSError) as error:
        print(f"noxcli.sandbox: {error}", file=sys.stderr)
        return 2


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m noxcli.sandbox",
        usage="%(prog)s [options] [-- COMMAND...]",
        description="The Noxus API on this machine, until Ctrl-C or around one command.",
    )
    parser.add_argument("--port", type=int, help="8765 by default, any free one around a command")
    parser.add_argument("--key", help="the API key to accept; a fresh one by default")
    parser.add_argument("--speed", type=float, default=1.0, help="time passes so many times faster")
    parser.add_argument("--scenario", type=Path, action="append", default=[], help="a TOML file of workflows")
    parser.add_argument("--replay", type=Path, action="append", default=[], help="a run saved with --format ndjson")
    parser.add_argument("--switches", type=Path, action="append", default=[], help="a TOML file of switches")
    parser.add_argument("--switch", action="append", default=[], metavar="NAME=VALUE", help="see switches.py")
    return parser


def _switches(files: list[Path], settings: list[str]) -> Switches:
    """Files first, one after the other; what is set by name is stronger."""
    wanted = {name: value for path in files for name, value in load_switches(path).items()}
    pairs = [text.partition("=") for text in settings]
    return with_overrides(Switches(), wanted | {name: parsed(name, value) for name, _, value in pairs})


if __name__ == "__main__":
    sys.exit(main())
