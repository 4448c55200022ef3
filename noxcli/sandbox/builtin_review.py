"""The built-in workflow `review`: two saved versions that answer some questions differently, for comparing them."""

from typing import Any

from noxcli.sandbox.scenario import Node, Scenario, Version, fixed_input, input_node, output_node
from noxcli.sandbox.steps import Step, node_runs, words

_HABIT = "step by step"  # a prompt that says so gets the answers of `new`
_BASE = "Answer the customer in one sentence."
_NEW = f"Think {_HABIT}. {_BASE}"
# The answers to each question, in turn: without the habit, and with it.
_ANSWERS = {
    "When do you open?": (["We open at 9."], ["We open at 9 on weekdays, and at 10 on Saturdays."]),
    "How long can I return a parcel?": (["You have 14 days."], ["You have 30 days."]),
    "Do you ship to Norway?": (["Yes, we ship to all of Europe."], ["No, we ship to the EU only."]),
    "What does express delivery cost?": (["It costs 12 euros."], ["It costs 12 euros."]),
    "Which tea do you recommend?": (["Try the Assam.", "Try the Sencha."], ["Try the Assam.", "Try the Sencha."]),
    "Where is my invoice?": (["It is in your account."], ["It is in your account."]),
}
_SLOW = "What does express delivery cost?"  # with the habit


def _is_new(inputs: dict[str, Any]) -> bool:
    return _HABIT in str(inputs["Prompt"])


def _answer(inputs: dict[str, Any]) -> str:
    question = str(inputs["Question"])
    answers = _ANSWERS.get(question, ([f"We will look into it: {question}"],) * 2)[_is_new(inputs)]
    turn: int = inputs["$turn"]
    return answers[(turn - 1) % len(answers)]


def _script(inputs: dict[str, Any]) -> list[Step]:
    slow = inputs["Question"] == _SLOW and _is_new(inputs)
    return node_runs("Write", words(_answer(inputs), 2), seconds=3.0 if slow else 0.4)


def _nodes(prompt: str) -> list[Node]:
    return [input_node("Question"), fixed_input("Prompt", prompt), Node("Write"), output_node("Answer")]


REVIEW = Scenario(
    "review",
    "Answers customers; its saved versions `base` and `new` differ in their prompt, and in some answers.",
    nodes=_nodes(_BASE),
    script=_script,
    output=lambda inputs: {"Answer": _answer(inputs)},
    versions=[
        Version("base", "What customers get today.", _nodes(_BASE)),
        Version("new", f"Thinks {_HABIT}.", _nodes(_NEW), created_at="2026-01-02T09:00:00Z"),
    ],
)
