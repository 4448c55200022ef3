"""`noxcli rerun`: another run with the inputs of an earlier one, of which secrets are never shown."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from noxcli.sandbox.scenario import Node, Version, fixed_input, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.otherside import RUN, called, record
from tests.rawserver import Request, Turn, answer, json_answer, raw_server

SECRET = "tok-9f8e7d6c5b4a"
NODES = [
    input_node("Topic"),
    input_node("Token", default="none"),
    input_node("Count", type="int", default=1),
    Node("Draft"),
    Node("Review"),
    output_node("Text"),
    output_node("Score"),
]
EDGES = [
    ("input Topic", "Draft"),
    ("input Token", "Draft"),
    ("Draft", "Review"),
    ("Draft", "Text"),
    ("Review", "Score"),
]
FLOW: dict[str, Any] = {
    "nodes": NODES,
    "edges": EDGES,
    "output": lambda values: {"Text": f"on {values.get('Topic')}", "Score": 3},
}


def node_ids(sandbox: Sandbox, workflow: str) -> dict[str, str]:
    """The ids of the nodes of a workflow that has run, by name."""
    return {node.name: node.id for node in sandbox.runs(workflow)[0].workflow.graph.nodes}


def state_of(noxcli: Noxcli) -> list[Path]:
    return sorted(noxcli.state.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)


def stranger(noxcli: Noxcli, tmp_path: Path) -> Noxcli:
    """Another user of the same server."""
    return Noxcli({**noxcli.environ, "NOXCLI_STATE_DIR": str(tmp_path / "other")})


def test_the_inputs_of_the_record_are_sent_again(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(**FLOW)
    first = noxcli.start(workflow, "Topic=cats", "Count:=3")
    result = noxcli("rerun", "@last", "--json")
    one, two = sandbox.runs(workflow)
    assert (result.code, result.json["run"]["id"]) == (0, two.id)
    assert one.body == two.body == {"input": {"Topic": "cats", "Count": 3}}
    assert result.json["output"] == {"Text": "on cats", "Score": 3}
    assert f"uses the current version: the record of run {first} names none" in result.err


@pytest.mark.parametrize(
    "part", [{"node_ids": ["3c90c3cc-0d44-4b50-8888-8dd25736052a"]}, {"single_node_id": "x"}]
)
def test_a_run_of_a_part_of_a_workflow_is_not_run_whole(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, part: dict[str, Any]
) -> None:
    workflow = plays(**FLOW)
    noxcli("run", workflow, "Topic=cats")
    sandbox.runs(workflow)[0].body.update(part)
    result = noxcli("rerun", "@last")
    assert (result.code, len(sandbox.runs(workflow))) == (2, 1), result.err
    assert "ran a part of its workflow" in result.err


def test_overrides_replace_inputs_by_any_of_their_names(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(**FLOW)
    noxcli("run", workflow, "Topic=cats", "Count:=3")
    topic = node_ids(sandbox, workflow)["input Topic"]
    assert noxcli("rerun", "@last", f"{topic}=dogs", "Count=4").code == 0
    assert sandbox.runs(workflow)[1].body["input"] == {topic: "dogs", "Count": 4}
    assert noxcli("rerun", "@last", "--inputs", '{"Topic": "mice"}').code == 0
    assert sandbox.runs(workflow)[2].body["input"] == {"Count": 4, "Topic": "mice"}


def test_the_engine_of_run_does_the_rest(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    workflow = plays(**FLOW)
    noxcli("run", workflow, "Topic=cats")
    assert noxcli("rerun", "@last", "--raw", "Text").out == b"on cats"
    assert noxcli("rerun", "@last", "--raw", "Texte").code == 2
    assert noxcli("rerun", "@last", "--assert", "output.Score > `5`").code == 11
    started = noxcli("rerun", "@last", "--detach", "--state-file", "run.state").text.strip()
    assert json.loads((tmp_path / "run.state").read_text())["run_id"] == started
    assert (
        noxcli(
            "rerun", "@last", "--format", "ndjson", "--junit", "j.xml", "--report", "r.html"
        ).own[0]
        == "started"
    )
    assert (tmp_path / "j.xml").exists()
    assert (tmp_path / "r.html").exists()
    assert noxcli("rerun", "@last", "--timeout", "0").code == 75


def test_mistakes_are_found_before_the_start(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(**FLOW)
    noxcli("run", workflow, "Topic=cats")
    for argv, said in (
        (["Topik=dogs"], "unknown input 'Topik', did you mean 'Topic'?"),
        (["Count=many"], "'Count' takes an int"),
        (["--detach", "--assert", "ok"], "--assert needs a result"),
    ):
        result = noxcli("rerun", "@last", *argv)
        assert (result.code, said in result.err, result.err.count("noxcli: ")) == (2, True, 1)
    assert len(sandbox.runs(workflow)) == 1


@pytest.mark.parametrize(
    ("run", "code", "phase"),
    [
        ("@last", 5, "preflight"),
        ("7", 2, "usage"),
        ("00000000-0000-4000-8000-000000000000", 5, "preflight"),
    ],
)
def test_a_run_that_there_is_not_starts_nothing(
    noxcli: Noxcli, run: str, code: int, phase: str
) -> None:
    result = noxcli("rerun", run, "--json")
    assert (result.code, result.json["retry_safe"], result.json["error"]["phase"]) == (
        code,
        True,
        phase,
    )


def test_secrets_are_sent_again_and_never_shown(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(**FLOW)
    environ = {"TOKEN": SECRET, "OTHER": "tok-0000-anew"}
    noxcli("run", workflow, "Topic=cats", "--secret", "Token=TOKEN", environ=environ)
    (noted,) = state_of(noxcli)
    assert json.loads(noted.read_text())["secret_inputs"] == ["Token"]
    assert SECRET not in noted.read_text()
    token = node_ids(sandbox, workflow)["input Token"]
    for argv, sent in (
        ([], SECRET),
        (["--secret", "Token=OTHER"], "tok-0000-anew"),
        (["--secret", f"{token}=OTHER"], "tok-0000-anew"),
        (["Token=tok-0000-anew"], "tok-0000-anew"),
        ([], "tok-0000-anew"),
    ):
        result = noxcli(
            "rerun", "@last", *argv, "--format", "ndjson", "--report", "page.html", environ=environ
        )
        assert result.code == 0
        assert [*sandbox.runs(workflow)[-1].body["input"].values()] == ["cats", sent]
        said = result.text + result.err + Path("page.html").read_text()
        assert SECRET not in said
        assert "tok-0000-anew" not in said
        shown = noxcli("rerun", "@last", *argv, "--dry-run", environ=environ)
        assert [*json.loads(shown.out)["input"].values()] == ["cats", "***"], (
            "what was secret stays so"
        )


@pytest.mark.parametrize("form", ["label", "node_id", "node_id::name"])
def test_a_secret_is_known_under_the_keys_of_the_server(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, form: str
) -> None:
    workflow = plays(**FLOW, switches={"record_inputs": form})
    noxcli("run", workflow, "Topic=cats", "--secret", "Token=TOKEN", environ={"TOKEN": SECRET})
    run = sandbox.runs(workflow)[0].id
    assert [*json.loads(noxcli("rerun", run, "--dry-run").out)["input"].values()] == ["cats", "***"]
    # Without the definition, which of the recorded keys is the secret is not known.
    unread = json.loads(noxcli("rerun", run, "--no-check", "--dry-run").out)["input"]
    assert [*unread.values()] == (["cats", "***"] if form == "label" else ["***", "***"])


def test_a_run_of_others_is_sent_as_recorded_and_not_shown(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    workflow, other = plays(**FLOW), stranger(noxcli, tmp_path)
    noxcli("run", workflow, "Topic=cats", "--secret", "Token=TOKEN", environ={"TOKEN": SECRET})
    run = sandbox.runs(workflow)[0].id
    dry = other("rerun", run, "Topic=dogs", "--dry-run")
    assert json.loads(dry.out)["input"] == {"Token": "***", "Topic": "dogs"}
    assert f"sends the inputs of run {run} as recorded, and does not show them" in dry.err
    result = other("rerun", run, "--format", "ndjson", "--report", "page.html")
    assert (result.code, sandbox.runs(workflow)[1].body) == (0, sandbox.runs(workflow)[0].body)
    assert SECRET not in dry.err + result.text + result.err + Path("page.html").read_text()
    # The copy's history has no more than that.
    assert json.loads(other("rerun", "@last", "--dry-run").out)["input"] == {
        "Topic": "***",
        "Token": "***",
    }


def test_an_error_does_not_show_what_may_be_a_secret(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    workflow = plays(nodes=[input_node("Rate", type="float")], output={"A": "x"})
    noxcli("run", workflow, "Rate:=1.5")
    run = sandbox.runs(workflow)[0]
    run.input = dict.fromkeys(run.input, "48151,62")
    result = stranger(noxcli, tmp_path)("rerun", run.id)
    assert (result.code, "takes a number" in result.err) == (2, True), result.err
    assert "48151" not in result.err


def test_a_record_without_inputs_is_not_guessed(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(**FLOW)
    noxcli("run", workflow, "Topic=cats")
    sandbox.runs(workflow)[0].input = None  # type: ignore[assignment]
    result = noxcli("rerun", "@last")
    assert (result.code, "has no inputs; give them all: noxcli run" in result.err) == (2, True)


def test_uploaded_files_are_passed_on_as_recorded(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[input_node("Document", type="File")], output={"A": "x"})
    Path("report.txt").write_text("hello")
    noxcli("run", workflow, "Document@report.txt")
    Path("report.txt").unlink()
    assert noxcli("rerun", "@last").code == 0
    one, two = sandbox.runs(workflow)
    assert one.body == two.body
    assert one.body["input"]["Document"]["uri"]
    Path("other.txt").write_text("else")
    assert noxcli("rerun", "@last", "Document@other.txt").code == 0
    assert sandbox.runs(workflow)[2].body["input"]["Document"]["name"] == "other.txt"


LONG = "long " * 5000


@pytest.mark.parametrize(
    "file", [None, answer(404), answer(200, b"another text"), answer(200, LONG.encode())]
)
def test_a_truncated_input_is_sent_whole_or_not_at_all(noxcli: Noxcli, file: bytes | None) -> None:
    cut = {"has_preview": True, "text": LONG[:16000], **({"file": {"id": "f-1"}} if file else {})}
    run = {"id": "r-1", "workflow_id": "w-1", "status": "completed", "input": {"q": [cut], "n": 1}}

    def by_request(request: Request) -> Turn:
        if request.target.endswith("/file/f-1"):
            return file or answer(404)
        if request.target.endswith("/workflows/w-1"):
            return answer(403)
        return json_answer(
            {**run, "id": f"r-{uuid4()}", "status": "queued"} if request.method == "POST" else run
        )

    with raw_server(by_request=by_request) as server:
        result = noxcli(
            "rerun", "w-1/r-1", "n:=2", "--detach", environ={"NOXUS_BACKEND_URL": server.url}
        )
        sent = [
            json.loads(request.body)["input"]
            for request in server.requests
            if request.method == "POST"
        ]
        whole = file == answer(200, LONG.encode())
        assert (result.code, sent) == ((0, [{"q": [LONG], "n": 2}]) if whole else (2, []))
        assert whole or "the record has only the beginning of an input: /q/0: " in result.err
        # What the user gives again is not fetched.
        assert (
            noxcli(
                "rerun", "w-1/r-1", "q=short", "--detach", environ={"NOXUS_BACKEND_URL": server.url}
            ).code
            == 0
        )


def test_inputs_that_only_the_list_of_runs_has_are_kept(noxcli: Noxcli) -> None:
    parts: dict[str, Any] = {
        "lookup": [record("completed", input={"Q": "x"})],
        "reads": [record("completed")],
    }
    shown, _ = called(noxcli, "rerun", RUN, "--no-check", "--dry-run", **parts)
    assert (shown.code, json.loads(shown.out)["input"]) == (0, {"Q": "***"}), shown.err
    parts["reads"] = [record("completed", input={"Q": "y", "R": "z"})]
    shown, _ = called(noxcli, "rerun", RUN, "--no-check", "--dry-run", **parts)
    assert json.loads(shown.out)["input"] == {"Q": "***", "R": "***"}


def test_the_records_version_is_used_by_default(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(**FLOW, versions=[Version("first"), Version("second")])
    noxcli("run", workflow, "Topic=cats", "--version-id", "first")
    result = noxcli("rerun", "@last")
    one, two = sandbox.runs(workflow)
    assert (result.code, two.body) == (0, one.body)
    assert f"uses version {one.body['workflow_version_id']}, as run {one.id} did" in result.err
    other = noxcli("rerun", one.id, "--version-id", "second")
    assert (other.code, "uses version" in other.err) == (0, False)
    assert sandbox.runs(workflow)[2].body["workflow_version_id"] != one.body["workflow_version_id"]
    assert noxcli("rerun", one.id, "--version-id", "third").code == 5


def test_an_overridden_fixed_input_stays_overridden(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[input_node("Q"), fixed_input("Tone", "kind")], output={"A": "x"})
    noxcli("run", workflow, "Q=1", "Tone=rude")
    result = noxcli("rerun", "@last")
    assert (result.code, "'Tone' is fixed by the workflow; your value is sent" in result.err) == (
        0,
        True,
    )
    assert sandbox.runs(workflow)[1].body["input"] == {"Q": "1", "Tone": "rude"}
