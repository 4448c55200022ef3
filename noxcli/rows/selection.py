"""Which rows of the table this call runs: its shard, by the user or the engine's task number, and
the ids of --only.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from noxcli.errors import UsageProblem, nearest, suggestion
from noxcli.inputs.sources import STDIN_NAMES, Sources
from noxcli.render.text import amount

ONLY = "--only"
MAX_NAMED = 5  # ids in a message
SHARD_VARIABLE = "NOXCLI_SHARD"
AUTO = re.compile(r"auto(?:/([1-9][0-9]{0,5}))?")
ALL_TASKS = "write --shard auto/8 for eight"
FORMS = "write I/N from 1, as in 1/8 for the first of eight, or auto"


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `of`, counted from 1.

    A row is in the one that its id says, or else its cells.
    """

    index: int = 1
    of: int = 1
    repeat: int = 1

    @classmethod
    def parse(cls, text: str, repeat: int = 1) -> Self:
        """Return the shard for `2/8`. Raises UsageProblem."""
        index, _, of = text.partition("/")
        if index.isdecimal() and of.isdecimal() and len(of) < 7 and 1 <= int(index) <= int(of):
            return cls(int(index), int(of), repeat)
        raise UsageProblem(f"--shard {text} is not a valid shard", FORMS)

    def has(self, key: int) -> bool:
        """True if it has the rows of that key (`Row.key`)."""
        return key % self.of == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


ALL_ROWS = Shard()


@dataclass(frozen=True, slots=True)
class Numbering:
    """The variables in which an engine numbers the tasks of one job."""

    engine: str
    index: str
    total: str | None  # None: the engine does not say
    first: int = 0
    outside: str = ""  # the number of a job that is no task
    # Where some of the tasks can be submitted alone: what these variables say if all are there;
    # None: the total.
    whole: Mapping[str, int | None] = field(default_factory=dict)


