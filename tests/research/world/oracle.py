"""What must hold whatever happens: what noxcli said against the server's truth; § is a section of the contract."""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from tests.documents import check_stdout
from tests.research.world.play import Call, Story
from tests.research.world.server import Run

ORDER = [129, 130, 143, 141, 70, 2, 4, 7, 6, 75, 5, 124, 10, 1, 3, 11, 9, 8, 0]  # § 7: the first one of several
SIGNALS = {129: "HUP", 130: "INT", 143: "TERM"}
ENDED = {"completed": 0, "failed": 1, "stopped": 3}
STARTING, READING = {"run", "rerun"}, {"run", "rerun", "stream", "fetch-output"}
SLACK, SOON = 2.5, 0.5  # seconds: for a busy machine, and after which an answer has arrived
Invariant = Callable[[Story, Call], Iterator[str]]
INVARIANTS: list[Invariant] = []


def invariant(check: Invariant) -> Invariant:
    INVARIANTS.append(check)
    return check


def problems(story: Story, call: Call) -> list[str]:
    """Return what a call that has just ended has broken."""
    return [f"{call.name} {check.__name__}: {said}" for check in INVARIANTS for said in check(story, call)]


def started(story: Story, *calls: Call) -> list[Run]:
    return [run for run in story.world.runs.values() if run.key in {call.key for call in calls}]


def batches(story: Story, call: Call) -> list[Call]:
    """Return the calls of the same batch."""
    return [each for each in story.calls if each.verb == call.verb == "batch" and each.directory == call.directory]


def table(story: Story, call: Call) -> list[tuple[str, str]]:
    """Return id and question of each row that a batch is to run."""
    text, limit, shard = story.tables.get(call.argv[2], ""), call.option("--limit"), call.option("--shard") or "1/1"
    lines = [json.loads(line) for line in text.splitlines()] if text[:1] == "{" else csv.DictReader(text.splitlines())
    rows = [(line.get("$id") or line["id"], line["Question"]) for line in lines]
    return rows[: int(limit) if limit else None][int(shard[0]) - 1 :: int(shard[2])]


def stored(story: Story, directory: str | None) -> list[dict[str, Any]]:
    path = story.cwd / (directory or ".") / "results.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def results(call: Call) -> list[dict[str, Any]]:
    """Return the result documents that a call printed, without a line that was cut."""
    lines = [json.loads(line) for line in call.out.splitlines() if line[:1] == b"{" and line[-1:] == b"}"]
    found = [line.get("result") or (line["data"] if line.get("type") == "noxcli.result" else line) for line in lines]
    return [each for each in found if each.get("schema") == "noxcli.result/1"]


def code_of(run: Run | None, call: Call) -> int:
    if run is None:
        return 7
    return 11 if "--assert" in call.argv and run.truth == "completed" and not run.course.right else ENDED[run.truth]


def target(story: Story, call: Call) -> Run | None:
    """Return the run that a call is about: the one that it has started, or that it names."""
    own = started(story, call)
    return own[0] if own else None if call.verb in STARTING else story.world.runs.get(call.argv[1])


def unsure(story: Story, call: Call) -> bool:
    """True if a start of the batch may have got no answer."""
    calls = batches(story, call)
    return any(each.killed or each.meets("start") or each.sent for each in calls)


@invariant
def documents_parse(_: Story, call: Call) -> Iterator[str]:
    """§ 4 to 6: --json is one document, ndjson one event a line and the result last, both with the exit code."""
    form, lines = call.option("--format"), call.out.splitlines()
    if call.killed or "close" in call.step:
        return
    check_stdout(call.out)
    if call.verb in READING and ("--json" in call.argv or form == "ndjson"):
        found, parsed = results(call), [json.loads(line) for line in lines]
        if [each["exit_code"] for each in found] != [call.code] or (form != "ndjson" and len(lines) != 1):
            yield f"{len(lines)} lines and {len(found)} results at exit code {call.code}: {call.out[-300:]!r}"
        elif form == "ndjson" and [line["seq"] for line in parsed] != [*range(1, len(lines) + 1)]:
            yield f"lines {[line['seq'] for line in parsed]}"
        elif form == "ndjson" and (parsed[0]["type"] == "noxcli.started") is (found[0]["run"] is None):
            yield f"the first event is {parsed[0]['type']}, and the run is {found[0]['run']}"


