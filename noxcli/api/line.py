"""A run's event stream as a signal only: it shows that the run may have ended."""

import re
from contextlib import suppress

import requests

from noxcli.api.answer import Answer, would_block
from noxcli.api.failures import BROKEN

AT_ONCE = 64 * 1024  # bytes
READS_IN_A_ROW = 64  # in a row, so that no stream keeps the listener from the others
# Noxus docs, api-reference/v1/runs/public-run-events: the event that announces the end; and statuses that may be an
# end (not `completed`, which nodes also have). Chunk heads stay in the bytes: if one splits such a text, the close of
# the stream is a signal as well.
RUN_OVER = re.compile(
    rb'"workflow_status": ?"(?:completed|failed|stopped)"|"status": ?"(?:failed|stopped|awaiting_human_feedback)"'
)
LONGEST_MATCH = 64  # bytes


class ListenedStream:
    """One connection, for a selector; its owner closes it."""

    def __init__(self, response: requests.Response) -> None:
        """Take over the stream, which nothing else may read from now on. Raises OSError for a broken one."""
        answer = response.raw._original_response
        assert isinstance(answer, Answer)
        self._response = response
        self._tail, self._socket = answer.let_go()
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def may_have_ended(self) -> bool:
        """Read what has arrived, without waiting; True if that is the end of a run, or of the stream."""
        try:
            for _ in range(READS_IN_A_ROW):
                if RUN_OVER.search(self._tail):
                    return True
                piece = self._socket.recv(AT_ONCE)
                if not piece:
                    return True
                self._tail = self._tail[-LONGEST_MATCH:] + piece
        except OSError as error:
            return not would_block(error) and not isinstance(error, TimeoutError)
        return False

    def close(self) -> None:
        with suppress(*BROKEN):
            self._response.close()
