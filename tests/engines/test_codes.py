"""The exit codes that each recipe retries: those that another attempt can fix, and no other."""

import re

import pytest

from noxcli.errors import ENGINES_RETRY, ExitCode
from tests.engines.farm import PAGE, recipe

CODES = {
    "Slurm": re.findall(r"\n  (6[|0-9]+)\)", recipe("Slurm")),
    "GitLab": re.findall(r"exit_codes: \[(.*)\]", recipe("GitLab")),
    "Snakemake": re.findall(r"case \$code in (.*?)\)", recipe("Snakemake")),
    "GNU parallel": re.findall(r"case \$\{code:-0\} in (.*?)\)", recipe("GNU parallel")),
    "Kubernetes": re.findall(r"`FailIndex` on codes `NotIn` `\[(.*?)\]`", PAGE),
    "Argo": re.findall(r"lastRetry.exitCode\) in \[(.*?)\]", PAGE),
    "AWS Batch": re.findall(r"on codes `75`.*?; the command turns 6 and 124", PAGE),
}


@pytest.mark.parametrize("engine", CODES)
def test_an_engine_retries_what_another_attempt_can_fix(engine: str) -> None:
    [found] = CODES[engine]
    # A task that is told to end is canceled, or Slurm requeues it by itself.
    assert {*map(int, re.findall(r"\d+", found))} == {*ENGINES_RETRY} - (
        {143} if engine == "Slurm" else set()
    )


def test_airflow_skips_what_no_other_attempt_can_fix() -> None:
    [found] = re.findall(r"skip_on_exit_code=\[(.*?)\]", recipe("Airflow"))
    # Who ends a task by a signal, or closes its stdout, is not the batch.
    of_others = {ExitCode.OK, ExitCode.HANGUP, ExitCode.INTERRUPTED, ExitCode.READER_GONE}
    assert {*map(int, found.split(","))} == {*map(int, ExitCode)} - {*ENGINES_RETRY} - of_others
