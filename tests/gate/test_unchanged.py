"""Gates of an unchanged workflow whose judge errs: how many are red."""

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from noxcli.sandbox.scenario import Scenario, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, write_rows

GATES = 25  # of each of twenty seeds
ROWS = 12
BAD = 0.05  # of the answers, in both versions
ERRS = 0.1  # of the judgements
# At 5 of 100, more of 25 are red in less than 1 of 1,000 such tests.
MOST_RED = 6


def added(sandbox: Sandbox, name: str) -> tuple[str, str]:
    """Add a workflow whose versions differ in nothing that matters, and its judge."""

    def nodes(word: str) -> list[Any]:
        return [input_node("Q"), input_node("P", default=word), output_node("Answer")]

    def answer(inputs: Mapping[str, Any]) -> Mapping[str, str]:
        told = f"{name} {inputs['P']} {inputs['Q']} {inputs['$turn']}"
        word = "wrong" if Random(told).random() < BAD else "right"
        return {"Answer": f"{word}: {told}"}

    def verdict(inputs: Mapping[str, Any]) -> Mapping[str, str]:
        is_good = inputs["Answer"].startswith("right")
        if Random(f"judge {inputs['Answer']}").random() < ERRS:
            is_good = not is_good
        return {"Verdict": "good" if is_good else "bad"}

    versions = [Version(word, "", nodes(word)) for word in ("base", "new")]
    workflow = Scenario(name, nodes=nodes("base"), output=answer, versions=versions)
    in_and_out = [input_node("Answer"), output_node("Verdict")]
    judge = Scenario(f"{name} judge", nodes=in_and_out, output=verdict)
    return sandbox.add(workflow), sandbox.add(judge)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "seed",
    [pytest.param(0, marks=pytest.mark.wide)]
    + [pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 20)],
)
def test_an_unchanged_workflow_is_seldom_red_by_a_judge(
    noxcli: Noxcli, sandbox: Sandbox, seed: int
) -> None:
    table = write_rows(*({"$id": f"id-{row}", "Q": f"question {row}"} for row in range(ROWS)))
    found: Counter[str] = Counter()
    for number in range(GATES):
        workflow, judge = added(sandbox, f"gate {seed}.{number}")
        sides = ("--base", "base", "--new", "new", "--judge", judge)
        checks = ("--assert", "judge.Verdict == 'good'", "--fresh", "--json")
        result = noxcli("gate", workflow, table, *sides, *checks)
        assert result.code in (0, 11), result.err
        is_open = result.json["gate"]["looks"][-1]["finding"] == "gray"
        if result.code == 11:
            found["red"] += 1
        elif is_open:
            found["undecided"] += 1
        else:
            found["green"] += 1
    print(dict(found))
    assert found["red"] <= MOST_RED, found
