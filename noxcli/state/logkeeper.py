"""The progress of a followed run, in the log."""

from collections.abc import Sequence
from typing import Any, Self, assert_never

from noxcli.models import Finished, Gap, Paused, Polled, Reconnecting, Run, RunEvent, Silent, Started, Update
from noxcli.state.logfile import Level, Logbook, own_words


class LogKeeper:
    """Logs a follower's updates; it gets the same bursts as the renderers."""

    def __init__(self, log: Logbook, run: Run) -> None:
        self._log = log
        self._run = run

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, burst: Sequence[tuple[Update, Any]]) -> None:
        for update, _ in burst:
            if type(update) is RunEvent and update.type != "state":
                continue
            match update:
                case Started(run) | Polled(run) | Paused(run) | Finished(run):
                    self._log.note_run(run)
                case RunEvent(type="state", data={"status": str(status)}):
                    self._log.note_run(self._run, status)
                case RunEvent():
                    pass
                case Reconnecting(attempt, delay, reason):
                    self._log.note(
                        "reconnect", Level.WARNING, attempt=attempt, delay_s=round(delay, 3), reason=own_words(reason)
                    )
                case Silent(seconds):
                    self._log.note("silence", seconds=round(seconds, 3))
                case Gap(reason):
                    self._log.note("gap", Level.WARNING, reason=own_words(reason))
                case _:
                    assert_never(update)
