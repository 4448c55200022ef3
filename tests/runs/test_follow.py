"""The engine against a scripted server on a scripted clock: what it shows, when it reads, and when it gives up."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from noxcli.errors import (
    LostContact,
    NotFound,
    NoxError,
    RequestRejected,
    StreamClosed,
    StreamUnsupported,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from noxcli.models import Finished, Gap, Paused, Polled, Reconnecting, Run, RunEvent, Update
from noxcli.runs.event_dedup import Continuity
from noxcli.runs.follow import Follower, Policy
from noxcli.runs.stream import LAST_EVENTS_GRACE, SHORT_GRACE
from noxcli.timing import Deadline
from tests.faults.fake import (
    RUN,
    Connection,
    FakeServer,
    KeepAlive,
    Read,
    as_api,
    end,
    ends_at,
    every,
    now,
    piece,
    pieces,
    state,
)

BROKEN = Unavailable("connection reset")
CLOSED = StreamClosed("closed")
COMPLETED = now("completed")
EVERY_EVENT = Policy(every_event=True)
ODD: list[Any] = [
    None,
    "text",
    7,
    [],
    {"status": 7},
    {"workflow_status": None},
    {"workflow_status": 1},
]
NO_HINTS = [
    RunEvent("content", {"id": "A", "status": "completed"}, "0-0"),
    state(0),
    state(0, "reticulating"),
    *(RunEvent("state", data, "0-0") for data in ODD),
]
HALF: dict[str, Any] = {"progress": 40, "progress_details": {"running_nodes": ["A"]}}


@dataclass
class Followed:
    """What a follower yielded, each update with its moment."""

    server: FakeServer
    follower: Follower
    said: list[tuple[float, Update]] = field(default_factory=list)
    error: NoxError | None = None
    longest_pause: float = 0.0

    def of(self, kind: type[Any]) -> list[Any]:
        return [update for _, update in self.said if isinstance(update, kind)]

    @property
    def events(self) -> list[RunEvent]:
        return self.of(RunEvent)

    @property
    def run(self) -> Run:
        """The verdict: the last update, and the only one of its kind."""
        assert self.error is None
        finished = self.said[-1][1]
        assert isinstance(finished, Finished)
        assert self.of(Finished) == [finished]
        return finished.run

    @property
    def delays(self) -> list[float]:
        return [update.delay for update in self.of(Reconnecting)]

    @property
    def label(self) -> Continuity:
        return self.follower.dedup.label


def followed(
    server: FakeServer,
    policy: Policy | None = None,
    *,
    run: Run = RUN,
    timeout: float | None = None,
    stuck: str = "",
    **options: Any,
) -> Followed:
    """Follow to the end, whatever it is."""
    follower = Follower(
        as_api(server),
        run,
        policy=policy or Policy(),
        deadline=Deadline(server.clock, timeout),
        stuck=lambda: stuck,
        **options,
    )
    result = Followed(server, follower)
    before = server.clock.time
    try:
        for burst in follower.updates():
            result.longest_pause = max(result.longest_pause, server.clock.time - before)
            before = server.clock.time
            result.said += [(before, update) for update in burst]
    except NoxError as error:
        result.error = error
    assert all(feed.closed for feed in server.feeds)
    return result


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each delay is as long as it can be."""
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)


# The plain case.


def test_events_come_as_they_are_and_the_record_judges() -> None:
    server = FakeServer([[(1, pieces(3)), (1, [piece(3), end(4)])]], [COMPLETED])
    result = followed(server, just_started=True)
    assert result.events == [*pieces(4), end(4)]
    assert result.run is COMPLETED
    assert (server.openings, server.reads) == ([(0, None)], [2])
    assert (result.label, result.follower.stream.connects) == (Continuity.PROVEN, 1)
    assert result.follower.record.confirmed


@pytest.mark.parametrize("policy", [Policy(), EVERY_EVENT])
def test_what_the_server_had_already_sent_is_shown(policy: Policy) -> None:
    for rest in (
        [(0.0, [piece(2), end(3)])],
        [(0.1, [piece(2), end(3)])],
        [(0.1, [piece(2)]), (0.1, [end(3)])],
    ):
        server = FakeServer([[(1, [piece(0), end(1)]), *rest]], [COMPLETED])
        result = followed(server, policy, just_started=True)
        assert result.events == [piece(0), end(1), piece(2), end(3)]
        assert (result.label, len(server.openings)) == (Continuity.PROVEN, 1)


@pytest.mark.parametrize(
    "event", [RunEvent("done", {}), RunEvent("unknown", "ping"), RunEvent("state", None, "9-0")]
)
def test_an_event_of_another_kind_behind_the_end_is_no_gap(event: RunEvent) -> None:
    server = FakeServer([[(1, [*pieces(3), end(3)]), (0.1, [event]), (0, CLOSED)]], [COMPLETED])
    result = followed(server, EVERY_EVENT, just_started=True)
    assert (result.events[-1], result.of(Gap), result.label) == (event, [], Continuity.PROVEN)


