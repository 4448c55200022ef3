"""What must hold after each call, whatever happens; § is a section of the contract."""

import json
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from noxcli.runs.record import MAX_STOP
from noxcli.sandbox import run as sandbox
from tests.documents import check_stdout
from tests.research.world.equal_oracle import EqualRows
from tests.research.world.gate_oracle import JUDGED, PLACES, GateOracle, is_answered, place_of
from tests.research.world.plan import SAYS, SECRET
from tests.research.world.play import SLACK, SOON, Call, Story
from tests.research.world.report_oracle import ReportOracle
from tests.research.world.row_oracle import SAME_REASON, RowOracle
from tests.research.world.server import Run
from tests.research.world.wire_oracle import WireOracle

# § 7: the first one of several
ORDER = [129, 130, 143, 141, 70, 2, 4, 7, 6, 75, 5, 124, 10, 1, 3, 11, 9, 8, 0]
ENDED = {"completed": 0, "failed": 1, "stopped": 3, sandbox.PAUSED: 10}
STARTING = {"run", "rerun"}
READING = {"run", "rerun", "stream", "fetch-output"}
OF_A_TABLE = {"batch", "gate"}
READS = {"record", "lookup", "list", "stop"}  # whose answers say how a run is
ANSWER_AT_A_SIGNAL = 5.0  # seconds that a signal waits for the answer to a start
SLACK_OF_AGE = 5.0  # seconds that an adopted run may be older than the batch
LIMITS = {"--timeout", "--row-timeout"}
REFUSED = {"mistake", "edited", "hidden", "other", "redefined"}  # steps that have to be
LONG = 400  # characters, which one of the user's assertions asks for
CHECKS = ("--assert", "--expect", "--score")


