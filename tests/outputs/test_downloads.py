"""Downloads over connections that break: resumed by range, restarted, checked, and never mistaken for a whole file."""

import hashlib
import io
import json
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from noxcli.api.download import BODY_PIECE
from noxcli.errors import OutputNotDelivered, Unavailable
from noxcli.outputs.directory import Part
from noxcli.outputs.download import Transfer, download_facts, show_bytes
from noxcli.outputs.values import Remote
from noxcli.render import log
from noxcli.render.renderers import task_progress
from noxcli.render.terminal import Terminal
from noxcli.retry import RetryPolicy
from noxcli.sandbox.faults import Answer, CutBody, Hold
from noxcli.sandbox.scenario import File
from noxcli.sandbox.server import Sandbox
from noxcli.timing import Deadline
from tests.api.test_client import connect
from tests.conftest import Noxcli, QuickClock
from tests.outputs.test_files import left
from tests.process import environment, forked, on_terminal
from tests.rawserver import Request, Turn, answer, hang_up, raw_server, reset, sending
from tests.sample import one_in

BODY = bytes(range(256)) * 4000
FILE = File("a.bin", BODY)
PAGE = "<html>Please sign in</html>"


def ranges(sandbox: Sandbox) -> list[str | None]:
    """The range that each request for a file asked for, in order."""
    return [
        request.headers.get("range") for request in sandbox.requests if "/v1/file/" in request.path
    ]


@pytest.mark.parametrize(
    ("download", "ranges_are"),
    one_in(3, ["direct", "redirect", "chunked"], ["honoured", "ignored", "refused"]),
)
def test_a_download_that_is_cut_three_times_is_whole(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, ranges_are: str, download: str
) -> None:
    kind = "storage" if download == "redirect" else "file"
    faults = {kind: [CutBody(300_000), CutBody(300_000), CutBody(300_000)]}
    workflow = plays(
        output={"A": FILE}, faults=faults, switches={"ranges": ranges_are, "download": download}
    )
    result = noxcli("run", workflow, "--output-dir", "out")
    assert result.code == 0, result.err
    assert Path("out/A.bin").read_bytes() == BODY
    (entry,) = json.loads(Path("out/manifest.json").read_text())["files"]
    assert entry["sha256"] == hashlib.sha256(BODY).hexdigest()
    assert left(Path("out")) == ["A.bin", "manifest.json"]
    asked = ranges(sandbox)
    assert asked[0] is None
    assert asked[1] is not None
    if ranges_are == "honoured":
        places = [int((one or "").removeprefix("bytes=").removesuffix("-")) for one in asked[1:]]
        assert places == sorted(set(places)), "each goes on where the last one broke"


def test_a_download_that_gets_further_each_time_is_not_given_up(noxcli: Noxcli, plays: Any) -> None:
    faults = {"file": [CutBody(20_000, repeat=True)]}
    workflow = plays(output={"A": FILE}, faults=faults, switches={"ranges": "honoured"})
    assert noxcli("run", workflow, "--output-dir", "out", "--retry-for", "20s").code == 0
    assert Path("out/A.bin").read_bytes() == BODY


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_halfway_leaves_no_part(
    noxcli: Noxcli, plays: Any, status: int
) -> None:
    faults = {"file": [CutBody(300_000), Answer(status)]}
    workflow = plays(output={"A": FILE, "B": "b"}, faults=faults, switches={"ranges": "honoured"})
    result = noxcli("run", workflow, "--output-dir", "out")
    assert (result.code, left(Path("out"))) == (9, ["B.txt", "manifest.json"])


def test_downloads_run_side_by_side_and_are_listed_in_order(noxcli: Noxcli, plays: Any) -> None:
    output = {f"F{number}": File(f"{number}.bin", bytes([number]) * 50_000) for number in range(9)}
    workflow = plays(output=output, faults={"file": [Hold(200)]})
    document = noxcli("run", workflow, "--output-dir", "out", "--json").json
    assert [entry["pointer"] for entry in document["files"]] == [
        f"/F{number}" for number in range(9)
    ]
    for number in range(9):
        assert Path(f"out/F{number}.bin").read_bytes() == bytes([number]) * 50_000


