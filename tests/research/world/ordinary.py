"""Stories of ordinary trouble, each around one thing that a user relies on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.research.world.plan import SAYS, VERSIONS, WORKFLOW

if TYPE_CHECKING:
    from tests.research.world.user import User

HANGING = 25.0  # seconds without an answer: longer than each limit in these stories
NOTED = "id,Question,Count,Note"
MANY_FAILURES = 24  # rows; a batch gives up after 20
Story = Callable[["User"], None]


def imported(user: "User") -> None:
    """Definitions are imported, and the answer is lost or late."""
    user.call(user.line("export"), calm=True)
    user.call(user.line("export again"), calm=True, faults=user.fault("export", 1))
    for _ in range(3):
        line = user.line("import")
        trouble = user.fault("import", 1, 2, times=1)
        if user.chance(0.3):
            line += ["--timeout", "2s"]
            trouble = [{"at": ["import", 1], "do": "silent", "seconds": HANGING}]
        user.call(line, calm=True, faults=trouble)


def hanging(user: "User") -> None:
    """A server accepts a request and says nothing for longer than the command may take."""
    user.plan["switches"].pop("rate_limit", None)
    first = user.call([*user.line("long"), "--detach"], calm=True)
    user.fate(f"solo {len(user.steps) - 1}", "l", "l")
    user.table(2, 4)
    for _ in range(3):
        user.words["RUN"] = f"{{{first}}}"
        line = user.line("limited")
        kinds = SAYS["kinds"].get(line[0], SAYS["kinds"]["run"])
        place = [user.rng.choice(kinds), user.rng.choice([1, 1, 2])]
        fault = {"at": place, "do": user.rng.choice(["silent", "late"]), "seconds": HANGING}
        fault |= {"times": user.rng.choice([1, 1, 40]), "effect": user.chance(0.5)}
        user.call(line, calm=True, faults=[fault])
    user.call(["wait", f"{{{first}}}", "--timeout", "0"], calm=True)
    user.call(["fetch-output", f"{{{first}}}", *user.line("judge json")], calm=True)
    user.call(["stop", f"{{{first}}}"], calm=True)


def asked_again(user: "User") -> None:
    """Rows are asked again, the call is killed, and somebody looks at the results."""
    user.table(2, 4, 8)
    line = user.line("batch again")
    other = user.line("compare 1")
    user.call(line, calm=True)
    user.call(other, calm=True)
    for _ in range(2):
        again = [*line, "--again", user.rng.choice(["failed", "red", "red", "stopped"])]
        user.call(again, calm=True, faults=user.kill())
        user.judge("results", line)
        user.judge("compare", other, line)
    user.call([*line, "--resume"], calm=True)
    user.judge("results", line)
    user.judge("compare", other, line)


def delivered(user: "User") -> None:
    """Outputs are long texts and files, some of which can't be had, or only later."""
    user.plan["climate"]["outputs"] = ["Answer", "Text", "Doc"]
    user.table(2, 4)
    line = user.line("batch delivered")
    user.call(line, calm=True, faults=user.fault("file", 1, 2))
    user.call([*line, "--resume"], calm=True)
    user.judge("results", line)
    first = user.call(user.line("run delivered"), calm=True, faults=user.fault("file", 1, 2))
    for _ in range(2):
        user.words["RUN"] = f"{{{first}}}"
        user.call(user.line("fetch"), calm=True, faults=user.fault("file", 1, 2))
    where = f"out{len(user.steps)}"
    again = ["fetch-output", f"{{{first}}}", "--wait", "--output-dir", where]
    user.call(again, calm=True)
    user.steps.append({"alter": where, "listed": user.chance(0.3)})
    user.call(again, calm=True)