@invariant
def codes_have_causes(_: Story, call: Call) -> Iterator[str]:
    """§ 7: never 70, nor a code that is nobody's; what a signal, a limit or a reader ends with has had one."""
    sent = {"SIGKILL" if call.code < 0 else "": True, **{name: True for _, name in call.sent}}
    if (call.code < 0 and "KILL" not in sent) or (call.code >= 0 and call.code not in ORDER):
        yield f"died of {call.code}: {call.err[-300:]}"
    if call.code == 70 or "Traceback" in call.err:
        yield f"exit code {call.code}: {call.err[-1500:]}"
    limited = call.code == 124 and "--timeout" not in call.argv
    if limited or SIGNALS.get(call.code, "") not in {"", *sent} or (call.code == 141 and "close" not in call.step):
        yield f"exit code {call.code} without a cause: {call.err[-500:]}"


@invariant
def time_is_bounded(_: Story, call: Call) -> Iterator[str]:
    """§ 9: --timeout is exceeded by 1 s at most, a signal by an answer (5 s), a stop (5 s) and 1 s."""
    limit = call.option("--timeout")
    if call.code == -9 and not call.sent:
        yield "hangs"
    if call.sent and call.ended - call.sent[0][0] > 11 + SLACK:
        yield f"went on for {call.ended - call.sent[0][0]:.1f} s after {call.sent}"
    if limit and not call.sent and call.ended - call.began > float(limit.rstrip("s")) + 1 + SLACK:
        yield f"took {call.ended - call.began:.1f} s with --timeout {limit}"


@invariant
def nothing_is_elsewhere(story: Story, call: Call) -> Iterator[str]:
    """§ 15, 16: the key is nowhere; nothing is written but what was named, nor left half unless it was killed."""
    printed, killed = call.out.decode(errors="replace") + call.err, any(each.killed for each in story.calls)
    named = [*story.tables, *(each.option("-o") for each in story.calls), *(each.directory for each in story.calls)]
    for path in filter(lambda path: path.is_file(), story.place.rglob("*")):
        top, own = path.relative_to(story.place).parts[0], str(path.relative_to(story.place)).partition("/")[2]
        printed += path.read_text(errors="replace")
        known = top in {"state", "cache"} or any(name and own.startswith(name) for name in named)
        if not killed and (not known or path.suffix == ".part"):
            yield f"{path} was written"
    if call.key in printed:
        yield "the key is in a file or was printed"


@invariant
def one_start_for_one_intent(story: Story, call: Call) -> Iterator[str]:
    """§ 5, 7, 8: a start is sent once; what may be repeated (also 75), or is a mistake (2), has started nothing."""
    if call.verb != "batch" and len(runs := started(story, call)) > (call.verb in STARTING):
        yield f"{len(runs)} runs"
    safe = call.code in {2, 75} or any(each["retry_safe"] for each in results(call))
    if safe and call.verb in STARTING and started(story, call):
        yield f"a run exists, and the code is {call.code}: {call.err[-300:]}"


@invariant
def runs_are_named(story: Story, call: Call) -> Iterator[str]:
    """§ 8, 10: once its start is answered, a run is in the history or the journal, even after kill -9, or named."""
    journal = story.cwd / (call.directory or "") / "batch.jsonl"
    known = call.err + str([*(story.place / "state").iterdir()]) + (journal.read_text() if journal.is_file() else "")
    for run in started(story, call):
        late = call.killed and run.born > call.sent[0][0] - call.delayed - SOON
        if run.answered and not late and run.id not in known:
            yield f"run {run.id} of {run.input} is named nowhere: {call.code} {call.err[-500:]}"


@invariant
def rows_start_once(story: Story, call: Call) -> Iterator[str]:
    """§ 10: --resume repeats nothing that finished or may have been started; --again what it names, once."""
    calls, repeat = batches(story, call), int(call.option("--repeat") or 1)
    for place, run in enumerate(runs := started(story, *calls)):
        if run.key == call.key:
            same = [each for each in runs[:place] if each.input["Question"] == run.input["Question"]][-repeat:]
            if len(same) == repeat and not any(_excused(each, call, calls) for each in same):
                yield f"{run.input} was started again: {[(each.id, each.truth) for each in [*same, run]]}"


