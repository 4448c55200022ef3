"""How long nodes took: as it was heard, or not known."""

import json
import socket
import threading
import time
from typing import Any

from tests.conftest import Noxcli
from tests.rawserver import Request, Turn, answer, json_answer, raw_server

WORKFLOW, RUN = "11111111-2222-4333-8444-555555555555", "aaaaaaaa-2222-4333-8444-555555555555"
PIECES = (
    (0.0, "had ended", "running"),
    (0.02, "had ended", "completed"),
    (0.0, "was heard", "running"),
    (0.4, "was heard", "completed"),
    (0.0, "was short", "running"),
    (0.0, "was short", "completed"),
)


def test_what_had_ended_before_the_stream_was_heard_has_no_time(noxcli: Noxcli) -> None:
    over = threading.Event()

    def stream(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for place, (pause, name, status) in enumerate(PIECES):
            time.sleep(pause)  # the first two are never one burst
            event = {"type": "content", "data": {"id": name, "status": status}, "redisId": f"{place}-0"}
            peer.sendall(f"data: {json.dumps(event)}\n\n".encode())
        over.set()

    def turn(request: Request) -> Turn:
        if "/events" in request.target:
            return stream
        status = "completed" if over.is_set() else "running"
        known: dict[str, Any] = {"id": RUN, "workflow_id": WORKFLOW, "output": {"A": "x"}}
        return json_answer({**known, "status": status}) if "/runs" in request.target else answer(404)

    with raw_server(by_request=turn) as server:
        url = {"NOXUS_BACKEND_URL": server.url}
        result = noxcli("run", WORKFLOW, "Q=x", "--no-check", "--json", environ=url)
    took = {node["name"]: node["duration_s"] for node in result.json["nodes"]}
    assert (result.code, took["had ended"], took["was heard"] > 0.3, took["was short"] < 0.1) == (0, None, True, True)
