"""A server that repeats key and secret in every part of an answer, and the search for them in the output."""

import base64
import html
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

from tests.rawserver import Request, Turn, json_answer, raw_server

KEY = "nxLive-7Q2xV9kTz4WmB8rYc3"
SECRET = 'pä"ss\\wo%rd &<Zk5+Jq/8Lh?\U0001f600'
WORKFLOW = "11111111-1111-4111-8111-111111111111"
RUN = "22222222-2222-4222-8222-222222222222"
FILE = "33333333-3333-4333-8333-333333333333"
NODES = [
    {"id": "in", "type": "InputNode", "node_config": {"label": "Token", "type": "str"}},
    {"id": "use", "type": "TextGenerationNode", "name": "Use", "node_config": {}},
]
PREVIEW = {
    "text": "be",
    "has_preview": True,
    "file": {"id": FILE, "name": "a.txt", "uri": f"spot://{FILE}"},
}
PIECE = 6  # consecutive characters that must not appear


def spelled(value: str) -> list[str]:
    """Return the value as servers and libraries quote it: escaped once, for JSON or a URL, or in base64."""
    raw = value.encode()
    return [
        value,
        value.lower(),
        value.upper(),
        json.dumps(value),
        json.dumps(value, ensure_ascii=False).replace("/", "\\/"),
        re.sub("(....)", r"\\u\1", value.encode("utf-16-be").hex().upper()),
        repr(raw),
        quote(value),
        quote(value.upper(), safe="").lower(),
        quote_plus(value),
        "".join(f"%{byte:02X}" for byte in raw),
        *(base64.b64encode(b"~" * before + raw + b"~").decode() for before in range(3)),
        *(base64.urlsafe_b64encode(b"~" * before + raw + b"~").decode() for before in range(3)),
        "\n".join(value[at : at + 5] for at in range(0, len(value), 5)),
        base64.encodebytes(b"~" * 50 + raw).decode(),
    ]


REFLECTED = " | ".join(form for value in (KEY, SECRET) for form in spelled(value))
ONE_LINE = " ".join(REFLECTED.split())


