"""One call of a gate.

It compares itself with the calls before, and asks what the rules need until they decide.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from noxcli.batch.batch import Batch
from noxcli.batch.in_flight import RowsInFlight
from noxcli.batch.prepare import header_of, validate_checks
from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.spec import FRESH, BatchSpec, began_anew
from noxcli.batch.worker import RowWorker
from noxcli.batchdir.append_file import JournalTrouble
from noxcli.batchdir.header import HEADER, BatchHeader, constants_of, digests_of
from noxcli.batchdir.header import differences as differences_of_headers
from noxcli.batchdir.journal_state import FINISHED, JournalState
from noxcli.batchdir.results_file import RowResult
from noxcli.checks.row_checker import RowChecker
from noxcli.errors import (
    ExitCode,
    Hint,
    Incomplete,
    Interruption,
    LostContact,
    NotFinished,
    NoxError,
    OutputNotDelivered,
    TimedOut,
    TimedOutBeforeStart,
    UsageProblem,
    WrongInputs,
    worst,
)
from noxcli.gate.answers import GateAnswers
from noxcli.gate.asked import Asked, compare_rows, read_asked
from noxcli.gate.judge import JUDGE, Judge, JudgeSpec, place_in
from noxcli.gate.rows import NEW_INPUT, GateRows, with_own
from noxcli.gate.rules import (
    BASE,
    JUDGES,
    NEW,
    PER_ROW,
    SCREEN,
    SUSPECTS,
    AnswerKey,
    GateRules,
    GateVerdict,
    SameRules,
    default_max_runs,
    min_max_runs,
)
from noxcli.inputs.definition import inputs_of, keys_of, outputs_of
from noxcli.models import Workflow
from noxcli.render.terminal import Terminal
from noxcli.render.text import amount, in_prose
from noxcli.reports.row_pair import SIDES
from noxcli.rows.columns import EXPECT, Row
from noxcli.timing import Clock

# What the header says of NEW alone; what it says else is of both sides, or of BASE.
OF_NEW = ("version_id", "version_name", "definition", "nodes", "constants")
OF_JUDGE = ("workflow_id", "version_id", "version_name", "definition", "nodes", "inputs")
FORMS = {**HEADER, "inputs": HEADER["constants"]}
NOTHING_STARTED = "; nothing was started"


@dataclass(slots=True, eq=False, repr=False)
class GateWriter(ResultWriter):
    """The results of a gate; with a judge, `follow` sees the row of each once it is stored."""

    follow: Callable[[Row], None] | None = None

    def report(self, row: RowResult) -> None:
        ResultWriter.report(self, row)
        if self.follow is None:
            return
        self.flush()  # a judgement is of a stored answer
        if self._trouble is None and self.unprinted is None:
            self.follow(row.row)


class OtherGate(UsageProblem):
    """The directory has a gate of other versions, rows or inputs."""


class GateCall:
    """The steps of one call, in their order: open, check, begin, decide, require_unchanged."""

    def __init__(  # noqa: PLR0913 - made in one place
        self,
        spec: BatchSpec,
        rows: GateRows,
        checker: RowChecker,
        judge_spec: JudgeSpec | None,
        max_runs: int | None,
        terminal: Terminal,
        clock: Clock,
    ) -> None:
        self.rows = rows
        self.checker = checker
        self.judge_spec = judge_spec
        self.judge: Judge | None = None
        self.answers = GateAnswers(checker=checker)
        self.batch = Batch(spec, self.answers, terminal, clock)
        self.workflows: Sequence[Workflow] = ()  # in the versions of both sides
        self._ahead: deque[Row] = deque()  # judgements of answers that have arrived
        self.checks_changed = False  # since the gate began
        self.asked = Asked(b"", ())
        self.notes: list[str] = []  # on how it began, for every report
        self.is_same = False  # both sides are one version, with the same inputs
        self._allows_same = False
        self._max_runs = max_runs
        self._terminal = terminal

    @property
    def spec(self) -> BatchSpec:
        return self.batch.spec

    # Before the first start.

    def open(self) -> None:
        """Take the directory, and count the runs of earlier calls. Raises as `Batch.open`."""
        self.batch.open()
        self.answers.remember(self.batch.journaled)
        if self.batch.journaled.header is not None or self.spec.fresh:
            return
        note = began_anew(self._terminal, self.spec.directory)
        if note is not None:
            self.notes.append(note)

    def check(
        self,
        workflows: Sequence[Workflow],
        judge: Workflow | None,
        host: str,
        argv: Sequence[str],
        *,
        fresh_if_changed: bool,
        allows_same: bool = False,
    ) -> None:
        """Check table, inputs and checks, and compare them with those of earlier calls.

        `workflows` are those of both sides, and `judge` is the one that judges, if any.
        With `allows_same`, BASE and NEW may be the same. With `fresh_if_changed`, another gate in
        the directory is moved aside when this one begins.
        Raises UsageProblem, WrongInputs.
        """
        self._allows_same = allows_same
        try:
            self._check(workflows, judge, host, argv)
        except OtherGate as other:
            if not fresh_if_changed:
                raise
            self.notes.append(f"{other.message}: it started over")
            self._terminal.note(f"{other.message}: starting over")
            self.batch.start_over()
            self.answers.forget()
            self._check(workflows, judge, host, argv)

    def _check(
        self, workflows: Sequence[Workflow], judge: Workflow | None, host: str, argv: Sequence[str]
    ) -> None:
        rows = self.rows
        batch = self.batch
        self.workflows = workflows
        self._compare_sides()
        nodes = [inputs_of(each.definition) or [] for each in workflows]
        rows.know([*nodes[BASE], *nodes[NEW]], checked=True)
        begun = batch.journaled.header
        self.asked = rows.read_now()
        self._match_judge(judge)
        self.asked = self._as_judged(self.asked)
        self.answers.versions = [each.version_id for each in self.all_workflows]
        header = header_of(self._terminal, workflows[BASE], self.spec, host, argv)
        if begun is not None:
            _require_readable(begun, str(self.spec.directory))
            now = replace(header, gate=self._own_of_new(begun))
            _require_same_gate(begun, now, self._take_places(), str(self.spec.directory))
        rows.hold(self.asked.rows)
        header = replace(header, gate=self._own_of_new(begun))
        seen = batch.check(header, *nodes)
        rows.require_apart()
        if not self.checker.has_checks and EXPECT not in rows.names:
            raise UsageProblem(
                "a gate without a check can't fail", "add --assert, --expect or --score"
            )
        for name, workflow in zip(SIDES, workflows, strict=True):
            outputs = keys_of(outputs_of(workflow.definition) or ())
            self.checker.require_answers(list(outputs), name)
        validate_checks(self._terminal, self.checker, rows, header, seen)
        if begun is not None:
            _require_same_rows(begun, batch.header, str(self.spec.directory))
        numbers: Sequence[int] = range(1, seen.rows // PER_ROW + 1)
        if seen.only is not None:
            numbers = seen.only
        self.answers.rules = self._rules_for(numbers)

    @property
    def all_workflows(self) -> Sequence[Workflow]:
        """The workflow of each side, and that of the judge for each of its two."""
        if self.judge is None:
            return self.workflows
        return [*self.workflows, *[self.judge.workflow] * len(JUDGES)]

    def _match_judge(self, workflow: Workflow | None) -> None:
        """Find what the judge gets of answers and rows. Raises UsageProblem."""
        if workflow is None or self.judge_spec is None:
            return
        named = self.judge_spec.workflow
        if workflow.id == self.workflows[BASE].id:
            raise UsageProblem(
                f"{named} is the workflow that is judged", f"name another one with {JUDGE}"
            )
        hidden = {}
        for name in self.spec.common.secret:
            hidden[name] = "is a secret"
        for name in self.rows.own.values:
            hidden[name] = f"{NEW_INPUT} sets for one side alone"
        judge = Judge.matched(self.judge_spec, workflow, self.workflows, self.rows.known, hidden)
        self.checker.require_judge(judge.outputs, f"the judge {named}")
        self.judge = judge
        self.answers.judge = judge
        self.rows.judged = self._filled

    def _filled(self, place: Row) -> Row:
        """Return the row of a judgement that is missing, with its inputs."""
        line = self.answers.line_to_judge(AnswerKey.of(place.number))
        if self.judge is None or line is None:
            return place
        return self.judge.row_for(place, line)

    def _as_judged(self, asked: Asked) -> Asked:
        """Return what was asked, with the kept columns that the judge reads."""
        return asked if self.judge is None else asked.with_columns(self.judge.columns)

    def _take_places(self) -> Sequence[str]:
        """Give the rows the places that they had when the gate began.

        Return what differs in what they ask. Raises UsageProblem for a row that can't be read, or
        if it is not known what was asked.
        """
        for asked in self.asked.rows:
            if asked.row.problem is not None and self.rows.takes(asked.row):
                raise WrongInputs(f"{asked.row.place} of {self.rows.name}: {asked.row.problem}")
        if not self.answers.runs.total():
            return ()  # nothing was asked yet
        content, files = read_asked(self.spec.directory, FRESH)
        then = self._as_judged(self.rows.read_of(content, files))
        rows, differences = compare_rows(then.rows, self.asked.rows)
        self.asked = replace(self.asked, rows=rows)
        return differences

    def _compare_sides(self) -> None:
        """Note whether BASE and NEW have the same definition and inputs.

        Raises UsageProblem if they must not.
        """
        base, new = (digests_of(each.definition)[0] for each in self.workflows)
        common = self.spec.common.values
        own = self.rows.own.values
        has_own = any(common.get(name) != value for name, value in own.items())
        self.is_same = base == new and not has_own
        if self.is_same and not self._allows_same:
            raise UsageProblem(
                "BASE and NEW do not differ",
                f"name another version with --new, add {NEW_INPUT}, or add --allow-same",
            )

    def _own_of_new(self, begun: BatchHeader | None) -> dict[str, Any]:
        """Return what the header says of NEW, and of the checks that the gate began with."""
        checks = [*self.checker.identity(), self.asked.columns_digest]
        first: Any = checks
        if begun is not None and begun.gate is not None:
            first = begun.gate.get("checks")
        self.checks_changed = first != checks
        constants = constants_of(with_own(self.spec.common, self.rows.own))
        judge = None
        if self.judge is not None:
            judge = self.judge.about(self.judge.workflow)
        return {
            **_about(self.workflows[NEW]),
            "constants": constants,
            "checks": first,
            "judge": judge,
        }

    def _rules_for(self, numbers: Sequence[int]) -> GateRules:
        """Return the rules for the rows of these numbers. Raises UsageProblem for too few runs."""
        most = self._max_runs or default_max_runs(len(numbers))
        least = len(numbers) if self.is_same else min_max_runs(len(numbers))
        if most < least:
            raise UsageProblem(
                f"--max-runs {most} is too few for {amount(len(numbers), 'row')}", f"write {least}"
            )
        kind = SameRules if self.is_same else GateRules
        return kind(
            numbers,
            most,
            scored=self.checker.score is not None,
            lower_is_better=self.checker.lower_is_better,
        )

    def plan(self) -> dict[str, int]:
        """Return how many runs it may start, and has started."""
        rules = self.answers.rules
        plan = {
            "rows": len(rules.rows),
            "least_runs": rules.round_runs,
            "most_runs": rules.max_runs,
            "started": self.answers.answers_started,
        }
        if self.judge is not None:
            plan["least_judgements"] = rules.round_runs
            plan["most_judgements"] = rules.max_runs
            plan["judgements_started"] = self.answers.judgements_started
        return plan

    def begin(self) -> None:
        """Begin the journal, and note what is asked.

        Raises UsageProblem, and JournalTrouble for a full disk.
        """
        self.batch.begin(self.checker)
        if not self.answers.runs.total():
            self.asked.write(self.batch.journal.place)

    def take_versions(self, workflows: Sequence[Workflow]) -> None:
        """Use these versions, which were saved since the gate began. Raises JournalTrouble."""
        batch = self.batch
        self.workflows = workflows
        self.answers.versions = [each.version_id for each in self.all_workflows]
        header = self._header_with(workflows)
        if header != batch.header:
            batch.header = header
            batch.journal.begin(header, batch.journaled)

    def count_earlier(self) -> None:
        """Judge the answers that earlier calls have."""
        self.batch.count_earlier(self.checker)

    def share(self, common: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Take the inputs that all rows share, and those of NEW's own, with their files stored."""
        self.rows.share(replace(self.spec.common, values=dict(common)))
        self.rows.own = replace(self.rows.own, values=dict(own))

    # The loop.

    def decide(self, work: RowWorker, tick: Callable[[RowsInFlight], None]) -> GateVerdict:
        """Ask what the rules need until they decide. Raises what ends the gate before."""
        batch = self.batch
        answers = self.answers
        output = GateWriter(batch.header, batch.journal, batch.results, self.checker, answers, None)
        if self.judge is not None:
            output.follow = self._judge_next
        try:
            self._require_versions()
            found = answers.decide()
            while not isinstance(found, GateVerdict):
                self._terminal.note(_stage(found))
                self._ask({key.number for key in found}, work, output, tick)
                found = answers.decide()
            return found
        finally:
            for doubt in answers.unknown_starts:
                self._terminal.warn(doubt)

    def _judge_next(self, answer: Row) -> None:
        """Let the judgement of an answer start before further answers."""
        key = AnswerKey.of(answer.number)
        if key.is_judgement or not self.answers.may_judge(key):
            return
        self._ahead.append(self._filled(place_in(answer, key.judgement)))
        self.answers.expect(self.answers.total + 1)

    def _ask(
        self,
        numbers: Collection[int],
        work: RowWorker,
        output: ResultWriter,
        tick: Callable[[RowsInFlight], None],
    ) -> None:
        """Get the answers of these numbers. Raises what ends the gate."""
        batch = self.batch
        answers = self.answers
        for number in numbers:
            if batch.journaled.state(number) == FINISHED:  # without a result
                batch.journaled.reset_row(number)
        answers.expect(answers.done + len(numbers))
        cause = batch.run(work, output, tick, numbers, self._ahead)
        self._ahead.clear()  # an end left them
        for number in numbers:  # what this call has seen is not followed again
            batch.journaled.reset_row(number)
        if isinstance(cause, Incomplete):
            self._require_versions()
        if cause is not None:
            raise self._ending_of(cause)
        self._require_versions()
        try:
            answers.require_delivered()
        except OutputNotDelivered as error:
            raise self._ending_of(error) from None
        if answers.undelivered:
            written = JournalState.read(batch.journal.path)
            for key in answers.undelivered:  # their runs are read again
                batch.journaled.restore_row(key.number, written)

    def _require_versions(self) -> None:
        """Raise NotFinished if the runs of a side are of another version than was asked."""
        what = self.answers.other_version()
        if what is not None:
            raise NotFinished(f"nothing is judged: {what}", FRESH)

    def _ending_of(self, cause: NoxError) -> NoxError:
        """Return what a batch ended with as the ending of a gate, which says how to continue."""
        hint = Hint("continue with: ", self.spec.resume_command)
        if isinstance(cause, Interruption):
            return Interruption(cause.message, hint, number=cause.number)
        if isinstance(cause, Incomplete):
            # The first rows ended alike, or are in doubt: their code tells how.
            return Incomplete(cause.message, hint, cause.exit_code or worst(self.answers.all_ended))
        return type(cause)(cause.message, hint, **cause.facts())

    def as_started(self, error: NoxError) -> NoxError:
        """Return the error without saying that nothing was started, once a run was."""
        way_on = Hint("continue with: ", self.spec.resume_command)
        if isinstance(error, JournalTrouble):
            return JournalTrouble(error.message, Hint("free some space, and ", way_on))
        if not self.answers.has_started:
            return error
        if error.exit_code == ExitCode.TEMPORARY:
            kind = TimedOut if isinstance(error, TimedOutBeforeStart) else LostContact
            return kind(error.message, way_on)
        if isinstance(error, UsageProblem) and NOTHING_STARTED in error.message:
            message = error.message.replace(NOTHING_STARTED, "")
            return type(error)(message, error.hint, **error.facts())
        return error

    def require_unchanged(self, workflows: Sequence[Workflow], judge: Workflow | None) -> None:
        """Raise UsageProblem if versions, judge, rows or files are not what this call has asked."""
        header = self.batch.header
        now = self._header_with(workflows)
        if self.judge is not None and judge is not None:
            of_judge = {**(now.gate or {}), "judge": self.judge.about(judge)}
            now = replace(now, gate=of_judge)
        differences: Sequence[str] = ()
        if not self.rows.is_pipe:
            read = self._as_judged(self.rows.read_now())
            rows, differences = compare_rows(self.asked.rows, read.rows)
            columns_now = replace(self.asked, rows=rows).columns_digest
            if not differences and columns_now != self.asked.columns_digest:
                self._terminal.warn(
                    f"{self.rows.name} has other expectations or kept columns than when this "
                    "call began; the same line judges by them"
                )
        _require_same_gate(header, now, differences, str(self.spec.directory))

    def _header_with(self, workflows: Sequence[Workflow]) -> BatchHeader:
        """Return the header with these versions."""
        header = self.batch.header
        of_new = {**(header.gate or {}), **_about(workflows[NEW])}
        return replace(header, **_about(workflows[BASE]), gate=of_new)


