"""What must hold of what a call has told: in documents, lists, files and reports; § is a section of the contract."""

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from tests.research.world.plan import SECRET
from tests.research.world.row_oracle import RowOracle

if TYPE_CHECKING:
    from tests.research.world.oracle import Oracle
    from tests.research.world.server import Run

FOLLOWING = {"run", "rerun", "stream", "wait"}
READING = {"run", "rerun", "stream", "fetch-output"}
GOOD, BAD, FAILED, NONE = "good", "bad", "failed", "none"
ANSWERS = {0: GOOD, 11: BAD, 1: FAILED}  # by a row's code


class ReportOracle:
    """The documents, lists and reports of a call that has just ended."""

    def __init__(self, oracle: "Oracle") -> None:
        self.oracle = oracle
        self.call = oracle.call
        self.runs = oracle.runs
        self.is_cut = oracle.call.killed or "close" in oracle.call.step

    def only_selected_rows_are_started(self) -> None:
        """§ 10: --limit, --only and the table select the rows that are started."""
        if self.call.verb != "batch":
            return
        selected = self.oracle.table(self.call)
        for run in self.oracle.own:
            assert run.question in selected, f"started {run.question!r}, not of {[*selected]}"

    def a_wait_tells_the_status(self) -> None:
        """§ 2: wait prints the id and the status that the record has in the end."""
        is_told = self.call.verb == "wait" and self.call.code in {0, 1, 3}
        is_part = {"--any", "--fail-fast", "--json"} & {*self.call.argv}
        runs = self.oracle.named()
        if not is_told or is_part or self.is_cut or not runs:
            return
        told = sorted(self.call.out.decode().splitlines())
        known = sorted(f"{run.id}\t{run.truth}" for run in runs)
        assert told == known, f"{told!r} instead of {known!r}"

    def a_list_is_of_the_status_that_was_asked_for(self) -> None:
        """§ 2: runs --status lists runs of that status alone."""
        status = self.call.option("--status")
        if self.call.verb != "runs" or not status or self.call.code != 0 or self.is_cut:
            return
        for each in json.loads(self.call.out)["runs"]:
            truth = self.runs[each["id"]].truth
            assert (each["status"], truth) == (status, status), f"{each['id']} is {truth}"

    def a_gap_breaks_the_stream(self) -> None:
        """§ 5, 6: a known gap is told as an event, and as `broken`; neither comes without the other."""
        if self.oracle.form != "ndjson" or not self.oracle.results or self.is_cut:
            return
        continuity = self.oracle.results[-1]["stream"]["continuity"]
        gaps = [line for line in self.oracle.lines if line.get("type") == "noxcli.gap"]
        assert (continuity == "broken") is bool(gaps), f"{len(gaps)} gaps, and it is {continuity}"

    def only_a_start_that_was_watched_is_proven(self) -> None:
        """§ 5: `proven` is said by the command that started the run, `none` without a stream."""
        may_be_proven = self.call.verb in {"run", "rerun"}
        for result in self.oracle.results:
            stream = result["stream"]
            if not self.oracle.call_has("events"):
                assert stream["continuity"] == "none", f"no stream, and it is {stream}"
            assert may_be_proven or stream["continuity"] != "proven", f"{stream} by another command"

    def files_of_a_result_are_there(self) -> None:
        """§ 5, 16: a result tells the size and the digest of each file that it has written."""
        if self.call.verb not in READING:
            return
        for result in self.oracle.results:
            for entry in result["files"]:
                if entry["path"] is None:
                    continue
                content = (self.oracle.story.cwd / entry["path"]).read_bytes()
                told = (entry["bytes"], entry["sha256"])
                known = (len(content), sha256(content).hexdigest())
                assert told == known, f"{entry['path']} has {known}, not {told}"

    def raw_prints_the_text_alone(self) -> None:
        """§ 4: --raw prints one output's exact text, nothing if the run did not complete."""
        run = self.oracle.run
        if "--raw" not in self.call.argv or self.is_cut or run is None:
            return
        told = self.call.out.decode()
        whole = run.output[self.call.option("--raw")]
        if self.call.code == 0:
            assert told == whole, f"{told!r:.200} instead of {whole!r:.200}"
        elif self.call.code != 11:
            assert not told, f"exit code {self.call.code}, and stdout has {told!r:.100}"

    def a_limit_stops_only_if_told(self) -> None:
        """§ 9: --timeout never stops the run, --on-timeout stop does."""
        run = self.oracle.run
        is_limit = self.call.verb in FOLLOWING and self.call.code == 124
        if not is_limit or self.call.sent or run is None:
            return
        is_stopped = self.call.key in run.stoppers
        if self.call.option("--on-timeout") == "stop":
            is_reached = self.call.met or run.ended or is_stopped
            assert is_reached, f"run {run.id} goes on: {self.call.err[-300:]}"
        else:
            assert not is_stopped, f"run {run.id} was stopped at the limit"

    def junit_agrees(self) -> None:
        """§ 13: JUnit is of this call, and has a failure or an error whenever the code is not 0."""
        name = self.call.option("--junit")
        is_shared = "twins" in self.call.step
        if not name or self.call.killed or is_shared:
            return
        path = self.oracle.story.cwd / name
        assert path.exists(), f"no {name} after {self.call.code}: {self.call.err[-300:]}"
        assert path.stat().st_mtime >= self.call.began - 1, f"{name} is of an earlier call"
        suites = ElementTree.parse(path).getroot()
        bad = [*suites.iter("failure"), *suites.iter("error")]
        if self.call.code != 0:
            assert bad, f"exit code {self.call.code}, and {name} has no failure"
        may_pass = {"--min-pass", "--pass-each", "--allow-missing"} & {*self.call.argv}
        is_of_rows = self.call.verb in {"batch", "results"}
        if self.call.code == 0 and is_of_rows and not may_pass:
            assert not bad, f"0, and {name} has {len(bad)} failures"

    def a_comparison_ends_with_its_worst_pair(self) -> None:
        """§ 12: 2 if nothing could break, 11 if a row broke, 8 if one has no answer to judge, else 0."""
        call = self.call
        if call.verb != "compare" or not call.calm:
            return
        base, new = (self.answers(directory) for directory in call.argv[1:3])
        known = self.ids_of(call.argv[1])
        pairs = []
        added = []  # what rows have that only NEW has
        for id in self.ids_of(call.argv[2]):
            if id in known:
                pairs.append((base.get(id, NONE), new.get(id, NONE)))
            else:
                added.append(new.get(id, NONE))
        told = f"exit code {call.code} with {pairs}: {call.err[-300:]}"
        are_answered = all(NONE not in pair for pair in pairs)
        if are_answered and not any(GOOD in pair for pair in pairs):
            assert call.code == 2, told
            return
        if call.code == 2:
            return  # of another reason, which its message names
        expected = code_of_pairs(pairs)
        if expected == 0 and NONE in added:
            expected = 8
        if expected == 8 and "--allow-missing" in call.argv:
            expected = 0
        kinds = {line.split("\t")[0] for line in call.out.decode().splitlines()}
        if call.option("--fail-on") in kinds:
            expected = 11
        assert call.code == expected, told

    def ids_of(self, directory: str) -> set[str]:
        """Return the ids of the table, as the last call of a directory has read it."""
        found: set[str] = set()
        for each in self.oracle.everything:
            if each.directory == directory:
                found = {id for id, _ in each.tables["rows.csv"]}
        return found

    def answers(self, directory: str) -> dict[str, str]:
        """Return what each row of a directory has, by its id."""
        found = {}
        stale = RowOracle(self.oracle).stale(directory)
        for line, run in self.oracle.read(directory):
            found[line["id"]] = NONE if line["id"] in stale else self.answer(line, run)
        return found

    def answer(self, line: dict[str, Any], run: "Run | None") -> str:
        if line["result"]["exit_code"] not in ANSWERS:
            return NONE
        return ANSWERS.get(self.oracle.code_of(run), NONE)

    def candidates_are_like_the_start(self) -> None:
        """§ 8: what is named after a start without an answer is of its inputs, but for secret ones."""
        if self.call.verb not in {"run", "rerun"} or SECRET in self.call.starts:
            return
        for result in self.oracle.results:
            if result["error"] is None:
                continue
            for each in result["error"]["candidates"]:
                run = self.runs[each["id"]]
                told = f"{run.input} is named, and {[*self.call.starts]} was asked"
                assert run.question in self.call.starts, told


def code_of_pairs(pairs: list[tuple[str, str]]) -> int:
    """Return the exit code of a comparison with these answers of both sides."""
    lacks = False
    for base, new in pairs:
        if base == GOOD and new in {BAD, FAILED}:
            return 11
        if new == NONE:
            lacks = True
        if base == NONE and new != GOOD:
            lacks = True
        if base == FAILED and new == BAD:
            lacks = True
    return 8 if lacks else 0
