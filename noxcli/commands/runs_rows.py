"""How `runs --rows` makes a table of past runs: what each was given, and what it answered."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from noxcli.cli.session import Session
from noxcli.codec import to_json, to_sorted_json
from noxcli.errors import Hint, NotAccessible, NotFound, OutputNotDelivered, RequestRejected
from noxcli.inputs.definition import InputNode, inputs_of, keys_of, meant_by
from noxcli.models import Run
from noxcli.outputs.expand import complete_inline
from noxcli.outputs.values import by_name, find_remote, is_complete, unwrapped
from noxcli.render.renderers import task_progress
from noxcli.render.text import amount, in_prose
from noxcli.rows.columns import ID, digest_of
from noxcli.waiting import Workers, value_of

OUTPUT = "$output"
READS_AT_ONCE = 8
AHEAD = 2 * READS_AT_ONCE  # runs that are read before the one that is printed next
TICK = 0.1  # seconds
MAX_NAMED = 3  # runs of one kind


class LeftOut(Exception):
    """The run can't be a row; the message says why, of one run or of several."""


class PastRuns:
    """Reads the rows of past runs, from several threads."""

    def __init__(self, noxus: Session, nodes: Sequence[InputNode]) -> None:
        self._noxus = noxus
        self._said: set[str] = set()
        self._retries = replace(noxus.retries(), say=self._say_once)
        self._nodes = nodes
        self._names = {node.id: key for key, node in keys_of(nodes).items()}
        self._gone: dict[str, bool] = {}  # files, by their ids
        self._lock = threading.Lock()
        self.secret: Counter[str] = Counter()  # inputs that were omitted

    def _say_once(self, reason: Hint) -> None:
        """Note why requests are repeated, which many threads may have to say."""
        line = reason.shown(self._noxus.context.route)
        with self._lock:
            is_new = line not in self._said
            self._said.add(line)
        if is_new:
            self._noxus.context.terminal.note(line)

    def read_row(self, run: Run) -> dict[str, Any]:
        """Return the run's row.

        Raises LeftOut for a run that can't be one, OutputNotDelivered for a text that can't be read
        now, and what reading the record raises.
        """
        if run.runs_only_part:
            raise LeftOut("of a part of the workflow")
        try:
            record = self._retries.keep_trying(
                lambda within: self._noxus.api.within(within).get_run(run.workflow_id, run.id)
            )
        except NotFound:
            raise LeftOut("that no longer exists") from None
        if record.runs_only_part:
            raise LeftOut("of a part of the workflow")
        if not isinstance(record.input, dict):
            raise LeftOut("without recorded inputs")
        inputs = self._complete(run, self._without_secrets(run, record.input))
        self._require_files(inputs)
        output = None
        if record.status == "completed":
            output = self._complete(run, record.output)
            output = {name: unwrapped(value) for name, value in by_name(output).items()}
        return {ID: run.id, **inputs, OUTPUT: output}

    def _without_secrets(self, run: Run, recorded: Mapping[str, Any]) -> dict[str, Any]:
        """Return the inputs by their labels, without those that the history knows to be secret."""
        context = self._noxus.context
        entry = context.history.find_entry(run.id, context.base_url)
        secret = set()
        if entry is not None:
            secret = {self._name(key) for key in entry.secret_inputs or ()}
        inputs: dict[str, Any] = {}
        for key, value in recorded.items():
            name = self._name(key)
            if name in secret:
                with self._lock:
                    self.secret[name] += 1
            elif name in inputs:
                inputs[key] = value  # two keys of one input: batch says so
            else:
                inputs[name] = value
        return inputs

    def _name(self, key: str) -> str:
        """Return the label of the input that a key means, the key itself if that is not known."""
        meant = meant_by(key, self._nodes)
        if len(meant) != 1:
            return key
        return self._names[meant[0].id]

    def _complete(self, run: Run, value: Any) -> Any:
        """Return a value with the full text of each truncated text. Raises as `read_row`."""
        if is_complete(value):
            return value
        delivered = complete_inline(self._noxus.api, value, self._retries)
        if not delivered.problems:
            return delivered.output
        for remote in find_remote(value):
            if remote.is_text and self._is_gone(remote.file_id):
                raise LeftOut("with a text that no longer exists")
        raise OutputNotDelivered(
            f"the texts of run {run.id} can't be read: {'; '.join(delivered.problems)}",
            "try again in a few seconds",
        )

    def _require_files(self, inputs: Mapping[str, Any]) -> None:
        """Raise LeftOut if a file among the inputs no longer exists."""
        for remote in find_remote(inputs):
            if not remote.is_text and self._is_gone(remote.file_id):
                raise LeftOut("with a file that no longer exists")

    def _is_gone(self, file_id: str | None) -> bool:
        """True if the server says that it has no such file. Raises Unavailable."""
        if file_id is None:
            return False
        known = self._gone.get(file_id)
        if known is None:
            known = False
            try:
                self._retries.keep_trying(partial(self._open_file, file_id))
            except NotFound:
                known = True
            except (NotAccessible, OutputNotDelivered):
                pass  # it exists, though not for this key
            self._gone[file_id] = known
        return known

    def _open_file(self, file_id: str, within: float) -> None:
        with self._noxus.api.within(within).download(file_id):
            pass


