"""Output values and their keys: previews, containers, files, labels and ids."""

from typing import Any

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


def test_ids_on_demand(api: Api) -> None:
    workflow = api.plays(output={"A": "x"})
    run = api.start(workflow)
    api.finished(run)
    (node,) = api.sandbox.runs(workflow)[0].workflow.graph.outputs

    assert api.record(run, use_output_ids="true")["output"] == {node.id: "x"}
    assert api.record(run, use_output_ids="maybe")["detail"][0]["loc"] == ["query", "use_output_ids"]