# Answers that are not the file.


@pytest.mark.parametrize("output", [FILE, File("a.pdf", BODY, "application/pdf"), "long " * 4000])
@pytest.mark.parametrize("options", [("--output-dir", "out"), ("--json",), ("--raw", "A")])
def test_a_page_is_not_the_file(
    noxcli: Noxcli, plays: Any, output: Any, options: tuple[str, ...]
) -> None:
    workflow = plays(output={"A": output}, faults={"file": [Answer(200, PAGE, repeat=True)]})
    result = noxcli("run", workflow, *options)
    if options == ("--json",) and not isinstance(output, str):
        assert result.code == 0, "a file value stays as it is, and nothing is fetched"
        return
    assert result.code == 9
    assert "the server answered with a page (text/html" in result.err
    assert options[0] == "--json" or result.out == b""
    assert not Path("out").exists() or left(Path("out")) == ["manifest.json"]


def test_a_page_that_is_the_file_is_the_file(noxcli: Noxcli, plays: Any) -> None:
    output = {"A": File("a.html", PAGE.encode(), "text/html; charset=utf-8")}
    assert noxcli("run", plays(output=output), "--raw", "A").out == PAGE.encode()


# Straight from the server.


def fetched(
    *turns: Turn, remote: Remote | None = None, retry_for: float = 30, **server_options: Any
) -> tuple[bytes, list[Request]]:
    clock = QuickClock()
    retries = RetryPolicy(Deadline(clock, None), retry_for, lambda _: None)
    remote = remote or Remote("/A", ("A",), "f", "a.bin", is_text=False)
    with (
        raw_server(*turns, **server_options) as server,
        connect(server) as api,
        Part.open_nameless() as part,
    ):
        Transfer(remote).fill(api, part, retries)
        return part.read_back().read(), server.requests