def print_rows(noxus: Session, runs: Sequence[Run], workflow_id: str, *, unique: bool) -> None:
    """Print the rows of these runs, the oldest first, and say what was left out.

    With `unique`, only the first of those with equal inputs. Raises as `PastRuns.read_row`.
    """
    terminal = noxus.context.terminal
    past = PastRuns(noxus, _read_nodes(noxus, workflow_id))
    left_out: dict[str, list[str]] = {}
    printed = 0
    seen = set()
    try:
        for run, row in _read_in_order(noxus, past, runs):
            if isinstance(row, LeftOut):
                left_out.setdefault(str(row), []).append(run.id)
                continue
            question = _question(row)
            if unique and question in seen:
                continue
            seen.add(question)
            terminal.write(f"{to_json(row)}\n")
            printed += 1
    finally:
        for reason, ids in left_out.items():
            terminal.warn(f"left out {amount(len(ids), 'run')} {reason}: {_named(ids)}")
        for name, count in past.secret.items():
            of_runs = amount(count, "run")
            terminal.warn(f"omitted the secret input {name!r} of {of_runs}: add it with --secret")
        terminal.note(f"{amount(printed, 'row')} of {amount(len(runs), 'run')}")


def _read_nodes(noxus: Session, workflow_id: str) -> Sequence[InputNode]:
    """Return the workflow's inputs; none if its definition can't be read."""
    nodes = None
    with suppress(NotAccessible, RequestRejected):
        workflow = noxus.keep_trying(lambda api: api.get_workflow(workflow_id))
        nodes = inputs_of(workflow.definition)
    if nodes is None:
        noxus.context.terminal.warn(
            "inputs are named as each run names them: the workflow's definition can't be read"
        )
    return nodes or ()


def _read_in_order(
    noxus: Session, past: PastRuns, runs: Sequence[Run]
) -> Iterator[tuple[Run, dict[str, Any] | LeftOut]]:
    """Yield each run with its row, or with why it is none, in this order; a few are read at a time.

    Raises as `PastRuns.read_row`.
    """
    workers: Workers[tuple[int, dict[str, Any] | LeftOut]] = Workers(READS_AT_ONCE)
    read: dict[int, dict[str, Any] | LeftOut] = {}
    begun = 0
    yielded = 0

    def work(place: int) -> tuple[int, dict[str, Any] | LeftOut]:
        try:
            return place, past.read_row(runs[place])
        except LeftOut as reason:
            return place, reason

    def how_far(seconds: float) -> tuple[float, str, str]:
        pace = yielded / seconds if seconds else 0.0
        return yielded / len(runs), f"{yielded:,} of {len(runs):,} runs read", f"{pace:.1f}/s"

    with task_progress(noxus.context.terminal, prints=True) as shown:
        while yielded < len(runs):
            while begun < min(len(runs), yielded + AHEAD) and workers.busy < READS_AT_ONCE:
                workers.call(partial(work, begun))
                begun += 1
            for outcome in workers.next_outcomes(noxus.deadline.remaining(TICK)):
                place, row = value_of(outcome)
                read[place] = row
            while yielded in read:
                yield runs[yielded], read.pop(yielded)
                yielded += 1
            shown.update(how_far)
            if noxus.deadline.passed:
                raise noxus.retries().too_late("not all runs were read")


def _question(row: Mapping[str, Any]) -> int:
    """Return what tells the inputs of a row from others."""
    asked = {key: value for key, value in row.items() if key not in {ID, OUTPUT}}
    return digest_of(to_sorted_json(asked))


def _named(ids: Sequence[str]) -> str:
    names = list(ids[:MAX_NAMED])
    if len(ids) > MAX_NAMED:
        names.append(f"{len(ids) - MAX_NAMED} more")
    return in_prose(names)
