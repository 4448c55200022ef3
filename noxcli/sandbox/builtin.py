"""The workflows of every sandbox: everyday ones here, hostile ones in `builtin_failures`."""

from itertools import pairwise, product
from typing import Any

from noxcli.sandbox.builtin_failures import TROUBLE
from noxcli.sandbox.scenario import (
    File,
    Node,
    Scenario,
    Version,
    fixed_input,
    input_node,
    output_node,
)
from noxcli.sandbox.steps import Step, alongside, node_runs, node_skipped, words

_PARAGRAPH = (
    "Les idées voyagent plus loin que ceux qui les ont eues; 想法比人走得更远, и слова тоже. "
    "A workflow that anybody can repeat is worth more than a result that nobody can explain \u2013 "
    "that is the whole case for writing it down. \N{SEEDLING}\n\n"
)


def essay(subject: str, characters: int) -> str:
    """A long text in several scripts, the same for the same subject, at least that long."""
    title = f"# On {subject}\n\n"
    count = characters // len(_PARAGRAPH) + 1
    return title + "".join(f"{number}. {_PARAGRAPH}" for number in range(1, count + 1))


def _answer(inputs: dict[str, Any]) -> str:
    return (
        f"You asked: {inputs['User Input']}\n"
        f"This {inputs['Analysis Type']} answer comes from the sandbox on your own machine; "
        "no model was asked and nothing was charged. "
        "Point noxcli at the real API when you are ready."
    )


def _demo_script(inputs: dict[str, Any]) -> list[Step]:
    return [
        *node_runs("Plan", seconds=0.8),
        *alongside(node_runs("Research", seconds=1.6), node_runs("Check facts", seconds=1.1)),
        *node_skipped("Ask an expert"),
        *node_runs("Write", words(_answer(inputs), 2), seconds=2.8),
        *node_runs("Expand", seconds=0.8),
    ]


def _demo_output(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"Answer": _answer(inputs), "Essay": essay(str(inputs["User Input"]), 20_000)}


DEMO = Scenario(
    "demo",
    "Answers a question with streamed text and a long essay (about 6 s).",
    nodes=[
        input_node("User Input"),
        input_node("Analysis Type", default="short"),
        fixed_input("System Prompt", "You are a helpful assistant."),
        Node("Plan"),
        Node("Research"),
        Node("Check facts"),
        Node("Ask an expert"),
        Node("Write"),
        Node("Expand"),
        output_node("Answer"),
        output_node("Essay"),
    ],
    edges=[
        ("input User Input", "Plan"),
        ("input Analysis Type", "Plan"),
        ("input System Prompt", "Write"),
        ("Plan", "Research"),
        ("Plan", "Check facts"),
        ("Plan", "Ask an expert"),
        ("Research", "Write"),
        ("Check facts", "Write"),
        ("Ask an expert", "Write"),
        ("Write", "Expand"),
        ("Write", "Answer"),
        ("Expand", "Essay"),
    ],
    script=_demo_script,
    output=_demo_output,
    versions=[Version("first", "The version that this workflow began with.")],
)

QUESTIONS = Scenario(
    "qa",
    "Answers one question immediately; made for batches.",
    nodes=[input_node("Question"), Node("Answer it"), output_node("Answer")],
    script=lambda inputs: node_runs("Answer it", [f"Answer to: {inputs['Question']}"], seconds=0.4),
    output=lambda inputs: {"Answer": f"Answer to: {inputs['Question']}"},
)

# `review`: two saved versions that answer some questions differently, for comparing them.
_HABIT = "step by step"  # a prompt that says so gets the answers of `new`
_PLAIN_PROMPT = "Answer the customer in one sentence."
_HABIT_PROMPT = f"Think {_HABIT}. {_PLAIN_PROMPT}"
# The answers to each question, in turn: by the plain prompt, and by the one with the habit.
_REPLIES = {
    "When do you open?": (["We open at 9."], ["We open at 9 on weekdays, and at 10 on Saturdays."]),
    "How long can I return a parcel?": (["You have 14 days."], ["You have 30 days."]),
    "Do you ship to Norway?": (["Yes, we ship to all of Europe."], ["No, we ship to the EU only."]),
    "What does express delivery cost?": (["It costs 12 euros."], ["It costs 12 euros."]),
    "Which tea do you recommend?": (
        ["Try the Assam.", "Try the Sencha."],
        ["Try the Assam.", "Try the Sencha."],
    ),
    "Where is my invoice?": (["It is in your account."], ["It is in your account."]),
}
_SLOW_QUESTION = "What does express delivery cost?"  # with the habit


def _is_new(inputs: dict[str, Any]) -> bool:
    return _HABIT in str(inputs["Prompt"])


def _reply(inputs: dict[str, Any]) -> str:
    question = str(inputs["Question"])
    if question not in _REPLIES:
        return f"We will look into it: {question}"
    plain, with_habit = _REPLIES[question]
    answers = with_habit if _is_new(inputs) else plain
    turn: int = inputs["$turn"]
    return answers[(turn - 1) % len(answers)]


def _review_script(inputs: dict[str, Any]) -> list[Step]:
    seconds = 0.4
    if inputs["Question"] == _SLOW_QUESTION and _is_new(inputs):
        seconds = 3.0
    return node_runs("Write", words(_reply(inputs), 2), seconds=seconds)


