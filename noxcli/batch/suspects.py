"""The rows that seem broken, on disk: the plan, their tables, and the answers of the batches that ask them again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from noxcli.batch.columns import ID
from noxcli.batch.compare import Comparison
from noxcli.batch.confirm import Confirmation, Round, Stored
from noxcli.batch.identity import Header
from noxcli.batch.joined import Joined
from noxcli.batch.journal import Journal
from noxcli.batch.judge import Judge
from noxcli.batch.past import Past
from noxcli.batch.row import as_printed
from noxcli.batch.sides import Side
from noxcli.codec import decode_json, to_json
from noxcli.errors import ExitCode, UsageProblem
from noxcli.files import JOURNAL_NAME, expanded, reason_of
from noxcli.masking import HIDDEN, HIDDEN_KEY
from noxcli.place import Place
from noxcli.render.terminal import Terminal
from noxcli.reports.comparison import Answer, Pair, answer_of
from noxcli.reports.reasons import ResultLine
from noxcli.timing import Clock

PLAN_SCHEMA = "noxcli.confirm/1"
FOLDER, PLAN_NAME = "confirm", "plan.json"
LONGEST_PLAN = 1 << 26  # bytes
ONCE_MORE = (ExitCode.RUN_STOPPED, ExitCode.START_UNKNOWN)  # others are followed to the end of their run


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row that seems broken: its inputs on each side without secrets, its runs, and NEW's line, which judges it."""

    inputs: Mapping[str, Mapping[str, Any]]
    runs: Mapping[str, Sequence[str]]
    table: ResultLine


