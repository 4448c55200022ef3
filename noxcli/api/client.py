"""The Noxus API's endpoints as methods, one request each; retries are up to the caller."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote

import requests

from noxcli.api.body import AnswerLimit
from noxcli.api.download import Download
from noxcli.api.error_mapping import answer_type, not_the_api
from noxcli.api.event_stream import EventFeed
from noxcli.api.http_client import Http
from noxcli.api.parsing import id_of, run_from, version_from, workflow_from
from noxcli.api.transport import Body, FileBody
from noxcli.codec import to_json
from noxcli.errors import (
    CommandLine,
    CursorRefused,
    Hint,
    NotAccessible,
    NotFound,
    NoxError,
    OutputNotDelivered,
    Refusal,
    RequestRejected,
    StreamUnsupported,
    Unavailable,
    Unreadable,
    facts_about,
)
from noxcli.models import Attempt, Run, Version, Workflow, is_uuid, same_id
from noxcli.retry import Pause, ReadPages
from noxcli.timing import READ_TIMEOUT
from noxcli.waiting import run_apart

if TYPE_CHECKING:
    from _typeshed import SupportsRead

    from noxcli.api.rate_limit import RateLimiter

MAX_PAGES = 1000
NAMES_NEXT = re.compile("next|more", re.IGNORECASE)  # in a field of a page
NO_STREAM = frozenset({204, 404, 405, 406, 501})
CURSOR_REFUSALS = frozenset({400, 404, 409, 410, 416, 422})
MAX_DATA = 16 * 1024 * 1024  # bytes
# Seconds: long enough for a slow proxy's keep-alive; the follower has its own, shorter idea of
# silence.
SILENCE = 300.0
FILE_PACE = 1024  # bytes a second of a download, which may otherwise take any time


class NoxusApi(AbstractContextManager["NoxusApi"]):
    """One server, one key. Every method raises a NoxError unless the answer is a success."""

    def __init__(self, http: Http) -> None:
        self.http = http
        self._until = float("inf")  # the moment of the monotonic clock at which requests end

    def within(self, seconds: float) -> Self:
        """Return this API for requests that end within `seconds`, the wait for slots included.

        Then they raise Unavailable.
        """
        limited = copy(self)
        limited._until = min(self._until, time.monotonic() + seconds)
        return limited

    def _read_json(
        self, method: str, path: str, limit: AnswerLimit | None = None, **parts: Any
    ) -> Any:
        """Return the JSON of an answer. Raises as `Http.read_json`."""
        limit = limit or AnswerLimit.of_json(self._until)
        read = partial(self.http.read_json, method, path, limit, **parts)
        pause = Pause(None, time.monotonic(), None)
        answer = run_apart(
            read,
            limit.remaining,
            whose=self.http.shown,
            waiting=lambda: self.http.waiting(pause),
        )
        self.http.waiting(None)
        return answer

    def __exit__(self, *_: object) -> None:
        self.http.adapter.close()

    def pace_requests(self) -> "RateLimiter":
        """Let all requests of a command keep one pace from now on; return it."""
        from noxcli.api.rate_limit import RateLimiter

        self.http.pace = RateLimiter()
        return self.http.pace

    def create_run(
        self,
        workflow_id: str,
        input: Mapping[str, Any],
        *,
        version_id: str | None = None,
        callback_url: str | None = None,
        attempt: Attempt | None = None,
    ) -> Run:
        """Start a run, sent once: `POST /v1/workflows/{id}/runs` (docs: create-run-with-api-key).

        `attempt.may_be_sent` says from the first byte on that it may have been sent, also if an
        error is raised, unless the answer says that it had no effect. Raises Unavailable for any
        answer that may mean that a run was started, such as 303 or 101.
        """
        path = f"/v1/workflows/{_part(workflow_id)}/runs"
        request = self.run_request(input, version_id, callback_url)
        with self._posting_once(path, request, attempt or Attempt()) as call:
            answer = run_apart(*call, whose=self.http.shown)
        # An id alone is a start; the docs' first status of a run is the one to assume.
        if isinstance(answer, dict) and not isinstance(answer.get("status"), str):
            answer = {**answer, "status": "queued"}
        return run_from(answer, workflow_id, dict(input))

    @contextmanager
    def _posting_once(
        self,
        path: str,
        content: Mapping[str, Any],
        attempt: Attempt,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[tuple[Callable[[], Any], Callable[[], float], Callable[[], bool]]]:
        """Yield what `run_apart` takes for a POST with an effect.

        Raises Unavailable for any answer that may mean it had that, and else notes that it had
        none.
        """
        limit = AnswerLimit.of_effect(self.http.answer_timeout, self._until)
        body = Body(to_json(content).encode())
        body.attempt = attempt
        headers = {"Content-Type": "application/json"}
        post = partial(
            self.http.read_json, "POST", path, limit, body=body, params=params, headers=headers
        )
        try:
            yield post, limit.remaining, attempt.abort
        except NoxError as error:
            facts = facts_about(error.http_status)
            if facts.had_no_effect:
                attempt.may_be_sent = False
            if not isinstance(error, RequestRejected):
                raise
            if not facts.had_no_effect:
                raise Unavailable(error.message, error.hint, **error.facts()) from error
            is_of_the_api = error.refusal is not Refusal.DOUBTFUL or facts.is_too_large
            if self.http.saw_json and not is_of_the_api:
                raise not_the_api(error) from error
            raise

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

    def get_run(self, workflow_id: str, run_id: str) -> Run:
        """Read the record with its output: `GET /v1/workflows/{id}/runs/{id}`.

        Raises Unavailable for any answer that says nothing about this run.
        """
        path = f"/v1/workflows/{_part(workflow_id)}/runs/{_part(run_id)}"
        return replace(self._read_run(path, run_id, workflow_id), with_output=True)

    def find_run(self, run_id: str) -> Run:
        """Read a run by its id, without output: `GET /v1/runs/{id}` (public-get-run-by-id)."""
        return self._read_run(f"/v1/runs/{_part(run_id)}", run_id)

    def get_run_data(self, run_id: str) -> Any:
        """Read the nodes' inputs and outputs: `GET /v1/runs/{id}/data`, without documented schema.

        An answer larger than `MAX_DATA` is Unavailable.
        """
        params = {"fetch_structured_data": "true"}
        return self._read_json(
            "GET", f"/v1/runs/{_part(run_id)}/data", params=params, largest=MAX_DATA
        )

    def get_node_io(self, run_id: str, node_id: str) -> Any:
        """Read a node's inputs and outputs: `GET /v1/runs/{id}/io/{node}` (SDK: resources/runs.py).

        The schema is not documented; an answer larger than `MAX_DATA` is Unavailable.
        """
        return self._read_json(
            "GET", f"/v1/runs/{_part(run_id)}/io/{_part(node_id)}", largest=MAX_DATA
        )

    def stop_run(self, run_id: str) -> Run:
        """Request a stop: `POST /v1/runs/{id}/stop` (noxus-sdk 0.6.0, resources/runs.py)."""
        return _this_run(
            run_from(self._read_json("POST", f"/v1/runs/{_part(run_id)}/stop")), run_id
        )

    def list_runs(
        self,
        workflow_id: str | None = None,
        *,
        pages: ReadPages | None = None,
        most_pages: int = MAX_PAGES,
        whole: bool = False,
    ) -> Iterator[Run]:
        """Yield the runs of one workflow or of the workspace, page by page in the server's order.

        If the list may continue, that is Unavailable where it is needed `whole`, else a warning.
        """
        path = f"/v1/workflows/{_part(workflow_id)}/runs" if workflow_id else "/v1/runs"
        return (
            run_from(item, workflow_id or "")
            for item in self._list_pages(path, {}, pages=pages, most=most_pages, whole=whole)
        )

    def get_workflow(self, workflow_id: str) -> Workflow:
        """Read a workflow with its definition: `GET /v1/workflows/{id}`."""
        return workflow_from(self._read_json("GET", f"/v1/workflows/{_part(workflow_id)}"))

    def list_versions(self, workflow_id: str, pages: ReadPages | None = None) -> Iterator[Version]:
        """Yield a workflow's saved versions: `GET /v1/workflows/{id}/versions`.

        The SDK expects a bare list; if the answer is one of several pages, this requests the
        others.
        """
        path = f"/v1/workflows/{_part(workflow_id)}/versions"
        return (version_from(item, workflow_id) for item in self._list_pages(path, {}, pages=pages))

    def export_workflow(
        self, workflow_id: str, version_id: str | None = None, *, dependencies: bool = True
    ) -> bytes:
        """Return the bundle in plain form: `POST /v1/workflows/{id}/export?version=v4`.

        Its source is resources/workflows.py; what is in it is not documented.
        """
        path = f"/v1/workflows/{_part(workflow_id)}/export"
        params = {"version": "v4", "include_dependencies": str(dependencies).lower()}
        if version_id is not None:
            params["version_id"] = version_id
        limit = AnswerLimit.of_json(self._until)
        read = partial(self.http.read, "POST", path, limit, params=params)
        return run_apart(read, limit.remaining, whose=self.http.shown)

    def import_workflow(
        self,
        bundle: str,
        mode: str,
        *,
        activate: bool,
        attempt: Attempt | None = None,
    ) -> list[Any]:
        """Import a bundle, sent once: `POST /v1/workflows/import`; return the answer by workflow.

        Without an `attempt`, it is a dry run, which may be repeated as any read. Its source is
        noxus-sdk 0.6.0, resources/_exports.py. Raises as `create_run`.
        """
        dry_run = attempt is None
        params = {"mode": mode, "activate": str(activate).lower(), "dry_run": str(dry_run).lower()}
        body = {"definition": bundle, "version": "auto"}
        with self._posting_once("/v1/workflows/import", body, attempt or Attempt(), params) as call:
            post, remaining, abort = call
            answer = run_apart(post, remaining, None if dry_run else abort, whose=self.http.shown)
        return answer if isinstance(answer, list) else [answer]

    def create_version(
        self, workflow_id: str, name: str, definition: Mapping[str, Any], *, attempt: Attempt
    ) -> str | None:
        """Save a version, sent once: `POST /v1/workflows/{id}/versions`.

        Return its id, None if the answer has none. Its source is noxus-sdk 0.6.0,
        resources/workflows.py. Raises as `create_run`.
        """
        path = f"/v1/workflows/{_part(workflow_id)}/versions"
        body = {"name": name, "description": None, "definition": definition}
        with self._posting_once(path, body, attempt) as call:
            answer = run_apart(*call, whose=self.http.shown)
        return id_of(answer)

    def list_workflows(self, pages: ReadPages | None = None) -> Iterator[Workflow]:
        """Yield the workspace's flows page by page: `GET /v1/workflows`."""
        return map(workflow_from, self._list_pages("/v1/workflows", {"type": "flow"}, pages=pages))

    def get_me(self) -> Mapping[str, Any]:
        """Read the key's record: `GET /v1/admin/me`, without `value`, which may be the key."""
        answer = self._read_json("GET", "/v1/admin/me")
        if not isinstance(answer, dict):
            raise Unavailable("the answer about the key is not a JSON object")
        return {name: value for name, value in answer.items() if name != "value"}

    def require_answer(self, address: str, seconds: float) -> None:
        """Raise a NoxError unless this address of the server gives an answer, of any kind."""
        limit = AnswerLimit(seconds, until=self._until)
        read = partial(self.http.require_answer, address, limit)
        try:
            run_apart(read, limit.remaining, whose=lambda: address)
        except NoxError:
            self.http.forget_address()
            raise

    def download(self, file_id: str, start: int = 0, etag: str | None = None) -> Download:
        """Open a file, from `start` if the server can: `GET /v1/file/{id}` (SDK: files.py).

        The answer's own `start` shows whether it does, and whether the file still matches `etag`.
        """
        # Content-Length can be checked only if nothing in between compresses.
        headers = {"Accept-Encoding": "identity", "Accept": "*/*"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if etag is not None:
                headers["If-Range"] = etag
        path = f"/v1/file/{_part(file_id)}"
        limit = AnswerLimit(READ_TIMEOUT, until=self._until, per_byte=1 / FILE_PACE)
        send = partial(self.http.send, "GET", path, headers=headers, limit=limit, elsewhere=True)
        opened = run_apart(send, limit.remaining, whose=self.http.shown)
        return Download(opened, self.http.mask)

    def upload(
        self, name: str, content: "SupportsRead[bytes]", size: int, content_type: str
    ) -> Mapping[str, Any]:
        """Store a file: `POST /v1/file`, one multipart part named `file`; return its record.

        Raises UsageProblem if the file can't be read so far.
        """
        limit = AnswerLimit.of_json(self._until)
        body = FileBody(name, content, size, content_type, limit.restart)
        answer = self._read_json(
            "POST", "/v1/file", limit, body=body, headers={"Content-Type": body.content_type}
        )
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise Unavailable("the answer to the upload has no file id")
        return answer

    def open_events(self, run_id: str, cursor: str | None = None) -> EventFeed:
        """Open the event stream: `GET /v1/runs/{id}/events`, after `cursor` (the API's `etag`).

        Returns immediately; the feed raises any error.
        """
        return EventFeed(lambda: self._connect_events(run_id, cursor), self.http.mask)

    def _connect_events(self, run_id: str, cursor: str | None) -> requests.Response:
        headers = {
            "Accept": "text/event-stream",
            "Cache-Control": "no-store",
            # requests would accept gzip, and compressing proxies buffer events.
            "Accept-Encoding": "identity",
        }
        # A cursor is opaque and belongs to the server: one that can't be sent as text is sent as
        # bytes.
        params = None if cursor is None else {"etag": cursor.encode("utf-8", "surrogatepass")}
        path = f"/v1/runs/{_part(run_id)}/events"
        limit = AnswerLimit(SILENCE, per_byte=SILENCE, each=SILENCE)
        try:
            response = self.http.send("GET", path, params=params, headers=headers, limit=limit)
        except (NotFound, RequestRejected, Unavailable) as error:
            status = error.http_status
            by_a_gateway = isinstance(error, Unavailable) and status == 404
            if cursor is not None and status in CURSOR_REFUSALS and not by_a_gateway:
                raise CursorRefused(error.message, **error.facts()) from error
            if status in NO_STREAM:
                raise StreamUnsupported(error.message, **error.facts()) from error
            raise
        kind = answer_type(response)
        if response.status_code == 204 or kind != "text/event-stream":
            response.close()
            raise StreamUnsupported(
                f"the server answered the event stream with {kind or 'nothing'}"
            )
        return response

    def _read_run(self, path: str, run_id: str, workflow_id: str = "") -> Run:
        try:
            answer = self._read_json("GET", path, headers={"Cache-Control": "no-cache"})
            return _this_run(run_from(answer, workflow_id), run_id)
        except Unreadable as error:
            what = f"the record of run {run_id} can't be read: {error.message}"
            hint = Hint(
                CommandLine("runs"), " shows its status; open the run in Noxus for its output"
            )
            raise OutputNotDelivered(what, hint, **error.facts()) from error
        except RequestRejected as refusal:
            if not is_uuid(run_id):
                raise  # no run can have such an id, and the server confirms it
            # A cache or a gateway that rejects a plain read knows nothing about the run.
            raise Unavailable(refusal.message, refusal.hint, **refusal.facts()) from refusal

    def _read_page(
        self, path: str, params: Mapping[str, Any], number: int, pages: ReadPages
    ) -> Any:
        """Return the answer with a page of a list, read unless it is known."""
        if number <= len(pages.answers):
            return pages.answers[number - 1]
        try:
            # Without `size`: no page of the docs gives its limit for every list.
            answer = self._read_json("GET", path, params={**params, "page": number})
        except NotAccessible as error:
            if number == 1:
                raise
            # The list was there a moment ago.
            facts = error.facts()
            raise type(error)(
                error.message, error.hint, refusal=Refusal.DOUBTFUL, **facts
            ) from error
        if number == 1:
            _require_list(answer)
        pages.answers.append(answer)
        return answer

    def _list_pages(
        self,
        path: str,
        params: Mapping[str, Any],
        *,
        pages: ReadPages | None = None,
        most: int = MAX_PAGES,
        whole: bool = False,
    ) -> Iterator[Any]:
        """Yield each item once, until the server marks the end or a page has nothing new.

        `pages` are those that an earlier attempt has read.

        If the list continues after that, or may do so, warns, or with `whole` raises Unavailable.
        Raises RequestRejected if it has no end, Unavailable if the first answer is not a list.
        """
        seen: set[str] = set()
        continues = False  # by the last page with items
        pages = pages or ReadPages()
        for number in range(1, most + 1):
            answer = self._read_page(path, params, number, pages)
            if not isinstance(answer, dict):
                yield from _fresh_items(answer, seen)
                return
            page = ListPage.of(answer, number)
            fresh = _fresh_items(page.items, seen)
            yield from fresh
            if page.items:  # the last one of a list that is read by cursors has none
                continues = page.names_next
            if page.is_last(len(seen)) or not fresh:
                if page.may_be_followed(len(seen), continues=continues):
                    what = (
                        f"the server's list may be longer than the {len(seen)} items that it shows"
                    )
                    if whole:
                        raise Unavailable(what)
                    self.http.warn(what)
                return
        raise RequestRejected(
            f"the list has more than {most:,} pages", "name the run or workflow by its id"
        )


class ListPage(NamedTuple):
    """One page of a list, and what it says about the list."""

    number: int
    items: list[Any]
    pages: int | None
    total: int | None
    names_next: bool

    @classmethod
    def of(cls, answer: Mapping[str, Any], number: int) -> Self:
        """Return the page in an answer, which may lack everything."""
        items = answer.get("items")
        pages = answer.get("pages")
        total = answer.get("total")
        return cls(
            number,
            items if isinstance(items, list) else [],
            pages if isinstance(pages, int) else None,
            total if isinstance(total, int) else None,
            any(value for key, value in answer.items() if NAMES_NEXT.search(key)),
        )

    def is_last(self, seen: int) -> bool:
        """True if the page says that no other follows; `seen` is the number of items so far."""
        if self.pages is not None:
            return self.number >= self.pages
        return self.total is not None and seen >= self.total

    def may_be_followed(self, seen: int, *, continues: bool) -> bool:
        """True if the list may continue after this page; `continues` if one with items said so."""
        if self.total is not None and self.total > seen:
            return True
        if self.is_last(seen):
            return False
        return bool(self.items) or continues or self.pages is not None


def _require_list(answer: Any) -> None:
    """Raise Unavailable for what an address gives that is not the API's."""
    if isinstance(answer, list):
        return
    # An empty list may have only its total.
    if isinstance(answer, dict) and ("items" in answer or "total" in answer):
        return
    raise Unavailable("the answer is not a list: it has no items", "is it the base URL of the API?")


def _fresh_items(items: Any, seen: set[str]) -> list[Any]:
    """Return the items that were not seen before, and note their ids as seen."""
    if not isinstance(items, list):
        return []
    fresh = []
    for item in items:
        known = id_of(item)
        if known in seen:
            continue
        if known is not None:
            seen.add(known)
        fresh.append(item)
    return fresh


def _this_run(run: Run, run_id: str) -> Run:
    """Return the run if it is the requested one.

    Raises Unavailable for another one, which may come from a cache that ignores half of the
    address.
    """
    if same_id(run.id, run_id):
        return run
    raise Unavailable(
        f"requested run {run_id}, the server answered with run {run.id}", "is a cache in between?"
    )


def _part(text: str) -> str:
    """Return an id as one path segment.

    Raises NotFound for dots alone, which would go up the path.
    """
    if not text.strip("."):
        raise NotFound(f"{text!r} is not a valid id")
    return quote(text, safe="", errors="surrogatepass")
