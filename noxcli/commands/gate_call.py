"""One call of `noxcli gate`: it asks what the rules need until they decide, and reports what was found."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from noxcli.batch.batch import Batch
from noxcli.batch.result_writer import ResultWriter
from noxcli.batch.spec import FRESH
from noxcli.batch.worker import RowWorker
from noxcli.batchdir.header import BatchHeader, constants_of, differences, digests_of
from noxcli.batchdir.journal_state import FINISHED
from noxcli.checks.merge import MergedBatch
from noxcli.checks.row_checker import RowChecker
from noxcli.checks.row_class import RowClass
from noxcli.cli.ending import resume_hint, to_paste
from noxcli.cli.session import Session, begin
from noxcli.cli.start import read_whole_workflow, upload_files
from noxcli.commands.batch_call import (
    header_of,
    read_rows,
    read_spec,
    row_work,
    show_progress,
    validate_checks,
)
from noxcli.commands.compare_call import ComparisonReport
from noxcli.commands.gate import Options
from noxcli.compare.comparison import Comparison
from noxcli.compare.side import GateSide, Side
from noxcli.compare.significance import chance_of, counts_of, loss_seen, row_seen
from noxcli.compare.summary import RETRY
from noxcli.errors import (
    ExitCode,
    LostContact,
    NotAsAsserted,
    NoxError,
    Phase,
    TimedOut,
    TimedOutBeforeStart,
    UsageProblem,
    worst,
)
from noxcli.gate.answers import GateAnswers
from noxcli.gate.rows import NEW_INPUT, GateRows, with_own
from noxcli.gate.rules import (
    BASE,
    BLOCK,
    MAX_ROUNDS,
    NEW,
    PER_ROW,
    SCREEN,
    SUSPECTS,
    AnswerKey,
    Color,
    GateRules,
    GateVerdict,
    SuspectState,
    default_max_runs,
    min_max_runs,
)
from noxcli.inputs.definition import inputs_of, keys_of, outputs_of
from noxcli.inputs.parse import parse_inputs
from noxcli.models import Workflow
from noxcli.render.renderers import task_progress
from noxcli.render.text import amount, in_prose
from noxcli.reports.comparison_facts import WORSE
from noxcli.reports.row_pair import SIDES
from noxcli.rows.columns import EXPECT
from noxcli.rows.selection import Shard

if TYPE_CHECKING:
    from noxcli.api.rate_limit import RateLimiter


def execute(ctx: typer.Context, options: Options) -> None:
    """Ask both versions until the rules decide, and report. Raises what the command ends with."""
    gate = _Gate(begin(ctx, options, subject=options.workflow), options)
    context, answers = gate.context, gate.answers
    try:
        with gate.batch as batch:
            batch.open()
            answers.remember(batch.journaled)
            context.outcome.has_started_runs(answers.has_started)
            with gate.noxus.connect(Phase.PREFLIGHT) as api:
                pace = api.pace_requests()
                gate.check()
                if options.dry_run:
                    rules, started = answers.rules, answers.runs.total()
                    counts = {
                        "rows": len(rules.rows),
                        "least_runs": rules.round_runs,
                        "most_runs": rules.max_runs,
                    }
                    context.printing.print_document({**counts, "started": started})
                    return
                batch.begin(gate.checker)
                verdict = gate.decide(pace)
                gate.require_unchanged()
            ending = gate.report(verdict)
    except NoxError as error:
        if error.exit_code != ExitCode.TEMPORARY or not context.outcome.may_exist:
            raise
        # Once a run was started, no ending says that nothing was.
        kind = TimedOut if isinstance(error, TimedOutBeforeStart) else LostContact
        raise kind(error.message, resume_hint(context)) from None
    if ending is not None:
        raise ending


class _Gate:
    """The steps of one call, in their order."""

    workflows: Sequence[Workflow] = ()
    checks_changed = False

    def __init__(self, noxus: Session, options: Options) -> None:
        """Raises UsageProblem."""
        self.noxus, self.options, self.answers = noxus, options, GateAnswers()
        context = self.context = noxus.context
        checker = RowChecker.read(
            context.reports.asserts, options.expect, context.sources, context.terminal.mask
        )
        self.checker = checker.measuring(options.score, options.by)
        self.rows = read_rows(noxus, options, GateRows, PER_ROW)
        self.rows.own = parse_inputs(options.new_input or [], None, context.sources)
        self.spec = read_spec(noxus, options, self.rows, Shard(repeat=PER_ROW), of_gate=True)
        self.batch = Batch(self.spec, self.answers, context.terminal, context.clock)
        context.resume_command = self.spec.resume_command

    # Before the first start.

    def check(self) -> None:
        """Read both versions, and compare the gate with that of earlier calls. Raises UsageProblem, WrongInputs."""
        noxus, options, rows, batch = self.noxus, self.options, self.rows, self.batch
        if options.new is None and not rows.own.values:
            raise UsageProblem("--new is missing", f"name a version, or add {NEW_INPUT}")
        workflow = noxus.resolve_workflow(options.workflow)
        self.workflows = self._read_versions(workflow, options.base, options.new or options.base)
        nodes = [inputs_of(each.definition) or [] for each in self.workflows]
        rows.know([*nodes[BASE], *nodes[NEW]], checked=True)
        if rows.is_pipe:
            batch.at_end(rows.copy_pipe(self.spec.directory).close)
        begun = batch.journaled.header
        header = header_of(self.context, self.workflows[BASE], self.spec)
        seen = batch.check(replace(header, gate=self._own_of_new(begun)), *nodes)
        rows.require_apart()
        if not (self.checker.has_checks or EXPECT in rows.names):
            raise UsageProblem(
                "a gate without a check can't fail", "add --assert, --expect or --score"
            )
        for name, workflow in zip(SIDES, self.workflows, strict=True):
            self.checker.require_answers([*keys_of(outputs_of(workflow.definition) or ())], name)
        validate_checks(self.context, self.checker, rows, header, seen)
        if begun is not None:
            _require_same_gate(begun, batch.header, str(self.spec.directory))
        numbers = seen.only if seen.only is not None else range(1, seen.rows // PER_ROW + 1)
        most = options.max_runs or default_max_runs(len(numbers))
        if most < (least := min_max_runs(len(numbers))):
            raise UsageProblem(
                f"--max-runs {most} is too few for {amount(len(numbers), 'row')}", f"write {least}"
            )
        self.answers.rules = GateRules(numbers, most, scored=self.checker.score is not None)

    def _read_versions(self, workflow: Workflow, *names: str) -> list[Workflow]:
        """Return the workflow in both versions. Raises UsageProblem if nothing can differ, and what reading raises."""
        common, own = self.spec.common.values, self.rows.own.values
        workflows = [read_whole_workflow(self.noxus, workflow, name) for name in names]
        base, new = (digests_of(each.definition)[0] for each in workflows)
        if base == new and all(common.get(name) == value for name, value in own.items()):
            raise UsageProblem(
                "BASE and NEW do not differ", f"name another version with --new, or add {NEW_INPUT}"
            )
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
        noxus, batch, answers, context = self.noxus, self.batch, self.answers, self.context
        common, own, work = (
            self.spec.common,
            self.rows.own,
            row_work(noxus, pace, self.workflows, batch),
        )
        batch.count_earlier(self.checker)
        self.rows.share(replace(common, values=upload_files(noxus, common)))
        self.rows.own = replace(own, values=upload_files(noxus, own))
        paste = partial(to_paste, context)
        output = ResultWriter(
            batch.header, batch.journal, batch.results, self.checker, answers, lambda _: None, paste
        )
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

    def _ask(
        self, wanted: Sequence[AnswerKey], work: RowWorker, output: ResultWriter, tick: Any
    ) -> None:
        """Get these answers. Raises what ends the gate."""
        batch, answers = self.batch, self.answers
        numbers = {key.number for key in wanted}
        for number in numbers:
            if batch.journaled.state(number) == FINISHED:  # without a result
                batch.journaled.reset_row(number)
        answers.expect(answers.done + len(numbers))
        cause = batch.run(work, output, tick, numbers)
        self.context.outcome.has_started_runs(answers.has_started)
        for number in numbers:  # what this call has seen is not followed again
            batch.journaled.reset_row(number)
        if cause is not None:
            cause.exit_code = cause.exit_code or worst(
                answers.codes
            )  # the first rows ended alike, or are in doubt
            cause.hint = resume_hint(self.context)
            raise cause

    def require_unchanged(self) -> None:
        """Raise UsageProblem if a version has another definition than when the gate began."""
        ids = [each.version_id or "" for each in self.workflows]
        base, new = map(_about, self._read_versions(self.workflows[BASE], *ids))
        header = self.batch.header
        now = replace(header, **base, gate={**(header.gate or {}), **new})
        _require_same_gate(header, now, str(self.spec.directory))

    # The report.

    def report(self, verdict: GateVerdict) -> NoxError | None:
        """Report what was found, and return what the gate ends with."""
        options, runs = self.options, amount(self.answers.runs.total(), "run")
        base, new = self._sides(verdict)
        with Comparison(
            base, new, self.checker, suspects=self.answers.confirmed(verdict)
        ) as comparison:
            report = ComparisonReport(self.context, comparison, options, [RowClass.BROKEN])
            red = self._why_red(verdict, report.name_failing(), runs) if verdict.is_red else None
            ending = report.ending(red, f"no row passes in either version ({runs})")
            document = self._document(verdict)
            report.write(ending, self._notes(verdict, document, ending), document)
        return ending

    def _sides(self, verdict: GateVerdict) -> Iterator[Side]:
        """Yield both sides, each by its answers of rounds."""
        joined = MergedBatch.read([self.spec.directory])
        for side, own in enumerate(((), self.rows.own.values)):
            header = _of_side(self.batch.header, side)
            numbers = [
                key.number
                for row in self.answers.rules.rows
                for key in self.answers.counting(row, side, verdict)
            ]
            named = header.version_name or header.version_id or ""
            named += f" with {in_prose(list(own))}" if own else ""
            yield Side(SIDES[side], named, GateSide(joined, numbers, header), lambda _: None)

    def _why_red(self, verdict: GateVerdict, names: str, runs: str) -> NoxError:
        """Return why the gate is red, and what decides rows that are not confirmed."""
        if verdict.is_worse:
            look = verdict.looks[-1]
            what = f"{WORSE}: {look.words()} in {amount(look.rounds, 'round')}"
            return NotAsAsserted(f"{what}; no row alone is confirmed")
        hint, rules = None, self.answers.rules
        if unconfirmed := len(verdict.rows(SuspectState.UNCONFIRMED)):
            each, spent = BLOCK + len(SCREEN), self.answers.runs.total()
            hint = f"the server gave too few answers to decide; {RETRY}"
            if spent + each > rules.max_runs:
                hint = f"--max-runs {max(rules.max_runs, spent) + unconfirmed * each} decides them"
        return NotAsAsserted(f"{verdict.words()} ({runs}): {names}", hint)

    def _document(self, verdict: GateVerdict) -> dict[str, Any]:
        """Return the gate's part of `noxcli.comparison/1`."""
        rules, rate, runs = (
            self.answers.rules,
            self.answers.pass_rate(verdict),
            self.answers.runs.total(),
        )
        rounds = len(verdict.looks)
        possible = rounds + min(
            MAX_ROUNDS - rounds, max(0, rules.max_runs - runs) // rules.round_runs
        )
        return {
            "rounds": rounds,
            "runs": runs,
            "max_runs": rules.max_runs,
            "looks": [look.document() for look in verdict.looks],
            "suspects": {str(state): len(verdict.rows(state)) for state in SuspectState},
            "loss_seen": loss_seen(
                self.answers.rows_with_a_check, rate, possible, scored=rules.scored
            ),
            "row_seen": row_seen(self.answers.rows_with_a_check, rate),
            "checks_changed": self.checks_changed,
        }

    def _notes(
        self, verdict: GateVerdict, found: Mapping[str, Any], ending: NoxError | None
    ) -> Iterator[str]:
        """Yield what users should know about the verdict."""
        look, loss, row = verdict.looks[-1], found["loss_seen"], found["row_seen"]
        is_open = look.color is Color.GRAY and not verdict.is_red
        if is_open:
            green = "; green" if ending is None else ""
            yield f"not decided after {amount(look.rounds, 'round')}: {look.words()}{green}"
        by_rows = verdict.is_red and not verdict.is_worse  # the error says what is known of these
        if look.broken and not by_rows:
            what, often = (
                counts_of(look.broken, look.fixed, "answer"),
                chance_of(look.broken, look.fixed),
            )
            yield often if is_open else f"{what}: {often}"
        if verdict.suspects and not by_rows:
            yield f"seemed broken: {verdict.words()}"
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


def _stage(wanted: Sequence[AnswerKey]) -> str:
    """Say what is asked."""
    place, rows = max(key.place for key in wanted), amount(len({key.row for key in wanted}), "row")
    sides = {SIDES[key.side] for key in wanted}
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
    own = {
        key: value for key, value in (header.gate or {}).items() if key != "checks" and side == NEW
    }
    return replace(header, **own, repeat=1, gate=None)


def _require_same_gate(then: BatchHeader, now: BatchHeader, directory: str) -> None:
    """Raise UsageProblem with what differs from the gate that has begun there."""
    names: list[str] = []
    for side, whose in ((BASE, ""), (NEW, "NEW's ")):
        for each in differences(_of_side(then, side), _of_side(now, side)):
            nodes = f" ({each.now})" if each.what == "definition" else ""
            names += [f"{whose}{each.what}{nodes}"] if each.what not in names else []
    if (then.digest, then.rows, then.limit, then.only) != (
        now.digest,
        now.rows,
        now.limit,
        now.only,
    ):
        names.append("rows")
    if names:
        differ = "differs" if len(names) == 1 and names[0] != "rows" else "differ"
        raise UsageProblem(
            f"{in_prose(names)} {differ} from the gate that began in {directory}", FRESH
        )
