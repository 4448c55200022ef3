"""The check of all rows before anything is started: their number, their mistakes, and whether they have changed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from noxcli.batch.ids import OwnIds
from noxcli.batch.journal import FINISHED, INTENDED, STARTED, Past
from noxcli.batch.rows import ID, Row
from noxcli.batch.shards import Shard
from noxcli.errors import UsageProblem, WrongInputs
from noxcli.files import new_digest
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.preflight import check
from noxcli.inputs.uploads import Upload
from noxcli.signals import SIGNALS

MISTAKES_KEPT = 20


@dataclass(slots=True, eq=False, repr=False)
class Survey:
    """The totals of a file's rows. `mistakes` are the first of `wrong` ones; bytes are those to upload."""

    rows: int = 0
    in_shard: int = 0
    finished: int = 0
    started: int = 0
    in_doubt: int = 0
    uploads: int = 0
    upload_bytes: int = 0
    wrong: int = 0
    mistakes: list[str] = field(default_factory=list)
    digest: str = ""

    def counts(self) -> dict[str, int]:
        """Return the numbers that `--dry-run` prints."""
        return {
            "rows": self.rows,
            "in_shard": self.in_shard,
            "to_start": self.in_shard - self.finished - self.started - self.in_doubt,
            "finished": self.finished,
            "started": self.started,
            "in_doubt": self.in_doubt,
            "uploads": self.uploads,
            "upload_bytes": self.upload_bytes,
        }


class Checker:
    """Checks rows against the workflow's definition; a message that applies to all rows is written once."""

    def __init__(self, definition: Mapping[str, Any] | None, named: str, say: Callable[[str], None]) -> None:
        """`definition` is None if rows are not checked."""
        self._checks = definition is not None
        self._nodes = None if definition is None else inputs_of(definition)
        self._named = named
        self._say = say
        self._said: set[str] = set()

    def checked(self, row: Row) -> Row:
        """Return the row with its texts converted to the declared types, or with its problem."""
        if row.problem is not None or not self._checks:
            return row
        try:
            result = check(row.inputs, self._nodes, self._named)
        except WrongInputs as wrong:
            return replace(row, problem=wrong.message)
        for line in [*result.notes, *(f"warning: {line}" for line in result.warnings)]:
            self._tell(line, row)
        return row if result.inputs is row.inputs else replace(row, inputs=result.inputs)

    def _tell(self, line: str, row: Row) -> None:
        kind = line.partition(":")[0] if line.startswith("'") else line
        if kind not in self._said and len(self._said) < MISTAKES_KEPT:
            self._said.add(kind)
            self._say(f"{row.place}: {line}")


def survey(rows: Iterable[Row], checker: Checker, shard: Shard, past: Past) -> Survey:
    """Return the totals of the rows.

    Raises UsageProblem for a file that can't be read, and for an unfinished row that repeats an earlier id.
    """
    found, digest, ids = Survey(), new_digest(), OwnIds()
    for row in rows:
        SIGNALS.check()
        found.rows += 1
        ids.add(row)
        digest.update(row.digest.to_bytes(8, "big"))
        if not shard.has(row.number):
            continue
        found.in_shard += 1
        state = past.state(row.number)
        found.finished += state == FINISHED
        found.started += state == STARTED
        found.in_doubt += state == INTENDED
        if state == FINISHED:
            continue
        row = checker.checked(row)
        if row.problem is not None:
            found.wrong += 1
            if len(found.mistakes) < MISTAKES_KEPT:
                found.mistakes.append(f"{row.place}: {row.problem}")
        for value in row.inputs.values.values():
            if isinstance(value, Upload):
                found.uploads += 1
                found.upload_bytes += value.size or 0
    _require_own_ids(ids, past)
    found.digest = digest.hexdigest()
    return found


def _require_own_ids(ids: OwnIds, past: Past) -> None:
    repeated = [pair for pair in ids.repeated() if past.state(pair[0].number) != FINISHED]
    if repeated:
        row, first = repeated[0]
        more = f" (the first of {len(repeated)} such rows)" if len(repeated) > 1 else ""
        raise UsageProblem(
            f"{row.place} has the {ID} of {first.place}{more}; nothing was started",
            f"give each row its own {ID}",
        )


def require_same(row: Row, past: Past) -> None:
    """Raise UsageProblem if a row that was started has changed in the file."""
    if past.state(row.number) and past.digest(row.number) != row.digest:
        raise UsageProblem(
            f"{row.place} differs from the row that was started", "give the same rows again, or --allow-changed-input"
        )
