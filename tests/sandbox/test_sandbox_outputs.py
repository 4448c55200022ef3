"""Output values and their keys: previews, containers, files, labels and ids."""

from typing import Any

import pytest

from noxcli.sandbox.scenario import Node

from .api import Api

LONG = "ü" * 16_001


def _full(api: Api, preview: dict[str, Any]) -> str:
    return api.get(f"/v1/file/{preview['file']['id']}").content.decode()


def test_text_over_the_limit_becomes_a_preview_with_a_file(api: Api) -> None:
    output = api.completed(api.plays(output={"Essay": LONG, "Edge": "x" * 16_000}))["output"]

    assert output["Edge"] == "x" * 16_000
    assert output["Essay"]["has_preview"] is True
    assert output["Essay"]["text"] == LONG[:16_000]
    assert output["Essay"]["file"]["uri"] == f"spot://{output['Essay']['file']['id']}"
    assert set(output["Essay"]["file"]) == {"id", "uri", "name", "content_type", "source_type", "source_metadata"}
    assert _full(api, output["Essay"]) == LONG


def test_previews_sit_in_nested_values_too(api: Api) -> None:
    nested = {"Chapters": [{"body": LONG}, "short"]}
    output = api.completed(api.plays(output=nested))["output"]
    assert _full(api, output["Chapters"][0]["body"]) == LONG

    output = api.completed(api.plays(output=nested, switches={"nested_previews": False}))["output"]
    assert output == nested


def test_preview_length_and_limit_are_switches(api: Api) -> None:
    switches = {"preview_limit": 10, "preview_characters": 4}
    output = api.completed(api.plays(output={"A": "0123456789a", "B": "0123456789"}, switches=switches))["output"]

    assert (output["A"]["text"], output["B"]) == ("0123", "0123456789")


def test_short_text_may_come_in_a_container(api: Api) -> None:
    output = {"A": "x", "L": ["x"], "N": 1}
    record = api.completed(api.plays(output=output, switches={"inline_text": "container"}))

    assert record["output"] == {"A": {"text": "x"}, "L": ["x"], "N": 1}


@pytest.mark.parametrize("form", ["label", "node_id", "node_id::name"])
def test_keys(api: Api, form: str) -> None:
    workflow = api.plays(output={"A": "x"}, switches={"output_keys": form})
    record = api.completed(workflow)
    (node,) = api.sandbox.runs(workflow)[0].workflow.graph.outputs

    assert list(record["output"]) == [{"label": "A", "node_id": node.id}.get(form, f"{node.id}::output")]


def test_ids_on_demand(api: Api) -> None:
    workflow = api.plays(output={"A": "x"})
    run = api.start(workflow)
    api.finished(run)
    (node,) = api.sandbox.runs(workflow)[0].workflow.graph.outputs

    assert api.record(run, use_output_ids="true")["output"] == {node.id: "x"}
    assert api.record(run, use_output_ids="maybe")["detail"][0]["loc"] == ["query", "use_output_ids"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("number", {"Same": 1, "Same (2)": 2, "Same (3)": 3}),
        ("last", {"Same": 3}),
        ("first", {"Same": 1}),
    ],
)
def test_labels_that_nodes_share(api: Api, rule: str, expected: dict[str, int]) -> None:
    nodes = [Node(name, "OutputNode", {"label": "Same"}) for name in "abc"]
    record = api.completed(api.plays(nodes=nodes, output={"a": 1, "b": 2, "c": 3}, switches={"duplicate_labels": rule}))

    assert record["output"] == expected
