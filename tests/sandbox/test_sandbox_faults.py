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
    Hold,
    WrongType,
)
from noxcli.sandbox.scenario import File, Scenario
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep, node_runs

from .api import Api, decoded

WRITES = node_runs("Write", ["Hel", "lo"])


def test_answers_are_used_up_in_order(api: Api) -> None:
    workflow = api.plays(faults={"record": [BAD_GATEWAY, RATE_LIMITED, Answer(503)], "events": [NO_EVENTS]})
    run = api.start(workflow)
    path = f"/v1/workflows/{workflow}/runs/{run['id']}"
    answers = [api.get(path) for _ in range(4)]

    assert [api.stream(run).status_code for _ in range(3)] == [501] * 3
    assert [answer.status_code for answer in answers] == [502, 429, 503, 200]
    assert answers[0].headers["content-type"].startswith("text/html")
    assert answers[1].headers["retry-after"] == "1"
    assert answers[2].json() == {"detail": "Service Unavailable"}


def test_reset_arms_faults_anew(api: Api) -> None:
    workflow = api.plays(faults={"workflow": [Drop()]})
    for _ in range(2):
        with pytest.raises(requests.ConnectionError):
            api.get(f"/v1/workflows/{workflow}")
        assert api.get(f"/v1/workflows/{workflow}").ok
        api.sandbox.reset()


def test_a_wrong_key_uses_up_nothing(api: Api) -> None:
    workflow = api.plays(faults={"workflow": [Answer(500)]})
    api.get(f"/v1/workflows/{workflow}", headers={"X-API-Key": "wrong"})

    assert api.get(f"/v1/workflows/{workflow}").status_code == 500


def test_a_drop_before_the_start_creates_no_run(api: Api) -> None:
    workflow = api.plays(faults={"start": [Drop()]})
    with pytest.raises(requests.ConnectionError):
        api.start(workflow)

    assert api.sandbox.runs(workflow) == []
    assert [request.status for request in api.sandbox.requests] == [None]


def test_an_answer_can_be_late(api: Api) -> None:
    workflow = api.plays(faults={"workflow": [Hold(10)]})

    assert api.get(f"/v1/workflows/{workflow}").elapsed.total_seconds() >= 0.1


@pytest.mark.parametrize("how", ["clean", "torn"])
def test_cuts_that_end_a_stream_quietly(api: Api, how: Any) -> None:
    run = api.start(api.plays(script=WRITES, faults={"events": [Cut(4, how)]}))
    body = api.raw(run)

    assert len(list(decoded(body))) == 4
    assert body.endswith(b"\n\n") is (how == "clean")
    assert len(api.events(run)) == 10


def test_a_torn_stream_waits_for_a_frame_to_tear(api: Api) -> None:
    run = api.start(api.plays(script=[Sleep(20), *WRITES], faults={"events": [Cut(2, "torn")]}))
    body = api.raw(run)

    assert len(list(decoded(body))) == 2
    assert not body.endswith(b"\n\n")


def test_a_cut_counts_from_the_cursor_of_its_connection(api: Api) -> None:
    run = api.start(api.plays(script=WRITES, faults={"events": [Cut(4), Cut(3), Cut(0)]}))
    first = api.events(run)
    second = api.events(run, etag=first[-1]["redisId"])
    third = api.events(run, etag=second[-1]["redisId"])
    rest = api.events(run, etag=second[-1]["redisId"])

    assert [len(some) for some in (first, second, third, rest)] == [4, 3, 0, 3]
    assert first + second + rest == api.sandbox.runs(run["workflow_id"])[0].events


def test_an_aborted_stream_lacks_its_last_chunk(api: Api) -> None:
    run = api.start(api.plays(script=WRITES, faults={"events": [Cut(4, "abort")]}))
    with api.stream(run) as answer, pytest.raises(requests.exceptions.ChunkedEncodingError):
        list(answer.iter_content(None))


def test_a_silent_stream_stays_open_while_the_run_completes(api: Api) -> None:
    run = api.start(api.plays(script=WRITES, faults={"events": [Cut(2, "silent")]}))
    url = f"{api.sandbox.url}/v1/runs/{run['id']}/events"
    with pytest.raises(requests.ConnectionError, match="timed out"):
        api.session.get(url, timeout=(1, 0.2))

    assert api.finished(run)["status"] == "completed"


def test_a_parting_word_before_a_cut(api: Api) -> None:
    run = api.start(api.plays(faults={"events": [Cut(1, parting="event: error\ndata: {}\n\n")]}))

    assert api.raw(run).endswith(b"event: error\ndata: {}\n\n")


def test_a_stream_of_the_wrong_type(api: Api) -> None:
    answer = api.stream(api.start(api.plays(faults={"events": [WrongType()]})))

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("download", ["direct", "chunked"])
def test_a_cut_download(api: Api, download: str) -> None:
    faults: dict[str, list[Fault]] = {"file": [CutBody(1000)]}
    record = api.completed(
        api.plays(output={"F": File("a.bin", b"x" * 5000)}, faults=faults, switches={"download": download})
    )
    path = f"/v1/file/{record['output']['F']['id']}"
    with pytest.raises(requests.RequestException):
        api.get(path)

    assert len(api.get(path).content) == 5000


def test_faults_of_the_whole_server() -> None:
    with Sandbox([Scenario("one")], faults={"me": [Answer(503)], "list": [Drop()]}) as sandbox:
        other = Api(sandbox)
        with pytest.raises(requests.ConnectionError):
            other.get("/v1/workflows")
        statuses = [other.get("/v1/admin/me").status_code for _ in range(2)]
        other.session.close()

    assert statuses == [503, 200]


def test_all_connections_can_be_broken(api: Api) -> None:
    run = api.start(api.plays(script=node_runs("Think", seconds=1000)))
    with api.stream(run) as answer:
        api.sandbox.break_connections()
        with pytest.raises(requests.RequestException):
            list(answer.iter_content(None))


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no request is of kind"):
        Sandbox([Scenario("one", faults={"strat": [Drop()]})])  # type: ignore[dict-item]
