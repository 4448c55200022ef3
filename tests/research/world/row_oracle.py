"""What must hold of rows, batches and files, by what the server knows; § is a section of the contract."""

import csv
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.research.world.oracle import Oracle
    from tests.research.world.play import Call
    from tests.research.world.server import Run

ORDINARY = {0, 1, 3, 9, 10, 11}  # codes of a batch whose rows all have a result
ANSWERED = {0, 1, 9, 11}
AFTER_A_SIGNAL = {129, 130, 143}
WITHOUT_ANSWER = {"missing", "new"}  # classes of pairs that judge no answer of BASE, or none of NEW
SAME_REASON = 20  # started rows that all end alike, after which a batch gives up
UNSURE = {"--repeat", "--min-pass", "--timeout", "--row-timeout"}


class RowOracle:
    """The rows of a call that has just ended."""

    def __init__(self, oracle: "Oracle") -> None:
        self.oracle = oracle
        self.call = oracle.call
        self.runs = oracle.runs

    def calls_of(self, directory: str) -> list["Call"]:
        """Return the batches of a directory, the oldest first."""
        found = []
        for each in self.oracle.everything:
            if each.verb == "batch" and each.directory == directory:
                found.append(each)
        return found

    def latest(self, directory: str) -> dict[str, "Run"]:
        """Return the run that each question of a directory has got last, if there is no doubt.

        Two processes that began at once, and what was adopted from somebody else, leave doubt.
        """
        calls = self.calls_of(directory)
        found: dict[str, Run] = {}
        if any(each.repeat > 1 or "twins" in each.step for each in calls):
            return found
        for run in self.oracle.started(*calls):
            found[run.question] = run
        adopted = self.oracle.story.adopted
        adopted_questions = {self.runs[id].question for id in adopted if id in self.runs}
        return {
            question: run for question, run in found.items() if question not in adopted_questions
        }

    def stale(self, directory: str) -> set[str]:
        """Return the ids of rows whose stored result is of a run that is not their latest."""
        latest = self.latest(directory)
        found: set[str] = set()
        for line, run in self.oracle.read(directory):  # the oldest first
            known = latest.get(line["input"]["Question"])
            if run is not None and known is not None and known.id != run.id:
                found.add(line["id"])
            else:
                found.discard(line["id"])
        return found

    def a_row_tells_its_latest_start(self) -> None:
        """§ 10: an answer that was asked again counts no more, even if the new one was never read."""
        if self.call.verb != "results" or self.call.code == 2:
            return
        directories = [word for word in self.call.argv[1:] if self.calls_of(word)]
        for directory in directories:
            latest = self.latest(directory)
            for line in self.oracle.lines:
                result = line.get("result")
                question = (line.get("input") or {}).get("Question")
                if result is None or question not in latest or result["exit_code"] not in ANSWERED:
                    continue
                told = f"{question} has {result['exit_code']} by run {result['run']}"
                known = latest[question]
                assert result["run"]["id"] == known.id, f"{told}, and run {known.id} came later"

    def pairs_are_of_the_latest_starts(self) -> None:
        """§ 12: a row that was asked again, without a new answer yet, is judged by no older one."""
        if self.call.verb != "compare" or self.call.code == 2:
            return
        stale = set()
        for directory in self.call.argv[1:3]:
            stale |= self.stale(directory)
        for told in self.call.out.decode().splitlines():
            kind, _, rest = told.partition("\t")
            id = rest.split("\t")[0]
            assert id not in stale or kind in WITHOUT_ANSWER, f"{told!r} is of an older answer"

    def a_batch_ends_with_its_worst_row(self) -> None:
        """§ 10: the code is the worst row's; 0 only if each selected row has a result."""
        call = self.call
        is_odd = call.directory.startswith("small/") or bool({"close", "twins"} & call.step.keys())
        is_odd = is_odd or "--dry-run" in call.argv
        if call.verb != "batch" or call.code not in ORDINARY or UNSURE & {*call.argv} or is_odd:
            return
        stored = {}
        for line, run in self.oracle.stored:
            code = line["result"]["exit_code"]
            if code in {0, 1, 3, 10}:
                code = self.oracle.code_of(run)
            stored[line["input"]["Question"]] = code
        own = {run.question: run for run in self.oracle.started(*self.oracle.calls)}
        codes = {}
        for question in self.oracle.table(call):
            codes[question] = stored.get(question)
            if question in own and question not in stored and own[question].truth == "completed":
                codes[question] = 9
        told = f"exit code {call.code} with {codes}: {call.err[-300:]}"
        lacks = [question for question, code in codes.items() if code is None]
        assert not lacks or call.code == 10 or self.oracle.gives_up(), told
        if call.code == 0:
            assert all(code == 0 for code in codes.values()), told
        if call.code in {1, 3, 11}:
            assert call.code in codes.values(), told

    def an_interrupted_batch_stops_its_runs(self) -> None:
        """§ 9, 10: the first signal stops the runs of a batch, each of which is named."""
        call = self.call
        is_told = call.verb == "batch" and call.code in AFTER_A_SIGNAL
        if not is_told or len(call.sent) != 1 or call.met or "--on-interrupt" in call.argv:
            return
        for run in self.oracle.own:
            is_stopped = (
                run.ended or call.key in run.stoppers or run.truth not in {"completed", "failed"}
            )
            assert is_stopped, f"run {run.id} goes on: {call.err[-300:]}"

    def outputs_are_in_their_directory(self) -> None:
        """§ 5, 16: with --output-dir and 0 or 11, each output is a file there, byte for byte."""
        call = self.call
        if not call.option("--output-dir") or call.killed:
            return
        results = []
        if call.verb in {"run", "rerun", "stream", "fetch-output"} and call.code in {0, 11}:
            results = [result for result in self.oracle.results if result["run"]]
        if call.verb == "batch" and not call.directory.startswith("small/"):
            own = {run.id for run in self.oracle.own}
            for line, run in self.oracle.stored:
                if run is not None and run.id in own and line["result"]["exit_code"] == 0:
                    results.append(line["result"])
        for result in results:
            run = self.runs[result["run"]["id"]]
            self.require_files(run, result["files"])

    def require_files(self, run: "Run", files: list[dict[str, Any]]) -> None:
        paths = {entry["pointer"]: entry["path"] for entry in files}
        for name, whole in run.output.items():
            if not isinstance(whole, str | bytes):
                continue
            path = paths.get(f"/{name}")
            assert path is not None, f"{name} of run {run.id} is not among the files {paths}"
            there = self.oracle.story.cwd / path
            content = whole if isinstance(whole, bytes) else whole.encode()
            assert there.read_bytes() == content, f"{path} is not {name} of run {run.id}"

    def failures_end_a_batch(self) -> None:
        """§ 10: no more rows start after --max-failures, or 20 that all end alike; 0 turns that off."""
        call = self.call
        is_first = self.calls_of(call.directory)[:1] == [call]
        own = self.oracle.own
        are_bad = all(run.truth in {"failed", "stopped"} for run in own)
        if not is_first or not are_bad or not own or UNSURE & {*call.argv}:
            return
        at_once = int(call.option("--max-parallel"))
        most = int(call.option("--max-failures") or SAME_REASON)
        if most == SAME_REASON:
            if not all(run.answered for run in own):
                return  # a row in doubt ends like no other one
            at_once *= 2  # the first 20 started rows may not be the first 20 that end
        rows = self.oracle.table(call)
        if most:
            known = [run for run in own if run.answered]
            assert len(known) < most + at_once, f"{len(known)} rows were started, {most} may fail"
        elif call.calm:
            assert len(own) == len(rows), f"{len(own)} rows of {len(rows)} were started"

    def what_lost_its_journal_is_refused(self) -> None:
        """§ 10: results of which the journal knows nothing are 2, before anything starts."""
        call = self.call
        if "hidden" not in call.step:
            return
        assert call.code == 2, f"exit code {call.code} without a journal: {call.err[-300:]}"
        assert not self.oracle.own, "a row was started without a journal"

    def another_batch_is_refused(self) -> None:
        """§ 10: what differs in constants, version, repetitions or shard is 2, before anything starts."""
        call = self.call
        earlier = self.calls_of(call.directory)[:-1]
        if "other" not in call.step or not any(each.starts for each in earlier):
            return
        assert call.code == 2, f"exit code {call.code}: {call.err[-300:]}"
        assert not self.oracle.own, "another batch has started a row"

    def what_was_redefined_is_refused(self) -> None:
        """§ 10, 12: another definition than at the beginning is 2, before anything starts."""
        call = self.call
        earlier = [each for each in self.oracle.calls if each is not call and each.starts]
        if "redefined" not in call.step or not earlier:
            return
        assert call.code == 2, f"exit code {call.code}: {call.err[-300:]}"
        assert not self.oracle.own, "a row was started with another definition"

    def a_file_is_sent_as_it_is(self) -> None:
        """§ 3: an input from a file is an upload of its bytes."""
        for run in self.oracle.own:
            if "Paper@paper.txt" not in self.call.argv:
                continue
            request = self.oracle.story.world.uploads[run.input["Paper"]["id"]]
            text = self.call.texts["paper.txt"].encode()
            assert text in request, f"run {run.id} has {request[-200:]!r}"

    def an_open_run_is_not_finished(self) -> None:
        """§ 2, 7: without waiting, a run that goes on is 8, and one that has ended is not."""
        call = self.call
        run = self.oracle.run
        is_look = call.verb == "fetch-output" and "--wait" not in call.argv
        if call.verb == "wait" and call.option("--timeout") == "0":
            is_look = True
        if not is_look or run is None or call.sent or call.met:
            return
        if not run.is_over(call.ended):
            is_paused = run.truth == "awaiting_human_feedback"
            assert call.code == 8 or is_paused, f"{call.code} of a run that goes on: {call.err}"
        elif run.is_over(call.began - 1) and not self.oracle.may_lag:
            assert call.code != 8, f"8 of a run that has ended: {call.err}"

    def an_export_is_whole(self) -> None:
        """§ 4, 17: -o of an export has the whole bundle, or is not written."""
        call = self.call
        if call.verb != "export" or call.option("-o") != "second.nx":
            return
        cwd = self.oracle.story.cwd
        if (cwd / "second.nx").exists():
            assert (cwd / "second.nx").read_bytes() == (cwd / "bundle.nx").read_bytes()
        elif not call.killed:
            assert call.code != 0, "0, and nothing was written"

    def a_state_file_names_its_run(self) -> None:
        """§ 9: stop --state-file stops what run --state-file has started."""
        call = self.call
        state = call.option("--state-file")
        if call.verb != "stop" or not state or call.code != 0:
            return
        for each in self.oracle.everything:
            if each.verb == "run" and each.option("--state-file") == state:
                for run in self.oracle.started(each):
                    is_read = run.answered and not (each.sent and run.born > each.sent[0][0] - 0.3)
                    assert run.ended or not is_read, f"run {run.id} goes on: {call.err}"

    def a_repeated_row_passes_by_its_good_answers(self) -> None:
        """§ 10: with --repeat N --pass-each K, a row is good if K of its answers are."""
        call = self.call
        needed = call.option("--pass-each")
        if call.verb not in {"batch", "results"} or not needed:
            return
        calls = self.oracle.calls if call.verb == "batch" else self.calls_of(call.argv[1])
        answers: dict[str, list[int]] = {}
        for run in self.oracle.started(*calls):
            if not self.is_interrupted(run, calls):
                answers.setdefault(run.question, []).append(self.oracle.code_of(run))
        are_whole = all(len(each) == calls[0].repeat for each in answers.values())
        is_all = len(answers) == len(self.oracle.story.tables["rows.csv"])
        if not is_all or not are_whole or call.code not in {0, 1, 11}:
            return
        is_good = all(each.count(0) >= int(needed) for each in answers.values())
        assert (call.code == 0) is is_good, f"exit code {call.code} with {answers}"

    def is_interrupted(self, run: "Run", calls: list["Call"]) -> bool:
        return run.truth == "stopped" and bool(run.stoppers & {each.key for each in calls})

    def a_table_of_results_has_each_row(self) -> None:
        """§ 10: --csv has a line for each row, with its run and its whole answer."""
        call = self.call
        name = call.option("--csv")
        if call.verb != "results" or not name or call.code in {2, 9}:
            return
        path = self.oracle.story.cwd / name
        lines = [*csv.DictReader(io.StringIO(path.read_text("utf-8-sig"), newline=""))]
        rows = {json.loads(line)["row"] for line in call.out.splitlines()}
        told = {int(line["row"]) for line in lines}
        assert told == rows, f"{name} has the rows {told}, not {rows}"
        for line in lines:
            run = self.runs.get(line["run"])
            if run is not None and line["status"] == "completed":
                answer = run.output["Answer"]
                assert line["Answer"] == answer, f"{line['Answer']!r:.200}, not {answer!r:.200}"

    def kept_columns_are_the_latest(self) -> None:
        """§ 10: what a batch keeps is as its table has it now, also of rows that had finished before."""
        call = self.call
        if call.verb != "results" or call.code == 2 or not self.oracle.notes:
            return
        calls = self.calls_of(call.argv[1])
        if not calls or not calls[-1].calm:
            return
        for line in self.oracle.lines:
            question = (line.get("input") or {}).get("Question")
            is_answered = "result" in line and line["result"]["exit_code"] in ANSWERED
            if question in self.oracle.notes and is_answered:
                told = (line.get("columns") or {}).get("Note")
                known = self.oracle.notes[question]
                assert told == known, f"{question} has the note {told}, not {known}"

    def results_of_a_status_are_all_of_it(self) -> None:
        """§ 10: results --status prints the rows of that status alone, and all of them."""
        call = self.call
        status = call.option("--status")
        if call.verb != "results" or not status or call.code == 2:
            return
        told = []
        for line in self.oracle.lines:
            told.append(line["result"]["run"]["id"])
            assert line["result"]["run"]["status"] == status, line
        for directory in call.argv[1:]:
            stale = self.stale(directory) if self.calls_of(directory) else set()
            for line, run in self.oracle.read(directory) if self.calls_of(directory) else []:
                is_of_it = line["result"]["run"] and line["result"]["run"]["status"] == status
                ids = {id for id, _ in self.oracle.story.tables["rows.csv"]}
                if run is None or self.may_be_chosen(directory, run):
                    continue
                if is_of_it and line["id"] in ids - stale:
                    assert run.id in told, f"run {run.id} is not among {told}"

    def may_be_chosen(self, directory: str, run: "Run") -> bool:
        """True if a later call that was cut off may have chosen the run's row for another one."""
        calls = self.calls_of(directory)
        keys = [each.key for each in calls]
        later = calls[keys.index(run.key) + 1 :] if run.key in keys else calls
        return any("--again" in each.argv and not each.calm for each in later)

    def a_summary_counts_each_row(self) -> None:
        """§ 10: --summary counts rows by code, and as done only what is."""
        call = self.call
        if "--summary" not in call.argv or call.code == 2:
            return
        assert call.code == 0, f"exit code {call.code}: {call.err}"
        for each in json.loads(call.out)["directories"]:
            repeat = self.calls_of(each["directory"])[-1].repeat
            counted = sum(each["codes"].values())
            told = f"{each} of {call.argv}"
            assert each["done"] + each["running"] + each["in_doubt"] <= each["total"], told
            assert counted == each["done"], told
            assert each["total"] <= repeat * len(self.oracle.story.tables["rows.csv"]), told

    def a_report_is_of_this_call(self) -> None:
        """§ 13: a report of an earlier call never survives a call that names it."""
        for option in ("--report", "--markdown"):
            name = self.call.option(option)
            if not name or self.call.killed:
                continue
            path = self.oracle.story.cwd / name
            if self.call.code in {0, 8, 11}:
                assert path.exists(), f"no {name} after {self.call.code}"
            is_new = not path.exists() or path.stat().st_mtime >= self.call.began - 1
            assert is_new, f"{name} is of an earlier call"

    def past_runs_are_a_table(self) -> None:
        """§ 2: runs --rows has each run once, with the inputs that it had."""
        call = self.call
        if call.verb != "runs" or "--rows" not in call.argv or call.code or call.sent:
            return
        told = {}
        for line in self.oracle.lines:
            assert line["$id"] not in told, f"{line['$id']} stands there twice"
            told[line["$id"]] = line
        for id, line in told.items():
            run = self.runs[id]
            asked = (line["Question"], line["Count"])
            known = (run.input["Question"], run.input["Count"])
            assert asked == known, f"run {id} asks {known}, not {asked}"
        if call.meets("list"):
            return
        for run in self.runs.values():
            is_past = run.ended and run.truth == "completed" and not run.is_judgement
            assert not is_past or run.id in told, f"run {run.id} is not among {len(told)}"
