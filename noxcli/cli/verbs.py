"""The table of verbs, and the facts about each that are no options."""

from collections.abc import Collection, Mapping
from importlib import import_module
from keyword import iskeyword
from typing import ClassVar

# Each verb's heading in the help, and what it does: the help of all verbs loads none of them.
VERBS = {
    "run": ("Run", "Start a workflow, follow it live, and print its output."),
    "rerun": ("Run", "Start a run again with the same inputs, or others, and follow it like run."),
    "stream": ("Run", "Follow a run that was started elsewhere, and print its output."),
    "wait": ("Run", "Wait for runs to end, and print RUN_ID<TAB>STATUS for each."),
    "fetch-output": ("Run", "Print or save the output of a finished run."),
    "stop": ("Run", "Stop runs, and print RUN_ID<TAB>STATUS for each."),
    "inspect": ("Look", "Show a run's nodes with status, times, sizes and errors, and its inputs."),
    "report": ("Look", "Write an HTML page about a run."),
    "workflows": ("Look", "List workflows, most recently changed first."),
    "versions": ("Look", "List the saved versions of a workflow, newest first."),
    "inputs": ("Look", "Show a workflow's inputs, and a command line to start from."),
    "runs": ("Look", "List runs, newest first."),
    "export": (
        "Look",
        "Print a workflow as a bundle for `noxcli import`, or its definition for git.",
    ),
    "import": ("Look", "Show what importing a bundle would do, and with --apply, import it."),
    "batch": (
        "Many rows",
        "Run a workflow once for each row of a file, and print a JSON line for each.",
    ),
    "results": (
        "Many rows",
        "Print the stored result of every row of a batch, one JSON line each, in their order.",
    ),
    "compare": ("Many rows", "Compare two batches row by row, and exit with 11 if a row broke."),
    "gate": (
        "Many rows",
        "Run two versions of a workflow over a table, and exit with 11 if NEW is worse.",
    ),
    "doctor": ("Set up", "Check host, TLS, clock, key and event stream; starts nothing."),
    "schema": ("Set up", "Print the JSON Schemas of the documents that noxcli prints."),
    "completion": ("Set up", "Print the completion script of a shell."),
    "sandbox": ("Set up", "Serve the Noxus API on this machine, or run one command against it."),
    "help": (
        "Set up",
        "Print the help of a command, exit codes, switches, or a page for assistants.",
    ),
}


class Codes:
    """The exit codes that matter most to those who call a verb, for the help of several verbs."""

    FAILED: ClassVar = {1: "the run failed"}
    NO_KEY: ClassVar = {4: "no key, or rejected"}
    NOT_FOUND: ClassVar = {5: "not found"}
    LOST: ClassVar = {6: "lost contact"}
    IN_DOUBT: ClassVar = {7: "unknown if it started"}
    RED: ClassVar = {11: "an --assert or --expect failed"}
    TEMPORARY: ClassVar = {75: "nothing started, try again"}
    TIMED_OUT: ClassVar = {124: "--timeout reached"}
    PRINTED_ONLY: ClassVar = {2: "bad usage", 9: "not written", 141: "the reader went away"}


class VerbFacts:
    """Facts about a verb that are no options; the class of its options says what differs."""

    # The exit codes that its help lists.
    codes: ClassVar[Mapping[int, str]] = {}
    # True: its steps are in NAME_call.py, since they load much that its help does not need.
    steps_apart: ClassVar[bool] = False
    # Options for which it does not take the user's defaults.
    without_default: ClassVar[Collection[str]] = ()
    # What the format in `-o json` is to be given as.
    formats: ClassVar[str] = "for JSON on stdout: --json"


def module_of(verb: str) -> str:
    """Return the module of a verb: `a-verb` is in commands/a_verb.py, `import` in import_.py."""
    name = verb.replace("-", "_")
    if iskeyword(name):
        name = f"{name}_"
    return f"noxcli.commands.{name}"


def verb_facts(verb: str) -> type[VerbFacts]:
    """Load the verb's module, and return the class of its options."""
    facts: type[VerbFacts] = import_module(module_of(verb)).Options
    return facts
