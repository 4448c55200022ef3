"""The JUnit report: what CI systems' parsers expect, whatever its content, in memory that does not grow."""

import tracemalloc
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from noxcli.masking import Mask
from noxcli.reports.junit import Case, CaseVerdict, write_junit
from noxcli.sandbox.faults import Answer
from tests.conftest import Noxcli
from tests.rawserver import json_answer
from tests.sample import one_in

# After junit-10.xsd of Jenkins' xUnit plug-in: the allowed attributes, and the order of elements.
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
    "system-out": set(),
}
INSIDE = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}}
IN_CASE = [[], ["failure"], ["error"], ["skipped"]]
HOSTILE = "a\x00b\x1b[31m\r\n\t\ud800\udfff\ufffe]]><x y='\"'>&amp; ü🙂 </testsuite>"
LEGAL = "a\ufffdb\ufffd[31m\r\n\t\ufffd\ufffd\ufffd]]><x y='\"'>&amp; ü🙂 </testsuite>"
MOST_MEMORY = 100_000  # bytes, for any number of cases


def valid(path: Path) -> ET.Element:
    """Return the suite of a report that keeps to the rules."""
    root = ET.fromstring(path.read_bytes())
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.keys()) == ATTRIBUTES[element.tag]
        inner = [child.tag for child in element]
        if element.tag == "testcase":
            assert [tag for tag in inner if tag != "system-out"] in IN_CASE
            assert "system-out" not in inner[:-1], "it comes last"
        else:
            assert set(inner) <= INSIDE.get(element.tag, set())
        if "time" in element.keys():  # noqa: SIM118 - of an element, not of a dict
            assert float(element.attrib["time"]) >= 0
    suite = root[0]
    for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        assert (
            len(suite.findall(f"testcase/{kind}"))
            == int(suite.attrib[attribute])
            == int(root.attrib[attribute])
        )
    assert len(suite) == int(suite.attrib["tests"]) == int(root.attrib["tests"])
    return suite


def test_a_time_that_was_not_measured_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    write_junit(path, "nightly", [Case("a", "wf", None), Case("b", "wf", 1.5)], Mask())
    suite = ET.fromstring(path.read_bytes())[0]
    assert [case.get("time") for case in suite] == [None, "1.500"]
    assert suite.attrib["time"] == "1.500"


