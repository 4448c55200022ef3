"""A run that the probe itself starts and watches from its start; it ends with the probe at the latest."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from noxcli.errors import StartUnknown, Unavailable
from noxcli.models import PAUSED_STATUS, Attempt
from noxcli.probe.asking import MORE_TIME, Asker, Spent
from noxcli.probe.frames import ENDED_STATUSES, Watched
from noxcli.probe.raw import RawAnswer
from noxcli.waiting import run_despite_signal

MAY_EXIST = "a run may still have been started: check with noxcli runs"
SETTLED_STATUSES = (*ENDED_STATUSES, PAUSED_STATUS)
LONGEST_TRIAL = 600.0  # seconds
LONGEST_START = 60.0  # seconds for the answer to a start
READ_APART = 0.25  # seconds between two reads of a record that is not final yet
MOST_READS = 8
MOST_STREAMS = 5  # of one run, if they break
END_TOLD = 0.1  # seconds: an end that was announced by then had happened when the record was read
STOP_AFTER = 0.5  # maximum seconds that a run to be stopped may run


@dataclass
class Trial:
    """What was seen of the run."""

    stops: bool
    run_id: str | None = None
    stream: Watched | None = None  # the last one, if an earlier one broke
    early: Mapping[str, Any] | None = None  # the record while the run was running
    final: Mapping[str, Any] | None = None
    stale_reads: int | None = None  # of those after an event had announced the end
    late_reads: int | None = None  # of those that said completed, and had no output
    asked_to_stop: float | None = None  # by the monotonic clock; None if its stream had ended by then
    stopped_after: float | None = None  # seconds from the request to a record that says so
    again: RawAnswer | None = None  # the answer to a stop after the run had ended
    left_running: bool = False  # its stop was not accepted

    @property
    def status(self) -> str | None:
        """Its last status, None if that is not known."""
        return self.final.get("status") if self.final else None

    @property
    def has_ended(self) -> bool:
        """True if its record says so."""
        return self.status in ENDED_STATUSES


@dataclass
class Trier:
    """Starts runs and watches them: a silent one for `watch` seconds, any for LONGEST_TRIAL in total."""

    asker: Asker
    workflow_id: str
    watch: float
    note: Callable[[str], None]
    warn: Callable[[str], None]
    attempt: Attempt  # it knows whether a start may have been taken
    trials: list[Trial] = field(default_factory=list)

    def run(self, inputs: Mapping[str, Any], *, stops: bool) -> None:
        """Start one run and follow it to its end, or stop it on the way; note it if it may keep running.

        Raises Spent; Unavailable and StartUnknown if there is no answer.
        """
        with self.asker.kept_for_stop():
            trial = Trial(stops)
            self.trials.append(trial)
            try:
                self._start(trial, inputs)
                if trial.run_id is not None:
                    self._watch(trial, trial.run_id)
            except Unavailable:
                if trial.run_id is not None and not self.asker.left():
                    raise Spent(MORE_TIME) from None  # its own time ended in the middle of a request
                raise
            finally:
                if trial.run_id is not None and not trial.has_ended:
                    self._let_go(trial, trial.run_id)
        if trial.run_id is not None and trial.has_ended and not stops:
            trial.again = self.asker.post("runs", trial.run_id, "stop")

    def _start(self, trial: Trial, inputs: Mapping[str, Any]) -> None:
        parts, body = ("workflows", self.workflow_id, "runs"), {"input": dict(inputs)}
        taken_before, self.attempt.left = self.attempt.left, True
        try:
            answer = run_despite_signal(LONGEST_START, lambda: self.asker.post(*parts, body=body))
        except Unavailable as error:
            if not error.sent:
                self.attempt.left = taken_before
                raise
            raise StartUnknown(f"the start had no answer: {error.message}", MAY_EXIST) from error
        record = answer.json if answer.ok else None
        if isinstance(record, dict) and isinstance(record.get("id"), str):
            trial.run_id = record["id"]
            self.note(f"started run {trial.run_id}")
        elif answer.status >= 500 or answer.ok:
            self.warn(f"the start was answered with {answer.status}, without a run; {MAY_EXIST}")
        else:
            self.attempt.left = taken_before
            self.warn(f"the server rejected the start with {answer.status}")

    def _let_go(self, trial: Trial, run_id: str) -> None:
        trial.left_running = not self.asker.stop(self.workflow_id, run_id)
        if trial.left_running:
            self.warn(f"run {run_id} could not be stopped; try again with: noxcli stop {run_id}")

    def _watch(self, trial: Trial, run_id: str) -> None:
        watched = self._opened(trial, run_id)
        try:
            watched.follow(STOP_AFTER, "running", *ENDED_STATUSES)
            early = self._read(run_id) or {}
            trial.early = early if early and early.get("status") not in SETTLED_STATUSES else None
            watched.follow(END_TOLD, most=END_TOLD)
            counted = trial.early is not None and not watched.told(*SETTLED_STATUSES)
            if trial.stops:
                # What ends a stream before that is not the stop.
                trial.asked_to_stop = None if watched.ended else time.monotonic()
                self._stop(trial, run_id)
            watched, stale = self._to_the_end(trial, run_id, watched)
            watched.follow(self.watch)
            trial.stream = watched
            if counted and trial.has_ended and not trial.stops and watched.ends_last:
                trial.stale_reads = stale
        finally:
            watched.close()

    def _opened(self, trial: Trial, run_id: str) -> Watched:
        return self.asker.watch(run_id, "a run that probe started" + (" and stopped" if trial.stops else ""))

    def _to_the_end(self, trial: Trial, run_id: str, watched: Watched) -> tuple[Watched, int]:
        """Read events, and the record where they tell an end, until the record is final.

        Return the last stream, and how many reads of the record did not have the end that an event had told.
        """
        end, stale, streams = time.monotonic() + LONGEST_TRIAL, 0, 1
        while time.monotonic() < end:
            # An end that the record does not know after so many reads is the end of something else.
            ends = SETTLED_STATUSES if stale < MOST_READS else ()
            watched.follow(self.watch, *ends)
            record = self._read(run_id) or {}
            if record.get("status") in SETTLED_STATUSES:
                trial.final = record
                self._until_output(trial, run_id)
                break
            if watched.told(*ends):
                stale += 1
                self.asker.pause(READ_APART)
            elif watched.ended:
                if trial.stops or streams == MOST_STREAMS:
                    break
                watched.close()
                streams += 1
                watched = self._opened(trial, run_id)
        return watched, stale

    def _until_output(self, trial: Trial, run_id: str) -> None:
        """Read a completed run's record again until it has an output."""
        for late in range(MOST_READS):
            if trial.status != "completed":
                break
            if trial.final and trial.final.get("output"):
                trial.late_reads = late
                break
            self.asker.pause(READ_APART)
            trial.final = self._read(run_id) or trial.final

    def _stop(self, trial: Trial, run_id: str) -> None:
        asked, refused = time.monotonic(), len(self.asker.refusals)
        record = self.asker.post("runs", run_id, "stop").json
        for _ in range(MOST_READS * 2):
            if isinstance(record, dict) and record.get("status") in ENDED_STATUSES:
                if len(self.asker.refusals) == refused:  # otherwise the time includes waiting for the rate limit
                    trial.stopped_after = time.monotonic() - asked
                return
            self.asker.pause(READ_APART)
            record = self._read(run_id)

    def _read(self, run_id: str) -> Mapping[str, Any] | None:
        answer = self.asker.get("workflows", self.workflow_id, "runs", run_id)
        record = answer.json if answer.ok else None
        return record if isinstance(record, dict) else None