class Oracle:
    """A call that has just ended, and what is known of it."""

    def __init__(self, story: Story, call: Call) -> None:
        self.story = story
        self.call = call
        self.runs = story.world.runs
        self.everything = [*story.world.calls.values()]
        self.calls = []  # of this directory
        for each in self.everything:
            if each.directory and each.directory == call.directory:
                self.calls.append(each)
        self.own_keys = {each.key for each in self.calls}
        self.own = self.started(call)
        self.is_table = call.verb in OF_A_TABLE
        self.stored = self.read(call.directory) if self.is_table else []
        journal = story.cwd / call.directory / "batch.jsonl"
        self.journal = journal.read_text() if self.is_table and journal.exists() else ""
        self.form = "json" if "--json" in call.argv else call.option("--format") or "text"
        self.lines = json_lines(call.out)
        self.results = []  # that it printed
        for line in self.lines:
            result = line.get("result") or (line["data"] if "seq" in line else line)
            if result and result.get("schema") == "noxcli.result/1":
                self.results.append(result)
        self.run = self.about()
        call.told = (call.code, [each["output"] or None for each in self.results])
        call.lacks_answers = self.has_missing_answers()
        self.notes = self.notes_that_judge()

    def about(self) -> Run | None:
        """Return the run that the call is about: that it has started, or that it names."""
        if self.own:
            return self.own[0]
        if self.call.verb in STARTING or len(self.call.argv) < 2:
            return None
        if self.call.argv[1] == "@last":
            return self.last()
        return self.runs.get(self.call.argv[1])

    def notes_that_judge(self) -> dict[str, str]:
        """Return the kept column that judges: as the last batch has read it, of NEW if there are two."""
        call = self.call
        directory = call.directory
        if call.verb in {"results", "compare"}:
            directory = call.argv[1 if call.verb == "results" else 2]
        notes = call.notes
        for each in self.everything:
            if each.directory == directory and each.verb == "batch":
                notes = each.notes
        return notes

    def last(self) -> Run | None:
        """Return the user's last started run; None if kills, lost answers or two at once leave doubt."""
        earlier = self.everything[: self.everything.index(self.call)]
        starting = [each for each in earlier if each.starts]
        if not starting:
            return None
        last = starting[-1]
        runs = self.started(last)
        is_one = {last.name[-1], *last.step}.isdisjoint({"+", "twins", "beside"})
        if last.verb not in STARTING or last.met or last.sent or not is_one or not runs:
            return None
        return runs[-1]

    def named(self) -> list[Run]:
        """Return the runs that a call names."""
        found = []
        for word in self.call.argv[1:]:
            if word in self.runs:
                found.append(self.runs[word])
        return found or [run for run in [self.run] if run]

    def call_has(self, kind: str) -> bool:
        """True if the call has sent a request of a kind."""
        return any(each.kind == kind for each in self.call.requests)

    def problems(self) -> Iterator[str]:
        """Yield what the call has broken: a check is a method whose text begins with its section."""
        for name, check in self.checks():
            try:
                check()
            except AssertionError as error:
                yield f"{self.call.name} {name}: {error}"
            except (ValueError, LookupError, OSError) as error:
                yield f"{self.call.name} {name}: what noxcli left can't be read: {error!r}"

    def checks(self) -> Iterator[tuple[str, Callable[[], None]]]:
        wire = WireOracle(self.story, self.call)
        holders: tuple[Any, ...] = (self, wire, ReportOracle(self), RowOracle(self))
        if "equal" in self.call.step:
            holders = (wire, EqualRows(self))  # all others know a row by its question
        for holder in holders:
            for name, check in vars(type(holder)).items():
                if (check.__doc__ or "").startswith("§"):
                    yield name, getattr(holder, name)
        if self.call.verb == "gate":
            for check in GateOracle(self).checks():
                yield "gate_decides_by_the_rules", check

    def started(self, *calls: Call) -> list[Run]:
        keys = {call.key for call in calls}
        return [run for run in self.runs.values() if run.key in keys]

    def table(self, call: Call) -> dict[str, str]:
        """The ids, by question, of the rows that a call is to run."""
        limit = int(call.option("--limit") or 99)
        rows = self.story.tables[call.argv[2]][:limit]
        selected = {}
        for id, question in rows:
            if "--only" not in call.argv or id in SAYS["files"]["ids"]:
                selected[question] = id
        if "--shard" not in call.argv:
            return selected
        same = [each for each in self.everything if each.directory == call.directory]
        own = {
            run.question for run in self.started(*same)
        }  # which rows a shard has is its own matter
        return {question: id for question, id in selected.items() if question in own}

    def run_of(self, result: dict[str, Any]) -> Run | None:
        return self.runs.get((result["run"] or {}).get("id", ""))

    def read(self, directory: str) -> list[tuple[dict[str, Any], Run | None]]:
        """The stored results of a directory, each with its run."""
        path = self.story.cwd / directory / "results.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        found = []
        for line in lines:
            if line.endswith("\n"):
                stored = json.loads(line)
                found.append((stored, self.run_of(stored["result"])))
        return found

    def has_other_checks(self) -> bool:
        """True if calls of this directory have asked for different things."""
        asked = set()
        for call in self.calls:
            asked.add(tuple(call.option(name) for name in CHECKS))
        return len(asked) > 1

    def code_of(self, run: Run | None) -> int:
        """The exit code of a run, judged as the call judges."""
        if run is None:
            return 7
        if run.truth != "completed":
            return ENDED[run.truth]
        expects_another = "--expect" in self.call.argv and run.question == "question 0"
        assertion = self.call.option("--assert")
        is_wrong = not self.holds(assertion, run) if assertion else False
        return 11 if expects_another or is_wrong else 0

    def holds(self, assertion: str, run: Run) -> bool:
        """True if the answer of a run is as asserted: the few assertions that the user knows."""
        answer = str(run.output["Answer"])
        if "length" in assertion:
            return len(answer) > LONG
        if "row.Note" in assertion:
            return answer.startswith(self.notes[run.question])
        if "'wrong'" in assertion:
            return not run.right
        if "äß" in assertion:
            return True
        return run.right

    def is_unsure(self) -> bool:
        """True if a start of the batch may have got no answer."""
        return any(each.sent or each.meets("start") for each in self.calls)

    def documents_parse(self) -> None:
        """§ 4 to 6: --json is one document; ndjson one event a line, the result last; with the exit code."""
        call = self.call
        if call.killed or "close" in call.step or call.kept is not None:
            return
        check_stdout(call.out)
        if call.verb in READING and self.form in {"json", "ndjson"}:
            lines = [json.loads(line) for line in call.out.splitlines()]
            codes = [each["exit_code"] for each in self.results]
            assert codes == [call.code], f"{call.code}: {call.out[-300:]!r}"
            numbers = [*range(1, len(lines) + 1)] if self.form == "ndjson" else [None]
            seqs = [line.get("seq") for line in lines]
            assert seqs == numbers, f"{len(lines)} lines: {call.out[-300:]!r}"
            is_known = self.form == "ndjson" and self.results[0]["run"] is not None
            is_begun = lines[0].get("type") == "noxcli.started"
            assert is_begun is is_known, f"it begins with {lines[0]}"

    def codes_have_causes(self) -> None:
        """§ 7: never 70, nor a code that is nobody's; what a call ends with has had a cause."""
        call = self.call
        sent = {name for _, name in call.sent}
        has_limit = bool(LIMITS & {*call.argv})
        if call.verb in {"results", "compare"}:  # they say how rows have ended
            has_limit = any(LIMITS & {*each.argv} for each in self.everything)
            sent = {name for each in self.everything for _, name in each.sent}
        is_disturbed = bool(call.met or call.sent or "twins" in call.step)
        causes = {
            70: False,
            -9: "KILL" in sent,
            141: "close" in call.step,
            124: has_limit,
            75: is_disturbed or has_limit or self.rejects_starts(),
            6: is_disturbed or has_limit or self.rejects_starts(),
            7: self.may_have_lost_a_start(),
            4: is_disturbed,
        }
        for name in ("HUP", "INT", "TERM"):
            causes[128 + getattr(signal, f"SIG{name}")] = name in sent
        has_cause = causes.get(call.code, call.code in ORDER)
        assert has_cause, f"exit code {call.code} without a cause: {call.err[-500:]}"
        assert "Traceback" not in call.err, call.err[-1500:]

    def is_interrupted(self, run: Run) -> bool:
        """True if a call of this directory has stopped a run, whose row is then as if it were new."""
        return run.truth == "stopped" and bool(run.stoppers & self.own_keys)

    def gives_up(self) -> bool:
        """True if a batch has met so many failures that it starts no more rows."""
        most = int(self.call.option("--max-failures") or SAME_REASON)
        failures = [run for run in self.started(*self.calls) if run.truth != "completed"]
        return 0 < most <= len(failures)

    def may_have_lost_a_start(self) -> bool:
        """True if a start of any call may have got no answer: by a fault, a signal, or a limit."""
        return any(each.met or each.sent or each.starts_late() for each in self.everything)

    @property
    def may_lag(self) -> bool:
        """True if the first reads of an ended run may say that it goes on, or lack its output."""
        return bool({"stale_reads", "late_output_reads"} & self.story.world.plan["switches"].keys())

    def rejects_starts(self) -> bool:
        """True if the server has a limit that its clients meet."""
        return "rate_limit" in self.story.world.plan["switches"]

    def time_is_bounded(self) -> None:
        """§ 9: --timeout is exceeded by 1 s at most, a signal by an answer (5 s), a stop (5 s) and 1 s."""
        call = self.call
        began, most = (call.began, call.limit + 1)
        if call.option("--on-timeout") == "stop":
            most += MAX_STOP
        if call.sent:
            began, most = (call.sent[0][0], 11.0)
        took = call.ended - began
        told = f"took {took:.1f} s instead of {most} s {call.sent}, and ended with {call.code}"
        assert took <= most + SLACK * call.slowness, f"{told}: {call.err[-300:]}"

    def nothing_is_elsewhere(self) -> None:
        """§ 15, 16: the key is nowhere; nothing is written but what was named, nor left half unless killed."""
        place = self.story.place
        printed = self.call.out.decode(errors="replace") + self.call.err
        named = [*self.story.texts, *self.story.tables]
        for option in ("-o", "--junit", "--report", "--markdown", "--csv", "--state-file"):
            named += [each.option(option) for each in self.everything]
        named += [each.directory for each in self.everything]
        known = ("state/", "cache/", *(f"cwd/{name}" for name in named if name))
        any_killed = any(each.killed for each in self.everything)
        for path in filter(Path.is_file, place.rglob("*")):
            printed += path.read_text(errors="replace")
            is_named = str(path.relative_to(place)).startswith(known) and path.suffix != ".part"
            assert is_named or any_killed, f"{path} was written"
        assert self.call.key not in printed, "the key is in a file or was printed"
        assert SECRET not in printed, "the value of --secret is in a file or was printed"

    def texts_are_kept(self) -> None:
        """§ 16: what the user wrote is as it was, unless the call was to write there."""
        for path, content in self.story.altered.items():
            assert path.read_bytes() == content, f"{path} of the user was changed"
        for name, text in self.story.texts.items():
            path = self.story.cwd / name
            if name in (each.option("-o") for each in self.everything):
                continue
            is_kept = path.exists() and path.read_text() == text
            assert is_kept, f"{name} of the user was changed or removed"

    def a_file_is_kept_unless_all_is_well(self) -> None:
        """§ 4: -o writes only if the code is 0, with --json in every ending."""
        call = self.call
        if call.kept is None or call.code == 0 or "--json" in call.argv:
            return
        if not call.killed:  # which may come after all went well
            assert call.out == call.kept, f"{call.option('-o')} was written, and {call.code}"

    def one_start_for_one_intent(self) -> None:
        """§ 5, 7, 8, 12: a start is sent once; what may be repeated (75), or is a mistake (2), started nothing."""
        call = self.call
        is_gate = call.verb == "gate"
        most = 0
        if is_gate:
            most = 2 * PLACES * 2
        elif call.verb in STARTING:
            most = 1
        elif call.verb == "batch":
            most = call.repeat
        assert max(call.starts.values(), default=0) <= most, f"starts sent: {call.starts}"
        safe = call.code == 75 or any(each["retry_safe"] for each in self.results)
        if call.code == 2 and not is_gate:
            safe = True
        whole = call.verb in {*STARTING, "gate"}
        if "twins" in call.step:  # one of two waits for the other
            whole = False
        runs = self.started(*(self.calls if is_gate else [call]))
        is_lie = safe and whole and runs
        assert not is_lie, f"a run exists, and the code is {call.code}: {call.err[-300:]}"

    def what_is_safe_to_repeat_was_not_sent(self) -> None:
        """§ 5, 8: retry_safe is false once a start or an import may have arrived."""
        sent = []
        for asked in self.call.requests:
            is_import = asked.kind == "import" and asked.query.get("dry_run") == "false"
            if (asked.kind == "start" or is_import) and not 400 <= asked.status < 500:
                sent.append(asked.kind)
        for line in self.lines:
            is_lie = line.get("retry_safe") and sent
            assert not is_lie, f"retry_safe, and sent were {sent}: {line}"

    def an_ended_run_has_its_verdict_at_the_limit(self) -> None:
        """§ 9: at the limit, the record is read once more: a run that has ended is not 124."""
        call = self.call
        run = self.run
        is_limit = call.code == 124 and call.verb in {"run", "rerun", "stream", "wait"}
        if not is_limit or run is None or call.met or call.sent or len(self.named()) > 1:
            return
        if "download" in call.err:
            return  # its status is known, and its outputs were still to be fetched
        last = call.began + call.limit - SOON * call.slowness
        is_over = run.is_over(last) and not self.may_lag
        assert not is_over, f"run {run.id} has ended before the limit: {call.err[-300:]}"

    def starts_have_places(self) -> None:
        """§ 8, 10, 12: the journal has each start that was sent, so that none is repeated unseen."""
        if not self.is_table or self.call.directory.startswith("small/"):
            return
        if "hidden" in self.call.step:
            return
        sent = self.journal.count('"step":"sent"')
        reached = sum(sum(each.starts.values()) for each in self.calls)
        assert sent >= reached, f"{reached} starts were sent, and {sent} are in the journal"

    def runs_are_named(self) -> None:
        """§ 8, 10: once its start is answered, a run is in the history or the journal, even after kill -9."""
        call = self.call
        known = str([*(self.story.place / "state").iterdir()])
        if self.is_table:
            known = self.journal
            if call.directory.startswith("small/"):  # a disk without room
                known += call.err
        delays = [0.0]
        for fault in call.faults:
            if fault["at"][0] == "start":
                delays.append(fault.get("seconds", 0.0))
        # Later answers may not have been read.
        end = call.sent[0][0] if call.killed else call.began + call.limit
        for run in self.own:
            is_read = run.answered and run.born < end - max(delays) - SOON * call.slowness
            where = f"{run.id} of {run.input} is nowhere: {call.code} {call.err[-500:]}"
            assert run.id in known or not is_read, where

    def rows_start_once(self) -> None:
        """§ 10: --resume repeats nothing that finished or may have been started; --again what it names, once."""
        if self.call.verb != "batch":
            return
        runs = self.started(*self.calls)
        for place, run in enumerate(runs):
            same = [each for each in runs[:place] if each.question == run.question]
            of_this = [each for each in same if each.key == run.key]
            if len(of_this) >= self.call.repeat:
                same = of_this
            else:  # the other repetitions of this call are no reason for this one
                same = [each for each in same if each.key != run.key]
            same = same[-self.call.repeat :]
            is_more = run.key == self.call.key and len(same) == self.call.repeat
            if not is_more:
                continue
            is_excused = any(self.is_excused(each) for each in same)
            told = [(each.id, each.truth) for each in [*same, run]]
            assert is_excused, f"{run.input} was started again: {told}"

    def is_excused(self, run: Run) -> bool:
        """True if a run is a reason to start its row again in this call."""
        places = [place for place, each in enumerate(self.calls) if each.key == run.key]
        begun = self.calls[places[0]]
        later = self.calls[places[0] : self.calls.index(self.call)]
        is_over = any(each.code in {0, 1, 3, 9, 10, 11} for each in later)
        why = {run.truth}
        if begun.sent or not run.answered:
            why.add("doubtful")
        if self.code_of(run) and (is_over or begun.option("--again") != "red"):
            why.add("red")
        asked = {each.option("--again") for each in [*later[1:], self.call] if each is not begun}
        if why & asked:
            return True
        return self.is_interrupted(run)

    def only_what_fits_is_adopted(self) -> None:
        """§ 10, 12: a row in doubt adopts the one run that fits; of several, none. A gate adopts nothing."""
        adopted = self.story.adopted
        theirs = []
        for run in self.runs.values():
            if run.key not in self.own_keys or not run.answered:
                theirs.append(run)
        sees = not self.story.world.climate["lag"] and not self.call.meets("list")
        for run in theirs:
            if f'"run_id":"{run.id}"' not in self.journal or run.id in adopted:
                continue
            adopted.add(run.id)
            like = [each for each in theirs if (each.input, each.named) == (run.input, run.named)]
            fits = []
            for each in like:
                if self.calls[0].began - SLACK_OF_AGE - SOON <= each.born < self.call.began:
                    fits.append(each)
            is_alone = not (sees and len(fits) > self.call.repeat)
            told = f"run {run.id} of {run.input} was adopted, one of {len(fits)}"
            assert self.call.verb != "gate", told
            assert is_alone, told
            age = self.calls[0].began - run.born
            assert age < SLACK_OF_AGE + SLACK, f"{told}, {age:.1f} s older than the batch"

    def inputs_are_sent_as_meant(self) -> None:
        """§ 3, 10: a text that parses as the declared type is sent as that, and by --resume as before."""
        earlier = []
        answers = [run for run in self.started(*self.calls) if not run.is_judgement]
        for run in answers:
            if run.key != self.call.key:
                earlier.append(run.input["Count"])
        is_known = 7 in earlier or not self.call.meets("workflow", "versions")
        for run in answers:
            if run.key == self.call.key:
                assert run.input["Count"] == 7 or not is_known, f"sent {run.input}"

    def a_run_has_the_version_that_was_named(self) -> None:
        """§ 10, 12: each start names the version that the line names."""
        version = self.call.option("--version-id")
        for run in self.own:
            if version:
                assert run.named == version, f"run {run.id} is of {run.named}, not of {version}"

    def verdicts_are_true(self) -> None:
        """§ 1, 5, 10: a result is of a run of this intent, with its record's status and whole output."""
        if "--detach" in self.call.argv:  # 0 only says that it was started
            return
        for result in self.results:
            self.require_true(result)
        for line, run in self.stored:
            code = line["result"]["exit_code"]
            assert code != 11, f"a verdict of checks is stored: {line['row']}"
            if not self.was_asked_again(run):
                self.require_true(line["result"])

    def was_asked_again(self, run: Run | None) -> bool:
        """True if a later call has started the row of a run again, whose files it may have replaced."""
        if run is None or self.call.verb != "batch":
            return False
        for other in self.started(*self.calls):
            is_later = other.key != run.key and other.born > run.born
            if is_later and other.question == run.question:
                return True
        return False

    def require_true(self, result: dict[str, Any]) -> None:
        """Compare a result with its run."""
        code = result["exit_code"]
        run = self.run_of(result)
        if code not in {0, 1, 3, 10, 11} and not (run is None and result["run"] is not None):
            return
        assert run, f"of a run that nobody has: {result}"
        told = (result["run"]["status"], code)
        known = {(run.truth, ENDED[run.truth]), (run.truth, 11)}
        assert told in known, f"of a run that has {run.truth}: {result}"
        if code in {0, 11} and self.call.verb != "wait":
            self.require_whole(run, result["output"])
            assert result["complete"], f"a whole output that is not complete: {result}"

    def printed_lines_are_judged(self) -> None:
        """§ 10, 11: each row is printed once, with the code that this call's checks give its run."""
        if self.call.verb not in {"batch", "results"} or "--pass-each" in self.call.argv:
            return
        printed: Counter[tuple[int, str]] = Counter()
        for line in self.lines:
            result = line.get("result")
            if result is None or "row" not in line:
                continue
            run = self.run_of(result)
            printed[(line["row"], (result["run"] or {}).get("id", ""))] += 1
            if run is not None and result["exit_code"] in {0, 11}:
                right = self.code_of(run)
                told = f"row {line['row']} is printed with {result['exit_code']}"
                assert result["exit_code"] == right, f"{told} instead of {right}"
        if self.call.repeat == 1 and self.call.verb == "batch":
            doubled = [row for row, count in printed.items() if count > 1]
            assert not doubled, f"printed twice: {doubled}"

    def require_whole(self, run: Run, output: Any) -> None:
        """Compare an output with the run's."""
        for name, whole in run.output.items():
            there = output.get(name)
            where = f"{name} of run {run.id}"
            assert self.is_whole(there, whole), f"{where} is {there!r:.300}, not {whole!r:.300}"

    def is_whole(self, there: Any, whole: Any) -> bool:
        """True if a value is all of what the server has, at any depth."""
        if isinstance(whole, dict):
            if not isinstance(there, dict) or there.keys() != whole.keys():
                return False
            return all(self.is_whole(there[key], whole[key]) for key in whole)
        if isinstance(whole, list):
            if not isinstance(there, list) or len(there) != len(whole):
                return False
            return all(map(self.is_whole, there, whole))
        if isinstance(there, dict) and "$file" in there:
            content = (self.story.cwd / there["$file"]).read_bytes()
            return bool(content == (whole if isinstance(whole, bytes) else whole.encode()))
        if isinstance(whole, bytes):
            return isinstance(there, dict) and "uri" in there
        if isinstance(there, dict) and there.keys() == {"text"}:
            there = there["text"]
        return bool(there == whole)

    def text_is_whole(self) -> None:
        """§ 4, 9: text is on stdout as a whole if the code is 0, or not at all; content is all of it, or 9."""
        call = self.call
        run = self.run
        text = call.out.decode(errors="replace")
        is_other = {"--json", "ndjson", "--detach", "--raw"} & {*call.argv}
        if call.verb not in READING or is_other or "close" in call.step:
            return
        if call.code == 11:
            return
        if call.code:
            may_be_part = self.form == "content" or call.killed or call.kept is not None
            if call.code == 9 and call.directory:
                may_be_part = True
            assert may_be_part or not text, f"exit code {call.code}, and stdout has {text[:100]!r}"
            return
        if run is None or self.lacks_its_beginning(run):
            return
        whole = next(iter(run.output.values()))
        if "--output-dir" in call.argv:
            are_there = [(self.story.cwd / path).is_file() for path in text.splitlines()]
            assert all(are_there), text
        elif self.form == "text" and len(run.output) > 1:
            self.require_whole(run, json.loads(text))
        else:
            may_differ = len(run.output) > 1 or self.has_odd_positions()
            is_warned = may_differ and "warning" in call.err
            is_all = text.removesuffix("\n") == whole
            if "--resume" in call.argv and whole.endswith(text):
                is_all = True  # the rest of it
            assert is_warned or is_all, f"{text!r:.200} instead of {whole!r:.200}"

    def has_odd_positions(self) -> bool:
        """True if what a stream shows may be neither a beginning nor an end of the text."""
        return bool({"redis_ids", "stream_start"} & self.story.world.plan["switches"].keys())

    def lacks_its_beginning(self, run: Run) -> bool:
        """True if the server had forgotten the first events when the stream was opened.

        Nothing in a stream shows that, as docs/fidelity.md says; only a single text output does.
        """
        is_shown = self.form == "content" and len(run.output) == 1
        if self.form == "text" or is_shown:
            return False
        first = run.sandbox.events[0].get("redisId") if run.sandbox.events else None
        for asked in self.call.requests:
            # After a reset, the events that were sent before may not have arrived.
            is_opened = asked.kind == "events" and "etag" not in asked.query
            if is_opened and asked.positions and asked.positions[0] != first:
                return True
        return False

    def events_are_all_there(self) -> None:
        """§ 6, 9: with `proven` and no gap, ndjson has each event of the run once, in order."""
        if self.form != "ndjson" or not self.results or self.run is None or not self.run.ended:
            return
        if self.has_odd_positions() or self.lacks_its_beginning(self.run):
            return
        continuity = self.results[-1]["stream"]["continuity"]
        printed = events_in(self.lines)
        if printed is None:
            return
        known = self.run.events
        if continuity != "proven" or self.call.sent or "--timeout" in self.call.argv:
            return
        if self.call.code not in {0, 1}:
            return
        # The last ones may come after the record has said that it is over.
        assert printed == known[: len(printed)], f"{len(printed)} events are not the first ones"
        is_all = len(printed) == len(known)
        assert is_all or "--output-dir" in self.call.argv, (
            f"{len(printed)} of {len(known)} events were printed, and the stream is {continuity}"
        )

    def a_clean_close_loses_nothing(self) -> None:
        """§ 6, 9: after a stream that ended too early, ndjson has all other events, or a gap."""
        call = self.call
        are_clean = all(
            each.get("do") == "clean" and each.get("times", 1) < 3 for each in call.faults
        )
        is_watched = self.form == "ndjson" and call.verb in STARTING and bool(call.faults)
        if not is_watched or not are_clean or call.sent or "--timeout" in call.argv:
            return
        if self.run is None or not self.run.ended or call.code not in {0, 1}:
            return
        if self.has_odd_positions() or self.lacks_its_beginning(self.run):
            return
        printed = events_in(self.lines)
        known = self.run.events
        if printed is not None:
            assert printed == known, f"{len(printed)} of {len(known)} events, and no gap"

    def a_resumed_stream_shows_the_rest(self) -> None:
        """§ 9: --resume shows what comes after the last event that was read here, each once."""
        call = self.call
        is_resumed = call.verb == "stream" and "--resume" in call.argv and self.form == "ndjson"
        if not is_resumed or self.run is None or call.code not in {0, 1} or call.sent:
            return
        if {"redis_ids", "stream_start", "retained_events"} & self.story.world.plan[
            "switches"
        ].keys():
            return
        earlier = [
            each
            for each in self.everything[: self.everything.index(call)]
            if each.key == self.run.key
        ]
        before = events_in(json_lines(earlier[0].out)) if earlier else None
        printed = events_in(self.lines)
        is_whole = earlier and earlier[0].option("--format") == "ndjson" and not earlier[0].killed
        if not is_whole or before is None or printed is None:
            return
        joined = before + printed
        known = self.run.events
        told = f"{len(before)} and {len(printed)} of {len(known)} events"
        assert joined == known[: len(joined)], f"{told} are not each once"

    def files_are_whole(self) -> None:
        """§ 16: what a manifest lists is there, and is that output of that run."""
        for path in self.story.cwd.rglob("manifest.json"):
            document = json.loads(path.read_text())
            for entry in document["files"]:
                run = self.runs[document["run"]["id"]]
                whole = value_at(run.output, entry["pointer"])
                if not isinstance(whole, str | bytes):
                    continue  # JSON, in the writer's form
                content = whole if isinstance(whole, bytes) else whole.encode()
                there = path.parent / entry["name"]
                assert there.read_bytes() == content, there
                assert entry["sha256"] == sha256(content).hexdigest(), there

    def calm_calls_are_right(self) -> None:
        """§ 7 to 10: undisturbed, or after trouble that passes, the exit code is that of the truth."""
        call = self.call
        is_refused = bool(REFUSED & call.step.keys())
        if not call.calm or call.kept is not None or is_refused:
            return
        if call.verb == "stop" and not self.named():
            return  # its run was never started
        if call.verb in {"stop", "runs", "export"} or "--dry-run" in call.argv:
            assert call.code == 0, f"exit code {call.code} after trouble that passes: {call.err}"
            return
        codes = [self.code_of(run) for run in self.runs_that_decide()]
        code = min(codes, key=ORDER.index, default=call.code)
        if code in {0, 11} and ("foreign" in call.step or self.is_in_the_way()):
            code = 9  # a file of the user's stands in the way
        if call.code == 2 and self.lacks_most_rows():
            return
        if "--fail-fast" in call.argv and call.code in codes:
            assert bool(call.code) is bool(code), f"exit code {call.code} of {codes}"
            return
        assert call.code == code, f"exit code {call.code} instead of {code}: {call.err[-600:]}"

    def runs_that_decide(self) -> list[Run | None]:
        """Return the runs of which the exit code is the worst one; None for a row without one."""
        call = self.call
        if call.verb in {"wait", "fetch-output"} and call.code == 8:
            return []  # of a run that goes on
        if "--detach" not in call.argv and call.verb in READING:
            is_part = (call.code, self.form) == (9, "content")
            return [self.run] if self.run and not is_part else []
        if call.verb == "wait" and "--any" not in call.argv:
            return [*self.named()]
        if call.verb != "batch" or not self.is_plain_batch():
            return []
        own = {run.question: run for run in self.started(*self.calls)}
        rows = [*self.table(call)]
        if self.gives_up():
            rows = [question for question in rows if question in own]
        return [own.get(question) for question in rows]

    def is_in_the_way(self) -> bool:
        """True if a file of the user's is in the directory that a run's files are for."""
        place = self.story.cwd / self.call.option("--output-dir")
        return any(path.parent == place for path in self.story.altered)

    def lacks_most_rows(self) -> bool:
        """True if the table lacks over half of the rows that had ended before this call."""
        if self.call.verb != "batch":
            return False
        ended = set()
        for run in self.started(*self.calls):
            if run.key != self.call.key and run.ended:
                ended.add(run.question)
        gone = ended - self.table(self.call).keys()
        return 2 * len(gone) > len(ended)

    def is_plain_batch(self) -> bool:
        """True if the code of a batch is that of its worst run."""
        if {"--repeat", "--again", "--min-pass"} & {*self.call.argv}:
            return False
        return not self.is_unsure()

    def a_share_that_passes_is_enough(self) -> None:
        """§ 10: --min-pass replaces 1, 3, 9 and 11 by 0 if enough rows are good, else by 11."""
        call = self.call
        share = call.option("--min-pass")
        is_other = bool({"--repeat", "--dry-run"} & {*call.argv})
        if not share or not call.calm or self.is_unsure() or is_other:
            return
        own = {run.question: run for run in self.started(*self.calls)}
        codes = [self.code_of(own.get(question)) for question in self.table(call)]
        if not {*codes} <= {0, 1, 3, 11} or call.code not in {0, 1, 3, 9, 11}:
            return
        is_enough = codes.count(0) * 100 >= len(codes) * int(share.rstrip("%"))
        right = 0 if is_enough else 11
        assert call.code == right, f"exit code {call.code} instead of {right} of {codes}"

    def mistakes_start_nothing(self) -> None:
        """§ 2, 3, 10, 11: what is a mistake is 2, before anything starts."""
        call = self.call
        if "mistake" not in call.step or call.sent or call.met:
            return
        assert call.code == 2, f"exit code {call.code} instead of 2: {call.err[-300:]}"
        assert not self.own, "a mistake has started a run"

    def what_was_edited_is_refused(self) -> None:
        """§ 10: another input of a row that was started, or of all, is 2, before anything starts."""
        call = self.call
        edited = call.step.get("edited")
        if edited is None or call.sent or call.met:
            return
        steps = self.story.steps
        if "begun" not in steps[steps.index(call.step) - 1]:
            return  # its row had not begun, so that it was not edited
        before = []
        for run in self.started(*self.calls):
            is_of_it = edited in {"", run.question}
            if is_of_it and run.key != call.key and not self.is_interrupted(run):
                before.append(run.question)
        if not before:
            return
        assert call.code == 2, f"{before[0]} was edited, and the code is {call.code}: {call.err}"
        assert not self.own, f"{before[0]} was edited, and {len(self.own)} runs were started"

    def a_list_has_each_run_once(self) -> None:
        """§ 2: runs lists the newest first, each once; calm, all that there are, as far as the list knows them."""
        call = self.call
        if call.verb != "runs" or call.code != 0 or {"close", "--rows"} & {*call.step, *call.argv}:
            return
        listed = [self.runs[each["id"]] for each in json.loads(call.out)["runs"]]
        ids = [run.id for run in listed]
        assert len(ids) == len({*ids}), f"listed twice: {ids}"
        births = [run.born for run in listed]
        assert births == sorted(births, reverse=True), f"not the newest first: {ids}"
        limit = int(call.option("--limit") or 30)
        assert len(ids) <= limit, f"{len(ids)} runs instead of {limit}"
        is_by_number = not self.story.world.climate["cursors"]  # which noxcli can read
        is_whole = is_by_number and "may be longer" not in call.err
        is_told_all = not call.sent and "without" not in (each.get("do") for each in call.faults)
        if not is_told_all or len(ids) == limit or not is_whole:
            return
        known = call.began - self.story.world.climate["lag"] - SOON
        for run in self.runs.values():
            is_asked = run.truth == (call.option("--status") or run.truth)
            is_asked = is_asked and not run.is_judgement
            if run.born < known and run.is_over(call.began) and is_asked:
                assert run.id in ids, f"run {run.id} is not among {len(ids)}"

    def a_stop_is_confirmed(self) -> None:
        """§ 2: stop ends with 0 once the run's record says that it has ended."""
        if self.call.verb == "stop" and self.call.code == 0:
            for run in self.named():
                assert run.ended, f"run {run.id} is {run.truth}"

    def a_confirmed_status_was_read(self) -> None:
        """§ 5: confirmed says that a read of the record has told the status."""
        for result in self.results:
            run = result["run"]
            if not run or not run["confirmed"]:
                continue
            reads = []
            for call in self.everything:
                for asked in call.requests:
                    is_whole = asked.status == 200 or asked.fault.get("do") == "slow"
                    if asked.kind in READS and is_whole and asked.id in {"", run["id"]}:
                        reads.append(asked)
            got = [(each.kind, each.status) for each in self.call.requests]
            assert reads, f"the record of {run['id']} was never read: {got}"

    def a_rerun_asks_the_same(self) -> None:
        """§ 2: rerun starts the inputs of the run that it names."""
        first = self.runs.get(self.call.argv[1]) if self.call.verb == "rerun" else None
        for run in self.own:
            if first is not None:
                assert run.input == first.input, f"{run.input} instead of {first.input}"

    def interrupted_runs_are_stopped(self) -> None:
        """§ 9: without a terminal, the first signal stops the run that run has started, unless told otherwise."""
        call = self.call
        is_told = call.verb == "run" and not {"detach", "--detach"} & {*call.argv}
        if not is_told or len(call.sent) != 1 or call.killed or call.met or not self.own:
            return
        if call.code not in {129, 130, 143}:
            return
        last = call.sent[0][0] + ANSWER_AT_A_SIGNAL - SLACK * call.slowness
        if any(asked.kind == "start" and asked.answered > last for asked in call.requests):
            return  # its answer may have come too late
        run = self.own[0]
        assert run.ended or call.key in run.stoppers, f"run {run.id} goes on: {call.err[-300:]}"

    def detached_runs_go_on(self) -> None:
        """§ 9: what only watches a run never stops it."""
        if self.call.verb in {"stream", "wait", "fetch-output"} or "detach" in self.call.argv:
            stopped = [run.id for run in self.runs.values() if self.call.key in run.stoppers]
            assert not stopped, f"stopped {stopped}"

    def results_are_stored_once(self) -> None:
        """§ 10, 12: each result is stored once, of its row and side; what noxcli has stopped is none."""
        call = self.call
        counted: Counter[tuple[int | str, int | str]] = Counter()
        for line, _ in self.stored:
            if call.verb == "batch" or is_answered(line):
                place = line["row"] if call.verb == "gate" else line["input"]["Question"]
                counted[(place, line["id"] or line["row"])] += 1
        is_over = call.verb == "batch" and call.calm and call.code in {0, 1, 3}
        # A call that does not begin removes nothing that an earlier one has left.
        is_refused = call.code in {2, 75}
        is_once = call.sent or is_refused or counted.total() == len(counted)
        several = [row for row, count in counted.items() if count > 1]
        assert is_once, f"rows with several results: {several}"
        for line, run in self.stored:
            if run is None:
                continue
            told = f"row {line['row']} with {line['input']} has run {run.id} of {run.named}"
            assert run.question == line["input"]["Question"], told
            assert not (is_over and self.is_interrupted(run)), f"{told}, stopped"
            if call.verb == "gate" and "mistake" not in call.step:
                self.require_side(line, run, told)
        is_doubtful = call.verb == "batch" and call.code == 7 and not self.is_unsure()
        assert not is_doubtful, f"in doubt without a lost start: {call.err[-500:]}"

    def require_side(self, line: dict[str, Any], run: Run, told: str) -> None:
        """Require that a run is of the row and the version of its place."""
        row, side, _ = place_of(line["row"])
        questions = [*self.table(self.call)]
        version = None
        if side < JUDGED:
            version = self.call.option(["--base", "--new"][side])
        if row < len(questions):
            assert run.question == questions[row], told
        assert run.named == version, told

    def results_agree(self) -> None:
        """§ 10: results has one line for each row of all shards, and the worst row's code."""
        call = self.call
        batches = {}
        for each in self.everything:
            if each.verb == "batch" and each.directory in call.argv and "mistake" not in each.step:
                batches[each.directory] = each
        is_part = {"--summary", "--status"} & {*call.argv}
        if call.verb != "results" or call.code == 2 or not batches or is_part:
            return
        lines = [json.loads(line) for line in call.out.splitlines()]
        repeat = max(each.repeat for each in batches.values())
        rows = sum(len(self.table(each)) for each in batches.values())
        if any("--shard" in each.argv for each in batches.values()):
            rows = len(self.story.tables["rows.csv"])  # each is in one of them
        codes = [line["result"]["exit_code"] for line in lines]
        told = (len(lines), len({line["row"] for line in lines}))
        assert told == (rows * repeat, rows), f"{told} lines and rows of {rows}"
        worst = min(codes, key=ORDER.index)
        has_share = bool({"--min-pass", "--pass-each"} & {*call.argv})
        is_worst = repeat > 1 or has_share or call.code == worst
        assert is_worst, f"exit code {call.code} of rows with {codes}"

    def comparisons_agree(self) -> None:
        """§ 12: each pair is in the class that its two answers have."""
        call = self.call
        if call.verb != "compare" or call.code == 2:
            return
        sides = []
        for place in call.argv[1:3]:
            stale = RowOracle(self).stale(place)
            side = {line["id"]: run for line, run in self.read(place) if run}
            sides.append({id: run for id, run in side.items() if id not in stale})
        base, new = sides
        classes: dict[str, set[str]] = {"broken": set(), "fixed": set()}
        for id in {*base} & {*new}:
            before = self.code_of(base[id])
            after = self.code_of(new[id])
            if base[id].input != new[id].input:
                continue
            if before == 0 and after in {1, 11}:
                classes["broken"].add(id)
            if before in {1, 11} and after == 0:
                classes["fixed"].add(id)
        for name, known in classes.items():
            told = set()
            for line in call.out.decode().splitlines():
                if line.startswith(f"{name}\t"):
                    told.add(line.split("\t")[1])
            assert told == known, f"{told} instead of {known} are {name}: {call.err[-400:]}"
        is_red = call.code == 11
        if is_red and call.option("--fail-on"):
            return
        broken = classes["broken"]
        assert is_red is bool(broken), f"exit code {call.code}, and {broken} are broken"

    def the_same_line_changes_nothing(self) -> None:
        """§ 2, 10, 12: the same line again, undisturbed, starts nothing and says the same."""
        call = self.call
        before = self.everything[max(0, self.everything.index(call) - 1)]
        asks = "--again" in call.argv
        if call.verb == "gate" and before.lacks_answers:
            asks = True  # once more
        is_same = before is not call and before.argv == call.argv
        if before.texts != call.texts or before.tables != call.tables or self.is_in_the_way():
            is_same = False
        if "mistake" in call.step or "mistake" in before.step:
            is_same = False
        if asks or not is_same or not (call.calm and before.calm):
            return
        if self.is_table and before.code in {0, 1, 11}:
            assert not self.own, f"it has started {len(self.own)} runs"
            again = [line for line in self.lines if line.get("result", line)["exit_code"] != 7]
            assert call.verb == "gate" or not again, f"it has printed {again[0]}"
        if call.verb != "batch":
            said = before.told
            says = call.told
            assert said == says, f"exit code and outputs were {said}, and are {says}"

    def has_missing_answers(self) -> bool:
        """True if a place of a gate has no result, so that the next call asks it again."""
        if self.call.verb != "gate":
            return False
        places = {line["row"] for line, _ in self.stored}
        tried = set(map(int, re.findall(r'"row":(\d+),"step":"sent"', self.journal)))
        are_answered = all(is_answered(line) for line, _ in self.stored)
        return bool(tried - places) or not are_answered


def json_lines(out: bytes) -> list[dict[str, Any]]:
    """Return the objects that stand on lines of their own."""
    found = []
    for line in out.splitlines():
        if line[:1] == b"{" and line[-1:] == b"}":
            with suppress(ValueError):  # a pipe that was closed has a part of it
                found.append(json.loads(line))
    return found


def events_in(lines: list[dict[str, Any]]) -> list[tuple[str, Any]] | None:
    """Return the server's events among lines of ndjson, None if some may be missing."""
    found = []
    for line in lines:
        if line.get("type") == "noxcli.gap":
            return None
        if line.get("type") in {"state", "content"}:
            found.append((line["type"], line["data"]))
    return found


def value_at(output: Any, pointer: str) -> Any:
    """Return the value at a place of an output, whose keys need no escapes."""
    for key in pointer.split("/")[1:]:
        output = output[int(key) if isinstance(output, list) else key]
    return output
