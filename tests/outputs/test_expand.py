"""When a text or a file counts as whole, for any answer of a server: with raw bytes from the other side."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import Unavailable
from noxcli.outputs.values import Remote
from tests.conftest import Noxcli, Result
from tests.outputs.test_downloads import cut, fetched
from tests.rawserver import Turn, answer, json_answer, raw_server
from tests.sample import one_in

TEXT = "Grüße, 世界 🌱. " * 1500
WHOLE = TEXT.encode()
PREVIEW = TEXT[:16_000]
RECORD = {"id": "run-1", "workflow_id": "wf-1", "status": "completed"}


def chunked(body: bytes, *headers: str, ends: bool = True) -> bytes:
    """An answer in one chunk; it `ends` properly, or the connection just closes."""
    head = "\r\n".join(
        ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Connection: close", *headers, "", ""]
    )
    return (
        head.encode()
        + f"{len(body):x}\r\n".encode()
        + body
        + b"\r\n"
        + (b"0\r\n\r\n" if ends else b"")
    )


def closed(body: bytes, *headers: str, version: str = "1.0") -> bytes:
    """An answer that the end of the connection ends."""
    return (
        "\r\n".join([f"HTTP/{version} 200 OK", "Connection: close", *headers, "", ""]).encode()
        + body
    )


# Compressed bodies.

FRAMES: dict[str, Callable[[bytes], bytes]] = {
    "length": lambda body: answer(200, body, Content_Encoding="gzip"),
    "chunked": lambda body: chunked(body, "Content-Encoding: gzip"),
    "closed": lambda body: closed(body, "Content-Encoding: x-gzip"),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_a_compressed_file_is_whole_only_with_its_trailer(frame: str) -> None:
    packed, framed = gzip.compress(WHOLE), FRAMES[frame]
    for kept in (0, 5, len(packed) // 2, len(packed) - 1):
        assert fetched(framed(packed[:kept]), framed(packed))[0] == WHOLE, kept
    for damaged in (packed[:-8] + bytes(8), packed[:-4], WHOLE, packed + packed[:-4]):
        with pytest.raises(Unavailable):
            fetched(framed(damaged), retry_for=1)


def test_a_compressed_file_may_have_members_and_zeros() -> None:
    body = gzip.compress(WHOLE[:1000]) + gzip.compress(WHOLE[1000:]) + bytes(512)
    assert fetched(answer(200, body, Content_Encoding="gzip"))[0] == WHOLE


def test_a_compressed_answer_is_not_gone_on_with() -> None:
    packed = gzip.compress(WHOLE)
    body, requests = fetched(
        cut(packed[:50], len(packed), "Content-Encoding: gzip", 'ETag: "1"'),
        answer(200, packed, Content_Encoding="gzip", ETag='"1"'),
    )
    assert body == WHOLE
    assert "range" not in requests[1].headers


def test_a_few_compressed_bytes_do_not_fill_the_memory(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("noxcli.outputs.expand.MAX_INLINE", 1 << 20)
    bomb = answer(200, gzip.compress(PREVIEW.encode() + bytes(64 << 20)), Content_Encoding="gzip")
    result = fetch_output(noxcli, "--json", turns=[record(), bomb])
    assert result.code == 9
    assert (
        "the text has more than 1,048,576 bytes; write it to a file: --output-dir DIR" in result.err
    )


def test_no_cut_of_compressed_json_reads_as_another_record(noxcli: Noxcli) -> None:
    whole = json.dumps({**RECORD, "output": {"A": "x" * 50}}).encode()
    packed = gzip.compress(whole)
    for kept in range(1, len(packed), 7):
        with raw_server(answer(200, packed[:kept], Content_Encoding="gzip")) as server:
            environ = {"NOXUS_BACKEND_URL": server.url}
            result = noxcli("fetch-output", "wf-1/run-1", "--retry-for", "0", environ=environ)
        assert (result.code, result.out) in {(6, b""), (0, b"x" * 50 + b"\n")}, kept


# Truncated texts.


def record(text: str = PREVIEW, **more: Any) -> bytes:
    file = {"id": "f-1", "uri": "spot://f-1", "name": "A.txt", "content_type": "text/plain", **more}
    return json_answer(
        {**RECORD, "output": {"A": {"has_preview": True, "text": text, "file": file}}}
    )


NOT_THE_TEXT: dict[str, Turn] = {
    "empty": answer(200),
    "202 pending": answer(202, b'{"status": "pending"}', Content_Type="application/json"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "error JSON": json_answer({"detail": "not found"}),
    "less than the preview": answer(200, PREVIEW.encode()[:-1]),
    "the preview": answer(200, PREVIEW.encode()),
    "HTTP/1.0 cut": closed(WHOLE[:9_000]),
    "another text": answer(200, b"x" + WHOLE),
    "chunks without an end": chunked(WHOLE, ends=False),
    "gzip cut": answer(200, gzip.compress(WHOLE)[:-8], Content_Encoding="gzip"),
}


def fetch_output(noxcli: Noxcli, *argv: str, turns: list[Turn]) -> Result:
    return noxcli.against(turns, "fetch-output", "wf-1/run-1", *argv)[0]


@pytest.mark.parametrize("wrong", NOT_THE_TEXT.values(), ids=NOT_THE_TEXT)
def test_what_is_not_the_whole_text_is_tried_again(noxcli: Noxcli, wrong: Turn) -> None:
    result = fetch_output(noxcli, "--json", turns=[record(), wrong, answer(200, WHOLE)])
    assert (result.code, result.json["complete"], result.json["output"]) == (
        0,
        True,
        {"A": TEXT},
    ), result.err


@pytest.mark.parametrize("wrong", ["error JSON", "another text"])
def test_another_text_is_asked_for_twice(noxcli: Noxcli, wrong: str) -> None:
    result, server = noxcli.against([record(), NOT_THE_TEXT[wrong]], "fetch-output", "wf-1/run-1")
    assert (result.code, result.out, len(server.requests)) == (9, b"", 3)
    assert "it begins differently" in result.err


@pytest.mark.parametrize(
    ("wrong", "line"), one_in(2, NOT_THE_TEXT, ["--json", "", "--raw A", "--output-dir out"])
)
def test_what_stays_less_than_the_text_is_never_handed_over(
    noxcli: Noxcli, wrong: str, line: str
) -> None:
    options = tuple(line.split())
    result = fetch_output(
        noxcli, *options, "--retry-for", "1s", turns=[record(), NOT_THE_TEXT[wrong]]
    )
    assert result.code == 9
    assert "noxcli: the output of run run-1 is incomplete: /A: " in result.err
    if options == ("--json",):
        assert (result.json["complete"], result.json["ok"]) == (False, False)
    else:
        assert result.out == b""
    assert not Path("out").exists() or not Path("out/A.txt").exists()


@pytest.mark.parametrize("mark", ["...", "\u2026", "\ufffd"])
def test_a_preview_may_end_in_a_mark(noxcli: Noxcli, mark: str) -> None:
    preview = PREVIEW + mark
    whole = TEXT[:16_001].encode()
    assert (
        fetch_output(noxcli, "--raw", "A", turns=[record(preview), answer(200, whole)]).out == whole
    )
    for less in (preview, PREVIEW):
        result = fetch_output(
            noxcli, "--retry-for", "1s", turns=[record(preview), answer(200, less.encode())]
        )
        assert (result.code, result.out) == (9, b"")


def test_a_text_has_at_least_as_many_bytes_as_its_file() -> None:
    def remote(size: int) -> Remote:
        return Remote("/A", ("A",), "f", "", is_text=True, text=PREVIEW, size=size)

    for size in (len(TEXT), len(WHOLE), 3):  # it is unknown which of them a server counts
        assert fetched(answer(200, WHOLE), remote=remote(size))[0] == WHOLE
        assert (
            fetched(closed(WHOLE[:-9]), answer(200, WHOLE), remote=remote(len(WHOLE)))[0] == WHOLE
        )
    with pytest.raises(Unavailable, match="not the whole text"):
        fetched(closed(WHOLE[:-9]), remote=remote(len(WHOLE)), retry_for=1)


def test_what_is_not_the_text_is_not_gone_on_from() -> None:
    remote = Remote("/A", ("A",), "f", "", is_text=True, text=PREVIEW)
    body, requests = fetched(
        answer(200, PREVIEW.encode(), ETag='"v1"'), answer(200, WHOLE), remote=remote
    )
    assert body == WHOLE
    assert "range" not in requests[1].headers


def test_two_previews_of_one_file_have_to_agree(noxcli: Noxcli) -> None:
    def preview(text: str) -> dict[str, Any]:
        return {"has_preview": True, "text": text, "file": {"id": "f-1"}}

    output = {"A": preview(PREVIEW), "B": preview("another text")}
    for argv in (("--json",), ("--output-dir", "out")):
        turns: list[Turn] = [json_answer({**RECORD, "output": output}), answer(200, WHOLE)]
        result = fetch_output(noxcli, *argv, "--retry-for", "1s", turns=turns)
        assert result.code == 9
        assert "/B: the server's answer is not the text" in result.err
        assert "/A: " not in result.err


def test_many_texts_do_not_fill_the_memory(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxcli.outputs.expand.MAX_INLINE", 3 * len(WHOLE))
    cut = {
        f"A{number}": {"has_preview": True, "text": PREVIEW, "file": {"id": f"f-{number}"}}
        for number in range(4)
    }
    result = fetch_output(
        noxcli, "--json", turns=[json_answer({**RECORD, "output": cut}), answer(200, WHOLE)]
    )
    assert (result.code, result.json["complete"]) == (9, False)
    assert result.err.count("write it to a file: --output-dir DIR") == 4
    two = json_answer({**RECORD, "output": {key: cut[key] for key in ("A0", "A1")}})
    assert fetch_output(noxcli, "--json", turns=[two, answer(200, WHOLE)]).json["output"] == {
        "A0": TEXT,
        "A1": TEXT,
    }


# Files.

FILE = {"id": "f-1", "uri": "spot://f-1", "name": "a.csv", "content_type": "text/csv"}
NO_FILE: dict[str, Turn] = {name: NOT_THE_TEXT[name] for name in ("202 pending", "204")}


@pytest.mark.parametrize("wrong", [*NO_FILE.values(), answer(200)], ids=[*NO_FILE, "empty"])
def test_a_file_that_is_not_there_yet_is_tried_again(noxcli: Noxcli, wrong: Turn) -> None:
    turns: list[Turn] = [
        json_answer({**RECORD, "output": {"A": FILE}}),
        wrong,
        wrong,
        answer(200, b"a,b\n"),
    ]
    assert fetch_output(noxcli, "--raw", "A", turns=turns).out == b"a,b\n"


@pytest.mark.parametrize("wrong", NO_FILE.values(), ids=NO_FILE)
def test_a_file_that_never_comes_is_undelivered(noxcli: Noxcli, wrong: Turn) -> None:
    turns: list[Turn] = [json_answer({**RECORD, "output": {"A": FILE}}), wrong]
    result = fetch_output(noxcli, "--raw", "A", "--retry-for", "1s", turns=turns)
    assert (result.code, result.out) == (9, b"")
    assert "instead of the file" in result.err


def test_a_file_that_stays_empty_is_an_empty_file(noxcli: Noxcli) -> None:
    turns: list[Turn] = [json_answer({**RECORD, "output": {"A": FILE}}), answer(200)]
    result = fetch_output(noxcli, "--raw", "A", turns=turns)
    assert (result.code, result.out) == (0, b"")
    turns = [json_answer({**RECORD, "output": {"A": {**FILE, "size": 3}}}), answer(200)]
    assert fetch_output(noxcli, "--raw", "A", "--retry-for", "1s", turns=turns).code == 9
    turns = [
        json_answer({**RECORD, "output": {"A": {**FILE, "size": 4}}}),
        *[answer(200)] * 8,
        answer(200, b"a,b\n"),
    ]
    assert fetch_output(noxcli, "--raw", "A", turns=turns).out == b"a,b\n"
    turns = [
        json_answer({**RECORD, "output": {"A": {**FILE, "size": 0}}}),
        answer(200),
        answer(500),
    ]
    assert fetch_output(noxcli, "--raw", "A", "--retry-for", "1s", turns=turns).code == 0


def test_a_preview_inside_of_a_file_is_completed(noxcli: Noxcli) -> None:
    file = {
        **FILE,
        "source_metadata": {
            "summary": {"has_preview": True, "text": PREVIEW, "file": {"id": "f-2"}}
        },
    }
    turns: list[Turn] = [json_answer({**RECORD, "output": {"A": file}}), answer(200, WHOLE)]
    document = fetch_output(noxcli, "--json", turns=turns).json
    assert document["complete"] is True
    assert document["output"] == {"A": {**FILE, "source_metadata": {"summary": TEXT}}}
    result = fetch_output(noxcli, "--json", "--retry-for", "0", turns=[turns[0], answer(500)])
    assert (result.code, result.json["complete"]) == (9, False)
    turns = [turns[0], answer(200, b"a,b\n")]
    document = fetch_output(noxcli, "--json", "--output-dir", "out", turns=turns).json
    assert (document["complete"], document["output"]) == (True, {"A": {"$file": "out/A.csv"}})
