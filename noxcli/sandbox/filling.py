"""`{{Label}}` in the texts of a scenario file: the run's input of that label."""

from collections.abc import Mapping
from typing import Any

from noxcli.sandbox.steps import Emit, Step


def filled(value: Any, inputs: Mapping[str, Any]) -> Any:
    """The value with `{{Label}}` replaced everywhere."""
    if isinstance(value, str):
        for label, given in inputs.items():
            value = value.replace("{{" + label + "}}", str(given))
        return value
    if isinstance(value, list):
        return [filled(each, inputs) for each in value]
    if isinstance(value, dict):
        return {key: filled(each, inputs) for key, each in value.items()}
    return value


def filled_step(step: Step, inputs: Mapping[str, Any]) -> Step:
    """The step with its content filled in."""
    if isinstance(step, Emit):
        return Emit(step.node, filled(step.content, inputs), step.status)
    return step
