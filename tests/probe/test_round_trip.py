"""What the probe says of a server is what that server does, or that it was not seen.

By hand, with so many pairs: python -m tests.probe.test_round_trip 200
"""

import random
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from itertools import combinations
from typing import Any

import pytest

from noxcli.probe import asking
from noxcli.probe.interview import QUESTIONS
from noxcli.sandbox.switches import Switches
from tests.conftest import Noxcli

from .servers import probed, recovered, values_of, wrong

# Switches with no question: they need runs with wrong inputs, a wrong key, runs of two minutes, a server of one's own
# for callbacks, a start that gets lost, or they have no edge that can be seen from outside.
NOT_ASKED = {
    "callback_body", "gateway_refusals", "key_refusal", "missing_input", "preview_limit", "rate_limit",
    "sync_failure_status", "sync_limit_seconds", "sync_limit_status", "unknown_input", "unlabelled_input", "wrong_type",
}  # fmt: skip
# What a setting needs beside it to be seen; the probe is right to say "not seen" without.
BESIDE: dict[str, dict[str, Any]] = {
    "keepalive": {"after_end": "silent", "keepalive_seconds": 0.2},
    "keepalive_seconds": {"after_end": "silent", "keepalive": "comment"},
    "retry_after": {"rate_limit": 3},
    "retry_after_seconds": {"rate_limit": 3},
    "closing_event": {"after_end": "close"},
    "error_body": {"on_stop_finished": "409"},
}
WORKFLOW_OF = {"on_paused": "pauses", "failed_nodes": "fails", "failure_detail": "fails", "run_logs": "fails"}
# Values that are no different from silence, and numbers beyond what can be counted.
UNSEEN = {
    ("keepalive", "none"), ("keepalive_seconds", 15.0), ("retained_events", 0), ("queue_seconds", 0.0),
    ("nested_previews", False), ("node_words", "foreign"),
}  # fmt: skip
SEED, PAIRS = 16, 12
Settings = Mapping[str, Any]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "APART", 0.0)


def singles() -> list[tuple[Settings, str, str]]:
    """Each value of each switch that has a question, with what it needs beside it, and the workflow that shows it."""
    asked = [question.name for question in QUESTIONS if question.switch]
    return [
        ({**BESIDE.get(name, {}), name: value}, WORKFLOW_OF.get(name, "works"), name)
        for name in asked
        for value in values_of(name)
    ]


def pairs(count: int, seed: int) -> list[tuple[Settings, str]]:
    """So many pairs of settings, drawn from all of them."""
    names = [each.name for each in fields(Switches) if each.name not in ("rate_limit", "retry_after_seconds")]
    draw = random.Random(seed)
    chosen = draw.sample(list(combinations(names, 2)), count)
    return [
        ({name: draw.choice(values_of(name)) for name in pair}, WORKFLOW_OF.get(pair[0], "works")) for pair in chosen
    ]


def probe_all(noxcli: Noxcli, sets: list[tuple[Settings, str]]) -> list[dict[str, Any]]:
    """Probe a server for each set of settings, several at a time: most of it is waiting."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda one: probed(one[0], one[1], noxcli), sets))


def test_every_question_is_about_a_switch_or_has_none() -> None:
    switches = {each.name for each in fields(Switches)}
    asked = {question.name for question in QUESTIONS if question.switch}
    assert asked | NOT_ASKED == switches
    assert not asked & NOT_ASKED


@pytest.mark.wide
@pytest.mark.long(60)
def test_each_single_setting_is_recovered(noxcli: Noxcli) -> None:
    sets = singles()
    documents = probe_all(noxcli, [(settings, workflow) for settings, workflow, _ in sets])
    mistakes = [
        (dict(one[0]), bad) for one, document in zip(sets, documents, strict=True) if (bad := wrong(document, one[0]))
    ]
    assert mistakes == []
    unseen = {
        (name, settings[name])
        for (settings, _, name), document in zip(sets, documents, strict=True)
        if name not in recovered(document)
    }
    print(f"{len(sets)} single settings: {len(sets) - len(unseen)} recovered, not seen: {sorted(unseen, key=str)}")
    assert unseen == UNSEEN


@pytest.mark.long(20)
def test_pairs_of_settings_are_never_told_wrong(noxcli: Noxcli) -> None:
    assert tell_pairs(noxcli, PAIRS, SEED) == []


def tell_pairs(noxcli: Noxcli, count: int, seed: int) -> list[tuple[Settings, dict[str, Any]]]:
    """Probe so many pairs, say how many of their settings were recovered, and return what was wrong."""
    sets = pairs(count, seed)
    documents = probe_all(noxcli, sets)
    seen = [
        name
        for (settings, _), document in zip(sets, documents, strict=True)
        for name in settings
        if name in recovered(document)
    ]
    print(f"{count} pairs: {len(seen)} of {2 * count} settings recovered")
    return [(one[0], bad) for one, document in zip(sets, documents, strict=True) if (bad := wrong(document, one[0]))]


if __name__ == "__main__":
    asking.APART = 0.0
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as state:
        caller = Noxcli({"NOXCLI_STATE_DIR": state, "NOXCLI_CACHE_DIR": state, "TERM": "dumb"})
        mistakes = tell_pairs(caller, int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else SEED)
    print(*mistakes, sep="\n")
    sys.exit(bool(mistakes))