ENGINES = (  # their documentation is cited in tests/batch/test_shards.py
    Numbering(
        "Slurm",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_ARRAY_TASK_COUNT",
        1,
        whole={"SLURM_ARRAY_TASK_MAX": None},
    ),
    Numbering("GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL", 1),
    Numbering("Kubernetes", "JOB_COMPLETION_INDEX", None),
    Numbering("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    Numbering("Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT"),
    Numbering("CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL"),
    Numbering("Azure DevOps", "SYSTEM_JOBPOSITIONINPHASE", "SYSTEM_TOTALJOBSINPHASE", 1),
    Numbering("Cloud Run Jobs", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"),
    Numbering("Google Batch", "BATCH_TASK_INDEX", "BATCH_TASK_COUNT"),
    Numbering(
        "SGE",
        "SGE_TASK_ID",
        "SGE_TASK_LAST",
        1,
        "undefined",
        {"SGE_TASK_FIRST": 1, "SGE_TASK_STEPSIZE": 1},
    ),
    Numbering("PBS", "PBS_ARRAY_INDEX", None, 1),
    Numbering("LSF", "LSB_JOBINDEX", "LSB_JOBINDEX_END", 1, "0", {"LSB_JOBINDEX_STEP": 1}),
    Numbering("Bitbucket", "BITBUCKET_PARALLEL_STEP", "BITBUCKET_PARALLEL_STEP_COUNT"),
)


def choose_shard(option: str | None, environ: Mapping[str, str]) -> Shard:
    """Return the shard in --shard or NOXCLI_SHARD: `2/8`, `auto` or `auto/8`; all rows without one.

    Raises UsageProblem.
    """
    if option is not None:
        return _shard_of(option, environ)
    text = environ.get(SHARD_VARIABLE)
    if not text:
        return ALL_ROWS
    try:
        return _shard_of(text, environ)
    except UsageProblem as problem:
        raise UsageProblem(f"{SHARD_VARIABLE}: {problem.message}", problem.hint) from None


def _shard_of(text: str, environ: Mapping[str, str]) -> Shard:
    auto = AUTO.fullmatch(text)
    if auto is None:
        return Shard.parse(text)
    return _of_engine(environ, int(auto[1]) if auto[1] else None)


def _of_engine(environ: Mapping[str, str], of: int | None) -> Shard:
    found: dict[str, Shard] = {}
    for engine in ENGINES:
        if environ.get(engine.index, "") not in {"", engine.outside}:
            found[engine.engine] = _share(engine, environ, of)
    if len(set(found.values())) == 1:
        return next(iter(found.values()))
    if found:
        shares = " and ".join(f"{share} by {engine}" for engine, share in found.items())
    else:
        shares = f"no task number of {', '.join(engine.engine for engine in ENGINES)}"
    raise UsageProblem(f"--shard auto finds {shares}", "write --shard 1/8, or set NOXCLI_SHARD=1/8")


def _share(engine: Numbering, environ: Mapping[str, str], of: int | None) -> Shard:
    """Return the shard from this engine's variables; `of` is the number of shards in `auto/8`."""
    total = _tasks_of(engine, environ, of)
    index = _number(environ, engine.index)
    last = engine.first + total - 1
    if not engine.first <= index <= last:
        raise UsageProblem(
            f"--shard auto: {engine.index} is {index}, but must be {engine.first} to {last}"
        )
    return Shard(index + 1 - engine.first, total)


def _tasks_of(engine: Numbering, environ: Mapping[str, str], of: int | None) -> int:
    """Return how many tasks the job has."""
    if of is not None and (engine.whole or engine.total is None):
        return of
    if engine.total is None:
        raise UsageProblem(
            f"--shard auto: {engine.engine} does not say how many tasks there are", ALL_TASKS
        )
    total = _number(environ, engine.total)
    for name, value in engine.whole.items():
        if _number(environ, name) != (total if value is None else value):
            raise UsageProblem(
                f"--shard auto: the tasks of the array are not those from 1 to {total}", ALL_TASKS
            )
    if of not in {None, total}:
        raise UsageProblem(
            f"--shard auto/{of}: this {engine.engine} job has {total} tasks ({engine.total})"
        )
    return total


def _number(environ: Mapping[str, str], variable: str) -> int:
    text = environ.get(variable, "")
    if text.isascii() and text.isdecimal() and len(text) < 7:
        return int(text)
    raise UsageProblem(
        f"--shard auto: {variable} is {text or 'not set'}, but must be a number",
        "write --shard I/N",
    )


class IdFilter:
    """The ids of the rows to run, one a line of a file, and which of them no row has had."""

    def __init__(self, path: str, ids: Collection[str]) -> None:
        self.ids = dict.fromkeys(ids)
        self._path = path
        self._unmet = set(ids)

    @classmethod
    def read(cls, path: str, sources: Sources) -> Self:
        """Read a file of ids, one a line, as `results --query id` prints them.

        Raises UsageProblem.
        """
        if path in STDIN_NAMES:
            raise UsageProblem(f"{ONLY} {path} is not a file", "give a file with one id a line")
        text = sources.read_text(path, ONLY, f"{ONLY} {path}").removeprefix("\ufeff")
        lines = [line.removesuffix("\r") for line in text.split("\n")]
        ids = [line for line in lines if line.strip()]
        if not ids:
            raise UsageProblem(f"{ONLY} {path} names no row", "write one id a line")
        return cls(path, ids)

    def mark_seen(self, own_id: str | None) -> bool:
        """Record that there is a row with this id, and return whether it is to run."""
        if own_id is None:
            return False
        self._unmet.discard(own_id)
        return own_id in self.ids

    def require_used(self, ids: Iterable[str], where: str) -> None:
        """Raise UsageProblem for ids that no row has.

        `ids` are those of the rows, once all were seen.
        """
        unmet = [each for each in self.ids if each in self._unmet]
        if not unmet:
            return
        named = ", ".join(map(repr, unmet[:MAX_NAMED]))
        if len(unmet) > MAX_NAMED:
            named += f" and {amount(len(unmet) - MAX_NAMED, 'more id')}"
        known = set(ids)
        own = "" if known else "name the column of the ids with --id"
        hint = suggestion(nearest(unmet[0], known), own, quoted=True)
        raise UsageProblem(
            f"{ONLY} {self._path} names {named}, but no row of {where} has such an id", hint
        )