LOG = [*pieces(3), end(3), *pieces(3, 4), end(7)]  # with the end of another run in it
HINT = state(0, "completed")
BROKEN_EACH: list[Connection] = [[(0, [piece(n)]), (0, BROKEN)] for n in range(30)]
WHOLE: dict[str, tuple[list[Connection], Any, list[RunEvent], Continuity, list[str | None]]] = {
    "cut behind another end": (
        [[(1, LOG[:4]), (0, CLOSED)], [(9, LOG[4:])]], ends_at(15), LOG, Continuity.PROVEN, [None, "2-0"]
    ),
    "broken behind another end": (
        [[(1, LOG[:4]), (0.1, BROKEN)], [(0, LOG[4:])]], [COMPLETED], LOG, Continuity.PROVEN, [None, "2-0"]
    ),
    "broken behind each event": (
        [[(1, LOG[:4]), (0, BROKEN)], [(0, BROKEN)]], [COMPLETED], LOG[:4], Continuity.PROVEN, [None, "2-0"]
    ),
    "on their way at the verdict": (
        [[(1, [HINT]), (1.5, [piece(1)]), (1.5, [end(2)])]],
        [COMPLETED], [HINT, piece(1), end(2)], Continuity.PROVEN, [None],
    ),
    "silent at the verdict": (
        [[(1, [HINT, piece(1)])], [(0, [end(2)])]],
        [COMPLETED], [HINT, piece(1), end(2)], Continuity.PROVEN, [None, "0-0"],
    ),
    "a stop without a word": (
        [[(1, [piece(0)]), (1, CLOSED)], [(0, CLOSED)]],
        [now("stopped")], [piece(0)], Continuity.ASSUMED, [None, None],
    ),
    "broken after each event": (
        [*BROKEN_EACH, [(0, [end(30)])]],
        [COMPLETED], [*pieces(30), end(30)], Continuity.PROVEN, [None, None, *(f"{n}-0" for n in range(29))],
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("connections", "record", "events", "label", "cursors"), WHOLE.values(), ids=WHOLE
)
def test_where_events_are_the_product_none_is_missing(
    connections: list[Connection],
    record: Any,
    events: list[RunEvent],
    label: Continuity,
    cursors: list[str | None],
) -> None:
    server = FakeServer(connections, record)
    result = followed(server, EVERY_EVENT, just_started=True)
    assert (result.events, result.of(Gap), result.label) == (events, [], label)
    assert [cursor for _, cursor in server.openings] == cursors


def test_text_and_json_do_not_fetch_the_rest() -> None:
    server = FakeServer([[(1, LOG[:4]), (0.1, BROKEN)], [(0, LOG[4:])]], [COMPLETED])
    result = followed(server)
    assert (result.events, len(server.openings), result.label) == (LOG[:4], 1, Continuity.ASSUMED)


# Ends with an unknown word.


@pytest.mark.parametrize(
    "record",
    [
        lambda time: now(f"step {time // 20:.0f}", unknown_end=True) if time < 90 else COMPLETED,
        lambda time: now("rolled back", unknown_end=20 < time < 45) if time < 60 else COMPLETED,
    ],
    ids=["the word changes", "a retry"],
)
def test_an_unknown_word_with_an_end_that_goes_on_is_no_end(record: Callable[[float], Run]) -> None:
    assert followed(FakeServer(record=record), Policy(stream=False)).run is COMPLETED


def test_a_run_that_is_over_is_not_read_again() -> None:
    server = FakeServer([[(0, [piece(0), end(1)])]])
    assert followed(server, run=COMPLETED).run is COMPLETED
    assert (server.openings, server.reads) == ([], [])
    result = followed(server, EVERY_EVENT, run=COMPLETED)
    assert result.events == [piece(0), end(1)]
    assert (server.openings, server.reads) == ([(0, None)], [])


def test_the_display_gets_a_turn_every_two_seconds() -> None:
    server = FakeServer([[(100, [end(0)])]], ends_at(99))
    result = followed(server)
    assert result.run.status == "completed"
    assert result.longest_pause <= 2


def test_an_unknown_status_is_still_going() -> None:
    server = FakeServer([[(1, [state(0, "reticulating")]), *every(1, KeepAlive())]], ends_at(70))
    result = followed(server)
    assert result.run.status == "completed"
    assert [polled.run.status for polled in result.of(Polled)] == ["completed"]
    server = FakeServer([[]], [now("reticulating"), now("reticulating"), COMPLETED])
    assert [polled.run.status for polled in followed(server).of(Polled)] == [
        "reticulating",
        "completed",
    ]


# Breaking and reconnecting.


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize("broken", [BROKEN, CLOSED])
def test_delays_double_until_polling_takes_over(broken: NoxError) -> None:
    server = FakeServer([[(0, broken)]], ends_at(20))
    result = followed(server)
    assert result.delays == [0.5, 1, 2, 4, 8, 0]
    assert [update.attempt for update in result.of(Reconnecting)] == [1, 2, 3, 4, 5, 5]
    assert "polling" in result.of(Reconnecting)[-1].reason
    assert all("polling" not in update.reason for update in result.of(Reconnecting)[:-1])
    assert [at for at, _ in server.openings] == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 17.5]


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize(
    ("connections", "delays"),
    [
        ([[], [], [[piece(0)]], [], []], [0.5, 1, 0, 0.5, 1]),
        *(([[[piece(0)]], [nothing]], [0, 0.5, 1, 2]) for nothing in (KeepAlive(), [], [piece(0)])),
        ([[[RunEvent("unknown", "hello")]]], [0.5, 1, 2, 4]),
    ],
    ids=["event", "keep-alive", "nothing", "again", "unknown"],
)
def test_only_a_new_event_starts_the_delays_anew(
    connections: list[list[Any]], delays: list[float]
) -> None:
    each: list[Connection] = [[*((0.0, said) for said in one), (0, BROKEN)] for one in connections]
    assert followed(FakeServer(each, ends_at(6))).delays[: len(delays)] == delays


