"""Tapes: the stored answers of a batch, served by their input."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.tape import load_tapes
from tests.conftest import Noxcli
from tests.process import forked

from .api import Api

WORKFLOW = "11111111-2222-4333-8444-555555555555"
V1, V2 = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"


def line(row: int, question: str, answer: Any, **more: Any) -> dict[str, Any]:
    run = {
        "workflow_id": WORKFLOW,
        "workflow_name": "qa",
        "status": more.pop("status", "completed"),
    }
    result = {
        "run": run,
        "output": {"Answer": answer},
        "complete": True,
        "error": None,
        **more.pop("result", {}),
    }
    return {"row": row, "id": str(row), "result": result, "input": {"Question": question}, **more}


def written(
    directory: Path, *lines: dict[str, Any], version: tuple[str, str] | None = None
) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "results.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))
    if version is not None:
        name, version_id = version
        header = {
            "batch": "noxcli.batch/1",
            "version_id": version_id,
            "command": ["batch", "qa", "--version-id", name],
        }
        (directory / "batch.jsonl").write_text(json.dumps(header) + "\n")
    return directory


def asked(api: Api, question: str, **body: Any) -> Any:
    answer = api.post(f"/v1/workflows/{WORKFLOW}/runs", {"input": {"Question": question}, **body})
    return (
        api.finished(answer.json())["output"]
        if answer.ok
        else (answer.status_code, answer.json()["detail"][0])
    )


def serve(api: Api, *tapes: Path) -> None:
    for scenario in load_tapes(tapes):
        api.sandbox.add(scenario)


def test_each_repetition_is_served_once_in_its_turn(api: Api, tmp_path: Path) -> None:
    tape = written(tmp_path / "t", line(2, "b", "second"), line(1, "a", "one", repetition=1),
                   line(1, "a", "two", repetition=2))  # fmt: skip
    serve(api, tape)
    assert [asked(api, "a"), asked(api, "b"), asked(api, "a")] == [{"Answer": "one"}, {"Answer": "second"},
                                                                  {"Answer": "two"}]  # fmt: skip
    status, detail = asked(api, "a")
    assert (status, detail["msg"]) == (
        422,
        "the tape has no further answer to this input; it had 2",
    )


def test_the_nearest_input_is_named(api: Api, tmp_path: Path) -> None:
    serve(
        api,
        written(
            tmp_path / "t", line(1, "When do you open?", "at 9"), line(2, "Where is it?", "here")
        ),
    )
    status, detail = asked(api, "When do you opn?")
    assert status == 422
    assert detail["msg"].endswith(
        'not on the tape; the nearest is row 1: {"Question":"When do you open?"}'
    )
    assert asked(api, "When do you open?") == {"Answer": "at 9"}


def test_tapes_of_two_versions_are_one_workflow(api: Api, tmp_path: Path) -> None:
    serve(api, written(tmp_path / "base", line(1, "a", "old"), version=("base", V1)),
          written(tmp_path / "new", line(1, "a", "new"), version=("new", V2)))  # fmt: skip
    named = {one["name"]: one["id"] for one in api.get(f"/v1/workflows/{WORKFLOW}/versions").json()}
    assert named == {"base": V1, "new": V2}
    assert asked(api, "a", workflow_version_id=V2) == {"Answer": "new"}
    assert asked(api, "a", workflow_version_id=V1) == {"Answer": "old"}
    assert "name one of these versions" in asked(api, "a")[1]["msg"]


def test_a_failure_is_served_and_what_is_no_answer_is_not(api: Api, tmp_path: Path) -> None:
    failed = line(
        1,
        "a",
        None,
        status="failed",
        result={"output": None, "error": {"message": "no such model"}},
    )
    serve(api, written(tmp_path / "t", failed, line(2, "b", None, status="stopped")))
    answer = api.post(f"/v1/workflows/{WORKFLOW}/runs", {"input": {"Question": "a"}})
    record = api.finished(answer.json())
    assert record["status"] == "failed"
    assert "no such model" in json.dumps(record)
    assert asked(api, "b")[0] == 422


def test_the_last_line_of_a_row_counts(api: Api, tmp_path: Path) -> None:
    serve(api, written(tmp_path / "t", line(1, "a", "early"), line(1, "a", "late")))
    assert asked(api, "a") == {"Answer": "late"}
    assert asked(api, "a")[0] == 422


def test_a_saved_file_is_served_only_if_it_is_the_same(api: Api, tmp_path: Path) -> None:
    saved = {"$file": "out/000001-1/Answer.pdf"}
    files = [{"path": saved["$file"], "sha256": hashlib.sha256(b"%PDF").hexdigest()}]
    tape = written(tmp_path / "t", line(1, "a", saved, result={"files": files}))
    with pytest.raises(
        ValueError, match=r"the file out/000001-1/Answer\.pdf of an answer is missing"
    ):
        load_tapes([tape])
    (tape / "000001-1").mkdir()
    (tape / "000001-1" / "Answer.pdf").write_bytes(b"%PDF")
    serve(api, tape)
    output = asked(api, "a")["Answer"]
    assert api.get(f"/v1/file/{output['id']}").content == b"%PDF"
    (tape / "000001-1" / "Answer.pdf").write_bytes(b"other")
    with pytest.raises(ValueError, match="is not what the batch saved"):
        load_tapes([tape])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "no row has an answer"),
        ("id,Question\n", "line 1: not a row of a batch"),
        ('{"row": 1}\n', "line 1: not a row of a batch"),
        ('{"row": 1e999, "result": {}}\n', "line 1: not a row of a batch"),
        (
            '{"row": 1, "repetition": "x"}\n{"row": 1, "repetition": 2}\n',
            "line 1: not a row of a batch",
        ),
        (
            '{"row": 1, "result": {"run": {"status": "completed"}, "complete": true}, "input": []}\n',
            "not an object",
        ),
        (
            '{"row": 1, "result": {"run": {"status": "stopped"}}, "input": {}}\n',
            "no row has an answer",
        ),
    ],
)
def test_what_is_no_tape_is_explained(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=complaint):
        load_tapes([path])


def test_a_damaged_journal_is_explained(tmp_path: Path) -> None:
    tape = written(tmp_path / "t", line(1, "a", "x"))
    (tape / "batch.jsonl").write_text('{"command": 5}\n')
    with pytest.raises(ValueError, match="line 1: not the header of a batch"):
        load_tapes([tape])


def test_a_batch_is_repeated_offline_from_its_directory(noxcli: Noxcli) -> None:
    Path("t.csv").write_text("id,Question\n1,When do you open?\n2,Which tea do you recommend?\n")
    batch = [
        "batch",
        "review",
        "t.csv",
        "--id",
        "id",
        "--version-id",
        "new",
        "--repeat",
        "2",
        "-q",
        "--output-dir",
    ]
    assert noxcli(*batch, "base").code == 0
    assert noxcli("sandbox", "--tape", "base", "--", *forked(), *batch, "again").code == 0
    compared = noxcli("compare", "base", "again", "--json")
    assert compared.code == 0, compared.err
