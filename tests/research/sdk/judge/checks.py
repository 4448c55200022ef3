# mypy: disable-error-code="import-not-found"
"""What the official SDK must be able to do with the sandbox; run by the SDK's own interpreter, not by pytest.

Each function named `check_...` is one test. The calls are those that the Noxus docs show under "Running
workflows", with the SDK's defaults, plus the neighbours of those calls. Prints one JSON object of results.
"""

import asyncio
import io
import json
import sys
import traceback
from collections.abc import Callable
from typing import Any

from noxus_sdk.client import Client
from noxus_sdk.errors import ForbiddenError, NotFoundError, UnauthorizedError, ValidationError
from noxus_sdk.resources.runs import RunFailureError
from noxus_sdk.workflows import WorkflowDefinition

KEY = "sandbox-key"
client = Client(api_key=KEY)
workflows = {workflow.name: workflow for workflow in client.workflows.list(page_size=100)}


def workflow_named(name: str) -> WorkflowDefinition:
    """Read one workflow the way a user does, by its id."""
    return client.workflows.get(workflows[name].id)


def expect(condition: object, *evidence: object) -> None:
    """Fail the check with what was seen."""
    if not condition:
        raise AssertionError(" ".join(map(repr, evidence)))


def check_client_loads_node_catalogue_and_identity() -> None:
    """The defaults of Client() ask for both before anything else."""
    types = {node["type"] for node in client.nodes}
    expect({"InputNode", "OutputNode"} <= types, types)
    expect(client.admin.get_me().tenant_admin is False)


def check_run_and_wait_with_interval() -> None:
    """Run with input data, wait for completion."""
    run = workflow_named("demo").run(
        body={"User Input": "What are the benefits of wind?", "Analysis Type": "comprehensive"}
    )
    expect(run.status == "queued", run.status)
    result = run.wait(interval=2)
    expect(result.status == "completed" and result.progress == 100, result)
    expect("What are the benefits of wind?" in result.output["Answer"], result.output["Answer"])
    expect("comprehensive" in result.output["Answer"], result.output["Answer"])


def check_workflow_definition_parses() -> None:
    """Nodes, connectors and edges arrive whole."""
    workflow = workflow_named("demo")
    ids = {node.id for node in workflow.nodes}
    expect(len(ids) >= 5 and all(node.inputs and node.outputs for node in workflow.nodes), workflow)
    expect(
        workflow.edges and all(edge.from_id.node_id in ids for edge in workflow.edges),
        workflow.edges,
    )


def check_an_input_has_three_names() -> None:
    """Its label, its node's id, and `node id::input`."""
    workflow = workflow_named("fixed-inputs")
    node = next(node for node in workflow.nodes if node.node_config.get("label") == "User Question")
    for key in (str(node.node_config["label"]), str(node.id), f"{node.id}::input"):
        result = workflow.run(body={key: "How does photosynthesis work?"}).wait()
        expect(
            result.output["Answer"] == "Answer to: How does photosynthesis work?",
            key,
            result.output,
        )


def check_stream_events_as_they_happen() -> None:
    """Content and state events until the terminal one; then the record has the output."""
    run = workflow_named("demo").run(body={"User Input": "Explain quantum computing"})
    events = list(run.stream())
    states = [event.data["status"] for event in events if event.type == "state"]
    pieces = [event.data for event in events if event.type == "content"]
    expect(states[0] == "queued" and "running" in states, states)
    expect(all(piece.get("id") and piece.get("status") for piece in pieces), pieces)
    expect([event.is_terminal for event in events] == [False] * (len(events) - 1) + [True], events)
    expect(events[-1].data["workflow_status"] == "completed", events[-1])
    expect(len({event.redis_id for event in events}) == len(events))
    run.refresh()
    expect(run.status == "completed" and "Explain quantum computing" in run.output["Answer"], run)


def check_run_and_stream_prints_the_answer() -> None:
    """Pieces printed one after the other give the text: content is a delta."""
    events = workflow_named("demo").run_and_stream(body={"User Input": "Hello"})
    said = "".join(event.data.get("content") or "" for event in events if event.type == "content")
    expect(said.startswith("You asked: Hello"), said)


def check_stream_resumes_from_etag() -> None:
    """The cursor of an event continues right after it."""
    run = workflow_named("demo").run(body={"User Input": "x"})
    everything = [event.redis_id for event in run.stream()]
    rest = [event.redis_id for event in run.stream(etag=everything[4])]
    expect(rest == everything[5:], everything, rest)


def check_wait_falls_back_to_polling() -> None:
    """Without event streams, wait() polls."""
    result = workflow_named("no-sse").run(body={}).wait(interval=1)
    expect(result.status == "completed" and result.output["Answer"], result)


