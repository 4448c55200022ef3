"""stdout while a run is running: NDJSON events, or the bare pieces of streamed text."""

from collections.abc import Callable, Mapping, Sequence
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


class EventDocuments:
    """Updates as NDJSON documents, numbered from 1."""

    def __init__(self, mask: Callable[[str], str], inputs: Mapping[str, Any] | None = None) -> None:
        """`mask` hides secrets in our own text; `inputs` are the inputs of this command, masked."""
        self.run_id: str | None = None
        self.inputs = inputs
        self.seq = 0
        self._mask = mask

    def of(self, update: Update) -> dict[str, Any] | None:
        """Return the update's document, None if only the result reports it."""
        match update:
            case RunEvent(type=kind, data=data, redis_id=redis_id):
                return self._numbered(kind, data, redis_id, update.is_terminal)
            case Started(run):
                self.run_id = run.id
                return self.own("started", {**_brief(run), "inputs": self.inputs})
            case Reconnecting(attempt, delay, reason):
                told = self._mask(reason)
                return self.own("reconnecting", {"attempt": attempt, "delay_s": round(delay, 3), "reason": told})
            case Gap(reason):
                return self.own("gap", {"reason": self._mask(reason)})
            case Paused(run):
                return self.own("paused", _brief(run))
            case Polled() | Finished():
                return None
            case _:
                assert_never(update)

    def own(self, name: str, data: Any) -> dict[str, Any]:
        """Return one of noxcli's own events."""
        return self._numbered(f"noxcli.{name}", data, None, False)

    def _numbered(self, kind: str, data: Any, redis_id: str | None, is_terminal: bool) -> dict[str, Any]:
        self.seq += 1
        return {
            "seq": self.seq,
            "ts": _now(),
            "run_id": self.run_id,
            "type": kind,
            "data": data,
            "redis_id": redis_id,
            "is_terminal": is_terminal,
        }


class Ndjson(BaseRenderer):
    """One event per line. Events that arrived together are written together, before the next wait."""

    def __init__(self, terminal: Terminal, query: Query | None = None) -> None:
        """With a `query`, print its result for each event, and nothing if that is null or the query does not fit."""
        self._terminal = terminal
        self.documents = EventDocuments(terminal.mask)
        self._query = query

    def show(self, burst: Sequence[Step]) -> None:
        lines = self._as_sent(burst) if self._query is None else [self._line(update) for update, _ in burst]
        if any(lines):
            self._terminal.write("".join(lines))

    def finish(self, document: Mapping[str, Any]) -> None:
        """Write the last line; if it is missing, the writer was killed."""
        event = self.documents.own("result", document)
        self._terminal.write(self._shown(event))

    def _as_sent(self, burst: Sequence[Step]) -> list[str]:
        """Return a line for each update, with `data` as the server wrote it."""
        documents = self.documents
        now, run_id = _now(), to_json(documents.run_id)
        lines = []
        for update, _ in burst:
            if type(update) is not RunEvent or update.raw is None:
                lines.append(self._line(update))
                run_id = to_json(documents.run_id)
                continue
            documents.seq += 1
            position = "null" if update.redis_id is None else f'"{update.redis_id}"'
            lines.append(
                f'{{"seq":{documents.seq},"ts":"{now}","run_id":{run_id},"type":"{update.type}","data":{update.raw},'
                f'"redis_id":{position},"is_terminal":{"true" if update.is_terminal else "false"}}}\n'
            )
        return lines

    def _line(self, update: Update) -> str:
        document = self.documents.of(update)
        return "" if document is None else self._shown(document)

    def _shown(self, event: Mapping[str, Any]) -> str:
        return found_line(self._query, event)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_content(update: Update) -> TypeGuard[RunEvent]:
    return isinstance(update, RunEvent) and update.type == "content" and isinstance(update.data, dict)


def _brief(run: Run) -> dict[str, Any]:
    return {"id": run.id, "workflow_id": run.workflow_id, "status": run.status, "created_at": run.created_at}
