"""One call of `noxcli gate`: it asks what the rules need until they decide, and reports what was found."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from noxcli.batch.batch import Batch
from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.spec import FRESH, BatchSpec
from noxcli.batch.worker import RowWorker
from noxcli.batchdir.header import BatchHeader, constants_of, differences, digests_of
from noxcli.batchdir.journal_state import FINISHED
from noxcli.checks.merge import MergedBatch
from noxcli.checks.row_checker import RowChecker
from noxcli.cli.context import Context
from noxcli.cli.ending import to_paste
from noxcli.cli.prepare import read_workflow_to_run, upload_files
from noxcli.cli.session import Session, begin
from noxcli.commands.batch_call import header_of, read_rows, read_spec, row_work, show_progress, validate_checks
from noxcli.commands.compare_call import ComparisonReport, chance_of, counts_of
from noxcli.commands.gate import Options
from noxcli.commands.gate_answers import NEW_INPUT, PER_ROW, GateAnswers, GateRows, number_of, with_own
from noxcli.compare.comparison import Comparison
from noxcli.compare.gate_rules import (
    BASE,
    BLOCK,
    MAX_ROUNDS,
    NEW,
    SCREEN,
    SUSPECTS,
    AnswerKey,
    Color,
    GateRules,
    GateVerdict,
    Look,
    SuspectState,
    default_max_runs,
    min_max_runs,
)
from noxcli.compare.side import GateSide, Side
from noxcli.compare.significance import loss_seen, row_seen
from noxcli.errors import (
    ExitCode,
    Incomplete,
    Interruption,
    LostContact,
    NotAsAsserted,
    NoxError,
    Phase,
    TimedOut,
    TimedOutBeforeStart,
    Unavailable,
    UsageProblem,
    worst,
)
from noxcli.inputs.definition import inputs_of, keys_of, outputs_of
from noxcli.inputs.parse import parse_inputs
from noxcli.models import Workflow
from noxcli.render.renderers import task_progress
from noxcli.render.text import amount, in_prose
from noxcli.reports.comparison_facts import WORSE
from noxcli.reports.row_pair import RowClass
from noxcli.rows.columns import EXPECT
from noxcli.rows.selection import Shard

if TYPE_CHECKING:
    from noxcli.api.rate_limit import RateLimiter

SUSPECTS_IN_WORDS = {  # of one, of several
    SuspectState.BROKEN: ("is broken", "are broken"),
    SuspectState.VARIES: ("varies", "vary"),
    SuspectState.UNCONFIRMED: ("is not confirmed", "are not confirmed"),
    SuspectState.NO_BASE: ("never passes in BASE", "never pass in BASE"),
}
NAMES = ("BASE", "NEW")
RETRY = "retry in a moment; see: noxcli versions"


def execute(ctx: typer.Context, options: Options) -> None:
    """Ask both versions until the rules decide, and report. Raises what the command ends with."""
    noxus = begin(ctx, options, subject=options.workflow)
    context, answers = noxus.context, GateAnswers()
    checker = RowChecker.read(options.asserts, options.expect, context.sources, context.terminal.mask)
    checker = checker.measuring(options.score, options.by)
    rows = read_rows(noxus, options, GateRows, PER_ROW)
    rows.own = parse_inputs(options.new_input or [], None, context.sources)
    spec = read_spec(noxus, options, rows, Shard(repeat=PER_ROW), of_gate=True)
    context.resume_command = spec.resume_command
    with _never_safe_again(context, spec), Batch(spec, answers, context.terminal, context.clock) as batch:
        batch.open()
        answers.remember(batch.journaled)
        context.outcome.may_exist = bool(answers.runs.total())
        with noxus.connect(Phase.PREFLIGHT) as api:
            pace = api.pace_requests()
            gate = _Gate(noxus, options, checker, rows, spec, batch, answers)
            gate.check()
            if options.dry_run:
                context.reports.clear(comment=True)
                rules, started = answers.rules, answers.runs.total()
                counts = {"rows": len(rules.rows), "least_runs": rules.round_runs, "most_runs": rules.max_runs}
                context.printing.print_document({**counts, "started": started})
                return
            batch.begin(checker)
            verdict = gate.decide(pace)
            gate.require_unchanged()
        ending = gate.report(verdict)
    if ending is not None:
        raise ending


@contextmanager
def _never_safe_again(context: Context, spec: BatchSpec) -> Iterator[None]:
    """Once a run was started, no ending says that nothing was."""
    try:
        yield
    except NoxError as error:
        if error.exit_code != ExitCode.TEMPORARY or not context.outcome.may_exist:
            raise
        kind = TimedOut if isinstance(error, TimedOutBeforeStart) else LostContact
        raise kind(error.message, f"continue with: {spec.resume_command}") from None


@dataclass(slots=True, eq=False, repr=False)
class _Gate:
    """The steps of one call, in their order."""

    noxus: Session
    options: Options
    checker: RowChecker
    rows: GateRows
    spec: BatchSpec
    batch: Batch
    answers: GateAnswers
    workflows: Sequence[Workflow] = ()
    checks_changed: bool = False

    # Before the first start.

    def check(self) -> None:
        """Read both versions, and compare the gate with that of earlier calls. Raises UsageProblem, WrongInputs."""
        noxus, options, rows, batch = self.noxus, self.options, self.rows, self.batch
        if options.new is None and not rows.own.values:
            raise UsageProblem("--new is missing", f"name a version, or add {NEW_INPUT}")
        names = [options.base, options.new or options.base]
        self.workflows = self._read_versions(noxus.resolve_workflow(options.workflow), names)
        nodes = [inputs_of(each.definition) for each in self.workflows]
        rows.know([node for each in nodes for node in each or ()], checked=True)
        if rows.is_pipe:
            batch.at_end(rows.copy_pipe(self.spec.directory).close)
        begun = batch.journaled.header
        header = replace(header_of(noxus.context, self.workflows[0], self.spec, noxus.context.argv), repeat=PER_ROW)
        seen = batch.check(replace(header, gate=self._own_of_new(begun)), *nodes)
        rows.require_apart()
        if not (self.checker.has_checks or EXPECT in rows.names):
            raise UsageProblem("a gate without a check can't fail", "add --assert, --expect or --score")
        for name, workflow in zip(NAMES, self.workflows, strict=True):
            self.checker.require_answers([*keys_of(outputs_of(workflow.definition) or ())], name)
        validate_checks(noxus.context, self.checker, rows, header, seen)
        if begun is not None:
            _require_same_gate(begun, batch.header, str(self.spec.directory))
        numbers = seen.only if seen.only is not None else range(1, seen.rows // PER_ROW + 1)
        most = options.max_runs or default_max_runs(len(numbers))
        if most < (least := min_max_runs(len(numbers))):
            raise UsageProblem(f"--max-runs {most} is too few for {amount(len(numbers), 'row')}", f"write {least}")
        self.answers.rules = GateRules(numbers, most, scored=self.checker.score is not None)

    def _read_versions(self, found: Workflow, names: Sequence[str]) -> list[Workflow]:
        """Return the workflow in both versions. Raises UsageProblem if nothing can differ."""
        common, own = self.spec.common.values, self.rows.own.values
        workflow = Workflow(found.id, found.name)  # what a list contains may differ from what is read by id
        workflows = [read_workflow_to_run(self.noxus, workflow, name, checks=True) for name in names]
        base, new = (digests_of(each.definition)[0] for each in workflows)
        for name, digest in zip(names, (base, new), strict=True):
            if digest is None:
                raise Unavailable(f"the definition of version {name} can't be read", RETRY, sent=False)
        if base == new and all(common.get(name) == value for name, value in own.items()):
            raise UsageProblem("BASE and NEW do not differ", f"name another version with --new, or add {NEW_INPUT}")
        return workflows

    def _own_of_new(self, begun: BatchHeader | None) -> dict[str, Any]:
        """Return what the header says of NEW, and of the checks that the gate began with."""
        checks = self.checker.identity()
        first = begun.gate["checks"] if begun is not None and begun.gate is not None else checks
        self.checks_changed = first != checks
        constants = constants_of(with_own(self.spec.common, self.rows.own))
        return {**_about(self.workflows[NEW]), "constants": constants, "checks": first}

    # The loop.

    def decide(self, pace: "RateLimiter") -> GateVerdict:
        """Ask what the rules need until they decide. Raises what ends the gate before."""
        noxus, batch, answers, context = self.noxus, self.batch, self.answers, self.noxus.context
        saves = self.options.output_dir is not None
        work = row_work(noxus, pace, self.workflows, batch, self.options.retry_for, saves=saves)
        batch.count_earlier(self.checker)
        self._upload()
        paste = partial(to_paste, context)
        output = ResultWriter(batch.header, batch.journal, batch.results, self.checker, answers, lambda _: None, paste)
        try:
            with task_progress(context.terminal, prints=True) as shown:
                tick = partial(show_progress, shown, answers, pace)
                while not isinstance(wanted := answers.decide(), GateVerdict):
                    context.terminal.note(_stage(wanted))
                    self._ask(wanted, work, output, tick)
        finally:
            for doubt in answers.unknown_starts:
                context.terminal.warn(doubt)
        return wanted

    def _ask(self, wanted: Sequence[AnswerKey], work: RowWorker, output: ResultWriter, tick: Any) -> None:
        """Get these answers. Raises what ends the gate."""
        batch, answers = self.batch, self.answers
        numbers = {*map(number_of, wanted)}
        for number in numbers:
            if batch.journaled.state(number) == FINISHED:  # without a result
                batch.journaled.reset_row(number)
        answers.expect(answers.done + len(numbers))
        try:
            cause = batch.run(work, output, tick, numbers)
        finally:
            self.noxus.context.outcome.may_exist |= bool(answers.runs.total()) or batch.has_started
        for number in numbers:  # what this call has seen is not followed again
            batch.journaled.reset_row(number)
        if cause is not None:
            raise self._ending_of(cause)

    def _ending_of(self, cause: NoxError) -> NoxError:
        """Return the error of a gate that ends before its verdict."""
        hint = f"continue with: {self.spec.resume_command}"
        if isinstance(cause, Interruption):
            return Interruption(cause.message, hint, number=cause.number)
        # OK: the first rows ended alike, or too many are in doubt.
        return Incomplete(cause.message, hint, cause.exit_code or worst(self.answers.codes))

    def _upload(self) -> None:
        """Store the files that all rows share."""
        common, rows = self.spec.common, self.rows
        rows.share(replace(common, values=dict(upload_files(self.noxus, common))))
        rows.own = replace(rows.own, values=dict(upload_files(self.noxus, rows.own)))

    def require_unchanged(self) -> None:
        """Raise UsageProblem if a version has another definition than when the gate began."""
        ids = [each.version_id or "" for each in self.workflows]
        base, new = map(_about, self._read_versions(self.workflows[0], ids))
        header = self.batch.header
        now = replace(header, definition=base["definition"], nodes=base["nodes"], gate={**(header.gate or {}), **new})
        _require_same_gate(header, now, str(self.spec.directory))

    # The report.

    def report(self, verdict: GateVerdict) -> NoxError | None:
        """Report what was found, and return what the gate ends with."""
        options, runs = self.options, amount(self.answers.runs.total(), "run")
        base, new = self._sides()
        with ExitStack() as stack:
            suspects = self.answers.confirmed(verdict)
            comparison = Comparison(base, new, self.checker, stack, suspects=suspects)
            comparison.compared.require_partners(allow_missing=options.allow_missing)
            report = ComparisonReport(self.noxus.context, comparison, options, [RowClass.BROKEN])
            red = self._why_red(verdict, report.name_failing(), runs) if verdict.is_red else None
            finish = "repeat the command to retry, or add --allow-missing"
            ending = report.ending(red, f"no row passes in either version ({runs})", "", finish)
            document = self._document(verdict)
            report.write(ending, self._notes(verdict, document, ending), document)
        return ending

    def _sides(self) -> list[Side]:
        """Return both sides, each by the answers that class its rows."""
        joined, sides = MergedBatch.read([self.spec.directory]), []
        for side, name in enumerate(NAMES):
            header = _of_side(self.batch.header, side)
            numbers = [number_of(self.answers.classing(row, side)) for row in self.answers.rules.rows]
            named = header.version_name or header.version_id or ""
            if side == NEW and (own := self.rows.own.values):
                named += f" with {in_prose(list(own))}"
            sides.append(Side(name, named, GateSide(joined, numbers, header), lambda _: None))
        return sides

    def _why_red(self, verdict: GateVerdict, names: str, runs: str) -> NoxError:
        """Return why the gate is red, and what decides rows that are not confirmed."""
        hint, rules = None, self.answers.rules
        if unconfirmed := len(verdict.rows(SuspectState.UNCONFIRMED)):
            each, spent = BLOCK + len(SCREEN), self.answers.runs.total()
            hint = "the server gave too few answers to decide; start over with --fresh"
            if spent + each > rules.max_runs:
                hint = f"--max-runs {max(rules.max_runs, spent) + unconfirmed * each} decides them"
        if verdict.is_worse:
            return NotAsAsserted(f"{_worse(verdict)}; no row alone is confirmed", hint)
        return NotAsAsserted(f"{_suspects(verdict, 'row')} ({runs}): {names}", hint)

    def _document(self, verdict: GateVerdict) -> dict[str, Any]:
        """Return the gate's part of `noxcli.comparison/1`."""
        rules, rate, runs = self.answers.rules, self.answers.pass_rate(), self.answers.runs.total()
        looks = [
            {
                "broken": look.broken,
                "fixed": look.fixed,
                "chance": look.chance,
                "score": None if look.interval is None else look.interval.mean,
                "finding": str(look.color),
            }
            for look in verdict.looks
        ]
        possible = len(looks) + min(MAX_ROUNDS - len(looks), max(0, rules.max_runs - runs) // rules.round_runs)
        return {
            "rounds": len(looks),
            "runs": runs,
            "max_runs": rules.max_runs,
            "looks": looks,
            "suspects": {str(state): len(verdict.rows(state)) for state in SuspectState},
            "loss_seen": loss_seen(self.answers.rows_with_a_check, rate, possible, scored=rules.scored),
            "row_seen": row_seen(self.answers.rows_with_a_check, rate),
            "checks_changed": self.checks_changed,
        }

    def _notes(self, verdict: GateVerdict, found: Mapping[str, Any], ending: NoxError | None) -> Iterator[str]:
        """Yield what users should know about the verdict."""
        look, loss, row = verdict.looks[-1], found["loss_seen"], found["row_seen"]
        is_open = look.color is Color.GRAY and not verdict.is_red
        if is_open:
            green = "; green" if ending is None else ""
            yield f"not decided after {amount(look.rounds, 'round')}: {_changes(look)}{green}"
        if look.broken and (verdict.is_worse or not verdict.is_red):
            what, often = counts_of(look.broken, look.fixed, "answer"), chance_of(look.broken, look.fixed, look.chance)
            yield often if is_open else f"{what}: {often}"
        if len(verdict.rows(SuspectState.BROKEN)) < len(verdict.suspects):
            yield f"{amount(len(verdict.suspects), 'row')} seemed broken: {_suspects(verdict)}"
        if ending is None:
            seen = "no loss everywhere could be seen; this gate would have seen"
            if loss is not None:
                seen = f"this gate would have seen a loss of {100 * loss:.0f} points everywhere in 8 of 10 cases, and"
            yield f"{seen} one row that turned 90 % bad in {100 * row:.0f} of 100"
        if self.checks_changed:
            yield (
                "these checks were chosen after answers were seen, so that an unchanged workflow may fail in more than "
                "5 of 100 gates"
            )


def _worse(verdict: GateVerdict) -> str:
    look = verdict.looks[-1]
    return f"{WORSE}: {_changes(look)} in {amount(look.rounds, 'round')}"


def _changes(look: Look) -> str:
    """Return how many answers broke and were fixed, and how far the score fell, if they did."""
    fell = look.interval is not None and look.interval.mean < 0
    score = f"the score fell by {-look.interval.mean:.3g}" if look.interval is not None and fell else ""
    answers = counts_of(look.broken, look.fixed, "answer") if look.broken or look.fixed or not fell else ""
    return ", and ".join(filter(None, [answers, score]))


def _suspects(verdict: GateVerdict, noun: str = "") -> str:
    """Return what is known of the rows that seemed broken."""
    counts = [(len(verdict.rows(state)), *words) for state, words in SUSPECTS_IN_WORDS.items()]
    (first, *words), *others = (each for each in counts if each[0])
    number = amount(first, noun) if noun else "it" if len(verdict.suspects) == 1 else str(first)
    parts = [f"{number} {words[first > 1]}", *(f"{count} {each[count > 1]}" for count, *each in others)]
    return ", ".join(parts)


def _stage(wanted: Sequence[AnswerKey]) -> str:
    """Say what is asked."""
    place, rows = max(key.place for key in wanted), amount(len({key.row for key in wanted}), "row")
    sides = {NAMES[key.side] for key in wanted}
    where = "both versions" if len(sides) > 1 else sides.pop()
    if place < SCREEN[0]:
        return f"round {place}: {rows} in {where}"
    done = f" ({place - SUSPECTS[0] + 1} of {len(SUSPECTS)})" if place in SUSPECTS else ""
    return f"{rows} may be broken: re-running {where}{done}"


def _about(workflow: Workflow) -> dict[str, Any]:
    """Return what the header says of a version."""
    definition, nodes = digests_of(workflow.definition)
    names = {"version_id": workflow.version_id, "version_name": workflow.version_name}
    return {**names, "definition": definition, "nodes": nodes}


def _of_side(header: BatchHeader, side: int) -> BatchHeader:
    """Return what the header says of one side alone."""
    own = {key: value for key, value in (header.gate or {}).items() if key != "checks" and side == NEW}
    return replace(header, **own, repeat=1, gate=None)


def _require_same_gate(then: BatchHeader, now: BatchHeader, directory: str) -> None:
    """Raise UsageProblem with what differs from the gate that has begun there."""
    names: list[str] = []
    for side, whose in ((BASE, ""), (NEW, "NEW's ")):
        for each in differences(_of_side(then, side), _of_side(now, side)):
            nodes = f" ({each.now})" if each.what == "definition" else ""
            names += [f"{whose}{each.what}{nodes}"] if each.what not in names else []
    if (then.digest, then.rows, then.limit, then.only) != (now.digest, now.rows, now.limit, now.only):
        names.append("rows")
    if names:
        differ = "differs" if len(names) == 1 and names[0] != "rows" else "differ"
        raise UsageProblem(f"{in_prose(names)} {differ} from the gate that began in {directory}", FRESH)
