"""How `compare --confirm` asks the rows again that seem broken: batches in the directories of both sides."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from noxcli.batch.asked import Asked
from noxcli.batch.batch import Batch
from noxcli.batch.columns import Columns
from noxcli.batch.compare import Comparison
from noxcli.batch.confirm import Confirmation, Round, Stored
from noxcli.batch.identity import changed_nodes, digests_of
from noxcli.batch.judge import Judge
from noxcli.batch.output import Output
from noxcli.batch.rows import RowFile
from noxcli.batch.shards import Shard
from noxcli.batch.suspects import Suspects
from noxcli.batch.tally import Tally
from noxcli.cli.ending import to_paste
from noxcli.cli.prepare import read_workflow_to_run
from noxcli.cli.session import Session
from noxcli.codec import to_json
from noxcli.commands.batch_call import header_of, news_of, row_work
from noxcli.errors import ConfigProblem, Incomplete, Interruption, Phase, UsageProblem
from noxcli.files import JOURNAL_NAME
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import read_inputs
from noxcli.models import Workflow
from noxcli.render.renderers import batch_progress
from noxcli.render.text import amount

if TYPE_CHECKING:
    from noxcli.api.pace import Pace

MAX_RUNS = 240
PARALLEL, POLL_INTERVAL = 8, 5.0


def confirm_rows(
    noxus: Session, comparison: Comparison, judge: Judge, asks: int, max_runs: int | None, *, dry_run: bool
) -> bool:
    """Ask the rows again that seem broken, and let those vary that chance may break; return false for a dry run.

    Raises UsageProblem if they can't be asked, and what ends a batch.
    """
    asking = Asking(noxus, comparison, judge, asks, max_runs or MAX_RUNS)
    if dry_run:
        noxus.context.terminal.write(f"{to_json(asking.confirmation.counts())}\n")
    elif asking.suspects.by_name:
        noxus.context.way_back = asking.way_back
        asking.suspects.begin(asking.confirmation)
        comparison.take(asking.confirmation, asking.confirmation.decide(asking.answer))
    return not dry_run


class Asking:
    """The batches of one comparison."""

    def __init__(self, noxus: Session, comparison: Comparison, judge: Judge, asks: int, most: int) -> None:
        """Raises UsageProblem if the rows can't be asked again, or not often enough."""
        context, self._noxus = noxus.context, noxus
        self.suspects = Suspects(comparison, judge, context.terminal, context.clock)
        self.confirmation = Confirmation.of(list(self.suspects.by_name), asks, most)
        self.way_back = shlex.join(["noxcli", *context.argv])

    def answer(self, round_: Round) -> Stored:
        """Return the answers of a round: those that are stored, and of the batch that asks for the others."""
        suspects = self.suspects
        if round_.side == "base":
            suspects.begin_base()
        stored = suspects.read_stored(round_)
        if not stored.is_whole:
            with self._noxus.connect(Phase.PREFLIGHT):
                versions = {side: self._read_version(side) for side in suspects.sides}
                workflow = versions[round_.side]
                what = f"asking {amount(len(round_.names), 'row')} {round_.asks} times in {round_.side.upper()}"
                self._noxus.context.terminal.note(f"{what}: {suspects.directory(round_)}")
                self._ask(round_, workflow, ())
                stored = suspects.read_stored(round_)
                if not stored.is_whole and self.confirmation.has_room_for(stored.runs + len(stored.again)):
                    self._noxus.context.terminal.note("asking once more where there is no answer")
                    self._ask(round_, workflow, stored.again)
                    stored = suspects.read_stored(round_)
                self._read_version(round_.side)
        return stored

    def _read_version(self, side: str) -> Workflow:
        """Return the workflow in the version of a side. Raises UsageProblem if its definition is another one now."""
        header, name = self.suspects.header(side), side.upper()
        if header.host != self._noxus.context.base_url:
            raise ConfigProblem(f"{name} ran on {header.host}, and this is {self._noxus.context.base_url}")
        workflow = read_workflow_to_run(
            self._noxus, Workflow(header.workflow_id, header.workflow_id), header.version_id, look=True
        )
        definition, nodes = digests_of(workflow.definition)
        if header.version_id is None and definition != header.definition:
            changed = "it can't be read" if definition is None else changed_nodes(header, replace(header, nodes=nodes))
            raise UsageProblem(
                f"the workflow is not the one that {name} ran with ({changed}), so its rows can't be asked again",
                f"run {name} again, with --version-id VERSION",
            )
        return workflow

    def _ask(self, round_: Round, workflow: Workflow, again: Sequence[tuple[int, str | None]]) -> None:
        """Run a round's batch, with those numbers and ids `again`. Raises what ends it early."""
        noxus, context, suspects = self._noxus, self._noxus.context, self.suspects
        rows = suspects.write_rows(round_)
        asked = self._read_asked(round_, str(rows))
        asked.rows.know(inputs_of(workflow.definition), checked=False)
        tally, judge = Tally(repeat=round_.asks), Judge((), None, context.terminal.mask)
        with Batch(asked, tally, context.terminal, context.clock) as batch:
            batch.open()
            pace = noxus.api.pace_requests()
            batch.check(header_of(context, workflow, asked, self._command(round_, str(rows))), None)
            batch.begin(judge)
            if again:
                batch.journal.choose(again)
                batch.past.choose([number for number, _ in again])
            saves = self._saves_files(round_.side)
            work = row_work(noxus, pace, workflow, batch, noxus.common.retry_for, saves=saves)
            batch.adopt(work)
            batch.count_past(judge)
            paste = partial(to_paste, context)
            output = Output(batch.journal, batch.results, judge, tally, lambda _: None, paste)
            with batch_progress(context.terminal) as shown:
                tick = partial(_show, shown, tally, pace)
                cause = batch.run(work, output, tick)
        if isinstance(cause, Interruption):
            raise Interruption(f"{cause.message}{batch.named}", self._go_on, number=cause.number)
        if cause is not None:
            raise Incomplete(f"{cause.message}{batch.named}", self._go_on, cause.exit_code)

    def _read_asked(self, round_: Round, file: str) -> Asked:
        """Return what is asked of the batch of a round. Raises UsageProblem for a secret that is not set."""
        context, directory = self._noxus.context, self.suspects.directory(round_)
        secrets, environ = self._secrets(round_.side), context.terminal.environ
        common = read_inputs([], None, context.sources, secrets=secrets, environ=environ)
        context.hide(common)
        begun = (directory / JOURNAL_NAME).exists()
        return Asked(
            workflow=self.suspects.header(round_.side).workflow_id,
            rows=RowFile(file, "jsonl", Columns({}, common), context.sources, None, round_.asks),
            common=common,
            shard=Shard(repeat=round_.asks),
            directory=directory,
            named=False,
            resume=begun,
            fresh=not begun,
            way_back=self.way_back,
            stops=context.stops_runs(None),
            max_parallel=PARALLEL,
            max_failures=0,  # NEW may answer all of them with one failure
            poll_interval=POLL_INTERVAL,
        )

    def _command(self, round_: Round, file: str) -> list[str]:
        """Return the command line of an ordinary batch that continues the one of the round."""
        header, directory = self.suspects.header(round_.side), str(self.suspects.directory(round_))
        version = [] if header.version_id is None else ["--version-id", header.version_id]
        secrets = [word for each in self._secrets(round_.side) for word in ("--secret", each)]
        repeat = ["--repeat", str(round_.asks)]
        return ["batch", header.workflow_id, file, *repeat, "--no-check", *version, *secrets, "--output-dir", directory]

    def _secrets(self, side: str) -> list[str]:
        """Return KEY=ENVNAME of each secret of a side, as its own command gave them."""
        words = self.suspects.header(side).command
        given = [after for word, after in pairwise(words) if word == "--secret"]
        return [*given, *(word.partition("=")[2] for word in words if word.startswith("--secret="))]

    def _saves_files(self, side: str) -> bool:
        """True if the side's batch stored its outputs as files, which an assertion may be about."""
        return any(word.partition("=")[0] == "--output-dir" for word in self.suspects.header(side).command)

    @property
    def _go_on(self) -> str:
        return f"continue with: {self.way_back}"


def _show(shown: Any, tally: Tally, pace: "Pace") -> None:
    shown.tell(partial(tally.how_far, news_of(pace)))
