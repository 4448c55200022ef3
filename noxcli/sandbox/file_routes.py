"""Uploads and downloads, direct or through another origin.

The Files API has no documentation page; the shapes follow noxus-sdk 0.6.0 resources/files.py.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from urllib.parse import quote

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response, StreamingResponse

from noxcli.sandbox import records
from noxcli.sandbox.answers import Break, Invalid, Json
from noxcli.sandbox.definition import GROUP_ID
from noxcli.sandbox.faults import CutBody
from noxcli.sandbox.filestore import StoredFile
from noxcli.sandbox.request import ApiRequest
from noxcli.sandbox.run import Run
from noxcli.sandbox.scenario import File

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_SIGNATURE = "sandbox"


async def upload(request: ApiRequest) -> Response:
    """POST /v1/file: one multipart part named `file`"""
    workspace = request.workspace
    async with request.form() as form:
        part = form.get("file")
        if not isinstance(part, UploadFile):
            raise Invalid(["body", "file"], "Field required", "missing")
        content_type = part.content_type or "application/octet-stream"
        stored = workspace.keep(File(part.filename or "file", await part.read(), content_type))
    created = records.stamp(Run.now(), workspace.switches.timestamps)
    return Json(stored.record(GROUP_ID, str(created)))


async def download(request: ApiRequest) -> Response:
    """GET /v1/file/{file_id}"""
    file = request.file  # 404 first
    if request.switches.download != "redirect":
        return _body(request)
    # For clients, the same server under its other name is another origin.
    other = "localhost" if request.url.hostname == "127.0.0.1" else "127.0.0.1"
    address = f"http://{other}:{request.url.port}/storage/{file.id}?signature={_SIGNATURE}"
    return RedirectResponse(address, 307)


async def storage(request: ApiRequest) -> Response:
    """The object store that a redirect leads to: no key, the address itself is signed."""
    if request.query_params.get("signature") != _SIGNATURE:
        raise HTTPException(403, "Signature does not match")
    return _body(request)


def _body(request: ApiRequest) -> Response:
    file = request.file
    switches = request.switches
    wanted = request.headers.get("range")
    if wanted and switches.ranges == "refused":
        raise HTTPException(403, "Range requests are not allowed")
    headers = {
        "content-type": file.content.content_type,
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.content.name, safe='')}",
        "etag": f'"{file.id}"',
    }
    start = 0
    stop = file.size
    status = 200
    if switches.ranges == "honoured":
        headers["accept-ranges"] = "bytes"
        if wanted and request.headers.get("if-range", headers["etag"]) == headers["etag"]:
            start, stop = _range(wanted, file.size)
            status = 206
            headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
    if switches.download != "chunked":
        headers["content-length"] = str(stop - start)
    cut_after = None
    if isinstance(request.fault, CutBody):
        cut_after = request.fault.after_bytes
    return StreamingResponse(_pieces(file, start, stop, cut_after), status, headers)


def _range(text: str, size: int) -> tuple[int, int]:
    """One byte range as start and stop; 416 for a range outside the file."""
    match = _RANGE.fullmatch(text)
    first = match[1] if match else ""
    last = match[2] if match else ""
    stop = size
    if first:
        start = int(first)
        if last:
            stop = min(size, int(last) + 1)
    else:  # the end of the file
        start = size - min(size, int(last or 0))
    if start >= stop:
        raise HTTPException(416, "Range not satisfiable", {"Content-Range": f"bytes */{size}"})
    return start, stop


async def _pieces(
    file: StoredFile, start: int, stop: int, cut_after: int | None
) -> AsyncGenerator[bytes, None]:
    end = stop
    if cut_after is not None:
        end = min(stop, start + cut_after)
    for piece in file.pieces(start, end):
        yield piece
        await asyncio.sleep(0)  # where the client is gone, sending never waits
    if end < stop:
        raise Break