def cut(body: bytes, length: int, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {length}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


FIRST = cut(b"all ", 9, 'ETag: "v1"')
REST = answer(206, b"of it", Content_Range="bytes 4-8/9", ETag='"v1"')


LONG = bytes(range(251)) * 9000  # several times what one read takes


def rest_of_long(request: Request) -> bytes:
    """Return what the request asks for of the long file."""
    start = int(request.headers.get("range", "bytes=0-")[6:-1])
    place = f"bytes {start}-{len(LONG) - 1}/{len(LONG)}"
    return (
        answer(206, LONG[start:], Content_Range=place, ETag='"v1"')
        if start
        else answer(200, LONG, ETag='"v1"')
    )


@pytest.mark.parametrize("end", [hang_up, reset])
@pytest.mark.parametrize(
    "came", [0, 1, BODY_PIECE - 1, BODY_PIECE, 3 * BODY_PIECE + 7, len(LONG) - BODY_PIECE, -1]
)
def test_a_long_file_is_resumed_wherever_it_broke(
    came: int, end: Callable[[socket.socket], None]
) -> None:
    breaks = iter([sending([cut(LONG[:came], len(LONG), 'ETag: "v1"')], end)])
    body, requests = fetched(by_request=lambda request: next(breaks, None) or rest_of_long(request))
    assert body == LONG
    received = int(requests[1].headers.get("range", "bytes=0-")[6:-1])
    assert received == came % len(LONG) or end is reset  # which drops what has not arrived


def test_a_range_is_asked_for_with_the_etag() -> None:
    body, requests = fetched(FIRST, REST)
    assert body == b"all of it"
    assert (requests[1].headers["range"], requests[1].headers["if-range"]) == ("bytes=4-", '"v1"')


@pytest.mark.parametrize(
    "headers", [(), ('ETag: W/"v1"',), ("Last-Modified: Fri, 27 Nov 2026 09:00:00 GMT",)]
)
def test_without_a_strong_etag_no_parts_are_joined(headers: tuple[str, ...]) -> None:
    body, requests = fetched(cut(b"old ", 9, *headers), answer(200, b"all of it"))
    assert body == b"all of it"
    assert "range" not in requests[1].headers


def test_a_part_that_nobody_asked_for_is_no_file() -> None:
    part = answer(206, b"all ", Content_Range="bytes 0-3/9", ETag='"v1"')
    assert fetched(part, answer(200, b"all of it"))[0] == b"all of it"


CHUNKED = (
    b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: "v1"\r\nConnection: close\r\n\r\n'
)
NO_REST: dict[str, Turn] = {
    "other place": answer(206, b"xx of it", Content_Range="bytes 1-8/9", ETag='"v1"'),
    "other size": answer(206, b"of itx", Content_Range="bytes 4-9/10", ETag='"v1"'),
    "other etag": answer(206, b"OF IT", Content_Range="bytes 4-8/9", ETag='"v2"'),
    "weak etag": answer(206, b"OF IT", Content_Range="bytes 4-8/9", ETag='W/"v1"'),
    "no etag": answer(206, b"OF IT", Content_Range="bytes 4-8/9"),
    "no place": answer(206, b"OF IT"),
    "odd place": answer(206, b"OF IT", Content_Range="nonsense"),
    "the rest as a whole": answer(200, b"of it", ETag='"v1"'),
    "the rest as a whole, in chunks": CHUNKED + b"5\r\nof it\r\n0\r\n\r\n",
    "416": answer(416, b"", Content_Range="bytes */9"),
    "403": answer(403),
    "cut again": hang_up,
}


def test_an_empty_file_may_not_be_stored_yet() -> None:
    assert fetched(answer(200), answer(200), answer(200, b"all of it"))[0] == b"all of it"


@pytest.mark.parametrize("wrong", NO_REST.values(), ids=NO_REST)
def test_a_part_that_does_not_fit_is_not_joined(wrong: Turn) -> None:
    assert fetched(FIRST, wrong, answer(200, b"all of it"))[0] == b"all of it"


@pytest.mark.parametrize("body", [b"other one", b"longer than before", b"x"])
def test_a_whole_answer_to_a_range_begins_anew(body: bytes) -> None:
    assert fetched(FIRST, answer(200, body, ETag='"v2"'))[0] == body


@pytest.mark.parametrize(
    "short",
    [
        cut(b"of", 5, "Content-Range: bytes 4-8/9", 'ETag: "v1"', status="206 Partial"),
        answer(206, b"of", Content_Range="bytes 4-5/9", ETag='"v1"'),
    ],
    ids=["cut", "as announced"],
)
def test_a_short_part_is_gone_on_from(short: bytes) -> None:
    body, requests = fetched(
        FIRST, short, answer(206, b" it", Content_Range="bytes 6-8/9", ETag='"v1"')
    )
    assert body == b"all of it"
    assert requests[2].headers["range"] == "bytes=6-"


def test_an_answer_of_another_length_is_no_beginning() -> None:
    turns = iter([FIRST, CHUNKED + b"5\r\nno no\r\n0\r\n\r\n"])

    def last(request: Request) -> bytes:
        if "range" in request.headers:
            return answer(206, b"f it", Content_Range="bytes 5-8/9", ETag='"v1"')
        return answer(200, b"all of it", ETag='"v1"')

    assert fetched(by_request=lambda request: next(turns, None) or last(request))[0] == b"all of it"


def test_what_follows_the_announced_end_is_no_part_of_the_file() -> None:
    body, _ = fetched(answer(200, b"all of it" + b"and more", Content_Length="9"))
    assert body == b"all of it"


@pytest.mark.parametrize("size", [8, 10])
def test_a_size_that_the_output_announced_has_to_agree(size: int) -> None:
    remote = Remote("/A", ("A",), "f", "a.bin", is_text=False, size=size)
    with pytest.raises(OutputNotDelivered, match=f"9 bytes instead of {size}"):
        fetched(answer(200, b"all of it"), remote=remote)


@pytest.mark.parametrize("turn", [cut(b"never more", 99), hang_up, answer(500), answer(429)])
def test_retries_end(turn: Turn) -> None:
    with pytest.raises(Unavailable):
        fetched(turn, retry_for=5)


def test_a_file_of_a_few_bytes_a_connection_ends_with_retries() -> None:
    places = range(9, 9 * 150, 9)
    pieces = [
        cut(b"x" * 9, 10**4 - n, f"Content-Range: bytes {n}-9999/10000", status="206 OK")
        for n in places
    ]
    rest = answer(
        206, b"x" * (10**4 - places.stop), Content_Range=f"bytes {places.stop}-9999/10000"
    )
    with pytest.raises(Unavailable):
        fetched(cut(b"x" * 9, 10**4), *pieces, rest, retry_for=5)


@pytest.mark.parametrize("pieces", [[b"<p>my own page</p>"], [b"<", b"p>my own", b" page</p>"]])
def test_html_instead_of_a_text_is_known_by_its_beginning(pieces: list[bytes]) -> None:
    remote = Remote("/A", ("A",), "f", "", is_text=True, text="<p>my own page")
    html = {"Content_Type": "text/html"}
    with pytest.raises(OutputNotDelivered, match="a page"):
        fetched(answer(200, b"<html>x", **html), remote=remote)

    def slowly(peer: socket.socket) -> None:
        peer.sendall(cut(b"", sum(map(len, pieces)), "Content-Type: text/html"))
        for piece in pieces:
            time.sleep(0.05)  # each arrives alone
            peer.sendall(piece)

    assert fetched(slowly, remote=remote)[0] == b"<p>my own page</p>"


def test_a_full_disk_is_told_although_closing_meets_it_again() -> None:
    def last_bytes() -> None:
        with Part(Path("/dev/full").open("wb"), "it") as part:
            part.write(b"x")  # stays in Python's buffer
            part.read_back()

    with pytest.raises(OutputNotDelivered, match="can't write it: no space left"):
        last_bytes()


# Progress.


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (2e6, "2.0 MB"),
        (3.25e9, "3.2 GB"),
        (5e12, "5.0 TB"),
    ],
)
def test_bytes_are_shown_short(count: float, text: str) -> None:
    assert show_bytes(count) == text