def flaky(user: "User") -> None:
    """Each second or third request about a long run fails, as behind a replica that is late."""
    for number in range(2):
        user.fate(f"solo {number}", "m", "m")
        user.fate(f"question {number}", "m", "m")
    user.table(2)
    lines = [["--no-stream", "--poll-interval", "0.3s"], ["--format", "ndjson"], []]
    line = [*user.line("long"), *user.rng.choice(lines)]
    if user.chance(0.3):
        line = [*user.line("batch failing"), "--retry-for", "20s"]
    line = [word.replace("solo 1", "solo 0") for word in line]
    fault = user.pick(SAYS["faults"]["flaky"])
    user.call(line, calm=True, faults=[{"at": ["record", 1], **fault}])


def odd_pair(user: "User") -> None:
    """Two versions differ in a row or two, whose answers are any two."""
    rows = user.table(3, 4)
    for _, question in rows:
        user.fate(question, "g", "g")
    for _, question in rows[: user.rng.choice([1, 1, 2])]:
        user.fate(question, user.rng.choice("gbff-p"), user.rng.choice("gbbf-p"))
    lines = [user.line("compare 1"), user.line("compare 2")]
    for line in lines:
        user.call(line, calm=True)
    user.judge("compare", *lines)
    user.judge("results", *lines[:1])


def listed(user: "User") -> None:
    """Runs are listed by pages, some of which fail at first."""
    user.plan["switches"]["page_size"] = user.rng.choice([1, 2, 3])
    user.plan["climate"] |= {"lag": 0, "cursors": False}
    user.table(4, 8)
    user.call(user.line("compare 1"), calm=True)
    for _ in range(3):
        faults = user.fault("list", 1, 2, 3, 4, times=user.rng.choice([1, 1, 2]))
        user.call(user.line("long list"), calm=True, faults=faults)


def waited(user: "User") -> None:
    """Several runs are waited for at once."""
    names = []
    for _ in range(user.rng.choice([2, 3])):
        question = f"several {len(user.steps)}"
        fate = user.rng.choice("gggbf-p")
        user.fate(question, fate, fate)
        line = ["run", WORKFLOW, f"Question={question}", "Count=7", "--detach"]
        names.append(user.call(line, calm=True))
    ids = [f"{{{name}}}" for name in names]
    user.call(["wait", *ids, *user.line("several")], calm=user.chance(0.5))
    user.call(["wait", "@last", *user.line("several")], calm=True)
    user.call(["stop", *ids], calm=user.chance(0.5))
    user.call(["wait", *ids, *user.line("several")], calm=True)


def redefined(user: "User") -> None:
    """Somebody edits the workflow between two calls, and puts it back."""
    kind = user.rng.choice(["batch again", "gate"])
    if kind == "gate":
        user.plan["climate"]["outputs"] = ["Answer", "Score"]
        user.mixed()
    else:
        user.table(2, 4)
    line = user.line(kind)
    again = line if kind == "gate" else [*line, "--resume"]
    user.call(line, calm=user.chance(0.5), faults=user.kill())
    version = "v1" if kind != "gate" else user.rng.choice(["v1", line[line.index("--new") + 1]])
    names = {id: name for name, id in VERSIONS.items()}
    user.steps.append({"redefine": names.get(version, version)})
    user.call(again, calm=True, redefined=True)
    user.steps.append({"redefine": ""})
    user.call(again, calm=True)
    user.call(again, calm=True)


def another_batch(user: "User") -> None:
    """The directory of a batch is given to one that is not the same, or to nobody at all."""
    user.table(2, 4)
    line = user.line("batch again")
    user.call(line, calm=user.chance(0.5), faults=user.kill())
    for _ in range(2):
        other = user.rng.choice(
            [["--version-id", VERSIONS["v2"]], ["Count=8"], ["--repeat", "3"], ["--shard", "1/2"]]
        )
        user.call([*line, *other, "--resume"], calm=True, other=True)
    user.call([*line, "--resume", "--dry-run"], calm=True)
    user.call([*line, "--resume"], calm=True)
    user.judge("results", line)