def test_the_delays_are_jittered() -> None:
    first = {followed(FakeServer([[(0, BROKEN)]], ends_at(0.6))).delays[0] for _ in range(8)}
    assert len(first) > 1
    assert all(0 <= delay <= 0.5 for delay in first)


def test_the_server_says_when_to_come_back() -> None:
    server = FakeServer([[(0, Unavailable("busy", retry_after=7))], [(0, [end(0)])]], ends_at(7))
    result = followed(server)
    assert result.delays == [7]
    assert [at for at, _ in server.openings] == [0, 7]
    assert result.longest_pause <= 1


def test_a_long_retry_after_does_not_hide_an_ended_run() -> None:
    server = FakeServer([[(0, Unavailable("busy", retry_after=3600))]], ends_at(5))
    assert followed(server).run.status == "completed"
    assert server.clock.time <= 60


# Without a stream.


@pytest.mark.parametrize(
    "refusal",
    [
        StreamUnsupported("no stream"),
        Unauthorized("key?"),
        RequestRejected("no"),
        NotFound("gone", http_status=410),
    ],
)
def test_where_no_stream_is_to_be_had_the_record_is_polled(refusal: NoxError) -> None:
    server = FakeServer([[(0, refusal)]], ends_at(9))
    result = followed(server, Policy(poll_interval=3))
    assert result.run.status == "completed"
    assert server.reads == [0, 2, 2, 5, 6, 6, 9]
    assert [at for at, _ in server.openings] == [0, 2, 6]
    assert [
        (told.attempt, told.delay, "polling" in told.reason) for told in result.of(Reconnecting)
    ] == [(1, 0, True)]
    assert result.label is Continuity.NONE


@pytest.mark.parametrize(
    "refusal",
    [StreamUnsupported("no"), Unauthorized("no"), RequestRejected("no"), NotFound("no"), BROKEN],
)
def test_a_stream_refused_after_the_verdict_is_a_gap(refusal: NoxError) -> None:
    result = followed(FakeServer([[(0, refusal)]]), EVERY_EVENT, run=COMPLETED)
    assert result.run is COMPLETED
    assert len(result.of(Gap)) == 1
    assert result.label is Continuity.BROKEN


@pytest.mark.usefixtures("no_jitter")
def test_after_many_breaks_the_stream_is_tried_less_often() -> None:
    server = FakeServer([[(0, BROKEN)]], ends_at(300))
    result = followed(server, Policy(poll_interval=10))
    opened = [at for at, _ in server.openings]
    assert opened[:6] == [0, 0.5, 1.5, 3.5, 7.5, 15.5]
    assert [later - earlier for earlier, later in pairwise(opened[5:])] == [
        2,
        4,
        8,
        16,
        32,
        60,
        60,
        60,
    ]
    assert len(result.delays) == 6, (
        "what is tried in vain while the run is polled is not told each time"
    )


def test_a_stream_that_is_closed_after_each_event_costs_no_time() -> None:
    connections: list[Connection] = [[(0, [piece(n)]), (0, CLOSED)] for n in range(300)]
    server = FakeServer([*connections, [(0, [end(300)])]], [*[RUN] * 300, COMPLETED])
    result = followed(server)
    assert result.events == [*pieces(300), end(300)]
    assert server.clock.time <= SHORT_GRACE


def test_no_stream_means_no_stream() -> None:
    server = FakeServer([[(0, [end(0)])]], ends_at(200))
    result = followed(server, Policy(stream=False, every_event=True, poll_interval=50))
    assert (server.openings, server.reads) == ([], [50, 100, 150, 200])
    assert (result.events, result.label, result.follower.stream.connects) == (
        [],
        Continuity.NONE,
        0,
    )


@pytest.mark.parametrize(("asked_for", "told"), [(20, []), (3600, [3600])])
def test_polling_obeys_the_server(asked_for: float, told: list[float]) -> None:
    server = FakeServer(record=[Unavailable("busy", retry_after=asked_for), COMPLETED])
    result = followed(server, Policy(stream=False))
    assert result.run is COMPLETED
    assert server.reads[1] - server.reads[0] == pytest.approx(asked_for)
    assert [update.delay for update in result.of(Reconnecting)] == told


