"""Faults: one request of its kind uses each up, and each breaks the connection as it says."""

from typing import Any

import pytest
import requests

from noxcli.sandbox.faults import (
    BAD_GATEWAY,
    NO_EVENTS,
    RATE_LIMITED,
    Answer,
    Cut,
    CutBody,
    Drop,
    Fault,
)
from noxcli.sandbox.scenario import File
from noxcli.sandbox.steps import node_runs

from .api import Api, decoded

WRITES = node_runs("Write", ["Hel", "lo"])


def test_answers_are_used_up_in_order(api: Api) -> None:
    workflow = api.plays(
        faults={"record": [BAD_GATEWAY, RATE_LIMITED, Answer(503)], "events": [NO_EVENTS]}
    )
    run = api.start(workflow)
    path = f"/v1/workflows/{workflow}/runs/{run['id']}"
    answers = [api.get(path) for _ in range(4)]

    assert [api.stream(run).status_code for _ in range(3)] == [501] * 3
    assert [answer.status_code for answer in answers] == [502, 429, 503, 200]
    assert answers[0].headers["content-type"].startswith("text/html")
    assert answers[1].headers["retry-after"] == "1"
    assert answers[2].json() == {"detail": "Service Unavailable"}


def test_a_drop_before_the_start_creates_no_run(api: Api) -> None:
    workflow = api.plays(faults={"start": [Drop()]})
    with pytest.raises(requests.ConnectionError):
        api.start(workflow)

    assert api.sandbox.runs(workflow) == []
    assert [request.status for request in api.sandbox.requests] == [None]


@pytest.mark.parametrize("how", ["clean", "torn"])
def test_cuts_that_end_a_stream_quietly(api: Api, how: Any) -> None:
    run = api.start(api.plays(script=WRITES, faults={"events": [Cut(4, how)]}))
    body = api.raw(run)

    assert len(list(decoded(body))) == 4
    assert body.endswith(b"\n\n") is (how == "clean")
    assert len(api.events(run)) == 10


def test_an_aborted_stream_lacks_its_last_chunk(api: Api) -> None:
    run = api.start(api.plays(script=WRITES, faults={"events": [Cut(4, "abort")]}))
    with api.stream(run) as answer, pytest.raises(requests.exceptions.ChunkedEncodingError):
        list(answer.iter_content(None))


def test_a_silent_stream_stays_open_while_the_run_completes(api: Api) -> None:
    run = api.start(api.plays(script=WRITES, faults={"events": [Cut(2, "silent")]}))
    api.require_silence(run)
    assert api.finished(run)["status"] == "completed"


@pytest.mark.parametrize("download", ["direct", "chunked"])
def test_a_cut_download(api: Api, download: str) -> None:
    faults: dict[str, list[Fault]] = {"file": [CutBody(1000)]}
    record = api.completed(
        api.plays(
            output={"F": File("a.bin", b"x" * 5000)}, faults=faults, switches={"download": download}
        )
    )
    path = f"/v1/file/{record['output']['F']['id']}"
    with pytest.raises(requests.RequestException):
        api.get(path)

    assert len(api.get(path).content) == 5000
