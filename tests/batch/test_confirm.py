"""`compare --confirm`: rows that seem broken are asked again, and break only if chance hardly does this."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from noxcli.batch.confirm import lead_to_break, least_asks, share_of_chance
from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import Version, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, State, Step
from noxcli.timing import Clock
from tests.conftest import Noxcli, Result, write_rows
from tests.process import NOXCLI, ended_by, running, until

BASE, NEW = (f"{digit * 8}-2222-4333-8444-555555555555" for digit in "ab")
GOOD = ("--assert", "output.A == 'good'")


def saved(name: str, version_id: str, word: str) -> Version:
    return Version(name, "", [input_node("Q"), input_node("P", default=word)], id=version_id)


@pytest.fixture
def answers(plays: Any) -> Callable[..., str]:
    """Adds a workflow whose answers in the versions `base` and `new` depend on the turn, the last one for ever.

    They are g(ood), b(ad), f(ailed) or s(topped).
    """

    def add(turns: Mapping[str, tuple[str, str]], started: Callable[..., object] = dict, **more: Any) -> str:
        def letter(inputs: dict[str, Any]) -> str:
            of_version = turns[inputs["Q"]][inputs["P"] == "new"]
            return of_version[min(inputs["$turn"], len(of_version)) - 1]

        def script(inputs: dict[str, Any]) -> Iterable[Step]:
            started(inputs)
            ends = {"f": "failed", "s": "stopped"}.get(letter(inputs))
            return [State(ends), Sleep(60_000)] if ends else []

        given = {
            "nodes": [input_node("Q"), input_node("P", default="base")],
            "script": script,
            "output": lambda inputs: {"A": {"g": "good", "b": "bad"}.get(letter(inputs), "")},
            "versions": [saved("base", BASE, "base"), saved("new", NEW, "new")],
        }
        return str(plays(**{**given, **more}))

    return add


def both(noxcli: Noxcli, workflow: str, questions: Iterable[str], *argv: str) -> None:
    """Run both versions into `base` and `new`."""
    file = write_rows(*({"$id": f"id-{each}", "Q": each} for each in questions))
    for name in ("base", "new"):
        result = noxcli("batch", workflow, file, "--version-id", name, "--output-dir", name, *argv)
        assert result.code in {0, 1}, result.err


def compared(noxcli: Noxcli, *argv: str, confirm: str = "12") -> Result:
    return noxcli("compare", "base", "new", *GOOD, "--confirm", confirm, *argv)


def classes(text: str) -> list[list[str]]:
    return [line.split("\t")[:2] for line in text.splitlines()]


def test_the_lead_grows_with_the_suspects() -> None:
    assert [lead_to_break(12, suspects) for suspects in (1, 4, 5, 15, 16, 64, 65, 360)] == [5, 6, 7, 7, 8, 8, 9, 9]
    assert [lead_to_break(4, suspects) for suspects in (1, 12, 13)] == [3, 4, None]
    assert [least_asks(suspects) for suspects in (1, 12, 13)] == [4, 4, 5]
    assert (share_of_chance(1, 0), share_of_chance(3, 1)) == (0.5, 0.3125)


def test_only_what_chance_hardly_does_stays_broken(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"same": ("g", "g"), "worse": ("g", "b"), "luck": ("g", "bg"), "rare": ("gbgggbgggbggg", "bbgggbgggbggg")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    seems = noxcli("compare", "base", "new", *GOOD)
    assert (seems.code, seems.text.count("broken\t")) == (11, 3)
    assert "of 3 rows that broke or were fixed, chance breaks 3 or more in 12% of comparisons" in seems.err
    paid = len(sandbox.runs(workflow))
    result = compared(noxcli)
    assert result.code == 11, result.err
    assert classes(result.text) == [*(["broken", "id-worse"], ["varies", "id-luck"], ["varies", "id-rare"])]
    assert result.text.splitlines()[0].split("\t")[2].startswith("asked again, good: BASE 12 of 12, NEW 0 of 12; ")
    assert result.text.splitlines()[1].split("\t")[2].startswith("asked again, good: NEW 4 of 4; ")
    assert len(sandbox.runs(workflow)) - paid == 3 * 4 + 2 * 8 + 12
    assert "asked 3 rows again in 40 runs: 1 broken, 2 varies" in result.err
    again = compared(noxcli, "--json")
    assert len(sandbox.runs(workflow)) - paid == 40, "all answers are stored"
    document = again.json
    counts = {"asks": 12, "suspects": 3, "lead": 6, "runs": 40, "broken": 1, "varies": 2, "undecided": 0}
    assert (document["confirm"], document["classes"]["varies"]) == (counts, 2)
    good = {"asked": {"base": 12, "new": 12}, "good": {"base": 12, "new": 0}}
    assert document["rows"][0]["confirm"] == {"verdict": "broken", "reason": None, **good}


def test_an_ask_without_an_answer_is_repeated_once(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"once": ("g", "bsg"), "twice": ("g", "bs"), "fine": ("g", "g")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    paid = len(sandbox.runs(workflow))
    result = compared(noxcli)
    assert result.code == 11
    assert classes(result.text) == [
        ["broken", "id-twice"],
        ["varies", "id-once"],
    ]
    why = "not confirmed: NEW did not answer each time; "
    assert result.text.splitlines()[0].split("\t")[2].startswith(why), result.text
    assert "noxcli: of 3 rows, 1 broken (1 of them not confirmed): id-twice" in result.err
    assert len(sandbox.runs(workflow)) - paid == 8 + 5, "one ask of one row and four of the other were sent again"
    assert compared(noxcli).text == result.text
    assert len(sandbox.runs(workflow)) - paid == 13


def test_rows_with_repetitions_are_asked_one_by_one(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"worse": ("g", "b"), "luck": ("gggb", "bbbg")}
    workflow = answers(turns)
    both(noxcli, workflow, turns, "--repeat", "3")
    result = compared(noxcli, "--pass-each", "2")
    assert classes(result.text) == [["broken", "id-worse"], ["varies", "id-luck"]], result.err
    assert len(sandbox.runs(workflow)) == 12 + 8 + 8 + 12


def test_a_limit_ends_the_asking_until_it_continues(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"worse": ("g", "b")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    noxcli.clock = Clock()
    answers(turns, script=[Sleep(600_000)])
    result = compared(noxcli, "--timeout", "2s", confirm="4")
    starts = len(sandbox.runs(workflow))
    assert (result.code, result.out, starts) == (124, b"", 4), result.err
    assert "continue with: noxcli compare base new" in result.err
    for run in sandbox.runs(workflow):
        assert run.id in result.err
    refused = noxcli("compare", "base", "new", *GOOD, "--confirm", "4", environ={"NOXUS_API_KEY": "wrong"})
    assert (refused.code, len(sandbox.runs(workflow))) == (4, 4)


def test_a_later_attempt_of_a_job_is_no_reason_to_warn(noxcli: Noxcli, answers: Any) -> None:
    turns = {"worse": ("g", "b")}
    both(noxcli, answers(turns), turns)
    noxcli.environ |= {"GITHUB_RUN_ATTEMPT": "2"}
    assert "attempt" not in compared(noxcli).err


def test_a_start_in_doubt_changes_nothing(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"worse": ("g", "b")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    answers(turns, faults={"start": [LostAnswer(), LostAnswer()]})
    result = compared(noxcli)
    assert (result.code, classes(result.text)) == (11, [["broken", "id-worse"]])
    assert "asked again, good: BASE 12 of 12, NEW 0 of 12" in result.text, result.text
    assert 24 <= len(sandbox.runs(workflow)) <= 24 + 4


def test_a_failed_run_is_an_answer_in_both(noxcli: Noxcli, answers: Any) -> None:
    turns = {"fails": ("g", "f"), "flaky": ("gf", "f")}
    both(noxcli, answers(turns), turns)
    result = compared(noxcli)
    assert classes(result.text) == [
        ["broken", "id-fails"],
        ["varies", "id-flaky"],
    ]


def test_no_batch_begins_that_exceeds_max_runs(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"one": ("g", "b"), "two": ("g", "b")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    for most, paid in ((7, 0), (8, 8), (24, 24), (47, 24)):
        result = compared(noxcli, "--max-runs", str(most))
        assert (result.code, len(sandbox.runs(workflow))) == (11, 4 + paid)
        assert result.err.splitlines()[-1].startswith(
            "noxcli: of 2 rows, 2 broken (2 of them not confirmed): id-one, id-two"
        )
        assert "increase --max-runs" in result.err
        assert f"not confirmed: --max-runs {most} has no room for" in result.text
    done = compared(noxcli, "--max-runs", "48", "--json").json
    assert [row["confirm"]["verdict"] for row in done["rows"]] == ["broken", "broken"]
    assert len(sandbox.runs(workflow)) == 4 + 48, "each call continued the one before"


def test_a_dry_run_counts_and_starts_nothing(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"one": ("g", "b"), "two": ("g", "b")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    result = compared(noxcli, "--dry-run", "--max-runs", "40")
    counts = {"suspects": 2, "asks": 12, "lead": 6, "first": 8, "then_new": 16, "then_base": 24}
    assert (result.code, result.json) == (0, {**counts, "runs": 48, "max_runs": 40})
    assert (len(sandbox.runs(workflow)), Path("new/confirm").exists()) == (4, False)


def test_what_can_not_be_asked_is_refused(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {str(number): ("g", "b") for number in range(13)}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    few = compared(noxcli, confirm="4")
    assert (few.code, few.err) == (
        2,
        "noxcli: --confirm 4 is too few to tell which of 13 rows that seem broken are; write --confirm 5 or more\n",
    )
    assert compared(noxcli, confirm="3").code == 2
    Path("base.jsonl").write_text(noxcli("results", "base").text)
    for base, new, said in (
        ("base.jsonl", "new", "BASE base.jsonl is a file; give the --output-dir of its batch"),
        ("base", "base.jsonl", "NEW base.jsonl is a file"),
    ):
        result = noxcli("compare", base, new, *GOOD, "--confirm", "12")
        assert (result.code, said in result.err) == (2, True), result.err
    for argv in (["--max-runs", "9"], ["--dry-run"]):
        assert noxcli("compare", "base", "new", *argv).code == 2
    file = write_rows(*({"Q": each} for each in ("0", "1")))
    for name in ("base", "new"):
        shard = ("--shard", "1/2", "--output-dir", f"s-{name}")
        noxcli("batch", workflow, file, "--version-id", name, *shard)
    result = noxcli("compare", "s-base", "s-new", *GOOD, "--confirm", "12")
    assert (result.code, "BASE is shard 1/2" in result.err) == (2, True), result.err
    assert len(sandbox.runs(workflow)) == 26 + 2
    assert not Path("new/confirm").exists()


def test_another_definition_is_never_asked(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"one": ("g", "b")}
    workflow = answers(turns)
    file = write_rows({"$id": "one", "Q": "one"})
    noxcli("batch", workflow, file, "--output-dir", "base")
    noxcli("batch", workflow, file, "--version-id", "new", "--output-dir", "new")
    answers(turns, nodes=[input_node("Q"), input_node("P", default="base"), input_node("R")])
    result = compared(noxcli)
    assert (result.code, sandbox.runs(workflow)) == (2, []), result.err
    assert "the workflow is not the one that BASE ran with ('R'), so its rows can't be asked again" in result.err
    assert "run BASE again, with --version-id VERSION" in result.err
    noxcli("batch", workflow, file, "--version-id", "base", "--no-check", "--output-dir", "base", "--fresh")
    assert compared(noxcli, "--dry-run").code == 0
    noxcli("batch", workflow, file, "--no-check", "--output-dir", "base", "--fresh")
    unknown = compared(noxcli)
    assert (unknown.code, "it is not known which version BASE base ran with" in unknown.err) == (2, True)


def test_a_definition_that_changes_meanwhile_decides_nothing(noxcli: Noxcli, answers: Any) -> None:
    turns = {"one": ("g", "b")}
    file = write_rows({"$id": "one", "Q": "one"})
    other = [input_node("Q"), input_node("P", default="base"), input_node("R", default="x")]
    armed: list[str] = []

    def started(inputs: dict[str, Any]) -> None:
        if armed and inputs["P"] == "base":
            answers(turns, nodes=other)

    workflow = answers(turns, started=started)
    noxcli("batch", workflow, file, "--output-dir", "base")
    noxcli("batch", workflow, file, "--version-id", "new", "--output-dir", "new")
    armed.append("now")
    result = compared(noxcli, confirm="4")
    assert (result.code, result.out) == (2, b""), result.err
    assert "asking 1 row 4 times in BASE" in result.err
    assert "the workflow is not the one that BASE ran with ('R')" in result.err


def test_inputs_and_secrets_are_those_of_the_batch(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    nodes = [*(input_node(name) for name in ("Q", "Token", "Tone")), input_node("N", type="int")]
    workflow = plays(nodes=nodes, output=lambda inputs: {"A": "bad" if inputs["Tone"] == "rude" else "good"})
    noxcli.environ["TOKEN"] = "a-very-secret-word"
    file = write_rows({"Q": "é \ud83d\ude00 \ud800", "N": 10**30})
    for name, tone in (("base", "kind"), ("new", "rude")):
        argv = ("--secret", "Token=TOKEN", f"Tone={tone}", "--output-dir", name)
        assert noxcli("batch", workflow, file, *argv).code == 0
    first = [run.input for run in sandbox.runs(workflow)]
    del noxcli.environ["TOKEN"]
    unset = compared(noxcli, confirm="4")
    assert (unset.code, "TOKEN" in unset.err, len(sandbox.runs(workflow))) == (2, True, 2), unset.err
    noxcli.environ["TOKEN"] = "a-very-secret-word"
    assert compared(noxcli, confirm="4").code == 11
    asked = [run.input for run in sandbox.runs(workflow)][2:]
    assert asked == [*[first[1]] * 4, *[first[0]] * 4]
    written = b"".join(path.read_bytes() for path in Path().rglob("*") if path.is_file())
    assert b"a-very-secret-word" not in written
    file = write_rows({"Q": "Is a-very-secret-word safe?", "N": 1})
    for name, tone in (("base", "kind"), ("new", "rude")):
        argv = ("--secret", "Token=TOKEN", f"Tone={tone}", "--output-dir", name)
        assert noxcli("batch", workflow, file, *argv, "--fresh").code == 0
    hidden = compared(noxcli, confirm="4")
    assert (hidden.code, "row 1 has an input with a hidden secret in it" in hidden.err) == (2, True), hidden.err


def test_a_row_with_an_uploaded_file_is_refused(noxcli: Noxcli, plays: Any) -> None:
    Path("paper.txt").write_text("x")
    for name, word in (("base", "good"), ("new", "bad")):
        workflow = plays(nodes=[input_node("Doc", type="file")], output={"A": word})
        file = write_rows({"Doc": "paper.txt"})
        assert noxcli("batch", workflow, file, "--column", "Doc@", "--output-dir", name).code == 0
    result = compared(noxcli)
    assert (result.code, "row 1 has an uploaded file, 'Doc', which is not stored" in result.err) == (2, True), (
        result.err
    )


def test_each_comparison_has_its_own_answers(noxcli: Noxcli, sandbox: Sandbox, answers: Any) -> None:
    turns = {"one": ("g", "b")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    assert compared(noxcli, confirm="4").code == 11
    other = noxcli("compare", "base", "new", "--assert", "contains(output.A, 'good')", "--confirm", "4")
    assert (other.code, "new/confirm is of a comparison with other questions" in other.err) == (2, True), other.err
    noxcli("batch", workflow, "rows.jsonl", "--version-id", "new", "--output-dir", "new", "--fresh")
    paid = len(sandbox.runs(workflow))
    again = compared(noxcli, confirm="4")
    assert (again.code, len(sandbox.runs(workflow)) - paid) == (11, 8), again.err
    assert "the answers for an earlier comparison are in base/confirm.1 now" in again.err


@pytest.mark.parametrize("content", ["[1]", "7", "null", "{", ""])
@pytest.mark.parametrize("side", ["base", "new"])
def test_a_plan_that_is_none_is_refused(noxcli: Noxcli, answers: Any, side: str, content: str) -> None:
    turns = {"one": ("g", "b")}
    both(noxcli, answers(turns), turns)
    plan = Path(side, "confirm/plan.json")
    plan.parent.mkdir()
    plan.write_text(content)
    result = compared(noxcli, confirm="4")
    assert (result.code, f"noxcli: can't read {plan}: " in result.err) == (2, True), result.err
    assert plan.read_text() == content


def test_no_link_is_followed_to_where_answers_go(noxcli: Noxcli, answers: Any) -> None:
    turns = {"one": ("g", "b")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    Path("elsewhere").mkdir()
    for name in ("base", "new"):
        Path(name, "confirm").symlink_to("../elsewhere")
        result = compared(noxcli, confirm="4")
        assert (result.code, [*Path("elsewhere").iterdir()]) == (2, []), result.err
        assert f"{name}/confirm" in result.err
        Path(name, "confirm").unlink()


@pytest.mark.long(20)
def test_a_kill_at_any_boundary_changes_nothing(noxcli: Noxcli, answers: Any, env: dict[str, str]) -> None:
    """It is killed with the first and the last start of each batch, and after each file that it writes."""
    starts: list[str] = []
    at: dict[int, subprocess.Popen[bytes]] = {}  # which start kills which process

    def started(inputs: dict[str, Any]) -> None:
        starts.append(inputs["Q"])
        if (process := at.get(len(starts))) is not None:
            process.kill()
            process.wait()

    turns = {"worse": ("g", "b"), "luck": ("g", "bg")}
    both(noxcli, answers(turns, started=started), turns)
    first = len(starts)
    wanted = [["broken", "id-worse"], ["varies", "id-luck"]]
    assert (classes(compared(noxcli).text), len(starts) - first) == (wanted, 8 + 8 + 12)
    for kill in (1, 8, 9, 16, 17, 28):
        for side in ("base", "new"):
            shutil.rmtree(f"{side}/confirm")
        begun = len(starts)
        with running("compare", "base", "new", *GOOD, "--confirm", "12", env=env, program=NOXCLI) as process:
            at[begun + kill] = process
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        done = compared(noxcli)
        assert (done.code, classes(done.text)) == (11, wanted), (kill, done.err)
        assert len(starts) - begun <= 28 + 8, "only asks whose start is in doubt are sent again"
    for kept in (["plan.json"], ["plan.json", "1.jsonl"], ["plan.json", "1.jsonl", "1/batch.jsonl"]):
        for side in ("base", "new"):
            for path in [path for path in Path(side, "confirm").rglob("*") if path.is_file()]:
                if str(path.relative_to(Path(side, "confirm"))) not in kept:
                    path.unlink()
                elif path.name == "batch.jsonl":
                    path.write_bytes(b"")
        begun = len(starts)
        assert (classes(compared(noxcli).text), len(starts) - begun) == (wanted, 28)


def test_an_interruption_names_the_line_that_continues(
    noxcli: Noxcli, sandbox: Sandbox, answers: Any, env: dict[str, str]
) -> None:
    turns = {"worse": ("g", "b")}
    workflow = answers(turns)
    both(noxcli, workflow, turns)
    answers(turns, switches={}, script=[Sleep(600_000)])
    with running("compare", "base", "new", *GOOD, "--confirm", "4", env=env) as process:
        until(lambda: len(sandbox.runs(workflow)) == 4)
        _, err = ended_by(process, signal.SIGINT)
    assert process.returncode == 130
    assert "continue with: noxcli compare base new" in err.decode()
    assert {run.status for run in sandbox.runs(workflow)} == {"stopped"}
    answers(turns)
    assert compared(noxcli, confirm="4").code == 11
