"""What tests of batches share: a workflow whose rows end as their texts say."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.steps import Sleep, State, Step, node_fails

ENDS: Mapping[str, Sequence[Step]] = {
    "bad": [*node_fails("W", "no ink"), State("failed")],
    "ask": [State("awaiting_human_feedback"), Sleep(60_000)],
    "halt": [State("stopped")],
    "long": [Sleep(60_000)],
}


@pytest.fixture
def echoes(plays: Any) -> Callable[..., str]:
    """Adds a workflow that answers with its input `Q`, unless that is one of ENDS."""

    def script(inputs: dict[str, Any]) -> Sequence[Step]:
        return ENDS.get(inputs["Q"], [])

    def add(**more: Any) -> str:
        given = {
            "nodes": [input_node("Q")],
            "script": script,
            "output": lambda inputs: {"A": inputs["Q"]},
            **more,
        }
        return str(plays(**given))

    return add


@pytest.fixture
def workflow(echoes: Callable[..., str]) -> str:
    return echoes()
