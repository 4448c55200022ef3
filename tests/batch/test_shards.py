"""Shards of a batch's rows: as users write them, and as engines number their tasks."""

import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import UsageProblem
from noxcli.rows.selection import Shard, choose_shard
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, Step
from tests.conftest import Noxcli, write_rows
from tests.process import NOXCLI, environment, running, until

ARRAY = {"SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "4"}
SGE = {"SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "4", "SGE_TASK_STEPSIZE": "1"}
# One task that runs again alone: Slurm counts only that one.
ALONE = {
    f"SLURM_ARRAY_TASK_{name}": number
    for name, number in [("ID", "2"), ("COUNT", "1"), ("MIN", "2"), ("MAX", "2")]
}


@pytest.mark.parametrize("of", [1, 2, 3, 7])
def test_shards_have_each_row_once(of: int) -> None:
    shards = [choose_shard(f"{index}/{of}", {}) for index in range(1, of + 1)]
    for key in range(50):
        assert sum(shard.has(key) for shard in shards) == 1


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("0/8", "write I/N from 1, as in 1/8 for the first of eight, or auto"),
        *(
            (text, "as in 1/8")
            for text in (
                "1of8",
                "auto/0",
                "AUTO",
                "1",
                "3/2",
                "1/0",
                "-1/2",
                "a/b",
                "1/2/3",
                "1/99999999",
            )
        ),
    ],
)
def test_a_mistake_is_told_with_its_fix(text: str, hint: str) -> None:
    for option, environ in ((text, {}), (None, {"NOXCLI_SHARD": text})):
        with pytest.raises(UsageProblem) as told:
            choose_shard(option, environ)
        assert hint in told.value.line()
        assert ("NOXCLI_SHARD" in told.value.line()) == (option is None)


def test_the_flag_is_stronger_than_the_variable() -> None:
    assert choose_shard("2/3", {"NOXCLI_SHARD": "1/3"}) == Shard(2, 3)
    assert choose_shard(None, {"NOXCLI_SHARD": "2/3"}) == Shard(2, 3)
    assert choose_shard(None, {"NOXCLI_SHARD": ""}) == Shard(1, 1)


