"""Scenarios from TOML and recorded runs from NDJSON."""

import json
import re
from pathlib import Path

import pytest

from noxcli.sandbox.replay import load_replay, load_replays
from noxcli.sandbox.scenario import Scenario
from noxcli.sandbox.scenario_file import load_scenarios

from .api import Api

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "scenarios.md"


def _example() -> str:
    """The whole file that the reference shows."""
    return str(re.findall(r"```toml\n(\[\[scenario\]\].*?)```", PAGE.read_text(), re.DOTALL)[0])


def _load(tmp_path: Path, text: str) -> list[Scenario]:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_scenarios(path)


def test_the_documented_example_works(api: Api, tmp_path: Path) -> None:
    (scenario,) = _load(tmp_path, _example())
    workflow = api.sandbox.add(scenario)
    with pytest.raises(OSError, match="aborted"):
        api.start(workflow, {"Topic": "rain"})
    (run,) = api.sandbox.runs(workflow)
    record = api.finished({"id": run.id, "workflow_id": workflow})

    assert record["output"]["Answer"] == "A summary of rain"
    assert record["output"]["Essay"]["has_preview"] is True
    assert api.get(f"/v1/file/{record['output']['Table']['id']}").content == b"city\n"
    assert len(api.get(f"/v1/file/{record['output']['Archive']['id']}").content) == 1_000_000
    said = [event["data"].get("content") for event in run.events if event["type"] == "content"]
    assert [text for text in said if text] == ["About ", "rain"]
    assert "warming_up" in [event["data"].get("status") for event in run.events]
    assert run.values == {"Topic": "rain", "Tone": "dry", "Length": 3}
    answers = [api.stream({"id": run.id}).status_code for _ in range(3)]
    assert answers == [200, 502, 200]


