"""Measure what the picture costs: 20,000 events a second, shown by --quiet, the plain log and the live view.

Usage: python scripts/bench_live.py [SECONDS [EVENTS_PER_SECOND]]. Prints CPU and wall time of each process, as ratios
to `--quiet` and as the share of a processor that showing took. Six nodes of sixty talk at once.
"""

import fcntl
import json
import os
import pty
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

ROUNDS = 3
BEATS = 50  # pieces a second in which the events come
NAMES = [f"Step {layer}.{place}" for layer in range(10) for place in range(6)]
DEFINITION = {
    "nodes": [{"id": name, "name": name, "type": "Step"} for name in NAMES],
    "edges": [
        {"id": f"{a}>{b}", "source": a, "target": b}
        for before, after in pairwise(range(0, 60, 6))
        for a in NAMES[before : before + 6]
        for b in NAMES[after : after + 6]
    ],
}


def frame(number: int, node: str, **more: str) -> bytes:
    """Return one event as the server sends it."""
    data = {"id": node, "status": "running", "content": f"word {number} ", **more}
    return (
        f"event: message\ndata: {json.dumps({'type': 'content', 'data': data, 'redisId': f'{number}-0'})}\n\n".encode()
    )


def pieces(seconds: int, rate: int) -> Iterator[bytes]:
    """Yield the stream, a piece for each beat; every layer of nodes talks for its share of the time."""
    total = seconds * rate
    frames = []
    for number in range(1, total + 1):
        layer = min(9, 10 * number // total)
        frames.append(frame(number, NAMES[6 * layer + number % 6]))
        if len(frames) == rate // BEATS:
            yield b"".join(frames)
            frames = []
    yield frame(total + 1, NAMES[-1], workflow_status="completed")


class Server(ThreadingHTTPServer):
    """The few answers that following one run takes; the record says `completed` once its events are sent."""

    daemon_threads = True
    ended = False

    def __init__(self, stream: list[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.stream = stream


class Answers(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        if self.path.endswith("/events"):
            self._send_events()
            return
        run = {"id": "run", "workflow_id": "workflow", "status": "completed" if self.server.ended else "running"}
        workflow = {"id": "workflow", "name": "bench", "definition": DEFINITION}
        body = json.dumps(workflow if self.path.endswith("/workflow") else {**run, "output": {}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        began = time.monotonic()
        for number, piece in enumerate(self.server.stream):
            time.sleep(max(0.0, began + number / BEATS - time.monotonic()))
            self.server.ended = number == len(self.server.stream) - 1
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def measure(url: str, options: list[str], size: tuple[int, int] | None) -> tuple[float, float, int]:
    """Return CPU seconds, wall seconds and bytes shown of one follower; without a size, stderr is a pipe."""
    env = {**os.environ, "NOXUS_BACKEND_URL": url, "NOXUS_API_KEY": "bench", "TERM": "xterm-256color"}
    ours, theirs = os.pipe() if size is None else pty.openpty()
    if size is not None:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    began = time.monotonic()
    argv = [sys.executable, "-m", "noxcli", "stream", "workflow/run", *options]
    process = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    shown = [0]
    reader = threading.Thread(target=drain, args=(ours, shown))
    reader.start()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    os.close(ours)
    assert process.returncode == 0, f"{argv} ended with {process.returncode}"
    return usage.ru_utime + usage.ru_stime, took, shown[0]


def drain(end: int, shown: list[int]) -> None:
    """Read all that is shown."""
    try:
        while piece := os.read(end, 65536):
            shown[0] += len(piece)
    except OSError:
        pass  # how a pseudo-terminal says that nobody has it open any more


def main() -> None:
    """Run each in turn and print the medians."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    contenders: dict[str, tuple[list[str], tuple[int, int] | None]] = {
        "--quiet": (["--quiet"], None),
        "plain log": ([], None),
        "live view, 80x24": ([], (80, 24)),
        "live view, 200x50": ([], (200, 50)),
    }
    stream = list(pieces(seconds, rate))
    taken: dict[str, list[tuple[float, float, int]]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, (options, size) in contenders.items():
            with Server(stream) as server:
                thread = threading.Thread(target=server.serve_forever, daemon=True)
                thread.start()
                taken[name].append(measure(f"http://127.0.0.1:{server.server_port}", options, size))
                server.shutdown()
                thread.join()
    columns = [[statistics.median(one[place] for one in rounds) for place in range(3)] for rounds in taken.values()]
    cpu_least, wall_least, _ = columns[0]
    print(f"{seconds * rate:,} events at {rate:,} a second")
    print(f"{'':20}{'CPU s':>8}{'ratio':>7}{'wall s':>8}{'ratio':>7}{'share':>7}{'kB shown':>10}")
    for name, (cpu, wall, shown) in zip(contenders, columns, strict=True):
        share = (cpu - cpu_least) / wall
        ratios = f"{cpu:8.2f}{cpu / cpu_least:7.2f}{wall:8.2f}{wall / wall_least:7.2f}"
        print(f"{name:20}{ratios}{share:7.1%}{shown / 1000:10,.0f}")


if __name__ == "__main__":
    main()
