"""Every kind of server, broken three times: what noxcli loses, what it says about that, and how sure it is."""

import pytest

from tests.conftest import Noxcli
from tests.runs.kinds import BEHAVIORS, POSITIONS, play
from tests.sample import one_in

REFUSING = {"refused", "trimmed, refused", "closed"}
FORGETFUL = {"live only", "trimmed, accepted", "tail"}


@pytest.mark.parametrize(("positions", "behavior"), one_in(3, POSITIONS, BEHAVIORS))
def test_what_is_lost_is_told_and_nothing_else(noxcli: Noxcli, positions: str, behavior: str) -> None:
    seen = play(noxcli, positions, behavior)
    assert (seen.result.code, seen.in_order) == (0, True)
    # What is written anew for each connection is taken for new: it is shown twice, and what came before it is unknown.
    rewritten = positions == "rewritten" and behavior not in REFUSING
    loses = positions in {"none", "some"} or behavior in REFUSING | FORGETFUL
    assert (seen.lost > 0, seen.gaps > 0) == (loses, loses or rewritten)
    assert seen.again == 0 or rewritten
    assert seen.label == ("broken" if seen.gaps else "proven")
    if positions in {"none", "some"} or behavior in REFUSING - {"closed"}:
        assert seen.gaps == 1, "nothing is resumed, so there is no second one"