def test_texts_are_filled_in_at_any_depth(api: Api, tmp_path: Path) -> None:
    text = """
    [[scenario]]
    name = "deep"
    nodes = ["Idle"]
    script = [{ node = "Fetch", seconds = 1.0 }]
    [scenario.output]
    Deep = [{ a = "{{X}}!", n = 1 }, "{{Y}}"]
    """
    (scenario,) = _load(tmp_path, text)

    assert api.completed(api.sandbox.add(scenario), {"X": 5})["output"] == {
        "Deep": [{"a": "5!", "n": 1}, "{{Y}}"]
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name = ", "not a TOML file"),
        (
            f"[[scenario]]\nname = 'x'\noutput = {{ A = {'[' * 600}{']' * 600} }}",
            "nested deeper than 500 levels",
        ),
        ("[[scenario]]\nname = " + "[" * 20_000, "nested deeper than 500 levels"),
        ("name = 'x'", "only \\[\\[scenario\\]\\] tables"),
        ("[[scenario]]\ndescription = 'x'", "scenario 1: 'name' is missing; add it"),
        (
            "[[scenario]]\nname = 'x'\nscript = 3",
            r"scenario 1: 'script' cannot be 3; it takes \[VALUE",
        ),
        (
            "[[scenario]]\nname = 'x'\noutput = [1]",
            r"'output' cannot be \[1\]; it takes { KEY = VALUE }",
        ),
        (
            "[[scenario]]\nname = 'x'\nnodes = [[1]]\nscript = [{ node = 1 }]",
            "step 1: 'node' cannot be 1; it takes TEXT",
        ),
        (
            "[[scenario]]\nname = 'x'\nnotes = 1",
            "scenario 1: 'notes' is not known here; use bad, bad_output, cases, description",
        ),
        (
            "[[scenario]]\nname = 'x'\nscript = ['a']",
            r"scenario 1 \(x\), step 1: a table is expected",
        ),
        (
            "[[scenario]]\nname = 'x'\nscript = [{ sleep = 'a' }]",
            "step 1: 'sleep' cannot be 'a'; it takes SECONDS",
        ),
        ("[[scenario]]\nname = 'x'\nscript = [{ content = 'a' }]", "step 1: 'node' is missing"),
        (
            "[[scenario]]\nname = 'x'\nswitches = { content = 'both' }",
            "takes delta, cumulative; correct",
        ),
        ("[[scenario]]\nname = 'x'\nswitches = { shape = 1 }", "no switch is called 'shape'"),
        (
            "[[scenario]]\nname = 'x'\nfaults = { strat = [] }",
            "faults: 'strat' is not known here; use data, events",
        ),
        (
            "[[scenario]]\nname = 'x'\nfaults = { start = [{ fault = 'x' }] }",
            "start fault 1: the kind of fault",
        ),
        (
            "[[scenario]]\nname = 'x'\nfaults = { start = [{ fault = 'answer' }] }",
            "'status' is missing; add it",
        ),
        (
            "[[scenario]]\nname = 'x'\nfaults = { events = [{ fault = 'cut', how = 'odd' }] }",
            "'how' cannot be 'odd'; it takes clean, torn",
        ),
        (
            "[[scenario]]\nname = 'x'\noutput = { A = { '$file' = 'a', mode = 1 } }",
            "output A: 'mode' is not known",
        ),
    ],
)
def test_a_wrong_file_is_explained(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        _load(tmp_path, text)


def _recorded(tmp_path: Path, lines: list[dict[str, object]]) -> Path:
    path = tmp_path / "recorded.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


WORKFLOW = "11111111-2222-4333-8444-555555555555"
AT = {"ts": "2026-01-01T00:00:20.000Z", "redis_id": None}
RESULT = {
    **AT,
    "type": "noxcli.result",
    "data": {
        "run": {"status": "completed", "workflow_id": WORKFLOW},
        "output": {"Answer": "Hello"},
        "nodes": [{"id": "n1", "name": "Write"}],
    },
}
END = {"id": "n1", "status": "completed", "workflow_status": "completed"}
LINES: list[dict[str, object]] = [
    {
        **AT,
        "seq": 1,
        "ts": "2026-01-01T00:00:00.000Z",
        "run_id": "r",
        "type": "noxcli.started",
        "data": {},
    },
    {
        "seq": 2,
        "ts": "2026-01-01T00:00:00.000Z",
        "type": "state",
        "data": {"status": "running"},
        "redis_id": "1-0",
    },
    {
        "seq": 3,
        "ts": "2026-01-01T00:00:20.000Z",
        "type": "content",
        "data": {"id": "n2", "status": "running"},
        "redis_id": "1-1",
    },
    {"seq": 4, "ts": "2026-01-01T00:00:20.000Z", "type": "content", "data": END, "redis_id": "1-2"},
    {"seq": 5, **RESULT},
]


def test_a_recorded_run_is_served_again(api: Api, tmp_path: Path) -> None:
    scenario = load_replay(_recorded(tmp_path, LINES))
    workflow = api.sandbox.add(scenario)
    run = api.start("recorded")
    events = api.events(run)

    assert workflow == WORKFLOW
    assert [event["redisId"] for event in events][-3:] == ["1-0", "1-1", "1-2"]
    assert events[-1]["data"] == END
    record = api.finished(run)
    assert record["output"] == {"Answer": "Hello"}
    played = api.sandbox.runs(WORKFLOW)[0]
    assert played.finished_at is not None
    assert (played.finished_at - played.created_at).total_seconds() >= 0.2, "it keeps its pace"
    names = {
        node["id"]: node["name"]
        for node in api.get(f"/v1/workflows/{workflow}").json()["definition"]["nodes"]
    }
    assert (names["n1"], names["n2"]) == ("Write", "n2")


def test_a_recorded_stop_has_no_announcement(api: Api, tmp_path: Path) -> None:
    data = {"run": {"status": "stopped", "workflow_id": "not-a-uuid"}, "output": None}
    lines: list[dict[str, object]] = [
        LINES[1],
        {**AT, "type": "state", "data": {"status": "stopped"}},
        {**AT, "type": "noxcli.result", "data": data},
    ]
    run = api.start(api.sandbox.add(load_replay(_recorded(tmp_path, lines))))

    assert [event["data"]["status"] for event in api.events(run)] == [
        "queued",
        "running",
        "running",
        "stopped",
    ]
    assert api.record(run)["status"] == "stopped"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{}", "line 1: not a recorded event"),
        (b"\xff", "not UTF-8"),
        (
            b'{"type": "state", "data": ' + b"[" * 600 + b"]" * 600 + b"}",
            "nested deeper than 500 levels",
        ),
        (b'{"type": "state", "data": ' + b"[" * 20_000, "nested deeper than 500 levels"),
        (json.dumps({**AT, "type": "state", "data": {}}).encode(), "the recording is not complete"),
        (
            json.dumps({**AT, "type": "state", "data": {}, "ts": "noon"}).encode(),
            "not a recorded event .*'noon'",
        ),
    ],
)
def test_a_broken_recording_is_explained(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "broken.ndjson"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=complaint):
        load_replay(path)


def test_several_recordings_are_served_also_of_one_workflow(tmp_path: Path) -> None:
    paths = [tmp_path / "one.ndjson", tmp_path / "two.ndjson"]
    for path in paths:
        path.write_text("\n".join(map(json.dumps, LINES)))
    one, two = load_replays(paths)
    assert [one.name, two.name, one.id != two.id] == ["one", "two", True]
    (tmp_path / "more").mkdir()
    (again := tmp_path / "more/one.ndjson").write_text(paths[0].read_text())
    with pytest.raises(ValueError, match="two recordings are named 'one'"):
        load_replays([*paths, again])
