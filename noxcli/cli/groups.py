"""The classes of options that `batch` and `results` take in groups."""

from noxcli.cli.options import Checking, Common, Reporting, WaitingForRun

__all__ = ["Checking", "Common", "Reporting", "WaitingForRun"]
