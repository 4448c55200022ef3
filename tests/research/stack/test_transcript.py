"""The transcript of the stack shows what its parts do."""

import pytest

from tests.docs.test_transcript import parts, transcript
from tests.research.stack import WORKFLOW
from tests.research.stack.stack import Stack

pytestmark = [pytest.mark.wide, pytest.mark.engine("redis-server", "redis-cli", "nginx"), pytest.mark.timeout(120)]


def test_it_tells_what_the_stack_does(stack: Stack) -> None:
    told = parts(transcript(WORKFLOW, "Script=40 0.05 5", stack.env(stack.home)))
    whole, replayed, resumed, stopped, absent = told.values()
    assert "transfer-encoding: chunked" in whole.lower()
    assert "lengths of texts: 4 7; 4 7; 4 7" in whole
    assert "p42<9-9>" in whole
    assert "p1<" not in replayed, "MAXLEN has removed it"
    assert "p38<9-9>" in resumed, "after a trimmed position, Redis goes on with the oldest entry left"
    assert "the record says stopped" in stopped
    assert "the server closed the stream" in stopped
    assert "its record: 404 {detail: text(13)}" in absent