def test_each_verdict_counts_in_the_head(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    cases = [
        Case("a", "wf", 1.5),
        Case("b", "wf", 2.25, CaseVerdict.FAILURE, "RUN_FAILED", "it failed", "at length", "said"),
        Case("c", "wf", 0.0, CaseVerdict.ERROR, "TIMED_OUT", "too slow"),
        Case("d", "wf", verdict=CaseVerdict.SKIPPED, message="not now"),
        Case("e", "wf", verdict=CaseVerdict.FAILURE, message="it failed, too"),
    ]
    write_junit(path, "nightly", cases, Mask())
    suite = valid(path)
    totals = [
        suite.attrib[name] for name in ("name", "tests", "failures", "errors", "skipped", "time")
    ]
    assert totals == ["nightly", "5", "2", "1", "1", "3.750"]
    assert [case.attrib["name"] for case in suite] == ["a", "b", "c", "d", "e"]
    assert (suite[1][0].attrib, suite[1][0].text) == (
        {"type": "RUN_FAILED", "message": "it failed"},
        "at length",
    )
    assert suite.findtext("testcase/system-out") == "said"
    assert list(tmp_path.iterdir()) == [path]


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    case = Case(HOSTILE, HOSTILE, 1, CaseVerdict.ERROR, HOSTILE, HOSTILE, HOSTILE, HOSTILE)
    write_junit(tmp_path / "r.xml", HOSTILE, [case], Mask())
    suite = valid(tmp_path / "r.xml")
    assert suite.attrib["name"] == LEGAL
    assert suite[0].attrib == {"name": LEGAL, "classname": LEGAL, "time": "1.000"}
    assert suite[0][0].attrib == {"type": LEGAL, "message": LEGAL}
    assert [child.text for child in suite[0]] == [LEGAL, LEGAL]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_the_old_report_stands_until_the_new_one_is_whole(
    tmp_path: Path, error: type[BaseException] | None
) -> None:
    path = tmp_path / "r.xml"
    path.write_text("old")

    def cases() -> Iterator[Case]:
        yield Case("a", "wf")
        assert path.read_text() == "old"
        if error is not None:
            raise error

    with nullcontext() if error is None else pytest.raises(error):
        write_junit(path, "x", cases(), Mask())
    assert list(tmp_path.iterdir()) == [path]
    assert len(valid(path)) == 1 if error is None else path.read_text() == "old"


def test_memory_does_not_grow_with_the_cases(tmp_path: Path) -> None:
    case = Case(
        "row", "wf", 0.1, CaseVerdict.FAILURE, "RUN_FAILED", "x" * 100, "y" * 500, "z" * 500
    )
    peak, tries = MOST_MEMORY, 0
    while (
        peak >= MOST_MEMORY and tries < 3
    ):  # other threads of the test process may take memory meanwhile
        tries += 1
        tracemalloc.start()
        write_junit(tmp_path / "r.xml", "x", repeat(case, 300), Mask())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert (tmp_path / "r.xml").stat().st_size > 3 * MOST_MEMORY


def test_a_run_that_ended_before_it_began_took_no_time(noxcli: Noxcli) -> None:
    times = {"created_at": "2026-01-01T00:00:09Z", "finished_at": "2026-01-01T00:00:04Z"}
    record = json_answer(
        {"id": "r", "workflow_id": "w", "status": "completed", "output": {"A": "x"}, **times}
    )
    assert noxcli.against([record], "wait", "w/r", "--no-stream", "--junit", "r.xml")[0].code == 0
    assert [case.get("time") for case in valid(Path("r.xml"))] == ["0.000"]


@pytest.mark.parametrize(
    ("verb", "named", "workflow"),
    one_in(2, ["wait", "stream", "fetch-output"], ["id", "@last"], ["qa", "fails"]),
)
def test_a_case_has_the_workflows_name_however_it_ends(
    noxcli: Noxcli, verb: str, named: str, workflow: str
) -> None:
    run = noxcli.ended(workflow, *(["Question=x"] if workflow == "qa" else []))
    done = noxcli(verb, run if named == "id" else "@last", "--junit", "r.xml", "--json")
    assert done.json["run"]["workflow_name"] == workflow
    assert [case.get("name") for case in valid(Path("r.xml")).iter("testcase")] == [workflow]


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_case_without_a_name_has_the_workflows_id(
    noxcli: Noxcli, plays: Any, status: str
) -> None:
    workflow = plays(
        output={"A": "x"}, status=status, faults={"workflow": [Answer(404, repeat=True)]}
    )
    run = noxcli("run", workflow, "--no-check", "--detach").text.strip()
    noxcli("wait", run, "--junit", "r.xml")
    assert [case.get("name") for case in valid(Path("r.xml")).iter("testcase")] == [workflow]


def test_a_saved_version_keeps_the_workflows_name(noxcli: Noxcli) -> None:
    for more in ([], ["--detach"]):
        document = noxcli(
            "run", "review", "Question=x", "--version-id", "new", "--json", *more
        ).json
        assert document["run"]["workflow_name"] == "review"


def test_cases_of_two_workflows_or_tables_are_apart(noxcli: Noxcli) -> None:
    # GitLab and Jenkins take cases for one if class and name are equal, in whatever suites of a job they are.
    found = []
    for workflow, table in (("qa", "a.jsonl"), ("review", "a.jsonl"), ("qa", "b.jsonl")):
        Path(table).write_text('{"$id": "one", "Question": "x"}\n')
        assert noxcli("batch", workflow, table, "--fresh", "--junit", "r.xml").code == 0
        found += [(case.get("classname"), case.get("name")) for case in valid(Path("r.xml"))]
    assert found == [
        (each, "row 1 (one)") for each in ("qa a.jsonl", "review a.jsonl", "qa b.jsonl")
    ]
