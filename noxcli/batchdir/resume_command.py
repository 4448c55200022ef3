"""The command that continues a batch."""

import shlex
from collections.abc import Mapping, Sequence

from noxcli.errors import ExitCode

AGAIN = {"failed": ExitCode.RUN_FAILED, "stopped": ExitCode.RUN_STOPPED}  # the rows that --again names by their code


def command_to_continue(
    argv: Sequence[str], codes: Mapping[int, int], left: int, *, outdated: bool = False
) -> str | None:
    """Return the command for the incomplete rows, `left` of which can still be finished; None if there are none.

    `argv` is the command line of this call; `outdated` says that rows were edited since they ran.
    """
    flags = [f"--again {name}" for name, code in AGAIN.items() if codes.get(code)]
    flags = ["--resume"] if left else flags
    flags = ["--again edited"] if outdated else flags
    return line_with(argv, flags) if flags else None


def line_with(argv: Sequence[str], flags: Sequence[str]) -> str:
    """Return a command line that continues with these flags, which one that started over does not."""
    begun = shlex.join(["noxcli", *(word for word in argv if word != "--fresh")])
    return " ".join([begun, *(flag for flag in flags if f" {flag} " not in f"{begun} ")])
