"""What noxcli says when a real service breaks: counted at the service, held to what the contract promises."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.process import HUNG, running
from tests.research.stack import WORKFLOW
from tests.research.stack.stack import Stack

pytestmark = [pytest.mark.wide, pytest.mark.engine("redis-server", "redis-cli", "nginx"), pytest.mark.timeout(120)]
# Pieces, seconds between two, and events that are kept (0: all).
SHORT, LONG, TRIMMED = "Script=3 0.02 0", "Script=80 0.05 0", "Script=80 0.05 5"
WHOLE = "".join(f"piece{number} " for number in range(80))


def until_heard(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    """Return stdout up to this text, or a little more."""
    assert process.stdout is not None
    heard = b""
    while text not in heard:
        piece = os.read(process.stdout.fileno(), 4096)
        assert piece, heard
        heard += piece
    return heard


def followed(stack: Stack, form: str, script: str, breaks: Any) -> tuple[int, bytes, str]:
    """Run a script, break something once the fourth piece was printed, and return code, stdout and stderr."""
    argv = ["run", WORKFLOW, script, "--format", form]
    with running(*argv, env=stack.env(stack.home / "state")) as process:
        out = until_heard(process, b"piece3 ")
        breaks()
        rest, err = process.communicate(timeout=HUNG)
    return process.returncode, out + rest, err.decode()


def pieces_of(lines: list[dict[str, Any]]) -> list[str]:
    return [line["data"]["content"] for line in lines if line["type"] == "content" and "content" in line["data"]]


def test_a_run_is_followed_to_its_end(stack: Stack) -> None:
    done = stack.noxcli("run", WORKFLOW, SHORT, "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["output"]) == (0, {"Answer": "piece0 piece1 piece2 "})
    assert document["stream"]["continuity"] == "proven"
    assert [row["status"] for row in stack.runs()] == ["completed"]


def test_a_cut_of_a_whole_stream_loses_nothing(stack: Stack) -> None:
    code, out, _ = followed(stack, "ndjson", LONG, lambda: stack.restart_after("nginx", 2, signal.SIGTERM))
    lines = [json.loads(line) for line in out.splitlines()]
    document = lines[-1]["data"]
    assert (code, "".join(pieces_of(lines))) == (0, WHOLE)
    assert (document["stream"]["continuity"], document["stream"]["reconnects"] > 0) == ("proven", True)
    assert "noxcli.gap" not in {line["type"] for line in lines}
    assert len(stack.runs()) == 1


def test_a_trimmed_stream_is_a_gap(stack: Stack) -> None:
    code, out, _ = followed(stack, "ndjson", TRIMMED, lambda: stack.restart_after("nginx", 2, signal.SIGTERM))
    lines = [json.loads(line) for line in out.splitlines()]
    gap = [line["type"] for line in lines].index("noxcli.gap")
    before, after = "".join(pieces_of(lines[:gap])), "".join(pieces_of(lines[gap:]))
    assert len(before + after) < len(WHOLE)
    assert WHOLE.startswith(before)
    assert WHOLE.endswith(after)
    document = lines[-1]["data"]
    assert (code, document["stream"]["continuity"], document["output"]) == (0, "broken", {"Answer": WHOLE})


def test_content_of_a_trimmed_stream_is_not_whole(stack: Stack) -> None:
    code, out, err = followed(stack, "content", TRIMMED, lambda: stack.restart_after("nginx", 2, signal.SIGTERM))
    assert (code, out.decode() == WHOLE) == (9, False)
    assert re.search(r"noxcli fetch-output \S+", err)


def test_a_stream_that_is_opened_late_proves_nothing(stack: Stack) -> None:
    run_id = stack.noxcli("run", WORKFLOW, TRIMMED, "--detach").stdout.decode().strip()
    time.sleep(1)
    done = stack.noxcli("stream", run_id, "--json", state="elsewhere")
    document = json.loads(done.stdout)
    assert (done.returncode, document["output"]) == (0, {"Answer": WHOLE})
    assert document["stream"]["continuity"] == "assumed"


def test_a_killed_pod_and_its_502_pages_change_nothing(stack: Stack) -> None:
    code, out, err = followed(stack, "content", LONG, lambda: stack.restart_after("pod", 2))
    assert (code, out.decode()) == (0, WHOLE), err
    assert [row["status"] for row in stack.runs()] == ["completed"]


def test_a_redeploy_does_not_end_a_run(stack: Stack) -> None:
    def redeploy() -> None:
        stack.kill("pod")
        with stack.page("404"):
            time.sleep(3)
        stack.start("pod")

    code, out, err = followed(stack, "content", LONG, redeploy)
    assert (code, out.decode()) == (0, WHOLE), err
    assert len(stack.runs()) == 1


@pytest.mark.parametrize("page", ["404", "403"])
def test_pages_of_the_gateway_are_no_verdict(stack: Stack, page: str) -> None:
    run_id = stack.noxcli("run", WORKFLOW, LONG, "--detach").stdout.decode().strip()

    def redeploy() -> None:
        stack.kill("pod")
        with stack.page(page):
            time.sleep(3)
        stack.start("pod")

    with running("wait", run_id, "--poll-interval", "200ms", env=stack.env(stack.home / "state")) as process:
        time.sleep(1)
        redeploy()
        out, err = process.communicate(timeout=HUNG)
    assert (process.returncode, out.decode()) == (0, f"{run_id}\tcompleted\n"), err


def test_a_redeploy_does_not_end_a_batch(stack: Stack, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"Script": "80 0.05 0"}) + "\n" for _ in range(6)))
    argv = ["batch", WORKFLOW, str(rows), "--output-dir", str(tmp_path / "out"), "--max-parallel", "6"]
    with running(*argv, env=stack.env(stack.home / "state")) as process:
        until = time.monotonic() + HUNG
        while len(stack.runs()) < 6:
            assert time.monotonic() < until
            time.sleep(0.1)
        with stack.page("404"):
            time.sleep(3)
        out, err = process.communicate(timeout=HUNG)
    codes = [json.loads(line)["result"]["exit_code"] for line in out.splitlines()]
    assert (process.returncode, codes) == (0, [0] * 6), err
    assert len(stack.runs()) == 6


@pytest.mark.parametrize(
    ("argv", "script", "code"),
    [
        (("wait",), SHORT, 0),
        (("stream", "--format", "content"), SHORT, 0),
        (("fetch-output", "--wait"), SHORT, 0),
        (("stop",), LONG, 0),
    ],
    ids=["wait", "stream", "fetch-output", "stop"],
)
def test_a_lagging_replica_does_not_deny_a_run(stack: Stack, argv: tuple[str, ...], script: str, code: int) -> None:
    stack.lag()
    run_id = stack.noxcli("run", WORKFLOW, script, "--detach").stdout.decode().strip()
    with running(argv[0], run_id, *argv[1:], env=stack.env(stack.home / "state")) as process:
        time.sleep(3)
        stack.follow()
        out, err = process.communicate(timeout=HUNG)
    said = {"wait": f"{run_id}\tcompleted", "stop": f"{run_id}\tstopped"}.get(argv[0], "piece0 piece1 piece2 ")
    assert (process.returncode, out.decode().rstrip("\n")) == (code, said), err
    assert len(stack.runs()) == 1


def test_a_queue_that_fails_after_the_row_is_asked_once(stack: Stack) -> None:
    stack.kill("queue")
    done = stack.noxcli("run", WORKFLOW, SHORT, "--json")
    document = json.loads(done.stdout)
    rows = stack.runs()
    assert (done.returncode, document["retry_safe"], len(rows)) == (7, False, 1)
    assert [found["id"] for found in document["error"]["candidates"]] == [rows[0]["id"]]


def test_rows_of_a_failing_queue_start_again_only_if_told(stack: Stack, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"Script": f"{number} 0 0"}) + "\n" for number in (1, 2, 3)))
    argv = ["batch", WORKFLOW, str(rows), "--output-dir", str(tmp_path / "out")]
    stack.kill("queue")
    done = stack.noxcli(*argv)
    assert (done.returncode, len(stack.runs())) == (7, 3), done.stderr.decode()
    stack.start("queue")
    stack.kill("pod")  # whose connections to the old queue may fail once more
    stack.start("pod")
    assert stack.noxcli(*argv, "--resume").returncode == 7
    assert len(stack.runs()) == 3
    done = stack.noxcli(*argv, "--again", "doubtful")
    assert (done.returncode, len(done.stdout.splitlines()), len(stack.runs())) == (0, 3, 6), done.stderr.decode()
