"""A run that the probe itself starts and watches from its start; it ends with the probe at the latest."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from noxcli.errors import StartUnknown, Unavailable
from noxcli.models import FINAL_STATUSES, PAUSED_STATUS
from noxcli.probe.asking import Asker
from noxcli.probe.frames import Watched, taken_apart, watch_out
from noxcli.probe.raw import RawAnswer, RawStream
from noxcli.waiting import sleep

MAY_EXIST = "a run may still have been started: check with noxcli runs"
ENDED_STATUSES = tuple(FINAL_STATUSES)  # whether it is one of a tuple can be asked of any JSON value, a list too
SETTLED_STATUSES = (*ENDED_STATUSES, PAUSED_STATUS)
READ_APART = 0.25  # seconds between two reads of a record that is not final yet
MOST_READS = 8
END_TOLD = 0.1  # seconds: an end that was announced by then had happened when the record was read
STOP_AFTER = 0.5  # maximum seconds that a run to be stopped may run


@dataclass
class Trial:
    """What was seen of the run. `lagging` counts the reads of its record after its end that did not have it yet."""

    stops: bool
    given: tuple[str, ...]  # the keys of its inputs
    start: RawAnswer | None = None
    started_at: float | None = None  # by the monotonic clock
    run_id: str | None = None
    stream: Watched | None = None
    early: Mapping[str, Any] | None = None  # the record while the run was running
    final: Mapping[str, Any] | None = None
    stale_reads: int | None = None  # of those after an event had announced the end
    late_reads: int | None = None  # of those that said completed, and had no output
    asked_to_stop: float | None = None  # by the monotonic clock; None if its stream had ended by then
    stopped_after: float | None = None  # seconds from the request to a record that says so
    again: RawAnswer | None = None  # the answer to a stop after the run had ended

    @property
    def status(self) -> str | None:
        """Its last status, None if that is not known."""
        return self.final.get("status") if self.final else None

    @property
    def has_ended(self) -> bool:
        """True if its record says so."""
        return self.status in ENDED_STATUSES

    @property
    def has_output(self) -> bool:
        """True if its record has an output."""
        return bool(self.final and self.final.get("output"))


@dataclass
class Trier:
    """Starts runs and watches them: a silent one for `watch` seconds, any for `longest` in total."""

    asker: Asker
    workflow_id: str
    watch: float
    longest: float
    note: Callable[[str], None]
    held: Callable[[], AbstractContextManager[None]]

    def run(self, inputs: Mapping[str, Any], *, stops: bool) -> Trial:
        """Start one run and follow it to its end, or stop it on the way. In any case, it does not keep running."""
        trial = Trial(stops, tuple(inputs))
        try:
            # A signal waits for the answer: otherwise the run would be lost.
            with self.held():
                self._start(trial, inputs)
            if trial.run_id is None:
                return trial
            self._watch(trial, trial.run_id)
        finally:
            if trial.run_id is not None and not trial.has_ended:
                self.asker.let_go(trial.run_id)
        if trial.has_ended and not stops:
            trial.again = self.asker.post("runs", trial.run_id, "stop")
        return trial

    def _start(self, trial: Trial, inputs: Mapping[str, Any]) -> None:
        try:
            answer = self.asker.post("workflows", self.workflow_id, "runs", body={"input": dict(inputs)})
        except Unavailable as error:
            if not error.sent:
                raise
            raise StartUnknown(f"the start had no answer: {error.message}", MAY_EXIST) from error
        trial.start, trial.started_at = answer, time.monotonic()
        record = answer.json if answer.ok else None
        if isinstance(record, dict) and isinstance(record.get("id"), str):
            trial.run_id = record["id"]
            self.note(f"started run {trial.run_id}")
        elif answer.status >= 500 or answer.ok:
            self.note(f"warning: the start was answered with {answer.status}, without a run; {MAY_EXIST}")
        else:
            self.note(f"warning: the server rejected the start with {answer.status}")

    def _watch(self, trial: Trial, run_id: str) -> None:
        stream = self.asker.watch(run_id)
        how = "a run that probe started and stopped" if trial.stops else "a run that probe started"
        try:
            self._until_working(stream)
            trial.early = self._going_on(run_id)
            soon = time.monotonic() + END_TOLD
            watch_out(stream, END_TOLD, lambda: time.monotonic() > soon)
            going_on = not self._over(stream)
            if trial.stops:
                # What ends a stream before that is not the stop.
                trial.asked_to_stop = time.monotonic() if stream.ended is None else None
                self._stop(trial, run_id)
            end = time.monotonic() + self.longest
            watch_out(stream, self.watch, lambda: self._over(stream) or time.monotonic() > end)
            while not trial.stops and stream.ended is None and time.monotonic() < end and not self._over(stream):
                if self._going_on(run_id) is None:
                    break
                watch_out(stream, self.watch, lambda: self._over(stream) or time.monotonic() > end)
            told = taken_apart(stream, how).told(*ENDED_STATUSES)
            self._read_to_the_end(trial, run_id, counted=told and going_on)
            watch_out(stream, self.watch)
            trial.stream = taken_apart(stream, how, alive=True)
        finally:
            stream.close()

    @staticmethod
    def _until_working(stream: RawStream) -> None:
        until = time.monotonic() + STOP_AFTER

        def enough() -> bool:
            seen = taken_apart(stream, "")
            return time.monotonic() > until or seen.told("running") or seen.told(*ENDED_STATUSES)

        watch_out(stream, STOP_AFTER, enough)

    @staticmethod
    def _over(stream: RawStream) -> bool:
        return taken_apart(stream, "").told(*SETTLED_STATUSES)

    def _going_on(self, run_id: str) -> Mapping[str, Any] | None:
        """Return the record if the run is still running."""
        record = self._read(run_id)
        return record if record is not None and record.get("status") not in SETTLED_STATUSES else None

    def _stop(self, trial: Trial, run_id: str) -> None:
        asked, refused = time.monotonic(), len(self.asker.refusals)
        record = self.asker.post("runs", run_id, "stop").json
        for _ in range(MOST_READS * 2):
            if isinstance(record, dict) and record.get("status") in ENDED_STATUSES:
                if len(self.asker.refusals) == refused:  # otherwise the time includes waiting for the rate limit
                    trial.stopped_after = time.monotonic() - asked
                return
            sleep(READ_APART)
            record = self._read(run_id)

    def _read_to_the_end(self, trial: Trial, run_id: str, *, counted: bool) -> None:
        stale = late = 0
        for _ in range(MOST_READS):
            record = self._read(run_id) or {}
            status = record.get("status")
            if status not in SETTLED_STATUSES:
                stale += 1
            elif status == "completed" and not record.get("output"):
                late += 1
                trial.final = record
            else:
                trial.final = record
                break
            sleep(READ_APART)
        if counted and trial.early is not None and not trial.stops and trial.has_ended:
            trial.stale_reads = stale
        if trial.status == "completed" and trial.has_output:
            trial.late_reads = late

    def _read(self, run_id: str) -> Mapping[str, Any] | None:
        answer = self.asker.get("workflows", self.workflow_id, "runs", run_id)
        record = answer.json if answer.ok else None
        return record if isinstance(record, dict) else None
