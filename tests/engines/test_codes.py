"""The exit codes that each recipe retries: those that another attempt can fix, and none that needs a person."""

import re

import pytest

from noxcli.errors import ENGINES_FAIL, ENGINES_RETRY
from tests.engines.farm import PAGE, recipe

CODES = {
    "Slurm": re.findall(r"\n  (6[ |0-9]+)\)", recipe("Slurm")),
    "GitLab": re.findall(r"exit_codes: \[(.*)\]", recipe("GitLab")),
    "Argo": re.findall(r"lastRetry.exitCode\) in \[(.*?)\]", PAGE),
}


@pytest.mark.parametrize("engine", CODES)
def test_an_engine_retries_what_another_attempt_can_fix(engine: str) -> None:
    codes = {int(code) for found in CODES[engine] for code in re.findall(r"\d+", found)}
    # A task that is told to end is canceled, or Slurm requeues it by itself.
    assert codes >= set(ENGINES_RETRY) - ({143} if engine == "Slurm" else set())
    assert codes.isdisjoint(ENGINES_FAIL)


def test_kubernetes_fails_what_a_person_must_fix() -> None:
    [found] = re.findall(r"`FailIndex` on codes in `\[(.*?)\]`", PAGE)
    codes = {int(code) for code in found.split(",")}
    assert codes >= {*ENGINES_FAIL, 7}
    assert codes.isdisjoint(ENGINES_RETRY)
