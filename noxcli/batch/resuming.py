"""The rest of an earlier call's batch: whether this call may continue it, and which rows remain."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from noxcli.batch.journal import FINISHED, Header, Journal, Past
from noxcli.batch.plan import FINAL, Counts
from noxcli.batch.rows import Row, RowFile
from noxcli.batch.shards import Shard
from noxcli.batch.survey import Checker, Survey, require_same, survey
from noxcli.errors import ConfigProblem, ExitCode, UsageProblem, WrongInputs
from noxcli.fixed import fixed
from noxcli.render.text import amount


@fixed
class Share:
    """The rows of one call; `changed` accepts a file whose rows differ from those of the earlier call."""

    checker: Checker
    shard: Shard
    past: Past
    changed: bool

    def survey(self, rows: RowFile) -> Survey:
        """Return the survey of the rows.

        Raises UsageProblem for a file that can't be read, or whose rows have changed since the batch began.
        """
        seen, then = survey(rows.rows(), self.checker, self.shard, self.past), self.past.header
        if then is not None and then.digest not in {None, seen.digest} and not self.changed:
            raise UsageProblem(
                f"{then.source} has changed since the batch began: it had {then.rows} rows, and now has {seen.rows}",
                "restore the old file, or match rows by number with --allow-changed-input",
            )
        return seen

    def to_do(self, rows: RowFile, journal: Journal, counts: Counts) -> Iterator[Row]:
        """Yield the remaining rows; runs in the reading thread."""
        number = mine = 0
        for row in rows.rows():
            number = row.number
            if not self.shard.has(number):
                continue
            mine += 1
            if not self.changed:
                require_same(row, self.past)
            if self.past.state(number) != FINISHED:
                yield self.checker.checked(row)
        counts.total = mine
        journal.end(number)


def require_resumable(past: Past, now: Header, directory: Path, *, resume: bool) -> None:
    """Raise UsageProblem if the directory has a batch and `resume` is false, ConfigProblem for another batch."""
    then = past.header
    if then is None:
        return
    if not resume:
        raise UsageProblem(
            f"{directory} already has a batch with {amount(past.finished, 'finished row')}",
            "continue it with --resume, or choose another --output-dir",
        )
    for what, was, is_ in (
        ("workflow", then.workflow_id, now.workflow_id),
        ("server", then.host, now.host),
        ("shard", then.shard, now.shard),
    ):
        if was != is_:
            raise ConfigProblem(f"the batch in {directory} is for {what} {was}, and this is {is_}", "see --output-dir")


def line_to_continue(argv: Sequence[str], codes: Mapping[int, int], left: int) -> str | None:
    """Return what to do about incomplete rows, `left` of which can still be finished; None if there is nothing to do.

    `argv` is the command line of this call.
    """
    wanted = flags_to_continue(argv, codes, left)
    if not wanted:
        return None
    line = shlex.join([*argv, *(flag for flag in wanted if flag not in argv)])
    return f"{'continue' if left else 'run the failed rows again'} with: noxcli {line}"


def flags_to_continue(argv: Sequence[str], codes: Mapping[int, int], left: int) -> list[str]:
    """Return the options for the incomplete rows, `left` of which can still be finished."""
    wanted = ["--resume"] if left else ["--retry-failed"] if any(codes.get(code) for code in FINAL - {0}) else []
    if codes.get(ExitCode.START_UNKNOWN) and "--retry-in-doubt" not in argv:
        wanted.append("--adopt")
    return wanted


def require_right(seen: Survey, workflow: str, complain: Callable[[str], None]) -> None:
    """List the mistakes, and raise WrongInputs if there are any."""
    for mistake in seen.mistakes:
        complain(f"noxcli: {mistake}")
    if seen.wrong:
        more = f" (the first {len(seen.mistakes)} are listed)" if seen.wrong > len(seen.mistakes) else ""
        raise WrongInputs(
            f"{seen.wrong} of {seen.in_shard} rows are wrong{more}; nothing was started",
            f"see: noxcli inputs {shlex.quote(workflow)}",
        )
