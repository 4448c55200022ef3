"""What is known about nodes: each combination of what was known before and what an event or a record says."""

from typing import Any

import pytest

from noxcli.models import Polled, Reconnecting, RunEvent, Update
from noxcli.runs.progress import Node, Progress
from tests.faults.fake import RUN, FakeClock, now

# Node "A": its status before, the list that names it, what its own progress says, and its run's status;
# then its status, and the change that is shown.
LISTED = [
    ("waiting", "running", "", "running", "running", "running"),
    ("waiting", "executed", "", "running", "executed", "executed"),
    ("waiting", "executed", "", "completed", "completed", "completed"),
    ("waiting", "executed", "failed", "running", "failed", "failed"),
    ("waiting", "executed", "failed", "completed", "failed", "failed"),
    ("waiting", "skipped", "", "running", "skipped", "skipped"),
    ("waiting", "remaining", "", "running", "waiting", None),
    ("running", "running", "", "running", "running", None),
    ("running", "executed", "", "running", "executed", "executed"),
    ("running", "executed", "", "completed", "completed", "completed"),
    ("running", "executed", "failed", "running", "failed", "failed"),
    ("running", "skipped", "", "running", "skipped", "skipped"),
    ("reticulating", "running", "", "running", "reticulating", None),
    ("reticulating", "executed", "", "running", "executed", "executed"),
    ("completed", "running", "", "running", "running", "running"),
    ("completed", "executed", "", "running", "completed", None),
    ("completed", "executed", "failed", "running", "completed", None),
    ("completed", "skipped", "", "running", "skipped", "skipped"),
    ("failed", "running", "", "running", "running", "running"),
    ("failed", "executed", "", "completed", "failed", None),
    ("failed", "skipped", "", "running", "skipped", "skipped"),
    ("skipped", "executed", "", "running", "executed", "executed"),
    ("skipped", "executed", "failed", "running", "failed", "failed"),
    ("skipped", "skipped", "", "running", "skipped", None),
    ("stopped", "skipped", "", "running", "stopped", None),
    ("executed", "running", "", "running", "running", "running"),
    ("executed", "executed", "", "running", "executed", None),
    ("executed", "executed", "failed", "running", "executed", None),
    ("executed", "executed", "", "completed", "completed", None),
    ("executed", "remaining", "", "completed", "completed", None),
    ("executed", "skipped", "", "running", "skipped", "skipped"),
]


@pytest.mark.parametrize("by_event", [False, True])
@pytest.mark.parametrize(("before", "listed", "own", "of_run", "after", "shown"), LISTED)
def test_what_a_list_of_nodes_means(
    before: str, listed: str, own: str, of_run: str, after: str, shown: str | None, by_event: bool
) -> None:
    progress = Progress(RUN, FakeClock())
    progress.nodes["A"] = Node("A", "A", before)
    details: dict[str, Any] = {f"{listed}_nodes": ["A"]}
    if own:
        details["per_node_progress"] = {"A": {"status": own}}
    update: Update = Polled(now(of_run, progress_details=details))
    if by_event:
        update = RunEvent("state", {"status": of_run, "progress_details": details})
    [(_, changes)] = progress.apply([update])
    assert progress.nodes["A"].status == after
    assert [change.status for change in changes] == ([] if shown is None else [shown])


# The moments of what is heard of node "A", and its duration at 9 s.
RUNS = RunEvent("content", {"id": "A", "status": "running"})
ENDS = RunEvent("content", {"id": "A", "status": "completed"})
WORDS = RunEvent("content", {"id": "A", "content": "text"})
BREAK = Reconnecting(1, 0.5, "reset")
LISTED_RUNNING = Polled(now("running", progress_details={"running_nodes": ["A"]}))
LISTED_ENDED = Polled(now("running", progress_details={"executed_nodes": ["A"]}))
MEASURED: list[tuple[list[tuple[float, Update]], float | None]] = [
    ([(1, RUNS)], 8),
    ([(1, RUNS), (4, ENDS)], 3),
    ([(1, RUNS), (4, RUNS), (6, ENDS)], 5),
    ([(1, WORDS), (2, RUNS), (4, ENDS)], 2),
    ([(1, WORDS), (4, ENDS)], None),  # its beginning was not told
    ([(1, RUNS), (1.05, ENDS)], None),  # the first events may be older than the connection
    ([(1, WORDS), (1.2, RUNS), (1.25, ENDS)], 0.05),
    ([(1, BREAK), (1, RUNS), (4, ENDS)], None),
    ([(1, RUNS), (2, BREAK), (4, ENDS)], None),
    ([(1, RUNS), (2, BREAK), (3, WORDS), (4, ENDS)], 3),
    ([(1, RUNS), (2, BREAK), (3, LISTED_ENDED), (4, ENDS)], None),
    ([(1, LISTED_RUNNING), (4, ENDS)], None),
    ([(1, RUNS), (4, LISTED_ENDED)], None),
]


@pytest.mark.parametrize(("heard", "seconds"), MEASURED)
def test_only_what_was_heard_as_it_happened_has_a_duration(
    heard: list[tuple[float, Update]], seconds: float | None
) -> None:
    clock = FakeClock()
    progress = Progress(RUN, clock)
    for moment, update in heard:
        clock.time = moment
        progress.apply([update])
    assert progress.nodes["A"].duration(9) == pytest.approx(seconds)


def test_a_node_that_succeeds_again_is_no_reason_for_the_failure() -> None:
    progress = Progress(RUN, FakeClock())
    failed = RunEvent("content", {"id": "A", "status": "failed", "content": "try again"})
    progress.apply([failed, RUNS, ENDS])
    assert (progress.failures, progress.nodes["A"].error) == ({}, None)
    progress.apply([failed])
    assert progress.failures == {"A": "try again"}


@pytest.mark.parametrize(
    ("details", "percent"),
    [
        ({"executed_nodes": ["A"], "remaining_nodes": ["B", "C", "D"]}, 25),
        ({"executed_nodes": ["A"], "skipped_nodes": ["B"], "running_nodes": ["C", "D"]}, 50),
        ({"running_nodes": ["A"], "remaining_nodes": ["B"]}, None),
    ],
)
def test_how_far_a_run_is_never_goes_back(details: Any, percent: float | None) -> None:
    progress = Progress(RUN, FakeClock())
    progress.apply([Polled(now("running", progress_details=details))])
    assert progress.percent == percent
    progress.apply([Polled(now("running", progress=90))])
    progress.apply([Polled(now("running", progress=10, progress_details=details))])
    assert progress.percent == 90
