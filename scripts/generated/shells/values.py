"""What each metavar stands for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from noxcli.app import VERBS
from noxcli.models import KNOWN_STATUSES, PAUSED_WORD
from noxcli.schemas import schema_names


class Kind(StrEnum):
    """What the shell can offer for a value: its own files and commands, or names from noxcli's cache."""

    FILE = "file"
    DIRECTORY = "directory"
    AT_FILE = "at-file"  # @FILE
    INPUT = "input"  # KEY=..., with a file after =@, :=@ or @
    COMMAND = "command"  # another program and its own completion
    WORKFLOW = "workflow"
    RUN = "run"
    PROFILE = "profile"
    OUTPUT = "output"
    OTHER = "other"  # free text


KINDS = {
    "FILE": Kind.FILE,
    "PATH": Kind.FILE,
    "DIR": Kind.DIRECTORY,
    "DIRECTORY": Kind.DIRECTORY,
    "@FILE": Kind.AT_FILE,
    "INPUT": Kind.INPUT,
    "COMMAND": Kind.COMMAND,
    "WORKFLOW": Kind.WORKFLOW,
    "RUN": Kind.RUN,
    "PROFILE": Kind.PROFILE,
    "KEY": Kind.OUTPUT,
}
WORDS = {
    "STATUS": tuple(sorted({*KNOWN_STATUSES, PAUSED_WORD})),
    "TOPIC": (*VERBS, "exit-codes"),
    "SCHEMA": tuple(schema_names()),
}


@dataclass(frozen=True, slots=True)
class Value:
    """What a word may be: one of some fixed words, a kind that is looked up, or either."""

    label: str
    words: tuple[str, ...]
    kind: Kind


def value_of(metavar: str, choices: Iterable[str]) -> Value:
    """Read `DIR`, `[INPUT]...`, `auto|always|never` or `JSON|@FILE|-`: lowercase words stand for themselves."""
    label = re.sub(r"^-- |[\[\]]|\.\.\.|…", "", metavar.strip("[]"))
    alternatives = label.split("|")
    words = tuple(choices) or WORDS.get(label) or tuple(filter(re.compile(r"[a-z][a-z0-9-]*").fullmatch, alternatives))
    kinds = [KINDS[word] for word in alternatives if word in KINDS]
    return Value(label.lower(), words, kinds[0] if kinds else Kind.OTHER)
