"""stdout while a run is running: NDJSON events, or the bare pieces of streamed text."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard, assert_never

from noxcli.encode import to_json
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
            self._terminal.write("".join(pieces).encode("utf-8", "replace"))


class Ndjson(BaseRenderer):
    """One event per line, numbered from 1. What arrived together is written together, before the next wait."""

    def __init__(self, terminal: Terminal, query: Query | None = None) -> None:
        """With a `query`, print its result for each event, and nothing if that is null or the query does not fit."""
        self.inputs: Mapping[str, Any] | None = None  # of this command, masked
        self._terminal = terminal
        self._query = query
        self._run_id: str | None = None
        self._seq = 0

    def show(self, burst: Sequence[Step]) -> None:
        lines = self._as_sent(burst) if self._query is None else [self._line(update) for update, _ in burst]
        if any(lines):
            self._terminal.write("".join(lines))

    def finish(self, document: Mapping[str, Any]) -> None:
        """Write the last line; if it is missing, the writer was killed."""
        self._terminal.write(self._own("result", document))

    def _as_sent(self, burst: Sequence[Step]) -> list[str]:
        """Return a line for each update, with `data` as the server wrote it."""
        now, run_id = _now(), to_json(self._run_id)
        lines = []
        for update, _ in burst:
            if type(update) is not RunEvent or update.raw is None:
                lines.append(self._line(update))
                run_id = to_json(self._run_id)
                continue
            self._seq += 1
            position = "null" if update.redis_id is None else f'"{update.redis_id}"'
            lines.append(
                f'{{"seq":{self._seq},"ts":"{now}","run_id":{run_id},"type":"{update.type}","data":{update.raw},'
                f'"redis_id":{position},"is_terminal":{"true" if update.is_terminal else "false"}}}\n'
            )
        return lines

    def _line(self, update: Update) -> str:
        """Return the update's line, empty if only the result reports it."""
        mask = self._terminal.mask
        match update:
            case RunEvent(type=kind, data=data, redis_id=redis_id):
                return self._numbered(kind, data, redis_id, is_terminal=update.is_terminal)
            case Started(run):
                self._run_id = run.id
                return self._own("started", {**_brief(run), "inputs": self.inputs})
            case Reconnecting(attempt, delay, reason):
                told = {"attempt": attempt, "delay_s": round(delay, 3), "reason": mask(reason)}
                return self._own("reconnecting", told)
            case Gap(reason):
                return self._own("gap", {"reason": mask(reason)})
            case Paused(run):
                return self._own("paused", _brief(run))
            case Polled() | Finished():
                return ""
            case _:
                assert_never(update)

    def _own(self, name: str, data: Any) -> str:
        """Return the line of one of noxcli's own events."""
        return self._numbered(f"noxcli.{name}", data, None, is_terminal=False)

    def _numbered(self, kind: str, data: Any, redis_id: str | None, *, is_terminal: bool) -> str:
        self._seq += 1
        event = {
            "seq": self._seq,
            "ts": _now(),
            "run_id": self._run_id,
            "type": kind,
            "data": data,
            "redis_id": redis_id,
            "is_terminal": is_terminal,
        }
        return found_line(self._query, event)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_content(update: Update) -> TypeGuard[RunEvent]:
    return isinstance(update, RunEvent) and update.type == "content" and isinstance(update.data, dict)


def _brief(run: Run) -> dict[str, Any]:
    return {"id": run.id, "workflow_id": run.workflow_id, "status": run.status, "created_at": run.created_at}