def cleaned_up(user: "User") -> None:
    """A step of a pipeline is killed, and the next one stops what it has left."""
    state = f"state{len(user.steps)}"
    user.fate(f"solo {len(user.steps)}", "l", "l")
    line = [*user.line("long"), "--state-file", state]
    kind, delay = user.rng.choice([("record", 0.3), ("events", 0.5), ("start", 0.4)])
    faults = [{"at": [kind, 1], "signal": user.rng.choice(["KILL", "TERM"]), "delay": delay}]
    user.call(line, calm=True, faults=faults)
    user.call(["stop", "--state-file", state, *user.line("stop limit")], calm=user.chance(0.5))
    user.call(["stop", "--state-file", state], calm=True)
    user.call(user.line("dry run"), calm=True)


def repeated(user: "User") -> None:
    """Each row is asked several times, of which some have to be good."""
    for _, question in user.table(2, 3):
        likely = user.rng.choice(["g", "ggb", "gb", "ggf", "b"])
        fate = "".join(user.rng.choices(likely, k=3))
        user.fate(question, fate, fate)
    line = user.line("batch repeated")
    user.call(line, calm=user.chance(0.5), faults=user.kill())
    for _ in range(2):
        user.call([*line, "--resume"], calm=True)
    judged = line[line.index("--pass-each") :][:2]
    user.call(["results", user.directory(line), *judged, *user.line("right")], calm=True)


def failing(user: "User") -> None:
    """So many rows fail that the batch has to give up."""
    rows = user.rng.choice([[6], [MANY_FAILURES]])
    fate = user.rng.choice(["f", "f", "-"])
    for _, question in user.table(*rows):
        user.fate(question, fate, fate)
    line = user.line("batch failing")
    user.call(line, calm=user.chance(0.6))
    user.call([*line, "--resume"], calm=True)
    user.judge("results", line)


def damaged(user: "User") -> None:
    """A killed batch has left half a line, or its journal is lost on the way to another machine."""
    user.table(2, 4)
    line = user.line("batch again")
    user.call(line, calm=True, faults=user.kill())
    user.steps.append({"tear": user.directory(line) + user.rng.choice(["/batch", "/results"])})
    user.call([*line, "--resume"], calm=True)
    journal = f"{user.directory(line)}/batch.jsonl"
    user.steps.append({"hide": journal})
    user.call([*line, "--resume"], calm=True, hidden=True)
    user.steps.append({"show": journal})
    user.call([*line, "--resume"], calm=True)
    user.judge("results", line)


def edited_while_open(user: "User") -> None:
    """A batch is killed, and the question of a row that it has asked is another one afterwards."""
    user.table(2, 4)
    line = user.line(user.rng.choice(["batch again", "batch repeated"]))
    faults: list[Any] = user.rng.choice([user.kill(), user.fault("start", 1, 2)])
    user.call(line, calm=True, faults=faults)
    for _ in range(2):
        user.edit_cell([*line, "--resume"])
    user.call([*line, "--resume"], calm=True)
    user.judge("results", line)


def judged_whole(user: "User") -> None:
    """An answer of which a preview would be judged otherwise, while another output is asked for."""
    user.plan["climate"]["outputs"] = user.rng.choice([["Answer"], ["Answer", "Text"]])
    if "Text" not in user.plan["climate"]["outputs"]:
        user.words["Text"] = "Answer"
    first = user.call(user.line("run judged"), calm=user.chance(0.6))
    for _ in range(3):
        user.words["RUN"] = f"{{{first}}}"
        user.call(user.line("fetch judged"), calm=user.chance(0.6))
    user.words.pop("Text", None)


