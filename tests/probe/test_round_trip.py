"""What the probe says about a server is what that server does, or that it was not seen."""

import random
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
from tests.research.crossed import plan

from .servers import WORKFLOWS, probed, recovered, values_of, wrong

# Switches without a question: they need runs with wrong inputs, a wrong key, runs of two minutes, an import, or a
# start that gets lost; they have no effect that can be seen from outside; or noxcli is the same either way.
NOT_ASKED = {
    "bare_output", "chunk_per_event", "closing_event", "create_status", "dry_run", "duplicate_labels", "early_output",
    "error_body", "event_lines", "failed_nodes", "file_uri", "fixed_input", "gateway_refusals", "gateway_status",
    "id_lines", "import_answer", "import_refusal", "keepalive_seconds", "key_refusal", "list_delay_seconds",
    "listed_inputs", "look_up_output",
    "missing_input", "nested_previews", "node_io", "node_progress", "node_times", "node_words", "null_data",
    "page_size", "preview_characters", "preview_limit", "queue_seconds", "rate_limit", "rate_limit_counts",
    "rate_limit_window", "record_inputs", "retained_events", "retry_after_seconds", "run_logs", "run_words",
    "start_answer", "sync_limit_seconds", "sync_limit_status", "timestamps", "trailing_slash", "unknown_input",
    "unlabelled_input", "unreadable_bundle", "web_app", "wrong_type",
}  # fmt: skip
# What else must be set for a setting to be seen; without it, the probe is right to say "not seen".
BESIDE: dict[str, dict[str, Any]] = {
    "keepalive": {"after_end": "silent", "keepalive_seconds": 0.2},
    "retry_after": {"rate_limit": 3},
}
WORKFLOW_OF = {"on_paused": "pauses", "failure_detail": "fails"}
UNSEEN = {("keepalive", "none")}  # it looks like silence
# Settings that leave nothing to see of the others: the start is lost, or every question waits for leave.
BLINDING = {"gateway_refusals", "rate_limit", "retry_after_seconds", "trailing_slash", "web_app"}
SEED, PAIRS = 16, 12
Settings = Mapping[str, Any]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "APART", 0.0)


def singles() -> list[tuple[Settings, str, str]]:
    """Each value of each switch that has a question, with what else must be set, and the workflow that shows it."""
    asked = [question.name for question in QUESTIONS]
    return [
        ({**BESIDE.get(name, {}), name: value}, WORKFLOW_OF.get(name, "works"), name)
        for name in asked
        for value in values_of(name)
    ]


def pairs(count: int, seed: int) -> list[tuple[Settings, str]]:
    """That many pairs of settings, drawn from all of them."""
    names = [each.name for each in fields(Switches) if each.name not in BLINDING]
    draw = random.Random(seed)
    chosen = draw.sample(list(combinations(names, 2)), count)
    return [
        ({name: draw.choice(values_of(name)) for name in pair}, WORKFLOW_OF.get(pair[0], "works")) for pair in chosen
    ]


def crossed(seed: int) -> list[tuple[Settings, str]]:
    """All combinations of the plan that has every pair of settings, with a workflow for each in turn."""
    sets: list[tuple[Settings, str]] = []
    for number, row in enumerate(plan.pairs(seed)):
        settings = {name: in_real_time(name, value) for name, value in row.items() if name not in BLINDING}
        sets.append((settings, WORKFLOWS[number % len(WORKFLOWS)].name))
    return sets


def in_real_time(name: str, value: Any) -> Any:
    """The setting of a number that the probe can wait for or count, in place of the plan's."""
    if name not in plan.NUMBERS:
        return value
    possible = values_of(name)
    return possible[min(plan.NUMBERS[name].index(value), len(possible) - 1)]


def probe_all(noxcli: Noxcli, sets: list[tuple[Settings, str]]) -> list[dict[str, Any]]:
    """Probe a server for each set of settings, several at a time: most of it is waiting."""
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda one: probed(one[0], one[1], noxcli), sets))