def test_a_pause_beyond_the_limit_ends_the_wait() -> None:
    busy = Unavailable("busy", "the server asks to wait 1h00m", retry_after=3600)
    server = FakeServer(record=[busy, COMPLETED])
    result = followed(server, Policy(stream=False), timeout=60)
    assert isinstance(result.error, TimedOut)
    assert result.error.message == "busy; the server asks to wait 1h00m, beyond --timeout"
    assert server.clock.time < 10


def test_polls_that_change_something_are_told() -> None:
    half = now("running", progress=50)
    nodes = now("running", progress=50, progress_details={"running_nodes": ["B"]})
    result = followed(
        FakeServer(record=[RUN, half, half, nodes, nodes, COMPLETED]), Policy(stream=False)
    )
    assert [polled.run for polled in result.of(Polled)] == [half, nodes, COMPLETED]


# Silence.


def test_silence_is_answered_with_a_read_and_a_new_connection() -> None:
    server = FakeServer([[(0, pieces(1))], [(0, [end(1)])]], ends_at(11))
    result = followed(server, Policy(idle_timeout=10))
    assert server.reads[:3] == [3, 9, 10]
    assert [cursor for _, cursor in server.openings] == [None, None]
    assert 10 <= server.openings[1][0] <= 10.5
    assert "silent for 10.0s" in result.of(Reconnecting)[0].reason


@pytest.mark.parametrize(
    ("connection", "ends", "reads"),
    [
        ([(0, pieces(1))], 3, [3]),
        ([(0, pieces(1)), *every(1, KeepAlive())], 65, [3, 9, 21, 45, 75]),
        ([*((25.0, [piece(n)]) for n in range(4)), (25, [end(4)])], 125, [3, 9, 21, 49, 125]),
        ([*((2.9, [piece(n)]) for n in range(20)), (1, [end(20)])], 50, [59]),
        ([(1, [state(0, "completed")])], 1.5, [1, 1.2, 1.6]),
        (
            [(1, [state(0, "completed")]), *every(1, KeepAlive())],
            50,
            [1, 1.2, 1.6, 2.4, 4, 7.2, 13.6, 26.4, 52],
        ),
        *(([(1, [event]), (1, [end(1)])], 2, [2]) for event in NO_HINTS),
    ],
)
def test_when_the_record_is_read(connection: Connection, ends: float, reads: list[float]) -> None:
    server = FakeServer([connection], ends_at(ends))
    result = followed(server)
    assert result.run.status == "completed"
    assert server.reads == pytest.approx(reads)
    assert (len(server.openings), result.of(Reconnecting)) == (1, [])
    assert result.events == [
        one for _, said in connection if isinstance(said, list) for one in said
    ]


def test_during_a_silence_what_the_record_says_is_told() -> None:
    half = now("running", progress=50)
    server = FakeServer(
        [[(0, pieces(1))]], lambda time: RUN if time < 5 else half if time < 20 else COMPLETED
    )
    result = followed(server)
    assert [at for at, update in result.said if isinstance(update, Polled)] == [9, 21]


# Limits.


@pytest.mark.parametrize(
    "connection", [[], [*every(0.3, KeepAlive())], [*every(0.4, [state(0)])], [(0, BROKEN)]]
)
@pytest.mark.parametrize("timeout", [0.2, 5.0, 33.3])
def test_the_deadline_is_met(connection: Any, timeout: float) -> None:
    server = FakeServer([connection])
    result = followed(server, timeout=timeout)
    assert isinstance(result.error, TimedOut)
    assert RUN.id in str(result.error.hint)
    assert f"still running after {timeout}s" in result.error.message
    assert timeout <= server.clock.time <= timeout + 0.5


def test_what_came_with_the_limit_is_shown_and_judged() -> None:
    result = followed(FakeServer([[(5, [piece(0)])]]), timeout=5)
    assert (result.events, type(result.error)) == ([piece(0)], TimedOut)
    result = followed(
        FakeServer([[(5, [piece(0), end(1)])]], ends_at(5)), timeout=5, just_started=True
    )
    assert (result.run.status, result.label) == ("completed", Continuity.PROVEN)


@pytest.mark.parametrize("stream", [True, False])
def test_the_limit_names_the_status_that_was_shown_last(stream: bool) -> None:
    policy = Policy(stream=stream, leave_when_paused=False)
    server = FakeServer([[]], lambda time: now("paused") if time >= 4.9 else RUN)
    result = followed(server, policy, timeout=5)
    assert result.of(Polled)[-1].run.status == "paused"
    assert result.error is not None
    assert "was still paused after 5.0s" in result.error.message


@pytest.mark.parametrize("policy", [Policy(), Policy(stream=False), Policy(stall_timeout=10)])
def test_a_read_that_hangs_moves_no_limit(policy: Policy) -> None:
    server = FakeServer([[(0, BROKEN)]], hang=1000)
    result = followed(server, policy, timeout=None if policy.stall_timeout else 10)
    assert isinstance(result.error, TimedOut)
    assert 10 <= server.clock.time <= 11