def noted(user: "User") -> None:
    """A kept column says what is right, and changes between calls."""
    rows = user.table(2, 4)
    table = user.steps[-1]
    table |= {"header": NOTED, "notes": notes_for(user, rows)}
    base = user.line("base noted")
    user.call(base, calm=user.chance(0.5), faults=user.kill())
    user.call([*base, "--resume"], calm=True)
    for _ in range(2):
        if user.chance(0.8):
            user.steps.append({**table, "notes": notes_for(user, rows), "edit": "a kept cell"})
        if user.chance(0.4):
            again = user.rng.choice(["failed", "stopped"])
            user.call([*base, "--again", again], calm=True)
        user.call([*base, "--resume"], calm=user.chance(0.7))
        user.call([*base, "--resume"], calm=True)
        user.call(["results", "base", *user.line("as noted")], calm=True)
    user.steps.append({**table, "notes": notes_for(user, rows), "edit": "a kept cell"})
    user.call(user.line("new noted"), calm=True)
    user.call(["compare", "base", "new", *user.line("as noted")], calm=True)


def notes_for(user: "User", rows: list[list[str]]) -> dict[str, str]:
    """Return what the answers to some questions should begin with."""
    return {question: user.rng.choice(["right", "right", "wrong"]) for _, question in rows}


def equal_rows(user: "User") -> None:
    """Rows that ask the same, whose starts are lost: at most one of them is what has run."""
    count = user.rng.choice([2, 2, 3])
    rows = [[f"r{number}", "the same question"] for number in range(count)]
    rows.append([f"r{count}", "another question"])
    user.steps.append({"file": "rows.csv", "rows": rows})
    line = user.line("batch equal")
    faults = []
    for place in range(1, count + 1):
        lost = {"do": "drop", "effect": user.chance(0.5)}
        faults.append({"at": ["start", place], **lost})
    user.call(line, calm=True, faults=faults, equal=count)
    for _ in range(3):
        user.call([*line, "--resume"], calm=True, equal=count)


def some_rows(user: "User") -> None:
    """A batch is continued for some of its rows, while others have failed."""
    rows = user.table(2, 4)
    for _, question in rows:
        fate = user.rng.choice("gggfb-")
        user.fate(question, fate, fate)
    line = user.line("batch some")
    user.call(line, calm=user.chance(0.7), faults=user.kill())
    user.call([*line, "--resume"], calm=True)
    for _ in range(2):
        part = user.rng.choice([["--only", "ids"], ["--only", "ids"], ["--limit", "1"]])
        user.call([*line, *part, "--resume"], calm=True)
    user.call([*line, "--resume"], calm=True)


def closed_early(user: "User") -> None:
    """A stream ends as if it were complete, while its run goes on or has just ended."""
    user.fate(f"solo {len(user.steps)}", "gf", "gf")
    for name in user.plan["switches"].keys() & {"retained_events", "redis_ids", "stream_start"}:
        user.plan["switches"].pop(name)
    fault = {"do": "clean", "after": user.rng.randint(1, 12), "times": user.rng.choice([1, 1, 2])}
    user.call(user.line("run closed"), calm=True, faults=[{"at": ["events", 1], **fault}])


def stopped_late(user: "User") -> None:
    """A stop is refused at first, and has to be sent again."""
    user.fate(f"solo {len(user.steps)}", "l", "l")
    first = user.call([*user.line("long"), "--detach"], calm=True)
    fault = {"do": "status", "status": user.rng.choice([429, 500, 502, 503, 504]), "effect": False}
    faults = [{"at": ["stop", 1], "times": user.rng.choice([1, 1, 2]), **fault}]
    user.call(["stop", f"{{{first}}}"], calm=True, faults=faults)
    user.call(["stop", f"{{{first}}}"], calm=True)


STORIES: list[tuple[int, Story]] = [
    (2, imported),
    (3, hanging),
    (3, asked_again),
    (3, delivered),
    (2, flaky),
    (4, odd_pair),
    (3, listed),
    (2, waited),
    (2, failing),
    (2, damaged),
    (2, edited_while_open),
    (2, redefined),
    (2, another_batch),
    (2, cleaned_up),
    (2, repeated),
    (3, judged_whole),
    (3, noted),
    (3, equal_rows),
    (3, some_rows),
    (3, closed_early),
    (2, stopped_late),
]
