"""An input on a command line that is almost one: how to write it, as far as the workflow's inputs show that."""

import os
import shlex
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from noxcli.cli import prepare
from noxcli.cli.meant import is_known_word
from noxcli.cli.session import Session
from noxcli.errors import NoSuchWorkflow, NoxError, UsageProblem, WrongInputs, from_a_chat
from noxcli.inputs.definition import InputNode, inputs_of
from noxcli.inputs.parse import Inputs, NoKey, item_start, read_inputs
from noxcli.inputs.preflight import check
from noxcli.models import Workflow


def name_the_input(noxus: Session, workflow: str, problem: NoKey, items: Sequence[str]) -> None:
    """Name in the hint about a value without a key how to write it, where the workflow's inputs can be read.

    Raises NoSuchWorkflow if a word of another tool stands in its place.
    """
    if from_a_chat(problem.item):
        return
    try:
        with noxus.connect():
            known = prepare.read_workflow(noxus, noxus.resolve_workflow(workflow))
    except NoxError as error:
        if isinstance(error, NoSuchWorkflow) and is_known_word(workflow):
            raise
        return
    nodes = inputs_of(known.definition) or []
    fitting = (item for item in _written_as_inputs(items, problem.item, nodes) if _is_taken(item, nodes, workflow))
    if item := next(fitting, None):
        problem.hint = f"write {item if item.startswith('--') else shlex.quote(item)}"


def _written_as_inputs(items: Sequence[str], item: str, nodes: Sequence[InputNode]) -> Iterator[str]:
    """Yield what the item may have been meant as, with the words around it."""
    place = items.index(item)
    before, after = items[:place][-1:], [word for word in items[place + 1 :] if word != "="][:1]
    named = {name.casefold(): node for node in nodes for name in (node.label, node.id) if name}
    key, _, value = item.partition(":")
    if node := named.get(item.casefold()):
        yield from (f"{item_start(node.label or node.id, node.kind)}{word}" for word in after)
    elif node := named.get(key.casefold()):
        yield f"{item_start(node.label or node.id, node.kind)}{value.strip()}"
    if before and before[0].endswith("="):
        yield f"{before[0]}{item}"
    asked = [node for node in nodes if not node.fixed]
    if len(asked) == 1 and item.casefold() not in named:
        there, start = Path(item).is_file(), item_start(asked[0].label or asked[0].id, asked[0].kind)
        if there and asked[0].kind != "file":
            yield f"--inputs {shlex.quote(f'@{item}')}" if item.endswith(".json") else f"{start}@{item}"
        yield f"{start}{item}"


def _is_taken(item: str, nodes: Sequence[InputNode], named: str) -> bool:
    """Return whether a hint with this input would not be refused in turn."""
    words = shlex.split(item) if item.startswith("--") else [item]
    try:
        inputs = read_inputs([], words[1]) if words[1:] else read_inputs(words)
        check(inputs, [node for node in nodes if node.label in inputs.values or node.id in inputs.values], named)
    except UsageProblem:
        return False
    return True


def offer_stdin(workflow: Workflow, inputs: Inputs, problem: WrongInputs) -> None:
    """Name in the hint how to send what was piped in, if no input was given and the workflow needs one text."""
    needed = [node for node in inputs_of(workflow.definition) or [] if node.required]
    if inputs.values or len(needed) != 1 or not _is_piped():
        return
    item = f"{item_start(needed[0].label or needed[0].id, needed[0].kind)}@-"
    problem.hint = f"to send stdin, write {shlex.quote(item.replace('@@', '@'))}"


def _is_piped() -> bool:
    """True if stdin is a pipe, or a file with something in it."""
    try:
        status = os.fstat(0)
    except OSError:
        return False
    return stat.S_ISFIFO(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_size > 0)