def _stage(wanted: Sequence[AnswerKey]) -> str:
    """Say what is asked."""
    if wanted[0].is_judgement:
        return f"judging {amount(len(wanted), 'answer')}"
    place = max(key.place for key in wanted)
    rows = amount(len({key.row for key in wanted}), "row")
    sides = {SIDES[key.side] for key in wanted}
    where = "both versions" if len(sides) > 1 else sides.pop()
    if place < SCREEN[0]:
        return f"round {place}: {rows} in {where}"
    done = f" ({place - SUSPECTS[0] + 1} of {len(SUSPECTS)})" if place in SUSPECTS else ""
    return f"{rows} may be broken: re-running {where}{done}"


def _about(workflow: Workflow) -> dict[str, Any]:
    """Return what the header says of a version."""
    definition, nodes = digests_of(workflow.definition)
    return {
        "version_id": workflow.version_id,
        "version_name": workflow.version_name,
        "definition": definition,
        "nodes": nodes,
    }


def header_of_side(header: BatchHeader, side: int) -> BatchHeader:
    """Return what a gate's header says of one side alone."""
    own = {}
    if side == NEW and header.gate is not None:
        own = {name: header.gate[name] for name in OF_NEW}
    return replace(header, **own, repeat=1, gate=None)


def _header_of_judge(header: BatchHeader) -> BatchHeader:
    """Return what a gate's header says of its judge, whose inputs are as constants here."""
    own: dict[str, Any] = {"workflow_id": "no judge"}
    own.update(version_id=None, definition=None, nodes=None, inputs={})
    judge = (header.gate or {}).get("judge")
    if judge is not None:
        own = {name: judge[name] for name in OF_JUDGE}
    own["constants"] = own.pop("inputs")
    return replace(header, **own, secrets=[], columns=None, repeat=1, gate=None)


