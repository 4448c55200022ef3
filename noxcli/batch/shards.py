"""This call's shard of a batch's rows: given by the user, or by the engine's task number."""

import re
from collections.abc import Mapping
from typing import Self

from noxcli.errors import UsageProblem
from noxcli.fixed import fixed

SHARD_VARIABLE = "NOXCLI_SHARD"
AUTO = re.compile(r"auto(?:/([1-9][0-9]{0,5}))?")
FORMS = "write I/N from 1, as in 1/8 for the first of eight, or auto"


@fixed
class Shard:
    """Every `of`-th row from `index` on, counted from 1, in which each takes `repeat` numbers: of equal size."""

    index: int = 1
    of: int = 1
    repeat: int = 1

    @classmethod
    def parse(cls, text: str, repeat: int = 1) -> Self:
        """Return the shard for `2/8`.

        Raises UsageProblem.
        """
        index, slash, of = text.partition("/")
        if slash and index.isdecimal() and of.isdecimal() and len(of) < 7 and 1 <= int(index or 0) <= int(of or 0):
            return cls(int(index), int(of), repeat)
        raise UsageProblem(f"--shard {text} is not a valid shard", FORMS)

    def has(self, number: int) -> bool:
        return ((number - 1) // self.repeat + 1 - self.index) % self.of == 0

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"


@fixed
class Numbering:
    """How an engine numbers the tasks of one job, in its variables."""

    engine: str
    index: str
    total: str | None  # None: the engine does not say
    first: int
    parallel: str  # how a job gets several tasks
    bounds: tuple[str, str] | None = None  # lowest and highest task, if `total` counts only submitted ones


ENGINES = (
    Numbering(
        "Slurm",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_ARRAY_TASK_COUNT",
        1,
        "submit it with --array=1-8",
        bounds=("SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX"),
    ),
    Numbering("GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL", 1, "add parallel: 8 to the job"),
    Numbering("Kubernetes", "JOB_COMPLETION_INDEX", None, 0, "set completions: 8 and completionMode: Indexed"),
    Numbering("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE", 0, "submit it as an array job"),
    Numbering(
        "Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT", 0, "add parallelism: 8 to the step"
    ),
    Numbering("CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL", 0, "add parallelism: 8 to the job"),
)


def shard_asked(option: str | None, environ: Mapping[str, str]) -> Shard:
    """Return the shard in --shard or NOXCLI_SHARD: `2/8`, `auto` or `auto/8`; all rows without one.

    Raises UsageProblem.
    """
    text = option if option is not None else environ.get(SHARD_VARIABLE)
    if not text and option is None:
        return Shard()
    assert text is not None
    try:
        if (auto := AUTO.fullmatch(text)) is not None:
            return _of_engine(environ, int(auto[1]) if auto[1] else None)
        return Shard.parse(text)
    except UsageProblem as problem:
        if option is None:
            raise UsageProblem(f"{SHARD_VARIABLE}: {problem.message}", problem.hint) from None
        raise


def _of_engine(environ: Mapping[str, str], of: int | None) -> Shard:
    found = [(engine, _share(engine, environ, of)) for engine in ENGINES if environ.get(engine.index)]
    if not found:
        alone = next((engine for engine in ENGINES if engine.total and environ.get(engine.total)), None)
        if alone is not None:
            raise UsageProblem(f"--shard auto: this {alone.engine} job has one task", alone.parallel)
        raise UsageProblem(
            f"--shard auto finds no task number of {', '.join(engine.engine for engine in ENGINES)}",
            "write --shard 1/8, or set NOXCLI_SHARD=1/8",
        )
    if len({share for _, share in found}) > 1:
        told = " and ".join(f"{share} by {engine.engine}" for engine, share in found)
        raise UsageProblem(f"--shard auto finds {told}", "choose one with --shard I/N")
    return found[0][1]


def _share(engine: Numbering, environ: Mapping[str, str], of: int | None) -> Shard:
    """Return the shard from this engine's variables; `of` is their number if the engine does not say."""
    index, total = _number(environ, engine.index), _total(engine, environ, of)
    last = engine.first + total - 1
    if total == 1:
        raise UsageProblem(f"--shard auto: this {engine.engine} job has one task", engine.parallel)
    if not engine.first <= index <= last:
        hint = engine.parallel.replace("8", str(total))
        raise UsageProblem(f"--shard auto: {engine.index} is {index}, but must be {engine.first} to {last}", hint)
    return Shard(index + 1 - engine.first, total)


def _total(engine: Numbering, environ: Mapping[str, str], of: int | None) -> int:
    if engine.total is None or (engine.bounds and of is not None):
        if of is None:
            raise UsageProblem(
                f"--shard auto: {engine.engine} does not say how many tasks there are", "write --shard auto/8 for eight"
            )
        return of
    total = _number(environ, engine.total)
    if of not in {None, total}:
        raise UsageProblem(
            f"--shard auto/{of}: this {engine.engine} job has {total} tasks ({engine.total})", "write --shard auto"
        )
    if engine.bounds:
        lowest, highest = (_number(environ, variable) for variable in engine.bounds)
        if (lowest, highest) != (1, total):
            raise UsageProblem(
                f"--shard auto: tasks {lowest} to {highest} of an array were sent, and not 1 to {total}",
                "number arrays from 1; to resubmit some of 8 tasks, write --shard auto/8",
            )
    return total


def _number(environ: Mapping[str, str], variable: str) -> int:
    text = environ.get(variable)
    if text is None:
        raise UsageProblem(f"--shard auto: {variable} is not set", "write --shard I/N")
    if text.isascii() and text.isdecimal() and len(text) < 7:
        return int(text)
    raise UsageProblem(f"--shard auto: {variable}={text} is not a number", "write --shard I/N")