def test_the_commands_own_limit_comes_before_lost_contact() -> None:
    server = FakeServer(hang=1000)
    assert isinstance(
        followed(server, Policy(stream=False, retry_for=10), timeout=10).error, TimedOut
    )


def test_a_read_that_hangs_is_given_up() -> None:
    server = FakeServer(hang=1000)
    result = followed(server, Policy(stream=False, retry_for=100))
    assert isinstance(result.error, LostContact)
    assert server.reads[:2] == [2, 34]


@pytest.mark.parametrize("rest", [[], [*every(0.3, KeepAlive())], [(0, BROKEN)], [(0, CLOSED)]])
def test_fetching_the_rest_keeps_to_the_deadline(rest: Any) -> None:
    server = FakeServer([[(0, pieces(1)), (3.5, BROKEN)], rest], ends_at(3))
    followed(server, EVERY_EVENT, timeout=4)
    assert server.clock.time <= 5


def test_a_stall_is_told_with_the_place() -> None:
    server = FakeServer([[(2, pieces(1)), *every(1, KeepAlive())]])
    result = followed(server, Policy(stall_timeout=7), stuck="'Write' is running")
    assert isinstance(result.error, TimedOut)
    assert result.error.message.endswith("has made no progress for 7.0s: 'Write' is running")
    assert 9 <= server.clock.time <= 9.5


