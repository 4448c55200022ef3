"""The built-in workflows do what their descriptions say, and the builders of scripts keep time."""

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, alongside, node_fails, node_runs, words
from noxcli.sandbox.switches import Switches, meanings, parsed, with_overrides

from .api import Api

INPUTS = {
    "demo": {"User Input": "rivers"},
    "qa": {"Question": "Why?"},
    "fixed-inputs": {"User Question": "Why?"},
    "v2": {"Topic": "rain"},
    "document": {"Document": {"uri": "https://example.com/a.pdf", "name": "a.pdf"}},
}
ENDS = {"fails": "failed", "stopped": "stopped", "pauses": "awaiting_human_feedback"}


@pytest.fixture(scope="module")
def built_in() -> Iterator[Api]:
    with Sandbox(BUILT_IN, speed=math.inf) as sandbox:
        api = Api(sandbox)
        yield api
        api.session.close()


def _ran(api: Api, name: str) -> dict[str, Any]:
    """Start patiently, since some of them reject requests, and return the true end."""
    body = {"input": INPUTS.get(name, {})}
    answers = (api.post(f"/v1/workflows/{name}/runs", body) for _ in range(5))
    run = next(answer for answer in answers if answer.ok).json()
    found = api.sandbox.runs(name)[-1]
    while not found.over.is_set():
        time.sleep(0.002)
    answers = (api.get(f"/v1/workflows/{name}/runs/{run['id']}") for _ in range(5))
    record: dict[str, Any] = next(answer for answer in answers if answer.ok).json()
    return record


@pytest.mark.parametrize("name", [scenario.name for scenario in BUILT_IN])
def test_each_ends_as_promised(built_in: Api, name: str) -> None:
    record = _ran(built_in, name)

    assert record["status"] == ENDS.get(name, "completed")
    assert bool(record["output"]) is (name not in ENDS)


def test_demo_streams_its_answer_and_has_a_long_essay(built_in: Api) -> None:
    record = _ran(built_in, "demo")
    events = built_in.sandbox.runs("demo")[-1].events
    said = "".join(event["data"].get("content", "") for event in events)
    preview = record["output"]["Essay"]
    essay = built_in.get(f"/v1/file/{preview['file']['id']}").content.decode()

    assert said == record["output"]["Answer"]
    assert "rivers" in said
    assert len(essay) > 16_000
    assert len(essay.encode()) > len(essay)
    assert essay.startswith(preview["text"])


def test_big_file_is_big(built_in: Api) -> None:
    output = _ran(built_in, "big-file")["output"]
    with built_in.get(f"/v1/file/{output['Archive']['id']}", stream=True) as answer:
        size = sum(len(piece) for piece in answer.iter_content(1 << 20))

    assert size == int(answer.headers["content-length"]) == 50 * 1024 * 1024
    assert len(built_in.get(f"/v1/file/{output['Transcript']['file']['id']}").content.decode()) == 5_000_000


def test_structured_has_a_preview_inside_a_list(built_in: Api) -> None:
    output = _ran(built_in, "structured")["output"]

    assert output["Chapters"][1]["body"]["has_preview"] is True
    assert output["Count"] == 9_007_199_254_740_993


def test_scripts_keep_time() -> None:
    steps = node_runs("A", ["x", "y"], seconds=3)
    assert steps == [Emit("A"), Sleep(1.5), Emit("A", "x"), Sleep(1.5), Emit("A", "y"), Emit("A", status="completed")]
    assert node_fails("A", "why", 1)[-1] == Emit("A", "why", "failed")

    together = alongside(node_runs("A", seconds=2), node_runs("B", seconds=3), node_runs("C", seconds=1))
    assert sum(step.seconds for step in together if isinstance(step, Sleep)) == 3
    done = [step.node for step in together if isinstance(step, Emit) and step.status == "completed"]
    assert done == ["C", "A", "B"]


def test_words_lose_nothing() -> None:
    text = "one  two three\nfour "

    assert "".join(words(text)) == "".join(words(text, 3)) == text


def test_switches_are_checked_by_name_and_value() -> None:
    assert with_overrides(Switches(), {"keepalive": "ping", "keepalive_seconds": 1}).keepalive == "ping"
    for overrides in ({"keepalive": "pong"}, {"page_size": "x"}, {"id_lines": 1}, {"nothing": 1}):
        with pytest.raises(ValueError, match="switch"):
            with_overrides(Switches(), overrides)


def test_every_default_is_a_value_that_can_be_parsed_and_set() -> None:
    for name in meanings():
        value = getattr(Switches(), name)
        assert with_overrides(Switches(), {name: parsed(name, str(value))}) == Switches()
