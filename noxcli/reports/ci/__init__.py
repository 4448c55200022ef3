"""CI systems: their detection, and their formats."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING

from noxcli.errors import ConfigProblem
from noxcli.render.terminal import Terminal
from noxcli.reports.ci.base import CiSystem

if TYPE_CHECKING:
    from noxcli.timing import Clock

CI_VARIABLE = "NOXCLI_CI"


class WhichCi(StrEnum):
    """The CI system to write for; `auto` reads the environment."""

    AUTO = "auto"
    GITHUB = "github"
    GITLAB = "gitlab"
    OFF = "off"


def ci_system(asked: WhichCi | None, terminal: Terminal, clock: "Clock") -> CiSystem:
    """Return the CI system, by --ci, NOXCLI_CI, and the variable that each system sets to `true`, in that order.

    Raises ConfigProblem for any other NOXCLI_CI.
    """
    which = asked or _configured(terminal.environ)
    if which is WhichCi.AUTO:
        which = _found(terminal.environ)
    if which is WhichCi.OFF:
        return CiSystem()
    terminal.redraws = False  # a log is read later, and line by line
    if which is WhichCi.GITHUB:
        from noxcli.reports.ci.github import GitHub  # loaded only there

        return GitHub(terminal)
    from noxcli.reports.ci.gitlab import GitLab

    return GitLab(terminal, clock)


def _configured(environ: Mapping[str, str]) -> WhichCi:
    word = environ.get(CI_VARIABLE) or WhichCi.AUTO
    try:
        return WhichCi(word)
    except ValueError:
        raise ConfigProblem(f"{CI_VARIABLE}={word} is not known", f"write one of {', '.join(WhichCi)}") from None


def _found(environ: Mapping[str, str]) -> WhichCi:
    if environ.get("GITHUB_ACTIONS") == "true":
        return WhichCi.GITHUB
    return WhichCi.GITLAB if environ.get("GITLAB_CI") == "true" else WhichCi.OFF