@pytest.mark.parametrize(
    ("connections", "record", "stall", "earliest", "latest"),
    [
        ([[(0, pieces(1)), *((1.0, [state(n)]) for n in range(1000))]], [RUN], 10, 10, 12),
        ([[(1, [piece(0)]), *every(1, [RunEvent("unknown", "ping")])]], [RUN], 5, 6, 7),
        ([[(0, pieces(3)), (0, BROKEN)], [(1, pieces(3)), (1, BROKEN)]], [RUN], 20, 20, 21),
        (
            [[(1, [piece(0), state(1, **HALF)]), *every(1, KeepAlive())]],
            [now("running", **HALF)],
            3,
            4,
            4.5,
        ),
        (
            [[(0, pieces(1)), *every(1, KeepAlive())]],
            lambda at: now("running", progress=min(at // 6, 1)),
            7,
            13,
            17,
        ),
    ],
    ids=[
        "same states",
        "unknown events",
        "a replay",
        "the record repeats the events",
        "it moved once",
    ],
)
def test_what_is_not_new_does_not_put_off_a_stall(
    connections: list[Connection], record: Any, stall: float, earliest: float, latest: float
) -> None:
    server = FakeServer(connections, record)
    result = followed(server, Policy(stall_timeout=stall), run=now("queued"), just_started=True)
    assert isinstance(result.error, TimedOut)
    assert result.error.message.endswith(f"has made no progress for {stall:.1f}s")
    assert earliest <= server.clock.time <= latest


@pytest.mark.parametrize(
    ("connections", "record"),
    [
        (
            [
                [
                    *((9.0, [piece(n)] if n % 2 else [state(n, progress=n)]) for n in range(9)),
                    (9, [end(9)]),
                ]
            ],
            ends_at(89),
        ),
        ([[]], lambda time: now("running", progress=time // 8) if time < 50 else COMPLETED),
    ],
    ids=["events", "the record"],
)
def test_what_is_new_puts_off_a_stall(
    connections: list[Connection], record: Callable[[float], Run]
) -> None:
    assert (
        followed(FakeServer(connections, record), Policy(stall_timeout=10)).run.status
        == "completed"
    )


def test_slow_reads_come_often_enough_to_put_off_a_stall() -> None:
    """The last read at the limit has less time than this server takes."""
    server = FakeServer(
        [[]], lambda time: now("running", progress=time // 2) if time < 30 else COMPLETED, hang=1
    )
    assert followed(server, Policy(stall_timeout=4)).run.status == "completed"


def test_a_run_that_ended_does_not_stall() -> None:
    # Three attempts for the rest take longer than the limit; but that is for runs, and this one is over.
    server = FakeServer(
        [[(0, pieces(1)), (0.5, BROKEN)], [*every(0.1, KeepAlive(), 15), (0.1, BROKEN)]],
        [COMPLETED],
    )
    result = followed(server, Policy(every_event=True, stall_timeout=2))
    assert result.run is COMPLETED


def test_lost_contact_is_told_when_retries_end() -> None:
    server = FakeServer([[(0, BROKEN)]], [BROKEN])
    result = followed(server, Policy(retry_for=60))
    assert isinstance(result.error, LostContact)
    assert BROKEN.message in result.error.message
    assert RUN.id in str(result.error.hint)
    assert 60 <= server.clock.time <= 76
    assert not result.of(Finished)


def test_a_record_that_is_refused_for_good_is_lost_contact() -> None:
    server = FakeServer([[(1, pieces(2)), (1, BROKEN)]], [RequestRejected("no", http_status=418)])
    result = followed(server)
    assert isinstance(result.error, LostContact)
    assert (result.error.http_status, result.error.exit_code) == (418, 6)


def test_any_answer_is_contact() -> None:
    reads: list[Read] = [BROKEN, BROKEN, RUN] * 20
    server = FakeServer([[(0, BROKEN)]], [*reads, COMPLETED])
    assert followed(server, Policy(stream=False, poll_interval=2, retry_for=7)).run is COMPLETED
    said: list[tuple[float, Any]] = []
    for n in range(9):
        said += [*every(1, KeepAlive(), 4), (1, [piece(n)])]
    server = FakeServer([[*said, (0, [end(9)])]], [*[BROKEN] * 9, COMPLETED])
    assert followed(server, Policy(idle_timeout=3, retry_for=7)).run is COMPLETED
    assert len(server.openings) == 1


# The record says no.


REFUSALS = [
    Unauthorized("key?", http_status=401),
    Unauthorized("no permission", http_status=403),
    NotFound("gone", http_status=404),
]


def assert_denied(result: Followed, refusal: NoxError) -> None:
    assert result.error is not None
    assert (type(result.error), result.error.http_status) == (type(refusal), refusal.http_status)
    assert str(result.error.hint).endswith(
        f"may still be running; continue with: noxcli wait {RUN.id}"
    )


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_of_the_record_is_believed_after_ten_seconds(refusal: NoxError) -> None:
    server = FakeServer([[(1, pieces(2)), (1, BROKEN)]], [refusal])
    result = followed(server)
    assert_denied(result, refusal)
    assert result.events == pieces(2)
    assert 10 <= server.reads[-1] - server.reads[0] < 40
    assert len(server.reads) >= 3


@pytest.mark.parametrize("interval", [1.0, 15.0])
def test_a_refusal_is_believed_after_three_asks_at_least(interval: float) -> None:
    server = FakeServer([[(0, StreamUnsupported("404"))]], [now("running"), REFUSALS[2]])
    result = followed(server, Policy(poll_interval=interval, stream=False))
    assert_denied(result, REFUSALS[2])
    refused = server.reads[1:]
    assert (len(refused), refused[-1] - refused[0]) == ((11, 10) if interval == 1 else (3, 30))


OUTAGE = Unavailable("down")
BROKEN_OFF = [
    [REFUSALS[0], now("running")],
    [REFUSALS[0], REFUSALS[2]],
    [*[REFUSALS[0]] * 2, *[OUTAGE] * 20, COMPLETED],
    [*[REFUSALS[0]] * 9, COMPLETED],
]


@pytest.mark.parametrize(
    "answers", BROKEN_OFF, ids=["read between", "another", "outage", "nine seconds"]
)
def test_only_one_refusal_alone_is_believed(answers: list[Any]) -> None:
    rounds = answers * 8 if answers[-1] is not COMPLETED else answers
    server = FakeServer([], [*rounds, COMPLETED])
    assert followed(server, Policy(poll_interval=1.0, stream=False)).run is COMPLETED


@pytest.mark.parametrize(
    "connection", [[(1, pieces(2))], [(1, [state(0, "completed")])]], ids=["silence", "hint"]
)
def test_a_refused_key_ends_the_command_beside_an_open_stream(connection: Connection) -> None:
    refusal = REFUSALS[0]
    server = FakeServer([connection], [refusal])
    assert_denied(followed(server), refusal)
    assert server.reads[-1] - server.reads[0] >= 10
    assert followed(FakeServer([connection], [refusal, COMPLETED])).run is COMPLETED


def test_a_new_run_may_not_be_found_at_once() -> None:
    server = FakeServer(
        [[(0, StreamUnsupported("404"))]], lambda time: COMPLETED if time > 7 else REFUSALS[2]
    )
    result = followed(server, just_started=True)
    assert result.run is COMPLETED
    assert result.follower.record.confirmed


def test_a_new_run_that_stays_unknown_is_not_found() -> None:
    server = FakeServer([[(0, StreamUnsupported("404"))]], [REFUSALS[2]])
    result = followed(server, Policy(poll_interval=0.1), just_started=True)
    assert isinstance(result.error, NotFound)
    assert 10 <= server.clock.time <= 10.2
    assert not result.follower.record.confirmed


# Ends that are announced late, wrongly or never.


def test_a_record_that_lags_for_long_is_read_less_and_less_often() -> None:
    server = FakeServer([[(0, [end(0)]), *every(1, KeepAlive())]], ends_at(300))
    assert followed(server).run.status == "completed"
    assert len(server.openings) == 1
    assert server.reads[:5] == pytest.approx([0, 0.2, 0.6, 1.4, 3.0])
    assert max(later - earlier for earlier, later in pairwise(server.reads)) == pytest.approx(30)


@pytest.mark.parametrize(
    ("first", "later"), [(pieces(1), CLOSED), (pieces(1), BROKEN), ([], CLOSED)]
)
def test_an_end_that_is_never_announced_is_a_gap(first: Any, later: Any) -> None:
    server = FakeServer([[(1, first), (1, CLOSED)], [(0, later)]], [COMPLETED])
    result = followed(server, EVERY_EVENT)
    assert result.run is COMPLETED
    assert [gap.reason for gap in result.of(Gap)] == [
        "the run is completed, but its event stream never reported that; events may be missing"
    ]
    assert result.label is Continuity.BROKEN
    assert len(server.openings) == 1 + 1 + 3


def test_a_stop_whose_last_events_there_was_no_time_for_is_a_gap() -> None:
    server = FakeServer([[(1, [piece(0)]), (1, BROKEN)], []], [now("stopped")])
    assert len(followed(server, EVERY_EVENT, timeout=3).of(Gap)) == 1
    server = FakeServer([[(1, [piece(0)]), (1, BROKEN)], []], [now("stopped")])
    assert followed(server, EVERY_EVENT, timeout=30).of(Gap) == []


@pytest.mark.usefixtures("no_jitter")
def test_tries_for_the_rest_are_told_and_spaced() -> None:
    server = FakeServer([[(1, [piece(0)]), (1, BROKEN)], [(0, BROKEN)]], [COMPLETED])
    result = followed(server, EVERY_EVENT)
    assert [(told.attempt, told.delay) for told in result.of(Reconnecting)] == [
        (1, 0.5),
        (2, 1),
        (3, 2),
    ]
    assert [at for at, _ in server.openings] == [0, 2, 2.5, 3.5, 5.5]


def test_a_position_that_was_the_last_one_leaves_nothing_to_miss() -> None:
    server = FakeServer([[(0, CLOSED)]])
    result = followed(server, EVERY_EVENT, run=COMPLETED, positions=["9-0"])
    assert (result.events, result.of(Gap), len(server.openings)) == ([], [], 1)
    result = followed(FakeServer([[(0, CLOSED)]]), EVERY_EVENT, run=COMPLETED)
    assert len(result.of(Gap)) == 1


def test_the_rest_is_waited_for_two_seconds_after_the_last_event() -> None:
    rest: list[Connection] = [[(1.9, [piece(1)]), (1.9, [piece(2)])], []]
    server = FakeServer([[(1, [piece(0)]), (1, BROKEN)], *rest], [COMPLETED])
    result = followed(server, EVERY_EVENT)
    assert result.events == pieces(3)
    assert [at for at, _ in server.openings] == pytest.approx([0, 2, 7.8])
    assert server.clock.time == pytest.approx(7.8 + LAST_EVENTS_GRACE)


# Pauses.


def test_a_pause_that_is_waited_for_is_told_each_time() -> None:
    paused = now("awaiting_human_feedback")

    def record(time: float) -> Run:
        return paused if time < 20 or 30 <= time < 50 else RUN if time < 60 else COMPLETED

    result = followed(
        FakeServer(record=record), Policy(stream=False, leave_when_paused=False), run=paused
    )
    assert result.run is COMPLETED
    assert [type(update) for _, update in result.said] == [
        Paused,
        Polled,
        Polled,
        Paused,
        Polled,
        Polled,
        Finished,
    ]


def test_a_paused_run_goes_on_over_its_stream() -> None:
    paused = now("awaiting_human_feedback")
    server = FakeServer(
        [
            [
                (1, [state(0, "awaiting_human_feedback")]),
                (9, [state(1, "running")]),
                (1, [piece(2), end(3)]),
            ]
        ],
        lambda time: paused if time < 10 else RUN if time < 11 else COMPLETED,
    )
    result = followed(server, Policy(leave_when_paused=False))
    assert result.run is COMPLETED
    assert result.events == [
        state(0, "awaiting_human_feedback"),
        state(1, "running"),
        piece(2),
        end(3),
    ]
    assert len(result.of(Paused)) == 1


@pytest.mark.parametrize("policy", [Policy(), EVERY_EVENT])
def test_a_stream_without_positions_is_not_left_for_its_silence(policy: Policy) -> None:
    told = [RunEvent("content", {"id": "A", "content": str(number)}) for number in range(3)]
    server = FakeServer([[(1, told[:2]), (100, [told[2], end(3)])]], ends_at(101))
    result = followed(server, policy, just_started=True)
    assert (result.events, len(server.openings)) == ([*told, end(3)], 1)
    assert (result.of(Gap), result.label) == ([], Continuity.ASSUMED)


def test_events_of_unknown_kinds_do_not_hide_an_ended_run() -> None:
    server = FakeServer([[(1, [piece(0)]), *every(1, [RunEvent("unknown", "ping")])]], ends_at(20))
    assert followed(server).run.status == "completed"
    assert server.clock.time <= 25


# What follows a connection: each row is one meaning of the facts about it.

PAUSED = now("awaiting_human_feedback")
BUSY = Unavailable("busy", retry_after=7)
LONG_BUSY = Unavailable("busy", retry_after=3600)
NO_STREAM = StreamUnsupported("no stream")
NAMELESS = [piece(0, position=False)]
PAUSE = [state(0, "awaiting_human_feedback")]
NEXT: dict[str, tuple[list[Connection], Any, list[float], list[tuple[str, int, float]]]] = {
    # connections, record: when the stream is opened, and what is told
    "broken without an event": ([[(0, BROKEN)], []], RUN, [0, 0.5], [("again", 1, 0.5)]),
    "broken after an event": ([[(0, pieces(1)), (0, BROKEN)], []], RUN, [0, 0], [("again", 1, 0)]),
    "closed after an event": ([[(0, pieces(1)), (0, CLOSED)], []], RUN, [0, 0], [("again", 1, 0)]),
    "busy without an event": ([[(0, BUSY)], []], RUN, [0, 7], [("again", 1, 7)]),
    "busy after an event": ([[(0, pieces(1)), (0, BUSY)], []], RUN, [0, 7], [("again", 1, 7)]),
    "busy for long": ([[(0, LONG_BUSY)], []], RUN, [0, 60], [("again", 1, 60)]),
    "refused": ([[(0, NO_STREAM)], []], RUN, [0, 2], [("polling", 1, 0)]),
    "refused after an event": (
        [[(0, pieces(1)), (0, NO_STREAM)], []], RUN, [0, 2], [("polling", 1, 0)],
    ),
    "refused twice": ([*[[(0, NO_STREAM)]] * 2, []], RUN, [0, 2, 6], [("polling", 1, 0)]),
    "refused, an event, refused": (
        [*[[(0, NO_STREAM)]] * 3, [(0, pieces(1)), (0, BROKEN)], [(0, NO_STREAM)], []],
        RUN, [0, 2, 6, 14, 14, 16], [("polling", 1, 0), ("again", 1, 0), ("polling", 1, 0)],
    ),
    "without a position": ([[(0, NAMELESS), (0, BROKEN)]], RUN, [0], [("gap", 0, 0)]),
    "refused, without a position": (
        [[(0, NO_STREAM)], [(0, NAMELESS), (0, BROKEN)]],
        RUN, [0, 2], [("polling", 1, 0), ("gap", 0, 0)],
    ),
    "refused in a pause": ([[(0, NO_STREAM)], []], PAUSED, [0, 2], []),
    "broken in a pause": ([[(0, BROKEN)], []], PAUSED, [0, 2], []),
    "broken twice in a pause": ([*[[(0, BROKEN)]] * 2, []], PAUSED, [0, 2, 6], []),
    "broken after an event in a pause": (
        [[(0, pieces(1)), (0, BROKEN)], []], PAUSED, [0, 0], [("again", 1, 0)],
    ),
    "closed after the event of the pause": ([[(0, PAUSE), (0, CLOSED)], []], PAUSED, [0, 0], []),
    "closed after an end that the record lacks": (
        [[(0, [end(0)]), (0, CLOSED)], []], RUN, [0, 3.0], [],
    ),
    "without a position after such an end": (
        [[(0, [*NAMELESS, end(0)]), (0, CLOSED)]], RUN, [0], [("gap", 0, 0)],
    ),
}  # fmt: skip


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize(("connections", "record", "opened", "told"), NEXT.values(), ids=NEXT)
def test_what_follows_the_end_of_a_connection(
    connections: list[Connection],
    record: Run,
    opened: list[float],
    told: list[tuple[str, int, float]],
) -> None:
    server = FakeServer(connections, lambda _: record)
    policy = Policy(leave_when_paused=False, idle_timeout=1000)
    result = followed(server, policy, run=record, timeout=opened[-1] + 8)
    assert isinstance(result.error, TimedOut)
    assert [at for at, _ in server.openings] == pytest.approx(opened)
    said = []
    for update in result.of(Reconnecting) + result.of(Gap):
        if isinstance(update, Gap):
            said.append(("gap", 0, 0.0))
        else:
            kind = "polling" if "polling" in update.reason else "again"
            said.append((kind, update.attempt, update.delay))
    assert said == told


def test_a_silent_run_is_read_soon_after_each_new_connection() -> None:
    silent = [*every(1, KeepAlive(), 40), (0, BROKEN)]
    server = FakeServer([silent, [*every(1, KeepAlive())]], ends_at(41))
    assert followed(server).run.status == "completed"
    assert server.clock.time <= 45


@pytest.mark.usefixtures("no_jitter")
def test_breaks_far_apart_do_not_end_the_search_for_the_rest() -> None:
    broken: Connection = [(0, BROKEN)]
    rest: list[Connection] = [
        *[broken] * 3,
        [(0, [piece(1)]), (0, BROKEN)],
        *[broken] * 3,
        [(0, [end(2)])],
    ]
    server = FakeServer([[(1, [piece(0)]), (1, BROKEN)], *rest], [COMPLETED])
    result = followed(server, EVERY_EVENT)
    assert (result.events, result.of(Gap)) == ([*pieces(2), end(2)], [])


@pytest.mark.parametrize("late", [state(1, "running"), state(1, "queued"), piece(1)])
def test_an_event_after_the_verdict_changes_nothing(late: RunEvent) -> None:
    server = FakeServer([[(0, [end(0)]), (0.1, [late])]], [COMPLETED])
    result = followed(server, EVERY_EVENT)
    assert result.events == [end(0), late]
    record = result.follower.record
    assert (record.now, record.confirmed) == (COMPLETED, True)
