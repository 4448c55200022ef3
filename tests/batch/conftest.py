"""What tests of batches share: a workflow whose rows end as their texts say."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.steps import Sleep, State, Step

ENDS = {"bad": "failed", "ask": "awaiting_human_feedback", "halt": "stopped"}


@pytest.fixture
def echoes(plays: Any) -> Callable[..., str]:
    """Adds a workflow that answers with its input `Q`, unless that is one of ENDS, or `long`, which never ends."""

    def script(inputs: dict[str, Any]) -> Iterable[Step]:
        if inputs["Q"] in ENDS:
            return [State(ENDS[inputs["Q"]]), Sleep(60_000)]
        return [Sleep(60_000)] if inputs["Q"] == "long" else []

    def add(**more: Any) -> str:
        given = {"nodes": [input_node("Q")], "script": script, "output": lambda inputs: {"A": inputs["Q"]}, **more}
        return str(plays(**given))

    return add


@pytest.fixture
def workflow(echoes: Callable[..., str]) -> str:
    return echoes()