def _excused(run: Run, call: Call, calls: list[Call]) -> bool:
    """True if a run is a reason to start its row again in a later call."""
    first, last = next(place for place, each in enumerate(calls) if each.key == run.key), calls.index(call)
    begun = calls[first]
    if run.truth == "stopped" and run.stoppers & {each.key for each in calls}:
        return True
    match call.option("--again") if first < last else None:
        case "failed" | "stopped" as which:
            return run.truth == which
        case "doubtful":
            return not run.answered or begun.killed or bool(begun.sent)
        case "red":
            is_over = any(each.code in {0, 1, 9, 11} for each in calls[first:last])
            return code_of(run, call) != 0 and (is_over or begun.option("--again") != "red")
    return False


@invariant
def inputs_are_sent_as_meant(story: Story, call: Call) -> Iterator[str]:
    """§ 3, 10: a text that parses as the declared type is sent as that, and by --resume as before."""
    earlier = [run.input["Count"] for run in started(story, *batches(story, call)) if run.key != call.key]
    unread = call.meets("workflow") or call.meets("versions")
    for run in started(story, call):
        if run.input["Count"] != 7 and (not unread or 7 in earlier):
            yield f"sent {run.input}"


@invariant
def verdicts_are_true(story: Story, call: Call) -> Iterator[str]:
    """§ 1, 5, 10: a result is of a run of this intent, with the status of its record and its whole output."""
    for result in [*results(call), *(line["result"] for line in stored(story, call.directory))]:
        run, code, status = None, result["exit_code"], (result["run"] or {}).get("status")
        if result["run"] is not None and (run := story.world.runs.get(result["run"]["id"])) is None:
            yield f"there is no such run: {result}"
        elif "--detach" in call.argv:
            continue  # 0 only says that it was started
        elif code in {0, 1, 3, 11} and (
            run is None or (status, ENDED[run.truth]) != (run.truth, code if code < 11 else 0)
        ):
            yield f"exit code {code} and {status} of a run that has {run and run.truth}: {result}"
        elif run is not None and code in {0, 11} and call.verb != "wait":
            yield from _differing(story, run, result["output"])


def _differing(story: Story, run: Run, output: Any) -> Iterator[str]:
    """Yield how an output differs from the whole one."""
    for name, whole in run.course.output.items():
        there = value = output.get(name)
        if isinstance(value, dict) and "$file" in value:
            content = (story.cwd / value["$file"]).read_bytes()
            there = content if isinstance(whole, bytes) else content.decode()
        if there not in (whole, run.shown(name) if isinstance(whole, bytes) else whole):
            yield f"{name} of run {run.id} is {value!r:.200} instead of {whole!r:.200}"


@invariant
def text_is_whole(story: Story, call: Call) -> Iterator[str]:
    """§ 4: text is on stdout as a whole if the code is 0, and not at all otherwise."""
    form, run, text = call.option("--format") or "text", target(story, call), call.out.decode(errors="replace")
    if call.verb not in READING or {"--json", "ndjson", "--detach"} & {*call.argv} or "close" in call.step:
        return
    if call.code and text and form == "text" and not call.killed and not (call.code == 9 and call.directory):
        yield f"exit code {call.code}, and stdout has {text[:100]!r}"
    if call.code or run is None:
        return
    output, raw = run.course.output, call.option("--raw")
    if run.truth != "completed":
        yield f"exit code 0 of a run that has {run.truth}"
    elif "--output-dir" in call.argv:
        yield from [f"{path} is no file" for path in text.splitlines() if not (story.cwd / path).is_file()]
    elif raw or form == "content" or len(output) == 1:
        whole = output.get("Answer", "") if form == "content" else output[raw or next(iter(output))]
        if text.removesuffix("\n") != whole and not (form == "content" and "warning" in call.err):
            yield f"{text!r:.200} instead of {whole!r:.200}"
    else:
        yield from _differing(story, run, json.loads(text))


@invariant
def files_are_whole(story: Story, _: Call) -> Iterator[str]:
    """§ 16: what a manifest lists is there, and is that output of that run."""
    for path in story.cwd.rglob("manifest.json"):
        document = json.loads(path.read_text())
        for entry in document["files"]:
            whole = story.world.runs[document["run"]["id"]].course.output[entry["pointer"].split("/")[1]]
            content, there = whole if isinstance(whole, bytes) else whole.encode(), path.parent / entry["name"]
            if there.read_bytes() != content or entry["sha256"] != sha256(content).hexdigest():
                yield f"{there} has {there.read_bytes()[:80]!r} instead of {content[:80]!r}"


