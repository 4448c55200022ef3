"""stdout while a run is running: NDJSON events, or the bare pieces of streamed text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard, assert_never

from noxcli.codec import to_json
from noxcli.models import Finished, Gap, Paused, Polled, Reconnecting, Run, RunEvent, Started, Update
from noxcli.query import Query, found_line
from noxcli.render import BaseRenderer
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Step


class Content(BaseRenderer):
    """The pieces of streamed text as they arrive, unchanged."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def show(self, burst: Sequence[Step]) -> None:
        datas = [update.data for update, _ in burst if _is_content(update)]
        pieces = [text for data in datas if isinstance(text := data.get("content"), str)]
        if any(pieces):
            self._terminal.write("".join(pieces))


class Ndjson(BaseRenderer):
    """One event per line, numbered from 1. What arrived together is written together, before the next wait."""

    def __init__(self, terminal: Terminal, query: Query | None = None) -> None:
        """With a `query`, print its result for each event, and nothing if that is null or the query does not fit."""
        self.inputs: Mapping[str, Any] | None = None  # of this command, masked
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

    def finish(self, document: Mapping[str, Any]) -> None:
        """Write the last line; if it is missing, the writer was killed."""
        self._terminal.write(self._own(_now(), "result", document))

    def _line(self, update: Update, now: str) -> str:
        """Return the update's line, empty if only the result reports it."""
        mask = self._terminal.mask
        match update:
            case RunEvent():
                return self._numbered(now, update)
            case Started(run):
                self._run_id, self._run_in_json = run.id, to_json(run.id)
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
        ends = event.is_terminal
        if event.raw is not None and self._query is None:
            position = "null" if event.redis_id is None else f'"{event.redis_id}"'
            return (
                f'{{"seq":{self._seq},"ts":"{now}","run_id":{self._run_in_json},"type":"{event.type}",'
                f'"data":{event.raw},"redis_id":{position},"is_terminal":{"true" if ends else "false"}}}\n'
            )
        head = {"seq": self._seq, "ts": now, "run_id": self._run_id, "type": event.type}
        rest = {"data": event.data, "redis_id": event.redis_id, "is_terminal": ends}
        return found_line(self._query, head | rest)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_content(update: Update) -> TypeGuard[RunEvent]:
    return isinstance(update, RunEvent) and update.type == "content" and isinstance(update.data, dict)


def _brief(run: Run) -> dict[str, Any]:
    return {"id": run.id, "workflow_id": run.workflow_id, "status": run.status, "created_at": run.created_at}
