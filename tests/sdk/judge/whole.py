# mypy: disable-error-code="import-not-found"
"""The SDK's whole use of runs, workflows, versions and files, against one server after the other.

Run by the SDK's own interpreter. Reads lines of JSON with `url` and `key`, and prints for each one a JSON object: what
broke, by the name of the use. A use that takes too long is abandoned.
"""

import asyncio
import io
import json
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from noxus_sdk.client import Client
from noxus_sdk.errors import NotFoundError, UnauthorizedError, ValidationError
from noxus_sdk.resources.runs import RunFailureError

TOO_LONG = float(os.environ.get("TOO_LONG", "8"))  # seconds
AT_ONCE = 6
MISSING = "00000000-0000-4000-8000-000000000000"
TEXT, ANSWER = "one two three", "Answer to: why"


class Broken(Exception):
    """A use returned something that its documentation does not promise."""


def expect(condition: object, otherwise: str) -> None:
    """Fail with what is wrong."""
    if not condition:
        raise Broken(otherwise)


class Use:
    """What a program does with the SDK, one method for each use; the docstring says it as a user would."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.client = Client(api_key=key, base_url=url)

    def workflow(self, name: str) -> Any:
        listed = {each.name: each.id for each in self.client.workflows.list()}
        expect(name in listed, "a workflow is missing from the list")
        return self.client.workflows.get(listed[name])

    def run(self, name: str = "works", **options: Any) -> Any:
        return self.workflow(name).run(body={"Question": "why"}, **options)

    def waited(self, name: str = "works") -> Any:
        return self.run(name).wait(interval=0.05)

    def ended(self) -> Any:
        """A run that has ended: its status and output on the server."""
        run = self.run()
        for _ in range(400):
            if run.status == "completed" and run.output:
                return run
            threading.Event().wait(0.01)
            run.refresh()
        raise Broken("the record never said completed with an output")

    def use_own_key(self) -> None:
        """client.admin.get_me()"""
        self.client.admin.get_me()

    def use_wrong_key(self) -> None:
        """a wrong key is an UnauthorizedError"""
        try:
            Client(api_key="wrong", base_url=self.url, load_nodes=False, load_me=False).admin.get_me()
        except UnauthorizedError:
            return
        raise Broken("no error")

    def use_workflows(self) -> None:
        """workflows.list() and get()"""
        expect(self.workflow("works").nodes, "a workflow has no nodes")

    def use_versions(self) -> None:
        """workflow.list_versions(), and a run of one"""
        (version,) = self.workflow("works").list_versions()
        expect(self.run(workflow_version_id=version.id).id, "no run")

    def use_wait(self) -> None:
        """run.wait() returns a completed run with its output"""
        done = self.waited()
        expect(done.status == "completed", f"wait() returns while the run is {done.status}")
        expect(done.output, "wait() returns without the output")
        expect("Answer" in done.output, 'output["Answer"] is missing')
        expect(done.output["Answer"] == ANSWER, 'output["Answer"] is not a text')

    def use_async_wait(self) -> None:
        """workflow.arun() and run.a_wait()"""

        async def waited() -> Any:
            client = Client(api_key=self.client.api_key, base_url=self.url, load_nodes=False, load_me=False)
            workflow = self.workflow("works")
            workflow.client = client
            try:
                return await (await workflow.arun(body={"Question": "why"})).a_wait(interval=0.05)
            finally:
                await client.aclose()

        done = asyncio.run(waited())
        expect(done.status == "completed", f"a_wait() returns while the run is {done.status}")

    def use_stream(self) -> None:
        """run.stream() ends with a terminal event"""
        events = list(self.run().stream())
        expect(events, "run.stream() gives nothing")
        expect(events[-1].is_terminal, "run.stream() ends without a terminal event")

    def use_streamed_text(self) -> None:
        """the pieces of run_and_stream() make the text"""
        events = self.workflow("works").run_and_stream(body={"Question": "why"})
        said = "".join(event.data.get("content") or "" for event in events if event.type == "content")
        expect(said == TEXT, "the pieces do not make the text")

    def use_statuses_of_nodes(self) -> None:
        """event.data["status"] is running or completed"""
        events = list(self.run().stream())
        words = {event.data.get("status") for event in events if event.type == "content"}
        expect(words <= {"running", "completed"}, "nodes have other words for their status")

    def use_resumption(self) -> None:
        """run.stream(etag=...) continues after an event"""
        run = self.run()
        cursors = [event.redis_id for event in run.stream()]
        expect(all(cursors), "events have no redis_id")
        rest = [event.redis_id for event in run.stream(etag=cursors[4])]
        expect(rest == cursors[5:], "run.stream(etag=...) gives other events")

    def use_record_after_stream(self) -> None:
        """run.refresh() after the terminal event has status and output"""
        run = self.run()
        for _ in run.stream():
            pass
        run.refresh()
        expect(run.status == "completed", f"refresh() after the stream says {run.status}")
        expect(run.output, "refresh() after the stream has no output")

    def use_stream_of_ended_run(self) -> None:
        """run.stream() of a run that has ended"""
        expect([event for event in self.ended().stream() if event.is_terminal], "run.stream() tells no end")

    def use_failed_run(self) -> None:
        """run.wait() raises RunFailureError for a failed run"""
        try:
            done = self.waited("fails")
        except RunFailureError:
            return
        raise Broken(f"wait() returns while the run is {done.status}")

    def use_stopped_run(self) -> None:
        """run.wait() returns when somebody stops the run"""
        done = self.waited("is stopped")
        expect(done.status == "stopped", f"wait() returns while the run is {done.status}")

    def use_paused_run(self) -> None:
        """run.wait() returns when the run pauses"""
        done = self.waited("pauses")
        expect(done.status == "awaiting_human_feedback", f"wait() returns while the run is {done.status}")

    def use_stop(self) -> None:
        """run.stop() returns the stopped run"""
        status = self.run("slow").stop().status
        expect(status == "stopped", f"stop() returns while the run is {status}")

    def use_stop_of_ended_run(self) -> None:
        """run.stop() of a run that has ended"""
        self.ended().stop()

    def use_runs(self) -> None:
        """runs.get(), and runs.list() with the newest first"""
        older, newer = self.run("slow"), self.run("slow")
        expect(self.client.runs.get(newer.workflow_id, newer.id).id == newer.id, "another run")
        listed = [run.id for run in self.client.runs.list(newer.workflow_id, page_size=2)]
        expect(listed[:1] == [newer.id], "runs.list() does not begin with the newest")
        expect(listed == [newer.id, older.id], "runs.list() lacks a run")

    def use_search(self) -> None:
        """runs.search()"""
        run = self.run()
        expect(run.id in [each["id"] for each in self.client.runs.search(run.id)], "a run is not found by its id")

    def use_data(self) -> None:
        """run.data() has nodes"""
        expect(isinstance(self.ended().data()["nodes"], list), 'data["nodes"] is not a list')

    def use_node_io(self) -> None:
        """runs.get_node_io()"""
        run = self.ended()
        node = next(node for node in self.workflow("works").nodes if node.node_config.get("label") == "Question")
        expect(self.client.runs.get_node_io(run.id, node.id)["inputs"] == {"input": "why"}, "other inputs")

    def use_sync(self) -> None:
        """runs.run_sync() returns the run"""
        done = self.client.runs.run_sync(self.workflow("works").id, {"Question": "why"})
        expect(done.get("output"), "run_sync() returns without the output")

    def use_sync_output(self) -> None:
        """runs.run_sync(output_only=True) returns the output"""
        done = self.client.runs.run_sync(self.workflow("works").id, {"Question": "why"}, output_only=True)
        expect(done.get("output"), 'run_sync(output_only=True)["output"] is missing')

    def use_long_text(self) -> None:
        """a text with has_preview is completed by files.get()"""
        value = self.ended().output.get("Essay")
        expect(isinstance(value, dict) and value.get("has_preview"), "a long text is not a preview")
        expect(len(self.client.files.get(value["file"]["id"])) == 20_000, "the file is another")

    def use_file(self) -> None:
        """a file of the output comes by files.get()"""
        value = self.ended().output.get("Table")
        expect(value, 'output["Table"] is missing')
        expect(value["uri"] == f"spot://{value['id']}", "the address is not spot:// and the id")
        expect(self.client.files.get(value["id"]) == b"1,2\n", "the file is another")

    def use_upload(self) -> None:
        """files.save(), and files.get() of it"""
        fd = io.BytesIO(b"hello")
        fd.name = "greeting.txt"
        file = self.client.files.save(fd)
        expect(self.client.files.get(str(file.id)) == b"hello", "the file is another")

    def use_missing_run(self) -> None:
        """an unknown run is a NotFoundError that says so"""
        try:
            self.client.runs.get(self.workflow("works").id, MISSING)
        except NotFoundError as error:
            expect(str(error).startswith("404 Run not found"), "the error does not say what is missing")
            return
        raise Broken("no error")

    def use_missing_input(self) -> None:
        """a start without a required input is a ValidationError"""
        try:
            self.workflow("works").run(body={})
        except ValidationError:
            return
        raise Broken("no error")

    def use_delete(self) -> None:
        """run.delete()"""
        expect(self.ended().delete().succeeded == 1, "the run is not deleted")


def outcome(call: Callable[[], None]) -> str | None:
    """What broke, None if nothing did."""
    found: list[str | None] = []

    def attempt() -> None:
        try:
            call()
        except Broken as broken:
            found.append(str(broken))
        except Exception as error:
            found.append(type(error).__name__)
        else:
            found.append(None)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(TOO_LONG)
    return found[0] if found else "it waits without end"


def judged(line: str) -> dict[str, str]:
    """What breaks with this server."""
    server = json.loads(line)
    try:
        use = Use(server["url"], server["key"])
    except Exception as error:
        return {"client": type(error).__name__}
    uses = [(name.removeprefix("use_"), getattr(use, name)) for name in dir(Use) if name.startswith("use_")]
    return {name: broken for name, call in uses if (broken := outcome(call)) is not None}


def main() -> None:
    """Judge each server, and print the results in order."""
    if sys.argv[1:] == ["--uses"]:
        uses = {name.removeprefix("use_"): getattr(Use, name).__doc__ for name in dir(Use) if name.startswith("use_")}
        print(json.dumps(uses))
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for found in pool.map(judged, sys.stdin.read().splitlines()):
            print(json.dumps(found), flush=True)
    os._exit(0)  # a use that waits without end must not hold us up


main()
