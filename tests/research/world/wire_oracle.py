"""What must hold of the requests of a call: which were sent, when, and after which answers."""

from typing import TYPE_CHECKING

from tests.research.world.server import Asked

if TYPE_CHECKING:
    from tests.research.world.play import Call, Story

REFUSED = {401, 403, 404, 410}  # believed only once they last
BELIEVED_AFTER = 10.0  # seconds
LEAST_REFUSALS = 3
NEAR = 0.6  # seconds, for clocks and what was under way already, on a machine that is not busy
STARTING = {"run", "rerun", "batch", "gate"}
ONE_BY_ONE = {"run", "rerun", "wait", "fetch-output", "stop", "runs", "import", "export"}
SAFE = {2, 4, 5, 75}  # what ended with these has started nothing
PAUSED = "awaiting_human_feedback"
LAST_STARTS = 5.0  # seconds before a limit, in which nothing starts


class WireOracle:
    """The requests of a call that has just ended; § is a section of the contract."""

    def __init__(self, story: "Story", call: "Call") -> None:
        self.story = story
        self.call = call
        self.near = NEAR * call.slowness
        self.requests = sorted(call.requests, key=lambda each: each.at)

    def of_kind(self, *kinds: str) -> list[Asked]:
        return [each for each in self.requests if each.kind in kinds]

    def refusals_are_believed_only_once_they_last(self) -> None:
        """§ 8: 401, 403, 404 and 410 about an own run are believed after 10 s and 3 attempts."""
        if self.call.verb not in STARTING or self.call.code not in {4, 5}:
            return
        if not self.call.starts:  # the workflow itself may be refused
            return
        if any(each.status in REFUSED for each in self.of_kind("start", "upload")):
            return
        by_run: dict[str, list[float]] = {}
        for each in self.of_kind("record", "lookup"):
            if each.status in REFUSED and each.is_json:
                by_run.setdefault(each.id, []).append(each.at)
        for times in by_run.values():
            is_long = times[-1] - times[0] >= BELIEVED_AFTER - self.near
            if is_long and len(times) >= LEAST_REFUSALS:
                return
        told = {id: len(times) for id, times in by_run.items()}
        raise AssertionError(f"{self.call.code} after {told} refusals: {self.call.err[-300:]}")

    def an_import_is_sent_once(self) -> None:
        """§ 5, 8: an import is sent once, but after a 429; a code that says it may be repeated is true."""
        sent = []
        for each in self.of_kind("import"):
            if each.query.get("dry_run") == "false" and each.status != 429:
                sent.append(each)
        assert len(sent) <= 1, f"{len(sent)} imports were sent"
        done = [each for each in sent if each.status in range(200, 300) or each.fault.get("effect")]
        is_lie = bool(done) and self.call.code in SAFE
        assert not is_lie, f"imported, and the code is {self.call.code}: {self.call.err[-300:]}"
        is_empty = self.call.code == 0 and not done
        assert self.call.verb != "import" or not is_empty, "0, and nothing was imported"

    def a_dry_run_changes_nothing(self) -> None:
        """§ 3: --dry-run uploads and starts nothing."""
        sent = [each.kind for each in self.of_kind("start", "upload", "stop", "import")]
        assert "--dry-run" not in self.call.argv or not sent, f"a dry run has sent {sent}"

    def streams_resume_with_overlap(self) -> None:
        """§ 9: a stream resumes by the last position but one, so that the last event comes again."""
        seen: dict[str, list[str]] = {}
        for each in self.of_kind("events"):
            known = seen.setdefault(each.id, [])
            cursor = each.query.get("etag")
            is_last = len(known) > 1 and cursor == known[-1]
            assert not is_last, f"resumed with {cursor}, the last of {len(known)} positions"
            for position in each.positions:
                if position not in known:
                    known.append(position)

    def slow_down_is_heeded(self) -> None:
        """§ 8, 10: after a 429, nothing of its kind is sent before its Retry-After."""
        near = self.near
        is_alone = not self.call.sent and "twins" not in self.call.step
        if self.call.verb in ONE_BY_ONE and is_alone:
            near = 0  # nothing else is under way, as the stop at a signal is
        for place, each in enumerate(self.requests):
            wait = each.fault.get("retry", 0)
            if each.status != 429 or not wait:
                continue
            for later in self.requests[place + 1 :]:
                is_alike = later.kind == each.kind and (later.id == each.id or each.kind == "start")
                if self.is_last_look(later):
                    continue
                after = later.at - each.answered
                is_early = near < after < wait - 0.1
                assert not (is_alike and is_early), f"{each.kind} again {after:.2f} s after a 429"

    def is_last_look(self, read: Asked) -> bool:
        """True if a record is read once more, whatever was asked: after a stop, or at a table's limit."""
        if read.kind != "record":
            return False
        before = [each for each in self.requests if each.at < read.at and each.id == read.id]
        is_after_a_stop = bool(before) and before[-1].kind == "stop"
        is_at_a_limit = read.at - self.call.began >= self.call.limit - self.near
        return is_after_a_stop or (is_at_a_limit and self.call.verb in {"batch", "gate"})

    def starts_go_one_at_a_time_after_a_failure(self) -> None:
        """§ 10: after a lost start, each start comes after a good read, until one is answered."""
        if self.call.verb not in {"batch", "gate"}:
            return
        starts = self.of_kind("start")
        for place, lost in enumerate(starts):
            is_sick = lost.status >= 500
            if not is_sick:
                continue
            later = [each for each in starts[place + 1 :] if each.at > lost.answered + self.near]
            if not later:
                continue
            following = later[0]
            between = [each for each in starts if lost.answered < each.answered < following.at]
            if any(each.status in range(200, 300) for each in between):
                continue
            reads = []
            for each in self.requests:
                is_read = each.kind not in {"start", "stop", "upload", "events", "file"}
                if is_read and lost.at < each.answered < following.at + self.near:
                    reads.append(each)
            is_seen = any(0 < each.status < 500 for each in reads)
            assert is_seen, f"a start {following.at - lost.answered:.2f} s after {lost.status}"

    def a_refused_key_starts_no_more(self) -> None:
        """§ 10: after a 401 to a start, no more starts are sent."""
        starts = self.of_kind("start")
        for each in starts:
            if each.status == 401 and each.is_json:
                later = [other for other in starts if other.at > each.answered + self.near]
                assert not later, f"{len(later)} starts after a 401"

    def records_are_read_fresh(self) -> None:
        """§ 8: reads of records ask caches for a fresh answer."""
        for each in self.of_kind("record"):
            cached = each.headers.get("cache-control", "")
            assert "no-cache" in cached, f"Cache-Control {cached!r}"

    def no_more_run_at_once_than_allowed(self) -> None:
        """§ 10: at most --max-parallel rows have a run that goes on."""
        most = self.call.option("--max-parallel")
        is_lossy = self.call.met or self.call.sent
        if not most or is_lossy:
            return
        own = [run for run in self.story.world.runs.values() if run.key == self.call.key]
        for run in own:
            at_once = 0
            for other in own:
                if other.born <= run.born and not other.is_over(run.born) and other.truth != PAUSED:
                    at_once += 1
            assert at_once <= int(most), f"{at_once} runs at once instead of {most}"

    def nothing_starts_just_before_a_limit(self) -> None:
        """§ 10: no row starts in the last 5 s of --timeout, or its last half."""
        if self.call.verb != "batch" or "--timeout" not in self.call.argv:
            return
        last = max(self.call.limit - LAST_STARTS, self.call.limit / 2)
        for each in self.of_kind("start"):
            began = each.at - self.call.began
            assert began <= last + 2 * self.near, (
                f"a start after {began:.1f} s of {self.call.limit} s"
            )