@pytest.mark.parametrize(
    ("text", "environ", "share"),
    [
        # slurm.schedmd.com/job_array.html
        ("auto", {"SLURM_ARRAY_TASK_ID": "3", **ARRAY}, "3/4"),
        ("auto/4", ALONE, "2/4"),
        # docs.gitlab.com/ci/variables/predefined_variables
        ("auto", {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "4"}, "1/4"),
        ("auto/4", {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "4"}, "1/4"),
        # kubernetes.io/docs/tasks/job/indexed-parallel-processing-static
        ("auto/4", {"JOB_COMPLETION_INDEX": "0"}, "1/4"),
        # docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
        ("auto", {"AWS_BATCH_JOB_ARRAY_INDEX": "3", "AWS_BATCH_JOB_ARRAY_SIZE": "4"}, "4/4"),
        # buildkite.com/docs/pipelines/configure/environment-variables
        ("auto", {"BUILDKITE_PARALLEL_JOB": "0", "BUILDKITE_PARALLEL_JOB_COUNT": "4"}, "1/4"),
        # circleci.com/docs/reference/variables
        ("auto", {"CIRCLE_NODE_INDEX": "2", "CIRCLE_NODE_TOTAL": "4"}, "3/4"),
        # learn.microsoft.com/azure/devops/pipelines/build/variables: both from 1
        ("auto", {"SYSTEM_JOBPOSITIONINPHASE": "1", "SYSTEM_TOTALJOBSINPHASE": "4"}, "1/4"),
        # cloud.google.com/run/docs/container-contract: from 0
        ("auto", {"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "4"}, "1/4"),
        # airflow.apache.org/docs/apache-airflow-providers-google/stable/operators/cloud/cloud_batch.html: from 0
        ("auto", {"BATCH_TASK_INDEX": "3", "BATCH_TASK_COUNT": "4"}, "4/4"),
        # manpages.ubuntu.com/manpages/bionic/man1/sge_submit.1.html: as submitted, and "undefined" outside of an array
        ("auto", {"SGE_TASK_ID": "4", **SGE}, "4/4"),
        (
            "auto/4",
            {
                "SGE_TASK_ID": "2",
                "SGE_TASK_FIRST": "2",
                "SGE_TASK_LAST": "2",
                "SGE_TASK_STEPSIZE": "1",
            },
            "2/4",
        ),
        # docs.it4i.cz/general/job-arrays: as submitted, and no number of tasks
        ("auto/4", {"PBS_ARRAY_INDEX": "4"}, "4/4"),
        # ibm.com/docs/en/spectrum-lsf/10.1.0?topic=variables-environment-set-job-execution: 0 outside of an array
        ("auto", {"LSB_JOBINDEX": "1", "LSB_JOBINDEX_END": "4", "LSB_JOBINDEX_STEP": "1"}, "1/4"),
        # support.atlassian.com/bitbucket-cloud/docs/set-up-or-run-parallel-steps: from 0
        ("auto", {"BITBUCKET_PARALLEL_STEP": "3", "BITBUCKET_PARALLEL_STEP_COUNT": "4"}, "4/4"),
        # A job of SGE or LSF that is no task, on which GitLab's runner works.
        (
            "auto",
            {
                "SGE_TASK_ID": "undefined",
                "LSB_JOBINDEX": "0",
                "CI_NODE_INDEX": "1",
                "CI_NODE_TOTAL": "4",
            },
            "1/4",
        ),
    ],
)
def test_an_engines_numbers_are_read(text: str, environ: dict[str, str], share: str) -> None:
    assert str(choose_shard(text, environ)) == share
    assert str(choose_shard(None, {"NOXCLI_SHARD": text, **environ})) == share


@pytest.mark.parametrize(
    ("text", "environ", "told"),
    [
        ("auto", {}, "finds no task number of Slurm, GitLab"),
        ("auto", {"CI_NODE_TOTAL": "1"}, "finds no task number of Slurm, GitLab"),
        (
            "auto",
            {"JOB_COMPLETION_INDEX": "0"},
            "Kubernetes does not say how many tasks there are; write --shard auto/8",
        ),
        ("auto/2", {"JOB_COMPLETION_INDEX": "2"}, "JOB_COMPLETION_INDEX is 2, but must be 0 to 1"),
        (
            "auto/8",
            {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "4"},
            "this GitLab job has 4 tasks (CI_NODE_TOTAL)",
        ),
        (
            "auto",
            {"CI_NODE_INDEX": "x", "CI_NODE_TOTAL": "4"},
            "CI_NODE_INDEX is x, but must be a number",
        ),
        ("auto", {"CI_NODE_INDEX": "1"}, "CI_NODE_TOTAL is not set, but"),
        (
            "auto",
            {"PBS_ARRAY_INDEX": "1"},
            "PBS does not say how many tasks there are; write --shard auto/8",
        ),
        ("auto/4", {"PBS_ARRAY_INDEX": "0"}, "PBS_ARRAY_INDEX is 0, but must be 1 to 4"),
        (
            "auto",
            {"SGE_TASK_ID": "undefined", "LSB_JOBINDEX": "0"},
            "finds no task number of Slurm, GitLab",
        ),
        (
            "auto",
            {"SGE_TASK_ID": "2", **SGE, "SGE_TASK_FIRST": "2"},
            "are not those from 1 to 4; write --shard auto/8",
        ),
        (
            "auto",
            {"SGE_TASK_ID": "1", **SGE, "SGE_TASK_STEPSIZE": "3"},
            "the array are not those from 1 to 4",
        ),
        (
            "auto",
            {"LSB_JOBINDEX": "2", "LSB_JOBINDEX_END": "4", "LSB_JOBINDEX_STEP": "2"},
            "are not those from 1 to 4",
        ),
        ("auto/4", {"SLURM_ARRAY_TASK_ID": "0"}, "SLURM_ARRAY_TASK_ID is 0, but must be 1 to 4"),
        (
            "auto",
            {
                **ARRAY,
                "SLURM_ARRAY_TASK_ID": "0",
                "SLURM_ARRAY_TASK_MIN": "0",
                "SLURM_ARRAY_TASK_MAX": "3",
            },
            "the tasks of the array are not those from 1 to 4",
        ),
        ("auto", ALONE, "the tasks of the array are not those from 1 to 1; write --shard auto/8"),
        (
            "auto/4",
            {"SLURM_ARRAY_TASK_ID": "1", "JOB_COMPLETION_INDEX": "1"},
            "finds 1/4 by Slurm and 2/4 by Kubernetes; write --shard 1/8",
        ),
    ],
)
def test_what_an_engine_does_not_tell_is_said(
    text: str, environ: dict[str, str], told: str
) -> None:
    with pytest.raises(UsageProblem) as problem:
        choose_shard(text, environ)
    assert told in problem.value.line()


def test_a_batch_takes_its_share_from_the_engine(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")])
    write_rows(*"1234567")
    task = {"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "3"}
    first = noxcli("batch", workflow, "rows.jsonl", "--shard", "auto", environ=task)
    assert sorted(line["row"] for line in first.lines) == [1, 3, 4]
    again = noxcli("batch", workflow, "rows.jsonl", "--resume", environ={"NOXCLI_SHARD": "2/3"})
    assert (again.code, again.text) == (0, ""), (
        "the share that has finished, written in another way"
    )
    wrong = noxcli("batch", workflow, "rows.jsonl", "--shard", "auto")
    assert (wrong.code, "set NOXCLI_SHARD=1/8" in wrong.err) == (2, True)


def test_a_row_stays_in_its_shard_wherever_it_is(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Q")])

    def texts(*options: str) -> set[str]:
        batch = ("batch", workflow, "rows.csv", "--shard", "1/3", "--fresh", *options)
        counts = noxcli(*batch, "--dry-run").json
        lines = noxcli(*batch).lines
        assert (counts["rows"], counts["in_shard"]) == (8, len(lines))
        return {line["input"]["Q"] for line in lines}

    Path("rows.csv").write_text("Q,Note\n" + "".join(f"{text},x\n" for text in "abcdefgh"))
    first = texts("--keep", "Note")
    assert 0 < len(first) < 8
    Path("rows.csv").write_text("Note,Q\n" + "".join(f"y,{text}\n" for text in "hgfedcba"))
    assert texts("--keep", "Note") == first, "kept columns and places do not count"
    Path("rows.csv").write_text("$id,Q\n" + "".join(f"{text},{text * 2}\n" for text in "abcdefgh"))
    by_id = texts()
    Path("rows.csv").write_text("$id,Q\n" + "".join(f"{text},{text * 3}\n" for text in "abcdefgh"))
    assert {text[0] for text in texts()} == {text[0] for text in by_id}, "an id is all that counts"


def test_what_a_column_shows_of_decimals_moves_no_row(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("N", type="number")])
    batch = ("batch", workflow, "rows.csv", "--shard", "1/3", "--fresh")
    cells = [f"{number}.{number}00" for number in range(1, 9)]
    Path("rows.csv").write_text("\n".join(["N;", *(f"{cell};" for cell in cells)]) + "\n")
    shown: list[list[int]] = []
    for decimal in (".", ","):
        lines = noxcli(*batch, "--decimal", decimal).lines
        shown.append(sorted(line["row"] for line in lines))
    assert 0 < len(shown[0]) < 8
    assert shown[0] == shown[1]


def test_a_table_that_gains_ids_has_other_shards(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any
) -> None:
    workflow = plays(nodes=[input_node("Q")])
    batch = ("batch", workflow, "rows.jsonl", "--shard", "2/2")
    write_rows(*"abc")
    assert noxcli(*batch).code == 0
    write_rows(*({"$id": text, "Q": text} for text in "abc"))
    result = noxcli(*batch, "--resume")
    assert (result.code, len(sandbox.runs(workflow))) == (2, 3), result.err
    assert "rows.jsonl has ids now, so its rows belong to other shards" in result.err


@pytest.mark.parametrize("ids", [False, True])
def test_a_sorted_table_between_shards_has_each_row_once(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, *, ids: bool
) -> None:
    def table(numbers: Iterable[int]) -> None:
        rows = [{"$id": f"id {n}", "Q": str(n)} if ids else {"Q": str(n // 2)} for n in numbers]
        write_rows(*rows)

    held: list[str] = []  # what was asked before the kill, if runs go on until then
    is_held = threading.Event()

    def script(inputs: dict[str, Any]) -> Iterator[Step]:
        if is_held.is_set():
            held.append(inputs["Q"])
        while is_held.is_set() and len(held) > 1:
            yield Sleep(1)

    workflow = plays(
        nodes=[input_node("Q")], script=script, output=lambda inputs: {"A": inputs["Q"]}
    )
    shards = [("--shard", f"{index}/8", "--output-dir", f"s{index}") for index in range(1, 9)]
    table(range(40))
    for shard in shards[:7]:
        assert noxcli("batch", workflow, "rows.jsonl", *shard).code == 0
    is_held.set()
    killed = ("batch", workflow, "rows.jsonl", *shards[7], "--max-parallel", "1")
    with running(*killed, env=environment(sandbox.url), program=NOXCLI) as process:
        journal = Path("s8/batch.jsonl")
        until(lambda: journal.exists() and journal.read_text().count('"step":"started"') == 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    is_held.clear()
    table(reversed(range(40)))
    for place in (2, 7):
        result = noxcli("batch", workflow, "rows.jsonl", *shards[place], "--resume")
        assert result.code == 0, result.err
    joined = noxcli("results", *(shard[-1] for shard in shards))
    assert (joined.code, [line["row"] for line in joined.lines]) == (0, [*range(1, 41)])
    answers = [line["result"]["output"]["A"] for line in joined.lines]
    assert answers == [str(n if ids else n // 2) for n in reversed(range(40))]
    assert len(sandbox.runs(workflow)) == 40
    missing = noxcli("results", *(shard[-1] for shard in shards[1:]))
    lost = [line for line in missing.lines if line["result"]["exit_code"] == 8]
    assert 40 - len(lost) == sum(line["result"]["exit_code"] == 0 for line in missing.lines)
    assert all("shard 1/8 is not here" in line["result"]["error"]["message"] for line in lost)