@invariant
def calm_calls_are_right(story: Story, call: Call) -> Iterator[str]:
    """§ 7: undisturbed, the exit code is that of the truth."""
    runs: list[Run | None] = []
    if call.calm and call.verb in READING and "--detach" not in call.argv:
        runs = [run] if (run := target(story, call)) else []
    elif call.calm and call.verb == "batch" and not {"--repeat", "--again"} & {*call.argv} and not unsure(story, call):
        own = {run.input["Question"]: run for run in started(story, *batches(story, call))}
        runs = [own.get(question) for _, question in table(story, call)]
    if runs and call.code != (code := min((code_of(run, call) for run in runs), key=ORDER.index)):
        yield f"exit code {call.code} instead of {code}: {call.err[-600:]}"


@invariant
def results_are_stored_once(story: Story, call: Call) -> Iterator[str]:
    """§ 10: results.jsonl has every result once, of a run of its row; a start that was answered is in no doubt."""
    keys, lines = {each.key for each in batches(story, call)}, stored(story, call.directory)
    if call.verb == "batch" and not call.sent and call.code != 75:
        counted = Counter((line["row"], line["id"]) for line in lines)
        yield from [f"{row} has several results" for row, count in counted.items() if count > 1]
    for line in lines:
        run = story.world.runs.get((line["result"]["run"] or {}).get("id", ""))
        own = [each for each in started(story, *batches(story, call)) if run and each.input == run.input]
        sees = not (story.plan["climate"]["lag"] or any(each.meets("list") for each in batches(story, call)))
        sees = sees and len(own) >= int(batches(story, call)[0].option("--repeat") or 1)
        if run and ((run.key not in keys and sees) or run.input["Question"] != line["input"]["Question"]):
            yield f"row {line['row']} has the run of another: {line['input']}, {run.input}"
    if call.verb == "batch" and call.code == 7 and not unsure(story, call):
        yield f"in doubt without a lost start: {call.err[-500:]}"


@invariant
def results_agree(story: Story, call: Call) -> Iterator[str]:
    """§ 10: results has one line for each row of all shards, and the worst row's code."""
    last = {each.directory: each for each in story.calls if each.verb == "batch" and each.directory in call.argv[1:]}
    if call.verb == "results" and call.code != 2 and last:
        lines = [json.loads(line) for line in call.out.splitlines()]
        repeat = int(next(iter(last.values())).option("--repeat") or 1)
        rows, named = sum(len(table(story, each)) for each in last.values()), {line["row"] for line in lines}
        codes = [line["result"]["exit_code"] for line in lines]
        if len(lines) != rows * repeat or len(named) != rows:
            yield f"{len(lines)} lines of {rows} rows"
        elif repeat == 1 and call.code != min(codes, key=ORDER.index):
            yield f"exit code {call.code} of rows with {codes}"


@invariant
def comparisons_agree(story: Story, call: Call) -> Iterator[str]:
    """§ 12: a row that is good in BASE and bad in NEW is broken, and 11."""
    if call.verb == "compare" and "--assert" in call.argv and call.code != 2:
        lines = ([line for line in stored(story, place) if line["result"]["run"]] for place in call.argv[1:3])
        base, new = ({line["id"]: story.world.runs[line["result"]["run"]["id"]] for line in each} for each in lines)
        good = {name for name in {*base} & {*new} if code_of(base[name], call) == 0}
        broken = {name for name in good if code_of(new[name], call) in {1, 11}}
        told = {line.split("\t")[1] for line in call.out.decode().splitlines() if line.startswith("broken\t")}
        if told != broken or (call.code == 11) is not bool(broken):
            yield f"exit code {call.code}, {told} instead of {broken} are broken: {call.err[-400:]}"


@invariant
def the_same_line_changes_nothing(story: Story, call: Call) -> Iterator[str]:
    """§ 2, 10: the same line again, undisturbed, starts nothing and says the same."""
    before = story.calls[max(0, story.calls.index(call) - 1)]
    if not (call.calm and before.calm and before is not call and before.argv == call.argv) or "--again" in call.argv:
        return
    said = [(each.code, [one["output"] for one in results(each)]) for each in (before, call)]
    if call.verb == "batch" and before.code in {0, 1, 11} and (call.out or started(story, call)):
        yield f"it has started {len(started(story, call))} runs, and printed {call.out[:200]!r}"
    elif call.verb != "batch" and said[0] != said[1]:
        yield f"exit code {before.code}, then {call.code}: {before.out[-300:]!r}, then {call.out[-300:]!r}"
