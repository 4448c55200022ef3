"""Every kind of server, broken three times: what noxcli loses, what it says about that, and how sure it is."""

import pytest

from tests.conftest import Noxcli
from tests.runs.kinds import BEHAVIORS, POSITIONS, play
from tests.sample import one_in

FORGETFUL = {"refused, then live", "live only", "trimmed, accepted", "trimmed, refused", "tail"}


@pytest.mark.parametrize(("positions", "behavior"), one_in(4, POSITIONS, BEHAVIORS))
def test_what_is_lost_is_told_and_nothing_else(noxcli: Noxcli, positions: str, behavior: str) -> None:
    seen = play(noxcli, positions, behavior)
    assert (seen.result.code, seen.in_order) == (0, True)
    assert (seen.label == "broken") == (seen.gaps > 0)
    # Nothing tells one of several equal events from the next.
    assert seen.is_silent_loss == (positions == "none, equal texts" and behavior in FORGETFUL)
    # What is written anew for each connection is taken for new: it is shown twice, and what came before it is unknown.
    rewritten = positions == "rewritten" and behavior not in {*FORGETFUL, "closed"}
    assert seen.is_false_gap == rewritten
    assert seen.again == 0 or rewritten
    if not seen.gaps:
        assert seen.label == ("proven" if positions == "good" else "assumed")
