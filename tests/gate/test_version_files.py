"""A file names a version by its content: it is found among the saved ones, or created once."""

import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, Drop, Fault, LostAnswer
from noxcli.sandbox.scenario import Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, write_rows

GATE = ("--base-file", "base.json", "--new-file", "new.json", "--assert", "output.A == 'good'")


def nodes(word: str) -> list[Any]:
    return [input_node("Q"), input_node("P", default=word), output_node("A")]


@pytest.fixture
def files(noxcli: Noxcli, plays: Any) -> Callable[..., str]:
    """Adds a workflow, and writes its definition to base.json and an edited one to new.json."""

    def add(answers: str = "good", full: bool = False, **more: Any) -> str:
        def output(inputs: dict[str, Any]) -> dict[str, str]:
            return {"A": "good" if inputs["P"] == "base" else answers}

        workflow = str(plays(nodes=nodes("base"), output=output, **more))
        asked = ["--definition", "--full"] if full else ["--definition"]
        exported = noxcli("export", workflow, *asked).text
        Path("base.json").write_text(exported)
        edited = exported.replace('"value": "base"', '"value": "new"')
        assert edited != exported
        Path("new.json").write_text(edited)
        write_rows("one", "two")
        return workflow

    return add


def gate(noxcli: Noxcli, workflow: str, *argv: str) -> Result:
    return noxcli("gate", workflow, "rows.jsonl", *GATE, *argv)


