"""The table of facts: complete, about existing things, and shown unchanged."""

import re
from dataclasses import fields

import pytest

from noxcli.probe.facts import FACTS, TOPICS, ApiFact, fact_about
from noxcli.probe.interview import QUESTIONS
from noxcli.sandbox.switches import Switches
from tests.conftest import Noxcli

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


def test_each_question_belongs_to_a_fact(noxcli: Noxcli) -> None:
    assert all(fact_about(question.name) for question in QUESTIONS)
    assert noxcli("run", "demo", "User Input=x", "--quiet").code == 0
    findings = noxcli("probe", "demo", "--watch", "0.1s", "--json").json["findings"]
    told = {finding["name"]: finding["fact"] for finding in findings}
    assert (told["list_order"], told["cursor_inclusive"]) == ("lists", "resumption")


def test_help_lists_the_switches_with_their_meaning(noxcli: Noxcli) -> None:
    told = noxcli("help", "switches").text
    assert re.findall(r"^(\w+)=", told, re.MULTILINE) == [each.name for each in fields(Switches)]
    start = told.index("cursor_inclusive=")
    entry = told[start : told.index("\n\n", start)]
    assert entry == (
        "cursor_inclusive=true|false  [default: false]\n    Whether the event that the cursor names is repeated."
    )