def test_every_question_is_about_a_switch_or_has_none() -> None:
    switches = {each.name for each in fields(Switches)}
    asked = {question.name for question in QUESTIONS}
    assert asked | NOT_ASKED == switches
    assert not asked & NOT_ASKED


@pytest.mark.wide
@pytest.mark.long(60)
def test_each_single_setting_is_recovered(noxcli: Noxcli) -> None:
    sets = singles()
    probes = [(settings, workflow) for settings, workflow, _ in sets]
    documents = probe_all(noxcli, probes)
    assert wrong_alone(noxcli, probes, documents) == []
    unseen = {
        (name, settings[name])
        for (settings, _, name), document in zip(sets, documents, strict=True)
        if name not in recovered(document)
    }
    print(f"{len(sets)} single settings: {len(sets) - len(unseen)} recovered, not seen: {sorted(unseen, key=str)}")
    assert unseen == UNSEEN


# What happens before a stop, or is not told, must not be taken for something else.
MISLEADING: list[tuple[str, Settings, set[str]]] = [
    ("pauses", {"on_paused": "end", "on_stopped": "silent"}, set()),
    ("pauses", {"stop_seconds": 0.8, "on_stopped": "end"}, set()),
    ("works", {"null_data": True, "end_announced_by": "state", "on_stopped": "end"}, set()),
    ("pauses", {"null_data": True, "end_announced_by": "state", "on_paused": "end"}, set()),
    ("works", {"stop_seconds": 0.8, "stale_reads": 2}, {"stop_seconds"}),
    ("fails", {"retained_events": 1, "failure_detail": "content"}, {"failure_detail"}),
    ("works", {"nested_ends": True, "stale_reads": 2}, {"nested_ends"}),
    ("pauses", {"queue_seconds": 3.0, "retained_events": 1, "stream_start": "new", "null_data": True}, set()),
]


@pytest.mark.long(4)
def test_what_looks_like_another_behavior_is_not_told_as_it(noxcli: Noxcli) -> None:
    probes = [(settings, workflow) for workflow, settings, _ in MISLEADING]
    documents = probe_all(noxcli, probes)
    assert wrong_alone(noxcli, probes, documents) == []
    for (workflow, settings, seen), document in zip(MISLEADING, documents, strict=True):
        assert seen <= recovered(document).keys(), (workflow, settings)


@pytest.mark.long(20)
def test_pairs_of_settings_are_never_told_wrong(noxcli: Noxcli) -> None:
    assert told_wrong(noxcli, pairs(PAIRS, SEED)) == []


@pytest.mark.wide
@pytest.mark.long(40)
def test_nothing_is_told_wrong_where_all_switches_are_crossed(noxcli: Noxcli) -> None:
    assert told_wrong(noxcli, crossed(SEED)) == []


def told_wrong(noxcli: Noxcli, sets: list[tuple[Settings, str]]) -> list[tuple[Settings, str, dict[str, Any]]]:
    """Probe them all, say how many of their settings were recovered, and return what was wrong."""
    documents = probe_all(noxcli, sets)
    asked = [(name, document) for (settings, _), document in zip(sets, documents, strict=True) for name in settings]
    asked = [(name, document) for name, document in asked if name not in NOT_ASKED]
    seen = [name for name, document in asked if name in recovered(document)]
    never = sorted({name for name, _ in asked}.difference(seen))
    print(f"{len(sets)} probes: {len(seen)} of {len(asked)} settings recovered; switches never: {never}")
    return wrong_alone(noxcli, sets, documents)


def wrong_alone(
    noxcli: Noxcli, sets: list[tuple[Settings, str]], documents: list[dict[str, Any]]
) -> list[tuple[Settings, str, dict[str, Any]]]:
    """Return what was wrong, and is wrong again when it is probed alone: a busy machine changes times."""
    doubted = [one for one, document in zip(sets, documents, strict=True) if wrong(document, one[0])]
    return [(*one, bad) for one in doubted if (bad := wrong(probed(*one, noxcli), one[0]))]
