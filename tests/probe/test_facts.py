"""The table of facts: complete, about existing things, and shown unchanged."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from noxcli.probe.facts import FACTS, TOPICS, ApiFact, fact_about
from noxcli.probe.interview import QUESTIONS
from noxcli.sandbox.switches import Switches
from tests.conftest import Noxcli

TESTS = Path(__file__).parents[1]
SWITCHES = {each.name for each in fields(Switches)}
every_fact = pytest.mark.parametrize("fact", FACTS.values(), ids=FACTS)


def test_each_name_is_one_fact() -> None:
    assert len(FACTS) == sum(map(len, TOPICS.values())) > 50


def test_each_switch_plays_what_one_fact_leaves_open() -> None:
    named = [switch for fact in FACTS.values() for switch in fact.switches]
    assert sorted(named) == sorted(SWITCHES)
    assert all((found := fact_about(switch)) and switch in found.switches for switch in SWITCHES)


@every_fact
def test_what_plays_an_alternative_says_which(fact: ApiFact) -> None:
    assert fact.left_open or not fact.switches
    assert fact.source.place
    assert not (fact.statement + fact.left_open + fact.source.place).endswith(".")


# Questions that neither the documentation nor the SDK answers, in the order from a start to a delivered output.
OPEN_QUESTIONS = {
    "which production host a key is for": "base_url",
    "which keys belong to the second host": "second_url",
    "which keys belong to the host with a path": "url_with_path",
    "401 or 403 for a bad key": "bad_key",
    "the form of an error": "errors",
    "limits and Retry-After": "rate_limit",
    "a 503 after a request was passed on": "gateway",
    "redirects": "redirects",
    "what a definition may have": "workflow_record",
    "the key of an unlabelled input": "unlabelled_inputs",
    "overriding a fixed input": "fixed_inputs",
    "unknown, missing and mistyped inputs": "wrong_inputs",
    "the form of a list of versions": "versions",
    "what the answer to a start names": "start_fields",
    "the status of the answer to a start": "start_status",
    "whether a run appears after a 502": "start_ends",
    "the body of a callback": "callbacks",
    "a synchronous run that fails or takes too long": "sync_runs",
    "servers without event streams": "stream_type",
    "id lines, other events, chunks": "frames",
    "keep-alives": "keepalives",
    "null data": "envelope",
    "data that is not JSON": "messages",
    "delta or cumulative": "content",
    "words for a node's status": "node_words",
    "which event announces the end, and what follows it": "end",
    "ends of something else": "whose_end",
    "the stream of a stopped or paused run": "end_of_a_stop",
    "where a stream starts, a run that has ended, and how many events are kept": "first_events",
    "events without a cursor": "cursors",
    "an inclusive, unknown or expired cursor": "resumption",
    "a record that lags": "record",
    "later statuses": "statuses",
    "time in the queue": "queue",
    "how a pause is answered": "pauses",
    "the time zone": "times",
    "failed nodes among the executed, and per_node_progress": "progress",
    "the form of run_logs": "run_logs",
    "keys of the inputs in a record": "record_inputs",
    "the output of a look-up, and leave to look up": "look_up",
    "order and pages of lists": "lists",
    "lists that lag": "listed_at_once",
    "where the reason of a failure is": "reason",
    "the form of a run's data": "run_data",
    "the form of a node's data": "node_io",
    "how long a stop takes, and a stop of an ended run": "stop",
    "the output before the end": "output",
    "ids as keys, and the same label twice": "output_keys",
    "the form of a text": "texts",
    "the length of a truncated text": "previews",
    "truncated texts inside values": "nested_previews",
    "the address of a file": "file_values",
    "a 200 that is not the file": "downloaded",
    "length, ranges and redirects of a download": "downloads",
}


def test_each_open_question_is_left_open_by_a_fact() -> None:
    assert {name for name, fact in FACTS.items() if fact.left_open} == set(OPEN_QUESTIONS.values())


def test_noxcli_is_tested_against_each_switch() -> None:
    """Outside of the sandbox's own tests, and of those that play all switches alike."""
    generic = {"sandbox", "crossed", "sdk", "test_facts.py", "test_round_trip.py"}
    files = [path for path in TESTS.rglob("test_*.py") if not generic & set(path.relative_to(TESTS).parts)]
    played = "".join(path.read_text(encoding="utf-8") for path in files)
    assert {switch for switch in SWITCHES if not re.search(rf"\b{switch}\b", played)} == set()


def test_each_question_belongs_to_a_fact(noxcli: Noxcli) -> None:
    assert all(fact_about(question.name) for question in QUESTIONS)
    assert noxcli("run", "demo", "User Input=x", "--quiet").code == 0
    findings = noxcli("probe", "demo", "--watch", "0.1s", "--json").json["findings"]
    told = {finding["name"]: finding["fact"] for finding in findings}
    assert (told["list_order"], told["cursor_inclusive"]) == ("lists", "resumption")


def test_the_page_has_each_fact() -> None:
    page = (Path(__file__).parents[2] / "docs" / "fidelity.md").read_text()
    assert all(f"`{fact.name}`: " in page for fact in FACTS.values())


def test_help_lists_the_switches_with_their_meaning(noxcli: Noxcli) -> None:
    told = noxcli("help", "switches").text
    assert re.findall(r"^(\w+)=", told, re.MULTILINE) == [each.name for each in fields(Switches)]
    start = told.index("cursor_inclusive=")
    entry = told[start : told.index("\n\n", start)]
    assert entry == (
        "cursor_inclusive=true|false  [default: false]\n    Whether the event that the cursor names is repeated."
    )
