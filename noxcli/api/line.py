"""A run's event stream that is listened to and not read: all it tells is that the run may have ended."""

import re
from contextlib import suppress

import requests

from noxcli.api.answer import Answer
from noxcli.api.failures import BROKEN

AT_ONCE = 64 * 1024  # bytes
READS_IN_A_ROW = 64  # in a row, so that no stream keeps a listener from the others
# Noxus docs, api-reference/v1/runs/public-run-events: the event that announces the end; and states that may be one (all
# but `completed`, which nodes are as well). The heads of chunks are left in: where one tears this in two, the close of
# the stream tells as well.
RUN_OVER = re.compile(
    rb'"workflow_status": ?"(?:completed|failed|stopped)"|"status": ?"(?:failed|stopped|awaiting_human_feedback)"'
)
LONGEST_MATCH = 64  # bytes


class ListenedStream:
    """One connection, for a selector; whoever has it closes it."""

    def __init__(self, response: requests.Response) -> None:
        """Take over the stream, which nobody else may read from here on. Raises OSError for one that is broken."""
        answer = response.raw._original_response
        assert isinstance(answer, Answer)
        self._response = response
        self._tail, self._socket = answer.let_go()
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def may_have_ended(self) -> bool:
        """Take in what has come, without waiting; True if that is a run's end, or the stream's."""
        try:
            for _ in range(READS_IN_A_ROW):
                if RUN_OVER.search(self._tail):
                    return True
                piece = self._socket.recv(AT_ONCE)
                if not piece:
                    return True
                self._tail = self._tail[-LONGEST_MATCH:] + piece
        except (TimeoutError, BlockingIOError):
            return False
        except OSError as error:
            # What TLS has to say instead of BlockingIOError.
            return type(error).__name__ not in {"SSLWantReadError", "SSLWantWriteError"}
        return False

    def close(self) -> None:
        with suppress(*BROKEN):
            self._response.close()
