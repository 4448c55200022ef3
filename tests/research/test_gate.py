"""Answers of BASE x answers of NEW x where they are stored x repetitions: the codes of `compare` and `results`.

What each cell ends with is read from the table of the contract that this file spells out, not from the code.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

import pytest

from noxcli.batchdir.header import BatchHeader
from noxcli.batchdir.journal_state import BATCH_SCHEMA
from noxcli.errors import ExitCode, Incomplete, Phase
from noxcli.models import Run
from noxcli.outputs.values import Delivered
from noxcli.reports.result import Outcome
from tests.conftest import Noxcli
from tests.sample import one_in

AT = "2026-01-01T00:00:00.000+00:00"
ASKED = ("--assert", "output.Answer == 'right'")
CODES = {
    "good": 0,
    "bad": 0,
    "failed": 1,
    "none": 6,
}  # as the server gave them: the assertion makes the bad one 11
ANSWERS = ("good", "bad", "failed", "none", "lacking")
THRICE = {  # with --repeat 3 --pass-each 2
    "good": ("good", "bad", "good"),
    "bad": ("bad", "good", "failed"),
    "failed": ("failed", "good", "failed"),
    "none": ("none", "good", "bad"),
}
# The rows are what BASE says, the columns what NEW says.
TABLE = {
    "good": {"good": 0, "bad": 11, "failed": 11, "none": 8},
    "bad": {"good": 0, "bad": 0, "failed": 0, "none": 8},
    "failed": {"good": 0, "bad": 8, "failed": 0, "none": 8},
    "none": {"good": 0, "bad": 8, "failed": 8, "none": 8},
    "not there": {"good": 0, "bad": 0, "failed": 0, "none": 8},
}
Row = tuple[str, Sequence[str]]  # its id, and what each repetition says


def write_directory(name: str, rows: Sequence[Row], repeat: int) -> str:
    """Write a batch as noxcli writes it: its journal and its results."""
    columns: dict[str, Any] = {"kept": [], "constants": {}, "secrets": [], "columns": None}
    header = BatchHeader(
        "w",
        None,
        "http://localhost",
        "rows.jsonl",
        "1/1",
        **columns,
        rows=len(rows) * repeat,
        digest="0",
    )
    command = [
        "batch",
        "w",
        "rows.jsonl",
        "--output-dir",
        name,
        *(["--repeat", "3"] if repeat > 1 else []),
    ]
    journal = [{"batch": BATCH_SCHEMA, **asdict(header), "repeat": repeat, "command": command}]
    results = []
    for number, (row, answer, repetition) in enumerate(
        ((row, answer, place) for row, answers in rows for place, answer in enumerate(answers, 1)),
        1,
    ):
        own_id, run = f"{row}#{repetition}" if repeat > 1 else row, f"{name}-{number}"
        about = {"row": number, "id": own_id, "at": AT}
        ended = {
            "run_id": run,
            "status": "failed" if answer == "failed" else "completed",
            "exit_code": CODES[answer],
        }
        journal += [
            {
                **about,
                "step": "sent",
                "row_digest": f"{number:016x}",
                "unconverted": f"{number:016x}",
                "input_digest": "",
                "server_at": None,
            },
            {**about, "step": "started", "run_id": run, "created_at": None},
            {**about, "step": "left" if answer == "none" else "finished", **ended, "message": None},
        ]
        if answer != "none":
            results.append(
                {
                    "row": number,
                    "id": own_id,
                    "result": result_of(run, answer),
                    "input": {"Q": row},
                    "columns": {},
                }
            )
    directory = Path(name)
    directory.mkdir(exist_ok=True)
    for file, lines in (("batch.jsonl", journal), ("results.jsonl", results)):
        (directory / file).write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    return name


def result_of(run_id: str, answer: str) -> dict[str, Any]:
    failed, output = answer == "failed", {"Answer": "right" if answer == "good" else "wrong"}
    run = Run(
        run_id,
        "w",
        "failed" if failed else "completed",
        output=output,
        created_at=AT,
        finished_at=AT,
    )
    error = Incomplete(f"run {run_id} failed", None, ExitCode.RUN_FAILED) if failed else None
    outcome = Outcome(run=run, confirmed=True, phase=Phase.RUN, error=error)
    outcome.delivered = None if failed else Delivered(output)
    return outcome.document(ExitCode(CODES[answer]))


def rows_of(answer: str, beside: bool, repeat: int) -> list[Row]:
    """Return the row that says this, after one that is good."""
    said = [] if answer == "lacking" else [("a", THRICE[answer] if repeat > 1 else (answer,))]
    return [*([("z", THRICE["good"] if repeat > 1 else ("good",))] if beside else []), *said]


def expected_code(base: str, new: str, *, beside: bool, allow: bool) -> int:
    """Return what the contract says of the row that BASE and NEW have, beside a good one or alone."""
    answered = {"good", "bad", "failed"}
    if not beside:
        if "lacking" in (base, new):
            return 2  # no row of NEW has a partner
        if {base, new} <= answered and "good" not in (base, new):
            return 2  # none is good on either side
        if not {base, new} <= answered:
            return 2 if allow else 8  # no pair has an answer on both sides
    code = 0  # removed
    if new != "lacking":
        code = TABLE["not there" if base == "lacking" else base][new]
    return 0 if allow and code == 8 else code


PAIRS = [pair for pair in product(ANSWERS, ANSWERS) if pair != ("lacking", "lacking")]


@pytest.mark.parametrize(
    ("pair", "repeat", "beside", "allow"),
    one_in(2, PAIRS, (1, 3), (True, False), (False, True)),
)
def test_compare_ends_as_the_table_says(
    pair: tuple[str, str], repeat: int, beside: bool, allow: bool
) -> None:
    named = [
        write_directory(name, rows_of(answer, beside, repeat), repeat)
        for name, answer in zip(("base", "new"), pair, strict=True)
    ]
    options = [
        *(["--pass-each", "2"] if repeat > 1 and beside | (pair[0] != "lacking") else []),
        *ASKED,
    ]
    result = Noxcli()("compare", *named, *options, *(["--allow-missing"] if allow else []))
    assert result.code == expected_code(*pair, beside=beside, allow=allow), result.err
    if result.code == 8:
        assert (
            "--again failed" in result.err
            or "--resume" in result.err
            or "--allow-missing" in result.err
        )
    if result.code == 2:
        assert "to judge NEW alone: noxcli results" in result.err or "repetition" in result.err


def row_code(answers: Sequence[str], needed: int) -> int:
    """Return a row's own code for `results` and `batch`."""
    if answers.count("good") >= needed:
        return 0
    order = ("none", "failed", "bad")  # the worst first
    return {"none": 6, "failed": 1, "bad": 11}[next(each for each in order if each in answers)]


REPETITIONS = [*product(ANSWERS[:4]), *combinations_with_replacement(ANSWERS[:4], 3)]


@pytest.mark.parametrize(("answers", "needed"), one_in(3, REPETITIONS, (1, 2, 3)))
def test_results_end_as_each_row_does(answers: Sequence[str], needed: int) -> None:
    if needed > len(answers):
        assert (
            Noxcli()(
                "results", write_directory("one", [("a", answers)], 1), "--pass-each", str(needed)
            ).code
            == 2
        )
        return
    directory = write_directory("one", [("a", answers)], len(answers))
    asked = [*ASKED, *(["--pass-each", str(needed)] if len(answers) > 1 else [])]
    assert Noxcli()("results", directory, *asked).code == row_code(answers, needed)