def test_a_line_tells_bytes_rate_and_time_left() -> None:
    remote = Remote("/A", ("A",), "f", "", is_text=False)
    known = Transfer(remote, done=25_000_000, total=100_000_000)
    assert download_facts([known], 5.0) == (
        0.25,
        "downloading 1 file: 25.0 MB of 100.0 MB",
        "5.0 MB/s, 15s left",
    )
    open_end = Transfer(remote, done=5_000_000)
    assert download_facts([known, open_end], 5.0) == (
        None,
        "downloading 2 files: 30.0 MB",
        "6.0 MB/s",
    )
    known.finished = True
    assert download_facts([known], 0.0) == (
        0.25,
        "downloading 0 files: 25.0 MB of 100.0 MB",
        "0 bytes/s",
    )


@pytest.mark.parametrize("quiet", [False, True])
def test_a_line_now_and_then_off_a_terminal(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    monkeypatch.setattr(log, "TASK_LINE_EVERY", 0.0)
    err = io.StringIO()
    with task_progress(Terminal(io.BytesIO(), err, quiet=quiet)) as shown:
        going = [Transfer(Remote("/A", ("A",), "f", "", is_text=False), done=5, total=1 << 40)]
        shown.update(partial(download_facts, going))
    assert re.fullmatch(
        r"(\d\d:\d\d:\d\d downloading 1 file: 5 bytes of 1\.1 TB, .+/s, \d+s left\n)?",
        err.getvalue(),
    )
    assert bool(err.getvalue()) is not quiet


@pytest.mark.usefixtures("paced")
def test_a_bar_on_a_terminal_and_nothing_of_it_on_stdout(
    plays: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    workflow = plays(output={"A": File("a.bin", b"x", size=1 << 40)})
    with (tmp_path / "stdout").open("wb") as out:
        argv = [*forked(), "run", workflow, "--output-dir", "out"]
        with on_terminal(argv, environment(sandbox.url), stdout=out.fileno()) as seen:
            seen.wait_for(b"MB/s")
            seen.process.terminate()
    assert seen.process.returncode == 143
    assert (tmp_path / "stdout").read_bytes() == b""
    assert left(Path("out")) == ["manifest.json"]
