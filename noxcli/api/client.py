"""The Noxus API's endpoints as methods, one request each; who retries is the caller's business."""

import json
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import requests

from noxcli.api.feed import EventFeed
from noxcli.api.files import Download
from noxcli.api.http import CONNECT_TIMEOUT, READ_TIMEOUT, Exchange, Http, Readable
from noxcli.api.probe import Probe, StreamLook, look_at, probe
from noxcli.api.records import items_of, run_from, workflow_from
from noxcli.api.session import Body
from noxcli.config import Settings
from noxcli.errors import CursorRefused, NotFound, NoxError, Refused, StreamUnsupported, Unavailable
from noxcli.models import Run, Workflow, is_uuid, same_id
from noxcli.within import run_within

# No page of the docs gives the limit for `size` on every list; 100 is the one given for runs and search.
PAGE_SIZE = 100
NO_STREAM = frozenset({204, 404, 405, 406, 501})
CURSOR_REFUSALS = frozenset({400, 404, 409, 410, 416, 422})
# Long enough for a slow proxy's keep-alive; the follower has its own, shorter idea of silence.
STREAM_READ_TIMEOUT = 300.0


class NoxusApi:
    """One server, one key. Every method raises a NoxError where the answer is no success."""

    def __init__(
        self,
        settings: Settings,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        observe: Callable[[Exchange], None] | None = None,
        mask: Callable[[str], str] = str,
    ) -> None:
        self._http = Http(settings, connect_timeout=connect_timeout, observe=observe, mask=mask)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def create_run(
        self,
        workflow_id: str,
        input: Mapping[str, Any],
        *,
        version_id: str | None = None,
        callback_url: str | None = None,
    ) -> Run:
        """Start a run: `POST /v1/workflows/{id}/runs`, sent once (Noxus docs: create-run-with-api-key)."""
        body = Body(json.dumps(self.run_request(input, version_id, callback_url)).encode())
        path = f"/v1/workflows/{_part(workflow_id)}/runs"
        answer = self._http.post_json(path, body, headers={"Content-Type": "application/json"}, fresh=True)
        return run_from(answer, workflow_id, dict(input))

    @staticmethod
    def run_request(
        input: Mapping[str, Any], version_id: str | None = None, callback_url: str | None = None
    ) -> dict[str, Any]:
        """Return the body that starts a run."""
        request: dict[str, Any] = {"input": dict(input)}
        if version_id is not None:
            request["workflow_version_id"] = version_id
        if callback_url is not None:
            request["callback_url"] = callback_url
        return request

    def get_run(self, workflow_id: str, run_id: str, *, within: float | None = None) -> Run:
        """Read the record with its output: `GET /v1/workflows/{id}/runs/{id}`; `within` is in seconds.

        Raises Unavailable for whatever answer says nothing about this run.
        """
        path = f"/v1/workflows/{_part(workflow_id)}/runs/{_part(run_id)}"
        return self._read_run(path, run_id, workflow_id, within)

    def find_run(self, run_id: str, *, within: float | None = None) -> Run:
        """Read a run by its id alone, without output: `GET /v1/runs/{id}` (Noxus docs: public-get-run-by-id)."""
        return self._read_run(f"/v1/runs/{_part(run_id)}", run_id, "", within)

    def run_data(self, run_id: str) -> Any:
        """Read the nodes' inputs and outputs: `GET /v1/runs/{id}/data`; its schema is not documented."""
        return self._http.get_json(f"/v1/runs/{_part(run_id)}/data")

    def stop_run(self, run_id: str, *, within: float | None = None) -> Run:
        """Ask for a stop: `POST /v1/runs/{id}/stop` (noxus-sdk 0.6.0, resources/runs.py); `within` is in seconds."""
        path = f"/v1/runs/{_part(run_id)}/stop"
        if within is None:
            return _this_run(run_from(self._http.post_json(path)), run_id)
        return _this_run(run_from(run_within(within, lambda: self._http.post_json(path))), run_id)

    def list_runs(self, workflow_id: str | None = None) -> Iterator[Run]:
        """Yield runs page by page in the server's order, of one workflow or of the workspace."""
        path = f"/v1/workflows/{_part(workflow_id)}/runs" if workflow_id else "/v1/runs"
        return (run_from(item, workflow_id or "") for item in self._pages(path, {}))

    def get_workflow(self, workflow_id: str, *, within: float | None = None) -> Workflow:
        """Read a workflow with its definition: `GET /v1/workflows/{id}`; `within` is in seconds."""
        return workflow_from(self._http.get_json(f"/v1/workflows/{_part(workflow_id)}", within=within))

    def get_version(self, workflow_id: str, version_id: str, *, within: float | None = None) -> Workflow:
        """Read a workflow as a saved version has it: `GET /v1/workflows/{id}/versions`.

        Raises NotFound where there is no such version.
        """
        versions = items_of(self._http.get_json(f"/v1/workflows/{_part(workflow_id)}/versions", within=within))
        for version in versions:
            if isinstance(version, dict) and version.get("id") == version_id:
                return workflow_from({**version, "id": workflow_id, "name": None})
        raise NotFound(f"the workflow has no version {version_id!r}")

    def list_workflows(self) -> Iterator[Workflow]:
        """Yield the workspace's flows page by page: `GET /v1/workflows`."""
        return map(workflow_from, self._pages("/v1/workflows", {"type": "flow"}))

    def me(self) -> Mapping[str, Any]:
        """Read what the key is: `GET /v1/admin/me`. The field `value` may be the key itself and is left out."""
        answer = self._http.get_json("/v1/admin/me")
        if not isinstance(answer, dict):
            raise Unavailable("the answer about the key is no object")
        return {name: value for name, value in answer.items() if name != "value"}

    def probe(self) -> Probe:
        """Ask as `me` does, for the sake of the connection; any answer will do. Raises Unavailable without one."""
        return probe(self._http, "/v1/admin/me")

    def look_at_events(self, run_id: str, seconds: float) -> StreamLook:
        """Watch how a run's event stream arrives, for so long at most."""
        return look_at(lambda: self._connect_events(run_id, None), seconds)

    def download(
        self, file_id: str, start: int = 0, etag: str | None = None, *, read_timeout: float = READ_TIMEOUT
    ) -> Download:
        """Open a file: `GET /v1/file/{id}` (noxus-sdk 0.6.0, resources/files.py), from `start` on where the server can.

        Whether it can, and still has what `etag` stands for, is told by the answer's own `start`.
        """
        # Content-Length can be checked only where nothing on the way compresses.
        headers = {"Accept-Encoding": "identity", "Accept": "*/*"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if etag is not None:
                headers["If-Range"] = etag
        path = f"/v1/file/{_part(file_id)}"
        return Download(self._http.send("GET", path, headers=headers, read_timeout=read_timeout))

    def upload(self, name: str, content: Readable, content_type: str) -> Mapping[str, Any]:
        """Store a file: `POST /v1/file`, one multipart part named `file`; returns the server's record of it."""
        answer = self._http.upload("/v1/file", name, content, content_type)
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise Unavailable("the answer to the upload has no file id")
        return answer

    def open_events(self, run_id: str, cursor: str | None = None) -> EventFeed:
        """Open the event stream: `GET /v1/runs/{id}/events`, from `cursor` on (`etag` in the API's words).

        Returns at once; the feed raises what goes wrong.
        """
        return EventFeed(lambda: self._connect_events(run_id, cursor))

    def _connect_events(self, run_id: str, cursor: str | None) -> requests.Response:
        headers = {
            "Accept": "text/event-stream",
            "Cache-Control": "no-store",
            # requests would offer gzip, and compressing proxies hold events back.
            "Accept-Encoding": "identity",
        }
        # A cursor is the server's and opaque: what it can't be as text, it is as bytes.
        params = None if cursor is None else {"etag": cursor.encode("utf-8", "surrogatepass")}
        path = f"/v1/runs/{_part(run_id)}/events"
        try:
            response = self._http.send("GET", path, params=params, headers=headers, read_timeout=STREAM_READ_TIMEOUT)
        except (NotFound, Refused, Unavailable) as error:
            raise _stream_failure(error, cursor) from error
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if response.status_code == 204 or kind != "text/event-stream":
            response.close()
            raise StreamUnsupported(f"the server answered the event stream with {kind or 'nothing'}")
        return response

    def _read_run(self, path: str, run_id: str, workflow_id: str, within: float | None) -> Run:
        try:
            return _this_run(run_from(self._http.get_json(path, within=within), workflow_id), run_id)
        except Refused as refusal:
            if not is_uuid(run_id):
                raise  # no run can have such an id, and the server says so
            # A cache, a gateway: whoever refuses a plain read knows nothing about the run.
            raise Unavailable(refusal.message, refusal.hint, **refusal.facts()) from refusal

    def _pages(self, path: str, params: Mapping[str, Any]) -> Iterator[Any]:
        page = 1
        while True:
            # `size` is the server's word; the SDK sends `page_size` too, which is ignored.
            envelope = self._http.get_json(path, {**params, "page": page, "size": PAGE_SIZE})
            items = items_of(envelope)
            yield from items
            if not isinstance(envelope, dict) or not items:
                return
            pages = envelope.get("pages")
            if page >= pages if isinstance(pages, int) else len(items) < PAGE_SIZE:
                return
            page += 1


def _this_run(run: Run, run_id: str) -> Run:
    """Return the run where it is the one that was asked for.

    Raises Unavailable for another one, as a cache gives that looks at half of the address.
    """
    if same_id(run.id, run_id):
        return run
    raise Unavailable(f"asked for run {run_id}, the server answered with run {run.id}", "is a cache in between?")


def _stream_failure(error: NoxError, cursor: str | None) -> NoxError:
    if cursor is not None and error.http_status in CURSOR_REFUSALS:
        return CursorRefused(error.message, **error.facts())
    if error.http_status in NO_STREAM:
        return StreamUnsupported(error.message, **error.facts())
    return error


def _part(text: str) -> str:
    """Return an id as one path segment.

    Raises NotFound for dots alone, which would climb the path, and for bytes that are no text.
    """
    if not text.strip("."):
        raise NotFound(f"{text!r} is no id")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise NotFound(f"{text!r} is no id: it is not even text") from None