def versions(noxcli: Noxcli, workflow: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = noxcli("versions", workflow, "--json").json["versions"]
    return listed


def journal(directory: str = "rows.jsonl.gate") -> list[dict[str, Any]]:
    lines = Path(directory, "batch.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def steps(directory: str = "rows.jsonl.gate") -> list[str]:
    """Return the steps of the journal that are about versions."""
    found = [line.get("step") for line in journal(directory)]
    return [step for step in found if step in {"version", "saved", "refused"}]


@pytest.mark.parametrize(("answers", "code"), [("good", 0), ("bad", 11)])
def test_two_files_become_versions_once(
    noxcli: Noxcli, sandbox: Sandbox, files: Any, answers: str, code: int
) -> None:
    workflow = files(answers)
    result = gate(noxcli, workflow, "--json")
    assert result.code == code, result.err
    listed = versions(noxcli, workflow)
    assert len(listed) == 2
    assert {each["id"] for each in listed} == {
        result.json[side]["version_id"] for side in ("base", "new")
    }
    assert all(len(each["name"]) == len("noxcli-") + 16 for each in listed)
    assert steps() == ["version", "saved"] * 2
    paid = len(sandbox.runs(workflow))
    again = gate(noxcli, workflow)
    assert (again.code, len(sandbox.runs(workflow))) == (code, paid)
    elsewhere = gate(noxcli, workflow, "--output-dir", "other")
    assert elsewhere.code == code
    assert steps("other") == [], "another job finds the versions by their content"
    assert len(versions(noxcli, workflow)) == 2


def test_no_version_becomes_the_current_one(noxcli: Noxcli, files: Any) -> None:
    workflow = files()
    before = noxcli("export", workflow, "--definition").text
    assert gate(noxcli, workflow).code == 0
    assert noxcli("export", workflow, "--definition").text == before


def test_a_saved_version_with_the_same_definition_is_taken(noxcli: Noxcli, files: Any) -> None:
    saved = [Version("mine", "", nodes("base")), Version("other", "", nodes("third"))]
    workflow = files(versions=saved)
    result = gate(noxcli, workflow, "--json")
    assert result.code == 0, result.err
    assert result.json["base"]["version_name"] == "mine"
    assert len(versions(noxcli, workflow)) == 3


def test_positions_and_the_order_do_not_matter(noxcli: Noxcli, files: Any) -> None:
    workflow = files()
    assert gate(noxcli, workflow).code == 0
    moved = json.loads(Path("base.json").read_text())
    for node in moved["nodes"]:
        node["display"] = {"position": {"x": 7, "y": 7}}
    moved["nodes"].reverse()
    Path("base.json").write_text(json.dumps(moved))
    assert gate(noxcli, workflow, "--output-dir", "other").code == 0
    assert len(versions(noxcli, workflow)) == 2


def test_a_version_and_a_file_are_two_sides(noxcli: Noxcli, files: Any) -> None:
    workflow = files(versions=[Version("mine", "", nodes("base"))])
    sides = ("--base", "mine", "--new-file", "new.json", "--assert", "complete")
    assert noxcli("gate", workflow, "rows.jsonl", *sides).code == 0
    sides = ("--base-file", "new.json", "--new-input", "P=new", "--assert", "complete")
    result = noxcli("gate", workflow, "rows.jsonl", *sides, "--output-dir", "other")
    assert result.code == 0, result.err
    assert len(versions(noxcli, workflow)) == 2


def test_a_dry_run_creates_no_version(noxcli: Noxcli, files: Any) -> None:
    workflow = files()
    result = gate(noxcli, workflow, "--dry-run")
    assert (result.code, result.json["started"]) == (0, 0)
    assert versions(noxcli, workflow) == []


def test_files_that_do_not_differ_create_no_version(noxcli: Noxcli, files: Any) -> None:
    workflow = files()
    shutil.copy("base.json", "new.json")
    result = gate(noxcli, workflow)
    assert (result.code, versions(noxcli, workflow)) == (2, [])
    assert "BASE and NEW do not differ" in result.err


def test_an_edited_file_is_another_gate(noxcli: Noxcli, files: Any) -> None:
    workflow = files()
    assert gate(noxcli, workflow).code == 0
    edited = Path("new.json").read_text().replace('"value": "new"', '"value": "newer"')
    Path("new.json").write_text(edited)
    refused = gate(noxcli, workflow)
    assert refused.code == 2
    assert "NEW's definition ('P') differs from the gate that began" in refused.err
    assert len(versions(noxcli, workflow)) == 2
    assert gate(noxcli, workflow, "--fresh-if-changed").code == 0
    assert len(versions(noxcli, workflow)) == 3


@pytest.mark.parametrize(
    ("full", "code", "said"),
    [
        (False, 2, "Node"),
        (True, 0, ""),
    ],
)
def test_a_server_that_needs_positions_is_named(
    noxcli: Noxcli, sandbox: Sandbox, files: Any, full: bool, code: int, said: str
) -> None:
    workflow = files(full=full, switches={"version_positions": "required"})
    result = gate(noxcli, workflow)
    assert (result.code, said in result.err) == (code, True), result.err
    if not full:
        assert "the server does not save base.json as a version" in result.err
        assert f"noxcli export {workflow} --definition --full" in result.err
        assert sandbox.runs(workflow) == []


@pytest.mark.parametrize(
    ("reason", "advised"),
    [
        ("no such model", False),
        ("", True),
        ([{"loc": ["body", "nodes", 0, "position"], "msg": "Field required"}], True),
    ],
    ids=["another reason", "no reason", "a position"],
)
def test_positions_are_advised_where_they_may_be_missing(
    noxcli: Noxcli, files: Any, reason: Any, advised: bool
) -> None:
    workflow = files(faults={"save": [Answer(422, {"detail": reason}, repeat=True)]})
    result = gate(noxcli, workflow)
    assert (result.code, "--definition --full" in result.err) == (2, advised), result.err


REFUSED: dict[str, Any] = {
    "faults": {"save": [Answer(422, {"detail": "no such model"}, repeat=True)]}
}
NO_SAVE: dict[str, Any] = {"faults": {"save": [Answer(502)]}}
NO_ID: dict[str, Any] = {"switches": {"version_answer": "empty", "late_versions": 99}}
LISTED_LATE: dict[str, Any] = {"switches": {"late_versions": 99}}
ANOTHER: dict[str, Any] = {"switches": {"version_settings": "completed"}}


@pytest.mark.parametrize(
    ("server", "code", "reason"),
    [
        (REFUSED, 2, "the server does not save base.json as a version: "),
        (NO_SAVE, 75, "and the list of versions has none with the definition of base.json"),
        (NO_ID, 75, "the server's answer to a new version has no id"),
        (LISTED_LATE, 75, "was saved, and the list of versions has none"),
        (ANOTHER, 2, "the server saved base.json as version "),
    ],
    ids=["refused", "lost", "without an id", "listed late", "read back different"],
)
def test_a_version_that_can_not_be_had_is_in_every_report(
    noxcli: Noxcli, sandbox: Sandbox, files: Any, server: dict[str, Any], code: int, reason: str
) -> None:
    workflow = files(full=True, **server)
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_STEP_SUMMARY": "summary.md",
        "GITHUB_OUTPUT": "outputs",
    }
    result = noxcli(
        *("gate", workflow, "rows.jsonl", *GATE, "--json", "--junit", "j.xml"),
        *("--report", "page.html", "--markdown", "comment.md"),
        environ=github,
    )
    assert (result.code, result.json["retry_safe"]) == (code, True)
    log = [line for line in result.err.splitlines() if line.startswith("noxcli: ")]
    annotations = [line for line in result.err.splitlines() if line.startswith("::error ")]
    texts = {
        "log": "\n".join(log),
        "annotation": "\n".join(annotations),
        "document": result.json["error"]["message"],
    }
    for name in ("summary.md", "comment.md", "page.html", "j.xml"):
        texts[name] = html.unescape(Path(name).read_text())
    assert [name for name, text in texts.items() if reason not in text] == []
    assert re.search(rf"exit_code<<(\S+)\n{code}\n\1\n", Path("outputs").read_text())
    assert sandbox.runs(workflow) == []


def test_a_lost_answer_is_found_by_content(noxcli: Noxcli, files: Any) -> None:
    workflow = files(faults={"save": [LostAnswer()]}, switches={"late_versions": 3})
    result = gate(noxcli, workflow)
    assert result.code == 0, result.err
    assert len(versions(noxcli, workflow)) == 2


def test_a_lost_answer_without_a_version_is_temporary(
    noxcli: Noxcli, sandbox: Sandbox, files: Any
) -> None:
    workflow = files(faults={"save": [Answer(502)]})
    result = gate(noxcli, workflow, "--json")
    assert (result.code, result.json["retry_safe"]) == (75, True), result.err
    assert "the same line looks for it again" in result.err
    assert sandbox.runs(workflow) == []
    assert steps() == ["version"], "the next call knows that it was sent"
    assert gate(noxcli, workflow).code == 0
    assert len(versions(noxcli, workflow)) == 2


def test_a_version_that_is_listed_late_is_created_once(noxcli: Noxcli, files: Any) -> None:
    workflow = files(switches={"late_versions": 30})
    first = gate(noxcli, workflow)
    assert first.code == 75
    assert "was saved, and the list of versions has none" in first.err
    codes = [first.code]
    while codes[-1] == 75 and len(codes) < 10:
        codes.append(gate(noxcli, workflow).code)
    assert codes[1:] == [*([75] * (len(codes) - 2)), 0]
    assert len(versions(noxcli, workflow)) == 2


def test_an_answer_without_an_id_is_looked_up(noxcli: Noxcli, files: Any) -> None:
    workflow = files(switches={"version_answer": "empty", "late_versions": 2})
    assert gate(noxcli, workflow).code == 0
    assert len(versions(noxcli, workflow)) == 2


def test_a_version_read_back_different_is_refused(
    noxcli: Noxcli, sandbox: Sandbox, files: Any
) -> None:
    workflow = files(switches={"version_settings": "completed"})
    for _ in range(2):
        result = gate(noxcli, workflow)
        assert result.code == 2
        assert "the server saved base.json as version" in result.err
        assert "with another definition ('A', 'Q' and 'P')" in result.err
        assert len(versions(noxcli, workflow)) == 1, "it is not created again"
    assert sandbox.runs(workflow) == []
    (saved,) = versions(noxcli, workflow)
    completed = noxcli("export", workflow, "--definition", "--version-id", saved["id"]).text
    Path("base.json").write_text(completed)
    found = gate(noxcli, workflow, "--fresh")
    assert "the server saved new.json as version" in found.err, "base.json is found now"


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Answer(401, repeat=True), 4), (Answer(403, repeat=True), 4), (Drop(), 0)],
    ids=["401", "403", "unsent"],
)
def test_what_a_start_ends_with_ends_a_save(
    noxcli: Noxcli, sandbox: Sandbox, files: Any, fault: Fault, code: int
) -> None:
    workflow = files(faults={"save": [fault]})
    result = gate(noxcli, workflow)
    assert result.code in {code, 75}, result.err
    if code:
        assert sandbox.runs(workflow) == []


