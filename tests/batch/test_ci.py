"""What a CI system gets from a batch: the step's outputs and its summary, an annotation per row."""

from pathlib import Path

from tests import runner
from tests.conftest import Noxcli, write_rows

ON_GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_OUTPUT": "outputs",
    "GITHUB_STEP_SUMMARY": "summary.md",
}


def test_github_gets_outputs_a_summary_and_annotations(noxcli: Noxcli, workflow: str) -> None:
    result = noxcli("batch", workflow, write_rows("a", "bad", "c"), environ=ON_GITHUB)
    assert result.code == 1
    assert runner.outputs(Path("outputs")) == {"rows": "3", "completed": "2", "exit_code": "1"}
    tags, code, bare = runner.page(Path("summary.md").read_text())
    assert "noxcli batch failed: 1 of 3 rows did not complete" in bare
    assert {"table", "h3"} <= tags
    assert code[1] == workflow
    assert any("--again failed" in text for text in code)
    assert any(text.startswith("row 2: run ") for text in code)
    obeyed = runner.commands(result.err)
    assert [command.name for command in obeyed] == ["error", "error"]
    assert "1 of 3 rows did not complete" in next(
        command.data for command in obeyed if command.name == "error"
    )


def test_a_good_batch_has_no_annotation(noxcli: Noxcli, workflow: str) -> None:
    result = noxcli("batch", workflow, write_rows("a"), environ=ON_GITHUB)
    assert "error" not in {command.name for command in runner.commands(result.err)}
    assert runner.outputs(Path("outputs"))["completed"] == "1"


def test_a_batch_that_does_not_begin_is_told_as_well(noxcli: Noxcli, workflow: str) -> None:
    result = noxcli("batch", workflow, "nope.jsonl", environ=ON_GITHUB)
    assert result.code == 2
    assert runner.outputs(Path("outputs")) == {"exit_code": "2"}
    assert "nope.jsonl" in Path("summary.md").read_text()


def test_a_dry_run_replaces_the_page_of_an_earlier_call(noxcli: Noxcli, workflow: str) -> None:
    rows = write_rows("a")
    for more, said in ((["--fresh"], False), (["--resume", "--dry-run"], True)):
        assert noxcli("batch", workflow, rows, "--report", "page.html", *more).code == 0
        assert ("checked, not started" in Path("page.html").read_text()) is said