class Suspects:
    """The suspects of a comparison by name, and their files, in the directories of both sides."""

    def __init__(self, comparison: Comparison, judge: Judge, terminal: Terminal, clock: Clock) -> None:
        """Raises UsageProblem for a row that can't be asked again."""
        self.sides = {"base": comparison.base, "new": comparison.new}
        self._judge, self._terminal, self._clock = judge, terminal, clock
        self.by_name: dict[str, Suspect] = {}
        for pair in comparison.suspects():
            if pair.name in self.by_name:
                raise UsageProblem(f"two rows that seem broken are named {pair.name!r}", "give the rows an id")
            self.by_name[pair.name] = self._suspect(pair)

    def header(self, side: str) -> Header:
        """Return the journal's header of a side."""
        header = self.sides[side].source.header
        assert header is not None  # of a directory
        return header

    def folder(self, side: str) -> Path:
        """Return the directory of a side's rounds."""
        return expanded(self.sides[side].named) / FOLDER

    def directory(self, round_: Round) -> Path:
        """Return the directory of a round's batch."""
        return self.folder(round_.side) / str(round_.number)

    def begin(self, confirmation: Confirmation) -> None:
        """Write the plan. Raises UsageProblem if NEW has another one, with what differs."""
        plan, known, _ = self._plan(confirmation), self._read_plan("new"), self._read_plan("base")
        if known is None:
            self._write("new", PLAN_NAME, [plan])
        elif known != plan:
            folder, names = self.folder("new"), [name for name in plan if known.get(name) != plan[name]]
            what = ", ".join(names)
            raise UsageProblem(f"{folder} is of a comparison with other {what}", "move it away to ask again")

    def begin_base(self) -> None:
        """Give BASE the plan as well; what it has of another comparison, with another NEW, is moved aside.

        Raises UsageProblem if that can't be done, and Unavailable if another process is at it.
        """
        plan = self._read_plan("new")
        if self._read_plan("base") == plan:
            return
        folder = self.folder("base")
        if folder.exists():
            others = (folder.with_name(f"{FOLDER}.{number}") for number in count(1))
            aside = next(path for path in others if not path.exists())
            with Journal(folder / "1", self._clock, named=False):  # no other process asks here
                try:
                    folder.rename(aside)
                except OSError as error:
                    raise UsageProblem(f"can't move {folder} aside: {reason_of(error)}", "move it yourself") from None
            self._terminal.note(f"the answers for an earlier comparison are in {aside} now")
        self._write("base", PLAN_NAME, [plan])

    def write_rows(self, round_: Round) -> Path:
        """Write the table of a round's batch, and return its file. Raises UsageProblem."""
        file = f"{round_.number}.jsonl"
        rows = [{ID: name, **self.by_name[name].inputs[round_.side]} for name in round_.names]
        self._write(round_.side, file, rows)
        return self.folder(round_.side) / file

    def read_stored(self, round_: Round) -> Stored:
        """Read what the round's batch has so far. Raises UsageProblem for files that can't be read."""
        journal = self.directory(round_) / JOURNAL_NAME
        answers: dict[str, list[Answer]] = {name: [] for name in round_.names}
        past = Past.read(journal) if journal.exists() else Past()
        if past.header is None:
            return Stored(answers, 0, ())
        again = []
        joined = Joined.read([journal.parent])
        with joined.open_to_read() as read:
            for number in range(1, round_.runs + 1):
                stored = read(number)
                line = as_printed(stored, round_.asks)
                name = round_.names[line["row"] - 1]
                answers[name].append(answer_of(self._judge.judged(line, self.by_name[name].table)))
                if line["result"]["exit_code"] in ONCE_MORE and not past.asked_again[number]:
                    again.append((number, stored["id"]))
        return Stored(answers, round_.runs + past.asked_again.total(), again)

    def _suspect(self, pair: Pair) -> Suspect:
        table = next((line for line in pair.new if line["columns"] is not None), pair.new[0])
        lines = {"base": pair.base, "new": pair.new}
        inputs = {side: self._inputs(pair, side, found) for side, found in lines.items()}
        runs = {side: [str((line["result"]["run"] or {}).get("id")) for line in found] for side, found in lines.items()}
        return Suspect(inputs, runs, table)

    def _inputs(self, pair: Pair, side: str, lines: Sequence[ResultLine]) -> Mapping[str, Any]:
        given = next((line["input"] for line in lines if line["input"] is not None), None)
        if given is None:
            raise UsageProblem(f"row {pair.name} of {side.upper()} has no stored input, so it can't be asked again")
        for key, value in given.items():
            if isinstance(value, dict) and "$upload" in value:
                hint = "compare without --confirm, and run both versions again with --repeat"
                raise UsageProblem(f"row {pair.name} has an uploaded file, {key!r}, which is not stored", hint)
        secrets = self.header(side).secrets
        sent = {key: value for key, value in given.items() if key not in secrets}
        text = to_json(sent)
        if HIDDEN_KEY in text or (secrets and HIDDEN in text):
            raise UsageProblem(f"row {pair.name} has an input with a hidden secret in it, so it can't be asked again")
        return sent

    def _plan(self, confirmation: Confirmation) -> dict[str, Any]:
        expected = self._judge.expected
        asked: list[Any] = [query.text for query in self._judge.queries]
        for suspect in self.by_name.values():
            row, own_id, columns = (suspect.table[name] for name in ("row", "id", "columns"))
            wanted = expected.of(row, own_id) if expected is not None else None
            asked.append([columns, None if wanted is None else wanted.values])
        headers = {side: self.header(side) for side in self.sides}
        return {
            "plan": PLAN_SCHEMA,
            "asks": confirmation.asks,
            "lead": confirmation.lead,
            "suspects": [{"name": name, **suspect.runs} for name, suspect in self.by_name.items()],
            "versions": {side: [one.workflow_id, one.version_id, one.definition] for side, one in headers.items()},
            "questions": hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest(),
        }

    def _read_plan(self, side: str) -> Mapping[str, Any] | None:
        """Return the plan that a side has, None without one. Raises UsageProblem."""
        try:
            with Place.open_derived(self.folder(side)) as place:
                plan = decode_json(place.read(PLAN_NAME, LONGEST_PLAN))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            reason = reason_of(error)
        else:
            if isinstance(plan, dict):
                return plan
            reason = "it is not a JSON object"
        raise UsageProblem(f"can't read {self.folder(side) / PLAN_NAME}: {reason}", "move it away to ask again")

    def _write(self, side: str, name: str, values: Sequence[Any]) -> None:
        try:
            with Place.open_derived(self.folder(side), make=True) as place, place.replacing(name) as file:
                file.writelines(f"{json.dumps(value)}\n".encode() for value in values)  # any text, in ASCII
        except OSError as error:
            raise UsageProblem(f"can't write {self.folder(side) / name}: {reason_of(error)}") from None


def require_askable(base: Side, new: Side) -> None:
    """Raise UsageProblem unless both sides are directories of whole batches, whose rows can be asked again."""
    for side in (base, new):
        header = side.source.header
        if header is None:
            what = f"--confirm asks rows again, but {side.name} {side.named} is a {side.source.kind}"
            raise UsageProblem(what, "give the --output-dir of its batch")
        if header.shard != "1/1":
            raise UsageProblem(f"--confirm asks whole batches, and {side.name} is shard {header.shard}", "drop it")
        if header.version_id is None and header.definition is None:
            what = f"it is not known which version {side.name} {side.named} ran with"
            raise UsageProblem(what, "run it again with --version-id, or without --no-check")