def pieces_of(value: str) -> set[str]:
    """Return every sequence of that many characters of the value, plain and as the middle of base64, in lower case."""
    raw = value.encode()
    whole = [value, raw.decode("latin-1")]
    # From the first character that it does not share with its neighbors to the last one that it fills, at each
    # position.
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw).decode()
        whole.append(encoded[(0, 2, 3)[before] : 8 * (before + len(raw)) // 6])
    texts = ["".join(text.split()).lower().replace("-", "+").replace("_", "/") for text in whole]
    return {text[at : at + PIECE] for text in texts for at in range(len(text) - PIECE + 1)}


KEY_PIECES, SECRET_PIECES = pieces_of(KEY), pieces_of(SECRET)
UNICODE = re.compile(r"\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
PERCENT = re.compile(r"%([0-9a-fA-F]{2})")


def found_in(text: str, *, secret: bool = True) -> set[str]:
    """Return the pieces of the key (with `secret`, of both) in the text, ignoring escapes and blanks in between."""
    sought = KEY_PIECES | SECRET_PIECES if secret else KEY_PIECES
    bare: set[str] = set()
    plain = text
    for _ in range(3):
        for one in (plain, plain.replace("\\n", ""), re.sub(r"\\+", "", plain)):
            bare.add("".join(one.split()).lower().replace("-", "+").replace("_", "/"))
        plain = html.unescape(UNICODE.sub(lambda match: chr(int(match[1] or match[2], 16)), plain))
        plain = PERCENT.sub(lambda match: chr(int(match[1], 16)), plain)
    return {piece for piece in sought if any(piece in one for one in bare)}


Bend = Callable[[Request], bytes]


def said(head: str, body: str = "") -> Bend:
    data = head.encode() + b"\r\nConnection: close\r\n\r\n" + body.encode()
    return lambda _: data


def body(status: int, content: str, kind: str = "application/json") -> Bend:
    length = len(content.encode())
    return said(
        f"HTTP/1.1 {status} No\r\nContent-Type: {kind}\r\nContent-Length: {length}", content
    )


def detail(status: int, value: Any, **kwargs: Any) -> Bend:
    return body(status, json.dumps({"detail": value}, **kwargs))


def events(content: str) -> Bend:
    return said("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream", content)


def event(kind: str, data: Any) -> str:
    return f"data: {json.dumps({'type': kind, 'data': data, 'redisId': '1-0'})}\n\n"


def onwards(request: Request) -> bytes:
    """Redirect on this server, without end."""
    location = f"{urlsplit(request.target).path[:3000]}/{quote(KEY)}?{quote(SECRET)}"
    return said(f"HTTP/1.1 302 Found\r\nLocation: {location}")(request)


OK = "HTTP/1.1 200 OK"
STREAM = f"{OK}\r\nContent-Type: text/event-stream"
LINES = "".join(f"data: {line}\n" for line in REFLECTED.split("\n"))
# Answers to any request.
ANSWERS: dict[str, Bend] = {
    "no http": said(ONE_LINE),
    "version": said(f"HTTP/{ONE_LINE} 200 OK"),
    "status": said(f"HTTP/1.1 {ONE_LINE} OK"),
    "reason phrase": said(f"HTTP/1.1 500 {ONE_LINE}"),
    "headers": said(
        f"HTTP/1.1 503 No\r\nServer: {ONE_LINE}\r\n{KEY}: {ONE_LINE}\r\n{ONE_LINE}\r\nRetry-After: {KEY}"
    ),
    "request id": said(f"HTTP/1.1 422 No\r\nX-Request-Id: {ONE_LINE}"),
    "other request id": said(f"HTTP/1.1 500 No\r\nX-Noxus-Request-Id: {ONE_LINE}"),
    "content type": said(f"{OK}\r\nContent-Type: {ONE_LINE}", REFLECTED),
    "encoding": said(f"{OK}\r\nContent-Encoding: {ONE_LINE}", REFLECTED),
    "not gzip": said(f"{STREAM}\r\nContent-Encoding: gzip", REFLECTED),
    "chunk size": said(f"{STREAM}\r\nTransfer-Encoding: chunked", f"{ONE_LINE}\r\nx\r\n"),
    "key as chunk size": said(f"{OK}\r\nTransfer-Encoding: chunked", f"{KEY}\r\nx\r\n"),
    "redirect": onwards,
    "redirect to a host": said(f"HTTP/1.1 307 No\r\nLocation: http://{KEY}.invalid:1/{KEY}"),
    "redirect with a user": said(f"HTTP/1.1 302 No\r\nLocation: http://{KEY}:{KEY}@127.0.0.1:1/"),
    "redirect to a port": said(f"HTTP/1.1 302 No\r\nLocation: http://127.0.0.1:{KEY}/"),
    "redirect by a scheme": said(f"HTTP/1.1 302 No\r\nLocation: {KEY}://{quote(SECRET)}/"),
    "redirect to anything": said(f"HTTP/1.1 302 No\r\nLocation: http://{ONE_LINE}"),
    "redirect to a path": said(
        f"HTTP/1.1 302 No\r\nLocation: http://127.0.0.1:1/{quote(ONE_LINE)}"
    ),
    "json text": detail(422, REFLECTED),
    "json text, not ascii": detail(400, REFLECTED, ensure_ascii=False),
    "json list": detail(
        422, [{"loc": ["body", KEY, SECRET], "msg": REFLECTED, "input": SECRET}, {KEY: SECRET}]
    ),
    "json object": detail(503, {KEY: [SECRET, {"x": f"{KEY} {SECRET}"}]}),
    "json message": body(500, json.dumps({"error": {"message": REFLECTED}})),
    "unauthorized": detail(401, f"key {KEY} is unknown: {REFLECTED}"),
    "forbidden": detail(403, REFLECTED),
    "missing": detail(404, REFLECTED),
    "cut by the server": detail(429, f"the key {KEY[:20]}..."),
    "html": body(502, f"<html><body>{html.escape(REFLECTED)}</body></html>", "text/html"),
    "html title": body(502, f"<title>{html.escape(REFLECTED)}</title>", "text/html"),
    "html at its cut": body(502, f"<html>{'<b>' * 1360}{KEY}", "text/html"),
    "text": body(500, REFLECTED, "text/plain"),
    "other json": body(200, json.dumps({"id": 7, KEY: REFLECTED})),
    "no json": body(200, f"{{{REFLECTED}"),
    "cut short": said(f"{OK}\r\nContent-Length: 99999", REFLECTED),
}
# Answers of an event stream.
STREAMS: dict[str, Bend] = {
    "error": events(f"event: error\n{LINES}\n"),
    "error as json": events(f"event: error\ndata: {json.dumps({'detail': REFLECTED})}\n\n"),
    "end": events(f"event: done\n{LINES}\n"),
    "no json": events(f"{LINES}\n"),
    "names": events(f"id: {KEY}\nretry: {KEY}\nevent: {KEY}\n{LINES}\n"),
    "comments": events(f": {ONE_LINE}\n{KEY}: {KEY}\n\n"),
    "half a frame": events(f"event: error\n{LINES}"),
    "broken chunk": said(
        f"{STREAM}\r\nTransfer-Encoding: chunked", f"4\r\n: x\n\r\n{ONE_LINE}\r\n"
    ),
    "failing node": events(
        event("content", {"id": "use", "status": "failed", "content": REFLECTED})
        + event("state", {"status": "failed", "node_ids_failed": ["use"]})
    ),
    "status": events(event("state", {"status": KEY})),
    "other kind": said(f"{OK}\r\nContent-Type: application/{KEY}", REFLECTED),
}


@dataclass
class Mirror:
    """Answers like the API, except for one kind of request, which `bend` answers."""

    kind: str = ""
    bend: Bend = onwards
    status: str = "completed"  # of the run, in the end
    bent: int = 0
    reads: int = 0  # of the record
    url: str = ""

    def turn(self, request: Request) -> Turn:
        """Return what happens on the connection of a request."""
        kind = kind_of(request)
        # A redirected request arrives at a path without a kind.
        bent = kind in {self.kind, ""}
        self.bent += bent
        said = self.bend(request) if bent else self._proper(kind, request)
        return lambda peer: peer.sendall(said)

    def _proper(self, kind: str, request: Request) -> bytes:
        # The stream is opened again only for a running run, and only then is the reason shown.
        going = (
            self.kind in {"events", "stop"}
            and self.bent < 2
            and self.reads < 6
            and self.status == "completed"
        )
        self.reads += kind == "record"
        status = "queued" if kind == "start" else "running" if going else self.status
        output, inputs = {"A": PREVIEW}, {"Token": SECRET}
        record = {
            "id": RUN,
            "workflow_id": WORKFLOW,
            "status": status,
            "output": output,
            "input": inputs,
        }
        flow = {"id": WORKFLOW, "name": "mirror", "definition": {"nodes": NODES, "edges": []}}
        asked_by_id = request.target.rpartition("/")[2] not in {"runs", "workflows"}
        value: Any = {
            "runs": [record],
            "workflows": [flow],
            "definition": flow,
            "me": {"name": "x"},
        }.get(kind, record)
        if kind == "events":
            return events(event("state", {"status": self.status, "workflow_status": self.status}))(
                request
            )
        if kind == "file":
            return body(200, "begin and end", "text/plain")(request)
        if kind in {"runs", "workflows"} and asked_by_id:
            value = {"items": value, "page": 1, "pages": 1}
        return json_answer(value, Connection="close")


def kind_of(request: Request) -> str:
    """Return what is asked for."""
    path = urlsplit(request.target).path
    patterns = {
        "start": rf"POST /v1/workflows/{WORKFLOW}/runs",
        "record": rf"GET /v1/(workflows/{WORKFLOW}/)?runs/{RUN}",
        "events": rf"GET /v1/runs/{RUN}/events",
        "runs": rf"GET /v1/(workflows/{WORKFLOW}/)?runs",
        "definition": rf"GET /v1/workflows/{WORKFLOW}",
        "workflows": "GET /v1/workflows",
        "stop": rf"POST /v1/runs/{RUN}/stop",
        "file": rf"GET /v1/file/{FILE}",
        "upload": "POST /v1/file",
        "me": "GET /v1/admin/me",
    }
    asked = f"{request.method} {path}"
    return next((kind for kind, pattern in patterns.items() if re.fullmatch(pattern, asked)), "")


@contextmanager
def mirror() -> Iterator[Mirror]:
    """Run the server; `kind` and `bend` may be changed between two commands."""
    side = Mirror()
    with raw_server(by_request=side.turn) as server:
        side.url = server.url
        yield side