def check_a_callback_is_accepted() -> None:
    """A start takes an address; the sandbox posts nothing, since no page of the docs says what."""
    run = workflow_named("qa").run(
        body={"Question": "?"}, callback_url="https://your-server.com/webhook/noxus"
    )
    expect(run.wait().status == "completed")


def check_fixed_inputs_are_used_automatically() -> None:
    """Only dynamic inputs need a value."""
    result = workflow_named("fixed-inputs").run(body={"User Question": "What is ML?"}).wait()
    expect(result.output["Prompt used"] == "You are a helpful assistant.", result.output)


def check_fixed_inputs_can_be_overridden() -> None:
    """A value for a fixed input replaces it."""
    prompt = "You are a technical expert. Be precise and detailed."
    body = {"User Question": "What is ML?", "System Prompt": prompt}
    result = workflow_named("fixed-inputs").run(body=body).wait()
    expect(result.output["Prompt used"] == prompt, result.output)


def check_output_types() -> None:
    """Text, structured data, lists, numbers."""
    output = workflow_named("structured").run(body={}).wait().output
    expect(
        isinstance(output["Report"], dict) and output["Report"]["title"] == "Quarterly report",
        output,
    )
    expect(output["Cities"] == ["Lisboa", "Zürich", "東京"], output["Cities"])
    expect(
        output["Score"] == 0.875 and output["Approved"] is True and output["Remark"] is None, output
    )


def check_output_only() -> None:
    """wait(output_only=True) gives the output alone."""
    output = workflow_named("qa").run(body={"Question": "Why?"}).wait(output_only=True)
    expect(output == {"Answer": "Answer to: Why?"}, output)


def check_long_output_is_completed_through_files() -> None:
    """has_preview leads to the whole text; short text has no such flag."""
    result = workflow_named("demo").run(body={"User Input": "rivers"}).wait()
    lengths = {}
    for key, value in result.output.items():
        if isinstance(value, dict) and value.get("has_preview"):
            full_content = client.files.get(value["file"]["id"]).decode("utf-8")
            lengths[key] = len(full_content)
            expect(full_content.startswith(value["text"]) and "# On rivers" in full_content, value)
        else:
            text = value.get("text") if isinstance(value, dict) else value
            expect(isinstance(text, str) and "rivers" in text, value)
    expect(list(lengths) == ["Essay"] and lengths["Essay"] > 16_000, lengths)


def check_async_batch() -> None:
    """Start all, then wait for all."""

    async def process_multiple_inputs(workflow: Any, inputs: list[dict[str, Any]]) -> list[Any]:
        runs = [await workflow.arun(body=input_data) for input_data in inputs]
        return [await run.a_wait() for run in runs]

    inputs = [
        {"Question": question}
        for question in ("What is AI?", "How does ML work?", "What is a net?")
    ]
    results = asyncio.run(process_multiple_inputs(workflow_named("qa"), inputs))
    answers = [result.output["Answer"] for result in results]
    expect(answers == [f"Answer to: {each['Question']}" for each in inputs], answers)
    client._async_client = None


def check_async_stream() -> None:
    """arun_and_stream() ends with the terminal event."""

    async def collect() -> list[Any]:
        return [
            event async for event in workflow_named("qa").arun_and_stream(body={"Question": "?"})
        ]

    events = asyncio.run(collect())
    expect(events[-1].is_terminal, events)
    client._async_client = None


def check_failed_run_raises() -> None:
    """RunFailureError, and the record says failed."""
    run = workflow_named("fails").run(body={})
    try:
        run.wait()
    except RunFailureError:
        expect(run.status == "failed", run)
    else:
        expect(False, "no RunFailureError")


def check_stop() -> None:
    """A stopped run says so, and wait() returns."""
    run = workflow_named("slow").run(body={})
    expect(run.stop().status == "stopped")
    expect(run.wait().status == "stopped", run)


def check_run_stopped_by_somebody_else() -> None:
    """wait() returns although no event announces an end."""
    expect(workflow_named("stopped").run(body={}).wait().status == "stopped")


def check_paused_run() -> None:
    """wait() returns when the run waits for a human."""
    expect(workflow_named("pauses").run(body={}).wait().status == "awaiting_human_feedback")


def check_runs_get_and_list() -> None:
    """The record by ids, and the newest first."""
    workflow = workflow_named("qa")
    older, newer = (workflow.run(body={"Question": f"find me {number}"}) for number in (1, 2))
    newer.wait()
    older.wait()
    expect(client.runs.get(workflow.id, newer.id).status == "completed")
    listed = client.runs.list(workflow.id, page=1, page_size=2)
    expect([run.id for run in listed] == [newer.id, older.id], listed)


