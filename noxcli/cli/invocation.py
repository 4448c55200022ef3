"""The names under which `batch` and `results` know a session."""

from noxcli.cli.session import Session as Invocation
from noxcli.cli.session import begin, present

__all__ = ["Invocation", "begin", "present"]