def _require_readable(header: BatchHeader, directory: str) -> None:
    """Raise UsageProblem if it lacks what it says of NEW or the judge, or says it otherwise."""
    what = f"{directory} has a gate of another edition of noxcli"
    if header.repeat != PER_ROW:
        raise UsageProblem(what, FRESH)
    of_gate = header.gate or {}
    unreadable = _unreadable_fields(of_gate, OF_NEW)
    judge = of_gate.get("judge")
    if judge is not None:
        unreadable += _unreadable_fields(judge, OF_JUDGE)
    if unreadable:
        raise UsageProblem(f"{what}: its {unreadable[0]} can't be read", FRESH)


def _unreadable_fields(part: Any, names: Sequence[str]) -> list[str]:
    """Return which of these fields a part of the header lacks, or has in another form."""
    if not isinstance(part, dict):
        return list(names)
    return [name for name in names if name not in part or type(part[name]) not in FORMS[name]]


def _require_same_gate(
    then: BatchHeader, now: BatchHeader, differences: Sequence[str], directory: str
) -> None:
    """Raise OtherGate with what differs from the gate that began there.

    `differences` are those of its rows.
    """
    names: list[str] = []
    sides = [
        ("", header_of_side(then, BASE), header_of_side(now, BASE)),
        ("NEW's ", header_of_side(then, NEW), header_of_side(now, NEW)),
        ("the judge's ", _header_of_judge(then), _header_of_judge(now)),
    ]
    for whose, before, after in sides:
        for each in differences_of_headers(before, after):
            nodes = f" ({each.now})" if each.what == "definition" else ""
            if each.what not in names:
                names.append(f"{whose}{each.what}{nodes}")
    names += differences
    _require_none(names, directory)


def _require_same_rows(then: BatchHeader, now: BatchHeader, directory: str) -> None:
    """Raise OtherGate for another choice of rows."""
    if (then.rows, then.limit, then.only) != (now.rows, now.limit, now.only):
        _require_none(["rows"], directory)


def _require_none(names: Sequence[str], directory: str) -> None:
    if names:
        differ = "differs" if len(names) == 1 and names[0] != "rows" else "differ"
        raise OtherGate(
            f"{in_prose(list(names))} {differ} from the gate that began in {directory}", FRESH
        )
