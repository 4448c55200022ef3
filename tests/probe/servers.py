"""Servers to probe: a sandbox with any behavior, and a workflow that shows as much of it as one can."""

import json
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from noxcli.sandbox.scenario import Node, Scenario, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit, Sleep, node_fails, node_runs
from noxcli.sandbox.switches import Switches, with_overrides
from noxcli.timing import Clock
from tests.conftest import Noxcli

WATCH = 0.6  # seconds
STOP_MEASURED = 0.35  # seconds: how exactly a stop is measured

INPUTS = [input_node("Question"), input_node("Tone", default="dry")]
WORKS = Scenario(
    "works",
    nodes=[
        *INPUTS,
        Node("Write"),
        output_node("Answer"),
        output_node("Twin"),
        Node("other twin", "OutputNode", {"label": "Twin", "type": "String"}),
        output_node("Essay"),
        output_node("Chapters"),
    ],
    script=[
        Emit("Answer", status="completed"),
        Emit("Write"),
        *(step for text in "abcdefgh" for step in (Sleep(0.17), Emit("Write", text))),
    ],
    output={
        "Answer": "short",
        "Twin": 1,
        "other twin": 2,
        "Essay": "x" * 60_000,
        "Chapters": [{"body": "y" * 60_000}],
    },
)
FAILS = Scenario(
    "fails",
    nodes=[*INPUTS, Node("First"), Node("Second"), output_node("Answer")],
    script=[*node_runs("First", seconds=0.3), *node_fails("Second", "no luck", seconds=0.4)],
    status="failed",
)
PAUSES = Scenario(
    "pauses",
    nodes=[*INPUTS, Node("Ask"), output_node("Answer")],
    script=[Emit("Ask"), Sleep(0.3)],
    status="awaiting_human_feedback",
)
WORKFLOWS = (WORKS, FAILS, PAUSES)
HINTS = get_type_hints(Switches)


def values_of(name: str) -> list[Any]:
    """All values of a switch that are worth trying."""
    hint, default = HINTS[name], getattr(Switches(), name)
    if get_origin(hint) is not None:
        return list(get_args(hint))
    if hint is bool:
        return [False, True]
    return [default, *OTHER_NUMBERS.get(name, [])]


OTHER_NUMBERS: dict[str, list[Any]] = {
    "retained_events": [1, 5],
    "create_status": [201],
    "stale_reads": [2],
    "late_output_reads": [2],
    "queue_seconds": [0.5],
    "page_size": [1, 20],
    "page_limit": [1, 40],
    "preview_limit": [500],
    "preview_characters": [100],
    "stop_seconds": [0.8],
    "retry_after_seconds": [2],
    "list_delay_seconds": [5.0],
    "gateway_refusals": [1],
}


def probed(settings: Mapping[str, Any], workflow: str, noxcli: Noxcli, *argv: str) -> dict[str, Any]:
    """The findings of `noxcli probe` about a server with these switches; it names one input by label, one by id."""
    with Sandbox(WORKFLOWS, switches=with_overrides(Switches(), settings)) as sandbox:
        environ = {**noxcli.environ, "NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key}
        call = Noxcli(environ, Clock())
        command = ["probe", workflow, "Question=hello", "--start", "2", "--watch", str(WATCH), "--json", *argv]
        done = call(*command, "--quiet")
        assert done.code == 0, (settings, done.err)
        document: dict[str, Any] = json.loads(done.out)
        return document


def wrong(document: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The wrong findings of the probe."""
    truth = with_overrides(Switches(), settings)
    return {
        each["switch"]: (each["value"], getattr(truth, each["switch"]))
        for each in document["findings"]
        if each["value"] is not None and not _same(each["switch"], each["value"], getattr(truth, each["switch"]))
    }


def recovered(document: Mapping[str, Any]) -> dict[str, Any]:
    """The switches with their observed values."""
    return {each["switch"]: each["value"] for each in document["findings"] if each["value"] is not None}


def _same(name: str, seen: Any, truth: Any) -> bool:
    if name == "stop_seconds":
        return abs(float(seen) - float(truth)) <= max(STOP_MEASURED, 0.25 * float(truth))
    return type(seen) is type(truth) and bool(seen == truth)