def _review_nodes(prompt: str) -> list[Node]:
    return [
        input_node("Question"),
        fixed_input("Prompt", prompt),
        Node("Write"),
        output_node("Answer"),
    ]


REVIEW = Scenario(
    "review",
    "Answers customers; its saved versions `base` and `new` differ in their prompt, "
    "and in some answers.",
    nodes=_review_nodes(_PLAIN_PROMPT),
    script=_review_script,
    output=lambda inputs: {"Answer": _reply(inputs)},
    versions=[
        Version("base", "What customers get today.", _review_nodes(_PLAIN_PROMPT)),
        Version(
            "new",
            f"Thinks {_HABIT}.",
            _review_nodes(_HABIT_PROMPT),
            created_at="2026-01-02T09:00:00Z",
        ),
    ],
)

# `grade` judges the answers of `review`.


def _grade(inputs: dict[str, Any]) -> dict[str, Any]:
    if str(inputs["expected"]) in str(inputs["Answer"]):
        return {"Score": 5, "Reason": "It says what is expected."}
    return {"Score": 1, "Reason": f"It does not say: {inputs['expected']}"}


GRADE = Scenario(
    "grade",
    "Judges an answer from 1 to 5, by what it is expected to say.",
    nodes=[
        input_node("Answer"),
        input_node("expected", default=""),
        Node("Compare"),
        output_node("Score"),
        output_node("Reason"),
    ],
    script=node_runs("Compare", seconds=0.2),
    output=_grade,
)

FIXED_INPUTS = Scenario(
    "fixed-inputs",
    "Shows which prompt was used: the workflow's own, or one that overrides it.",
    nodes=[
        input_node("User Question"),
        fixed_input("System Prompt", "You are a helpful assistant."),
        fixed_input("Temperature", 0.2, type="float"),
        Node("Think"),
        output_node("Answer"),
        output_node("Prompt used"),
    ],
    script=node_runs("Think", seconds=0.5),
    output=lambda inputs: {
        "Answer": f"Answer to: {inputs['User Question']}",
        "Prompt used": inputs["System Prompt"],
    },
)

DOCUMENT = Scenario(
    "document",
    "Takes a file, and says which one it got.",
    nodes=[input_node("Document", type="File"), Node("Read"), output_node("Answer")],
    script=node_runs("Read", seconds=0.5),
    output=lambda inputs: {
        "Answer": "Read {name} ({content_type}).".format_map(_given_file(inputs["Document"]))
    },
)


def _given_file(value: Any) -> dict[str, Any]:
    given = value if isinstance(value, dict) else {}
    return {"name": "a file", "content_type": "unknown type", **given}


STRUCTURED = Scenario(
    "structured",
    "Outputs of every JSON type, a file, and a long text inside a list.",
    script=node_runs("Collect", seconds=0.5),
    output={
        "Report": {
            "title": "Quarterly report",
            "pages": 12,
            "tags": ["finance", "q3"],
            "draft": False,
        },
        "Cities": ["Lisboa", "Zürich", "東京"],
        "Score": 0.875,
        "Count": 9_007_199_254_740_993,
        "Approved": True,
        "Remark": None,
        "Chapters": [
            {"title": "Short", "body": "Brief."},
            {"title": "Long", "body": essay("lists", 30_000)},
        ],
        "Table": File("cities.csv", "city,country\r\nZürich,CH\r\n".encode(), "text/csv"),
    },
)

V2 = Scenario(
    "v2",
    "A workflow of the second definition version.",
    nodes=[
        input_node("Topic"),
        input_node("Length", type="int", default=3),
        fixed_input("Tone", "friendly"),
        Node("Draft"),
        output_node("Text"),
    ],
    script=lambda inputs: node_runs("Draft", words(_draft(inputs), 1), seconds=1.0),
    output=lambda inputs: {"Text": _draft(inputs)},
    flow_version="v2",
)


def _draft(inputs: dict[str, Any]) -> str:
    return " ".join([f"A {inputs['Tone']} word about {inputs['Topic']}."] * int(inputs["Length"]))


def _many_nodes() -> Scenario:
    """Ten layers of six nodes; the nodes of a layer run together, then the next layer."""
    layers: list[list[str]] = []
    nodes: list[Node] = []
    script: list[Step] = []
    for layer in range(1, 11):
        names = [f"Step {layer}.{place}" for place in range(1, 7)]
        layers.append(names)
        nodes += [Node(name) for name in names]
        timelines = [node_runs(name, seconds=0.1 * place) for place, name in enumerate(names, 1)]
        script += alongside(*timelines)
    edges: list[tuple[str, str]] = []
    for before, after in pairwise([*layers, ["Answer"]]):
        edges += product(before, after)
    return Scenario(
        "many-nodes",
        "Sixty nodes, six at a time (about 6 s).",
        nodes=[*nodes, output_node("Answer")],
        edges=edges,
        script=script,
        output={"Answer": "sixty nodes ran"},
    )


BUILT_IN: list[Scenario] = [
    DEMO,
    QUESTIONS,
    REVIEW,
    GRADE,
    FIXED_INPUTS,
    DOCUMENT,
    STRUCTURED,
    V2,
    _many_nodes(),
    *TROUBLE,
]
