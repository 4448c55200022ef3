"""stdout while a run is running: NDJSON events, or the bare pieces of streamed text."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, assert_never

from noxcli.codec import to_json
from noxcli.errors import ReaderGone, StdoutFailed
from noxcli.expressions.query import Query, found_line
from noxcli.models import (
    Finished,
    Gap,
    Paused,
    Polled,
    Reconnecting,
    Run,
    RunEvent,
    Started,
    Update,
)
from noxcli.render import EventWriter, Format
from noxcli.render.stream_text import Pieces, Text
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Step


class Content(EventWriter):
    """The streamed text as it arrives, each part of it once."""

    def __init__(self, terminal: Terminal, only_text: Callable[[Any], str | None]) -> None:
        """`only_text` returns the text of an output that is one text."""
        self._only_text = only_text
        self._pieces = Pieces()
        self._has_others = False  # pieces that are not text
        self._terminal = terminal

    @property
    def written(self) -> Text:
        """All that was written."""
        return self._pieces.passed

    @property
    def is_as_sent(self) -> bool:
        """True if each piece was surely written as it was meant."""
        return self.is_readable and not self._pieces.interpreted

    @property
    def is_readable(self) -> bool:
        """True if each piece was a text, and had its place."""
        if self._has_others:
            return False
        return not self._pieces.contradictory

    def differs_from(self, output: str, *, from_start: bool) -> str:
        """Return what shows that this is not the run's text output once; empty if nothing does."""
        is_part = self.written.begins(output) or self.written.ends(output)
        is_rest = not from_start and self.written.ends(output)
        if is_part and not is_rest:
            return "the streamed text is only a part of the output"
        if self._pieces.has_twice(output):
            return "the streamed text has a part of the output twice"
        if self._pieces.has_left_out:
            return "a node repeated the streamed text, and the output is another text"
        return ""

    def show(self, burst: Sequence[Step]) -> None:
        parts = []
        for update, _ in burst:
            match update:
                case Finished(run):
                    parts.append(self._pieces.end(self._only_text(run.output)))
                case RunEvent(type="content", data={"content": str(piece)} as data):
                    parts.append(self._pieces.add(str(data.get("id")), piece, data.get("status")))
                case RunEvent(type="content", data={"content": piece}) if piece is not None:
                    self._has_others = True
        self._write("".join(parts))

    def __exit__(self, kind: object = None, *_: object) -> None:
        if kind not in {ReaderGone, StdoutFailed}:
            self._write(self._pieces.end(None))

    def _write(self, text: str) -> None:
        if text:
            self._terminal.write(text)


class Ndjson(EventWriter):
    """One event per line, numbered from 1.

    What arrived together is written together, before the next wait.
    """

    def __init__(self, terminal: Terminal, query: Query | None = None) -> None:
        """With a `query`, print its result for each event, and nothing if that is null or the query
        does not fit.
        """
        self._terminal = terminal
        self._query = query
        self._run_id: str | None = None
        self._run_in_json = "null"
        self._seq = 0

    def show(self, burst: Sequence[Step]) -> None:
        now = _now()
        lines = [self._line(update, now) for update, _ in burst]
        if any(lines):
            self._terminal.write("".join(lines))

    def finish(self, document: Callable[[], Mapping[str, Any]], run: Run | None) -> None:
        """Write the last line, below the first one, if the run is known.

        If it is missing, the writer was killed.
        """
        now = _now()
        lines = ""
        if run is not None and self._run_id is None:
            lines = self._line(Started(run), now)
        self._terminal.write(lines + self._own(now, "result", document()))

    def _line(self, update: Update, now: str) -> str:
        """Return the update's line, empty if only the result reports it."""
        mask = self._terminal.mask
        match update:
            case RunEvent():
                return self._numbered(now, update)
            case Started(run):
                self._run_id = run.id
                self._run_in_json = to_json(run.id)
                return self._own(now, "started", {**_brief(run), "inputs": self.inputs})
            case Reconnecting(attempt, delay, reason):
                facts = {"attempt": attempt, "delay_s": round(delay, 3), "reason": mask(reason)}
                return self._own(now, "reconnecting", facts)
            case Gap(reason):
                return self._own(now, "gap", {"reason": mask(reason)})
            case Paused(run):
                return self._own(now, "paused", _brief(run))
            case Polled() | Finished():
                return ""
            case _:
                assert_never(update)

    def _own(self, now: str, name: str, data: Any) -> str:
        """Return the line of one of noxcli's own events."""
        return self._numbered(now, RunEvent(f"noxcli.{name}", data))

    def _numbered(self, now: str, event: RunEvent) -> str:
        """Return the line of an event, with `data` as the server wrote it if that is known."""
        self._seq += 1
        if event.raw is not None and self._query is None:
            position = "null" if event.redis_id is None else f'"{event.redis_id}"'
            is_terminal = "true" if event.is_terminal else "false"
            return (
                f'{{"seq":{self._seq},"ts":"{now}","run_id":{self._run_in_json},'
                f'"type":"{event.type}","data":{event.raw},'
                f'"redis_id":{position},"is_terminal":{is_terminal}}}\n'
            )
        line = {
            "seq": self._seq,
            "ts": now,
            "run_id": self._run_id,
            "type": event.type,
            "data": event.data,
            "redis_id": event.redis_id,
            "is_terminal": event.is_terminal,
        }
        return found_line(self._query, line)


def event_writer(
    form: Format, terminal: Terminal, query: Query | None, only_text: Callable[[Any], str | None]
) -> EventWriter:
    """Return what writes a live format; for the others as Content and Ndjson."""
    if form.is_text:
        return Content(terminal, only_text)
    return Ndjson(terminal, query)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _brief(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "workflow_id": run.workflow_id,
        "status": run.status,
        "created_at": run.created_at,
    }