def test_two_jobs_at_once_take_either_version(noxcli: Noxcli, files: Any) -> None:
    workflow = files()
    line = [sys.executable, "-m", "noxcli", "gate", workflow, "rows.jsonl", *GATE]
    environ = {**noxcli.environ, "PATH": ""}
    jobs = [
        subprocess.Popen(
            [*line, "--output-dir", f"job-{number}"], env=environ, stderr=subprocess.PIPE
        )
        for number in range(2)
    ]
    for job in jobs:
        _, err = job.communicate(timeout=60)
        assert job.returncode == 0, err
    assert 2 <= len(versions(noxcli, workflow)) <= 4
    assert gate(noxcli, workflow, "--output-dir", "third").code == 0
    assert steps("third") == []


def test_a_name_that_is_taken_is_looked_up(noxcli: Noxcli, files: Any) -> None:
    workflow = files(faults={"save": [LostAnswer(), Answer(409, {"detail": "name is taken"})]})
    assert gate(noxcli, workflow).code == 2, "NEW's name is taken, and nothing has its content"
    assert gate(noxcli, workflow).code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "base.json is empty; if the target branch has no definition yet, merge one first"),
        ("kind: bundle\n", "base.json is not a definition; write one with: noxcli export"),
        ("{}", "base.json is not a definition"),
        (None, "can't read base.json: no such file or directory; if the target branch has no"),
    ],
)
def test_a_file_that_is_no_definition_is_refused(
    noxcli: Noxcli, files: Any, content: str | None, said: str
) -> None:
    workflow = files()
    Path("base.json").unlink()
    if content is not None:
        Path("base.json").write_text(content)
    result = gate(noxcli, workflow)
    assert result.code == 2
    assert said in result.err


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        (("--new", "new"), "BASE is missing"),
        (("--base", "x", "--base-file", "base.json", "--new", "y"), "both name BASE"),
        (("--base", "x", "--new", "y", "--new-file", "new.json"), "both name NEW"),
        (("--base-file", "base.json"), "NEW is missing"),
    ],
)
def test_each_side_has_one_name(
    noxcli: Noxcli, files: Any, sides: tuple[str, ...], said: str
) -> None:
    result = noxcli("gate", files(), "rows.jsonl", *sides, "--assert", "complete")
    assert (result.code, said in result.err) == (2, True), result.err