def check_run_sync() -> None:
    """Blocks until the end; the output alone on demand."""
    workflow = workflow_named("qa")
    whole = client.runs.run_sync(workflow.id, {"Question": "?"})
    expect(whole["status"] == "completed" and whole["output"] == {"Answer": "Answer to: ?"}, whole)
    part = client.runs.run_sync(workflow.id, {"Question": "?"}, output_only=True)
    expect(part["output"] == {"Answer": "Answer to: ?"}, part)


def check_run_data_and_node_io() -> None:
    """Per-node detail answers with objects."""
    workflow = workflow_named("qa")
    run = workflow.run(body={"Question": "?"}).wait()
    expect(run.data()["status"] == "completed")
    expect(client.runs.get_node_io(run.id, workflow.nodes[0].id)["inputs"] == {"input": "?"})


def check_file_round_trip() -> None:
    """An uploaded file can be downloaded unchanged."""
    fd = io.BytesIO("Grüße".encode())
    fd.name = "greeting.txt"
    file = client.files.save(fd)
    expect(
        file.filename == "greeting.txt" and file.uri == f"spot://{file.id}" and file.size == 7, file
    )
    expect(client.files.get(str(file.id)).decode("utf-8") == "Grüße")


def check_workflow_version() -> None:
    """A saved version can be listed and run."""
    workflow = workflow_named("demo")
    (version,) = workflow.list_versions()
    run = workflow.run(body={"User Input": "x"}, workflow_version_id=version.id)
    expect(run.wait().status == "completed", version)


def check_export_and_import() -> None:
    """A bundle in each form can be previewed, tried, and imported in each mode, and a version saved."""
    service = client.workflows
    workflow = workflow_named("fixed-inputs")
    expect(service.export_preview(workflow.id), workflow)
    bundles = [service.export(workflow.id), service.export(workflow.id, version="v3")]
    bundles.append(service.export(workflow.id, version="v4", include_dependencies=False))
    for bundle in bundles:
        expect(service.import_(bundle, dry_run=True), bundle)
    expect(not service.list_versions(workflow.id), "a dry run wrote something")
    (clone,) = service.import_(bundles[0])
    expect(
        service.get(clone["id"]).run(body={"User Question": "x"}).wait().status == "completed",
        clone,
    )
    (added,) = service.import_(bundles[1], mode="version", activate=True)
    service.import_(bundles[2], mode="replace", version="v4")
    saved = service.save_version(workflow.id, workflow, "saved by the SDK", None)
    expect(
        {str(each.id) for each in service.list_versions(workflow.id)}
        == {added["version_id"], str(saved.id)},
        added,
    )


def check_v2_workflow() -> None:
    """A workflow of the second definition version is read and run like the first."""
    workflow = workflow_named("v2")
    expect(workflow.flow_version == "v2", workflow)
    result = workflow.run(body={"Topic": "rain", "Length": 2}).wait()
    expect(result.output["Text"].count("rain") == 2, result.output)


def check_rate_limit_is_waited_out() -> None:
    """429 with Retry-After is repeated by the SDK until it passes."""
    expect(workflow_named("rate-limited").run(body={}).wait().status == "completed")


def check_broken_streams_still_give_a_record() -> None:
    """After a torn stream, wait() polls to the end."""
    run = workflow_named("cut").run(body={})
    for _ in range(2):
        run.wait(interval=1)
    expect(run.status in ("completed", "running"), run)


def check_errors_are_mapped() -> None:
    """401, 403, 404 and 422 become the SDK's own errors, with the request id."""
    missing = "00000000-0000-4000-8000-000000000000"
    attempts: list[tuple[type[Exception], Callable[[], object]]] = [
        (UnauthorizedError, lambda: Client(api_key="wrong")),
        (NotFoundError, lambda: client.workflows.get(missing)),
        (
            ValidationError,
            lambda: workflow_named("qa").run(body={"Question": "?"}, callback_url="nonsense"),
        ),
        (ForbiddenError, _run_with_limited_key),
    ]
    for kind, attempt in attempts:
        try:
            attempt()
        except kind as error:
            expect("request id" in str(error), error)
        else:
            expect(False, kind)


def _run_with_limited_key() -> object:
    limited = Client(api_key="sandbox-key-without-flows-run", load_nodes=False, load_me=False)
    return limited.post(f"/v1/workflows/{workflows['qa'].id}/runs", {"input": {"Question": "?"}})


def main() -> None:
    """Run every check, also after one failed."""
    results = {}
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            try:
                check()
            except Exception:
                results[name] = traceback.format_exc()
            else:
                results[name] = "ok"
    json.dump(results, sys.stdout)


main()
