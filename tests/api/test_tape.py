"""`--record`: what goes over the wire, without the key, without secrets, and without values unless requested."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import File, Node, input_node, output_node
from noxcli.sandbox.steps import node_runs
from tests.conftest import Noxcli
from tests.otherside import RUN, WORKFLOW
from tests.rawserver import Request, Turn, answer, json_answer, raw_server

VALUES = [
    "value-of-an-input",
    "piece-of-text",
    "deep-value",
    "key-in-a-value",
    "4711081",
    "long-text",
    "in-the-file",
]


@pytest.fixture
def workflow(plays: Any) -> str:
    return str(
        plays(
            nodes=[input_node("Question"), Node("Think"), output_node("Answer"), output_node("File")],
            script=node_runs("Think", ["piece-of-text"]),
            output={
                "Answer": {"key-in-a-value": ["deep-value", 4711081], "Long": "long-text" * 3000},
                "File": File("in-the-file.txt", b"in-the-file"),
            },
        )
    )


def recorded(noxcli: Noxcli, tmp_path: Path, *argv: str, environ: dict[str, str] | None = None) -> tuple[int, str]:
    target = tmp_path / "run.jsonl"
    done = noxcli(*argv, "--record", str(target), "--quiet", environ=environ)
    return done.code, target.read_text()


def wires(text: str) -> dict[int, str]:
    """The answers of a recording, all bytes of each."""
    found: dict[int, str] = {}
    for line in text.splitlines()[1:]:
        value = json.loads(line)
        if "received" in value:
            found[value["n"]] = found.get(value["n"], "") + value["received"]["text"]
    return found


def test_values_are_left_out_and_their_places_stay(noxcli: Noxcli, workflow: str, tmp_path: Path) -> None:
    argv = ["run", workflow, f"Question={VALUES[0]}", "--output-dir", str(tmp_path / "out")]
    code, text = recorded(noxcli, tmp_path, *argv)
    assert code == 0
    assert [value for value in VALUES if value in text] == []
    assert json.loads(text.splitlines()[0])["values"] is False
    for name in ("Answer", "Question", "Think", "has_preview", "completed", "redisId"):
        assert name in text
    for wire in wires(text).values():
        length = re.search(r"content-length: (\d+)", wire)
        if length:
            assert len(wire.partition("\r\n\r\n")[2]) == int(length[1])

    code, text = recorded(noxcli, tmp_path, *argv, "--overwrite", "--record-values")
    assert [value for value in VALUES if value not in text] == []


@pytest.mark.parametrize("more", [[], ["--record-values"]])
def test_neither_key_nor_secrets_are_in_it_wherever_a_server_puts_them(
    noxcli: Noxcli, tmp_path: Path, more: list[str]
) -> None:
    """The server sends them in bodies, names, headers and addresses, escaped and split in two."""
    key, secret = noxcli.environ["NOXUS_API_KEY"], "s3cr3t/of mine"
    escaped = json.dumps(secret).replace("/", "\\/")
    record = {"id": RUN, "workflow_id": WORKFLOW, "status": "completed", "output": {f"a {secret}": key, "b": [secret]}}
    body = json.dumps(record).encode()
    events = [
        f'data: {{"type": "content", "data": {{"id": "{key}", "status": "{key}", "content": {escaped}}}}}\n\n',
        'data: {"type": "content", "data": {"id": "n", "workflow_status": "completed"}}\n\n',
    ]

    def turn(request: Request) -> Turn:
        if request.target.endswith("/events"):
            chunks = "".join(f"{len(event):x}\r\n{event}\r\n" for event in events)
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Echo: {key}\r\n"
            return f"{head}Set-Cookie: a={secret}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n".encode()
        sent = body.replace(b"completed", b"running") if request.method == "POST" else body
        half = len(sent) // 2
        start = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(sent)}\r\n\r\n".encode()

        def in_two(peer: Any) -> None:
            peer.sendall(start + sent[:half])
            peer.sendall(sent[half:])

        return in_two

    with raw_server(by_request=turn) as server:
        argv = ["run", WORKFLOW, "--secret", "a=SECRET", "--no-check", "--base-url", server.url, *more]
        code, text = recorded(noxcli, tmp_path, *argv, environ={"SECRET": secret})
    assert code == 0
    assert "X-Echo:xxx" in text
    for hidden in (key, secret, escaped, "s3cr3t", key[:10]):
        assert hidden not in text
        assert json.dumps(hidden)[1:-1] not in text


def test_a_file_that_cannot_be_written_costs_no_run(noxcli: Noxcli, workflow: str) -> None:
    done = noxcli("run", workflow, "Question=x", "--record", "/")
    assert (done.code, "--record" in done.err, len(done.err.splitlines())) == (2, True, 1)
    alone = noxcli("run", workflow, "Question=x", "--record-values")
    assert (alone.code, "add --record FILE" in alone.err) == (2, True)


@pytest.mark.parametrize("verb", ["stream", "wait", "fetch-output"])
def test_other_verbs_record_as_well(noxcli: Noxcli, workflow: str, tmp_path: Path, verb: str) -> None:
    assert noxcli("run", workflow, "Question=x", "--quiet").code == 0
    code, text = recorded(noxcli, tmp_path, verb, "@last")
    assert code == 0
    assert '"method":"GET"' in text


def test_a_compressed_answer_is_hidden_whole(noxcli: Noxcli, tmp_path: Path) -> None:
    with raw_server(answer(404, b"\x1f\x8b" + b"z" * 50, Content_Encoding="gzip")) as server:
        _, text = recorded(noxcli, tmp_path, "wait", f"{WORKFLOW}/{RUN}", "--base-url", server.url, "--retry-for", "0")
    assert "zz" not in text


def test_errors_are_recorded_too(noxcli: Noxcli, tmp_path: Path) -> None:
    with raw_server(json_answer({"detail": "secret reason"}, 403)) as server:
        code, text = recorded(noxcli, tmp_path, "wait", f"{WORKFLOW}/{RUN}", "--base-url", server.url)
    assert (code, "403" in text, "secret reason" in text) == (4, True, False)
