"""The built-in workflows do what their descriptions say, and the builders of scripts keep time."""

import csv
import io
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.switches import Switches, meanings, with_overrides
from tests.conftest import Noxcli

from .api import Api

PAGE = Path(__file__).parents[2] / "docs" / "rehearsing.md"
# The rows of `review` that the page has.
(ROWS,) = re.findall(
    r"^(id,Question,expected,notes\n.*?)^END$", PAGE.read_text(), re.DOTALL | re.MULTILINE
)
QUESTIONS = [row["Question"] for row in csv.DictReader(io.StringIO(ROWS))]
INPUTS = {
    "demo": {"User Input": "rivers"},
    "qa": {"Question": "Why?"},
    "review": {"Question": "Where is my invoice?"},
    "grade": {"Answer": "It is in your account."},
    "fixed-inputs": {"User Question": "Why?"},
    "v2": {"Topic": "rain"},
    "document": {"Document": {"uri": "https://example.com/a.pdf", "name": "a.pdf"}},
}
ENDS = {"fails": "failed", "stopped": "stopped", "pauses": "awaiting_human_feedback"}


@pytest.fixture(scope="module")
def built_in() -> Iterator[Api]:
    with Sandbox(BUILT_IN, speed=math.inf) as sandbox:
        api = Api(sandbox)
        yield api
        api.session.close()


def _ran(api: Api, name: str) -> dict[str, Any]:
    """Start patiently, since some of them reject requests, and return the true end."""
    body = {"input": INPUTS.get(name, {})}
    answers = (api.post(f"/v1/workflows/{name}/runs", body) for _ in range(5))
    run = next(answer for answer in answers if answer.ok).json()
    found = api.sandbox.runs(name)[-1]
    while not found.over.is_set():
        time.sleep(0.002)
    answers = (api.get(f"/v1/workflows/{name}/runs/{run['id']}") for _ in range(5))
    record: dict[str, Any] = next(answer for answer in answers if answer.ok).json()
    return record


@pytest.mark.parametrize("name", [scenario.name for scenario in BUILT_IN])
def test_each_ends_as_promised(built_in: Api, name: str) -> None:
    record = _ran(built_in, name)

    assert record["status"] == ENDS.get(name, "completed")
    assert bool(record["output"]) is (name not in ENDS)


def test_big_file_is_big(built_in: Api) -> None:
    output = _ran(built_in, "big-file")["output"]
    with built_in.get(f"/v1/file/{output['Archive']['id']}", stream=True) as answer:
        size = sum(len(piece) for piece in answer.iter_content(1 << 20))

    assert size == int(answer.headers["content-length"]) == 50 * 1024 * 1024
    assert (
        len(built_in.get(f"/v1/file/{output['Transcript']['file']['id']}").content.decode())
        == 5_000_000
    )


def test_the_versions_of_review_differ_in_some_rows(built_in: Api) -> None:
    versions = {
        each["name"]: each["id"] for each in built_in.get("/v1/workflows/review/versions").json()
    }

    def answers(question: str) -> list[list[str]]:
        """The answers of two runs with each version."""
        body: dict[str, Any] = {"inputs": {"Question": question}}
        runs = [
            [built_in.start("review", **body, workflow_version_id=versions[name]) for _ in range(2)]
            for name in ("base", "new")
        ]
        return [[built_in.finished(run)["output"]["Answer"] for run in both] for both in runs]

    found = {question: answers(question) for question in QUESTIONS}
    differ = {question for question, (base, new) in found.items() if base != new}
    varies = {
        question for question, (base, new) in found.items() if len(set(base)) == 2 and base == new
    }
    assert (len(found), len(differ), len(varies)) == (6, 3, 1)
    assert found["Do you ship to Norway?"][0] == ["Yes, we ship to all of Europe."] * 2


def test_every_default_is_a_value_that_can_be_parsed_and_set() -> None:
    for name in meanings():
        value = getattr(Switches(), name)
        assert with_overrides(Switches(), {name: str(value)}) == Switches()


def test_help_for_switches_has_no_gap_inside_a_sentence(noxcli: Noxcli) -> None:
    shown = noxcli("help", "switches").text
    assert "nothing, or a web page." in shown
    assert not [line for line in shown.splitlines() if "  " in line.split("  [default:")[0].strip()]
