"""The random user: what is called, in which order, and what goes wrong meanwhile."""

import re
import shlex
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from tests.research.world import ordinary
from tests.research.world.plan import JUDGE, PREVIEW, SAYS, VERSIONS, WORKFLOW, Fault, Plan, Step

CALM = 0.15  # of calls
PAGED = 0.3  # how often lists have pages of a few runs
RARE = 0.1  # how often a switch of the server is another one
SCREENED, CONFIRMED = 4, 12  # answers of a suspect
LEADS = {1: 5, 2: 6, 3: 6}  # that break a row, by the number of suspects
FEWEST_RUNS = 300  # that --max-runs leaves beyond one round
MANY_ROWS = 24
SLOW_STOPS = [0.3, 3, 3]  # seconds until a run that was asked to stop has ended
OLD = [8, 60, 4000]  # seconds since somebody else started a run
UNEDITED = {"--limit", "--only", "--shard"}  # with these, an edit may select other rows
ID = ["--id", "id"]
JUDGED, WRONGLY_JUDGED = (f"starts_with(judge.Answer, '{word}')" for word in ("right", "wrong"))
Edit = Callable[[list[str]], list[str] | None]  # may return another line that continues the batch
WITHOUT_IDS = {"header": "Question,Count"}
TROUBLED_STREAM = {"retained_events": [2, 4, 8], "redis_ids": ["all"]}


def invent(seed: int) -> Plan:
    """Return the plan of a seed."""
    return user_of(seed).plan


def user_of(seed: int) -> "User":
    """Return the user of a seed, with a story of rows, and some of runs."""
    user = User(seed)
    stories: list[tuple[int, Callable[[], None]]] = [
        (8, user.batch),
        (3, user.compared),
        (3, user.shards),
        (2, user.shared),
        (6, user.gate),
        (4, user.only_runs),
    ]
    for weight, story in ordinary.STORIES:
        stories.append((weight, partial(story, user)))
    weights = [weight for weight, _ in stories]
    user.rng.choices([story for _, story in stories], weights)[0]()
    user.one()
    return user


class User:
    """One random user; each story adds its steps."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(f"user {seed}")
        self.steps: list[Step] = []
        self.said: set[str] = set()  # names of lines
        switches = {}
        for name, value in self.pick(SAYS["switches"]).items():
            if self.rng.random() < RARE:
                switches[name] = value
        if self.rng.random() < 0.35:
            switches |= self.pick(TROUBLED_STREAM)
        if self.rng.random() < PAGED:
            switches["page_size"] = self.rng.choice([1, 2, 3])
        switches |= {"preview_limit": PREVIEW, "preview_characters": PREVIEW}
        self.plan: Plan = {
            "seed": seed,
            "climate": self.pick(SAYS["climate"]),
            "switches": switches,
            "fates": {},
            "strangers": [],
            "steps": self.steps,
        }
        if self.plan["climate"]["cursors"]:
            switches.pop("versions", None)  # pages that noxcli can't turn would hide versions
        self.header: dict[str, str] = {}  # of the table, if it is another one than usual
        self.words = {"W": WORKFLOW, **SAYS["words"]}
        for name, id in VERSIONS.items():
            self.words[name.upper()] = id

    def pick(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return a table with one of each list."""
        picked = {}
        for name, each in table.items():
            picked[name] = self.rng.choice(each) if isinstance(each, list) else each
        return picked

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def line(self, name: str, number: str = "") -> list[str]:
        """Return a command line: for each word its meaning, of each choice one, the innermost first.

        `number` is what it has in place of the step's own.
        """
        self.said.add(name)
        text = str(SAYS["lines"][name])
        before = ""
        while text != before:
            before = text
            text = re.sub(r"\b[A-Z]\w*\b", lambda word: self.words.get(word[0], word[0]), text)
        while "[" in text:
            text = re.sub(r"\[([^][]*)\]", lambda found: self.rng.choice(found[1].split("|")), text)
        return shlex.split(text.replace("#", number or str(len(self.steps))))

    def call(self, argv: list[str], *, calm: bool = False, **more: Any) -> str:
        """Add a call, with trouble unless it is to be `calm`, and return its name."""
        trouble = Step() if calm or self.chance(CALM) else self._trouble(argv)
        name = f"s{len(self.steps)}"
        self.steps.append({"name": name, "argv": argv, **trouble, **more})
        return name

    def _trouble(self, argv: list[str]) -> Step:
        met = []
        for each in SAYS["together"]:
            if re.match(each["lines"], " ".join(argv)):
                met.append(each["faults"])
        if met and self.chance(0.4):
            return {"faults": self.rng.choice(met)}
        kinds = SAYS["kinds"].get(argv[0], SAYS["kinds"]["run"])
        trouble = Step(faults=[])
        for kind in self.rng.choices(kinds, k=self.rng.choice([0, 1, 1, 2, 3, 4])):
            form = SAYS["faults"][self.rng.choice(SAYS["trouble"][kind])]
            fault = self.pick({"times": [1, 1, 1, 2, 4, 40], **form})
            place = self.rng.choice([1, 1, 1, 2, 2, 3, 5])
            trouble["faults"].append({"at": [kind, place], **fault})
        if self.chance(0.12) and "-o" not in argv:
            closed = {"close": self.rng.choice([0, 1, 50, 400])}
            trouble |= self.rng.choice([closed, {"twins": True}])
        return trouble

    def fault(self, kind: str, *places: int, times: int | None = None) -> list[Fault]:
        """Return one fault of a kind of request, at one of some places."""
        form = SAYS["faults"][self.rng.choice(SAYS["trouble"][kind])]
        fault = self.pick({"times": [1, 1, 2, 40], **form})
        if times is not None:
            fault["times"] = times
        return [{"at": [kind, self.rng.choice(places)], **fault}]

    def kill(self) -> list[Fault]:
        """Return a signal that comes while starts are sent, answered or read.

        Often it is what CI does: an orderly signal, and when its grace is over, another one.
        """
        kind = self.rng.choice(["start", "start", "record"])
        delay = self.rng.choice([0, 0.02, 0.1, 0.4])
        place = [kind, self.rng.choice([1, 2])]
        if self.chance(0.5):
            return [{"at": place, "signal": "KILL", "delay": delay}]
        killed = {"at": ["stop", 1], "signal": "KILL", "delay": self.rng.choice([0, 0.1, 0.5, 1])}
        faults: list[Fault] = [{"at": place, "signal": "TERM", "delay": delay}]
        if self.chance(0.6):
            self.plan["switches"] |= {"stop_seconds": self.rng.choice(SLOW_STOPS)}
            faults.append(killed)
        return faults

    # Runs.

    def only_runs(self) -> None:
        for _ in range(2):
            self.one()
        self.resumed()
        if self.chance(0.5):
            self.stopped()
        for _ in range(2):
            self.mistake("wrong run")
        if self.chance(0.5):
            self.call(self.line("export"), calm=True)
            self.call(self.line("import"))

    def one(self) -> None:
        """A run, and what becomes of it."""
        line = self.line("start")
        is_foreign = False
        if "-o" in line and self.chance(0.5):
            self.write(line[line.index("-o") + 1], "what was here before\n")
        if "--output-dir" in line and self.chance(0.3):
            directory = line[line.index("--output-dir") + 1]
            self.write(f"{directory}/Answer.txt", "what the user wrote\n")
            is_foreign = True
        more: dict[str, Any] = {"foreign": True} if is_foreign else {}
        if self.chance(0.2):
            more["beside"] = self.line("start", f"{len(self.steps)}b")
        first = self.call(line, **more)
        for _ in range(self.rng.randint(0, 2)):
            self.words["RUN"] = self.rng.choice([f"{{{first}}}", f"{{{first}}}", "@last"])
            self.call(self.line("then"))
        if self.chance(0.4):
            self.call(self.line("list"), calm=self.chance(0.5))
        for _ in range(self.rng.choice([0, 1, 1, 2])):
            self.call(["fetch-output", f"{{{first}}}", "--wait", "--json"], calm=True)

    def resumed(self) -> None:
        """A run that is watched for a second, and watched on by another command."""
        first = self.call(self.line("watch"), calm=True)
        self.words["RUN"] = f"{{{first}}}"
        self.call(self.line("watch on"), calm=self.chance(0.5))

    def stopped(self) -> None:
        """A long run that is stopped, by a server that takes its time."""
        question = f"solo {len(self.steps)}"
        self.fate(question, "l", "l")
        self.plan["switches"] |= {"stop_seconds": self.rng.choice(SLOW_STOPS)}
        first = self.call([*self.line("long"), "--detach"], calm=True)
        self.words["RUN"] = f"{{{first}}}"
        self.call(self.line("stop"), calm=self.chance(0.7))
        self.call(self.line("stop"), calm=True)

    def write(self, name: str, text: str, **more: Any) -> None:
        self.steps.append({"file": name, "text": text, **more})

    def mistake(self, name: str) -> None:
        """Call what is wrong, and has to be refused."""
        self.call(self.line(name), calm=True, mistake=True)

    # Rows.

    def table(self, *sizes: int) -> list[list[str]]:
        """Write the table, and return its rows."""
        size = self.rng.choice(sizes)
        rows = [[f"r{number}", f"question {number}"] for number in range(size)]
        self.steps.append({"file": "rows.csv", "rows": rows, **self.header})
        return rows

    def batch(self) -> None:
        """Rows asked, some of them again; then what has become of them."""
        line = self.line("batch")
        if self.chance(0.3) and not {"--only", "--expect"} & {*line}:
            line = without_ids(line)
            self.header = WITHOUT_IDS
        table = self.table(2, 4, 8)
        version = line[line.index("--version-id") + 1] if "--version-id" in line else None
        first: dict[str, Any] = {}
        if "Paper@paper.txt" not in line and self.chance(0.7):
            if self.chance(0.5):  # a row whose start is lost, so that an older run seems to be it
                place = self.rng.choice([1, 2, 3])
                first["faults"] = [{"at": ["start", place], "do": "drop", "effect": False}]
            for _, question in self.rng.sample(table, k=min(len(table), 3)):
                age = self.rng.choice(OLD)
                stranger = {"question": question, "version": version, "age": age}
                self.plan["strangers"].append(stranger)
        resumed = self.through(line, is_alone=True, **first)
        line = [word for word in resumed if word != "--resume"]
        line = self.again(line)
        if self.chance(0.3):
            self.mistake("wrong batch")
        self.judge("results", line)

    def shared(self) -> None:
        """Rows of which a share must pass: as many as there are, or one more."""
        rows = self.table(2, 4, 8)
        good = self.rng.randint(0, len(rows))
        for place, (_, question) in enumerate(rows):
            letter = "g" if place < good else self.rng.choice("bbf")
            self.fate(question, letter, letter)
        enough = 100 * good // len(rows)
        self.words["SHARE"] = f"{min(100, enough + self.rng.choice([0, 1]))}%"
        line = self.line("share")
        self.call(line, calm=self.chance(0.7))
        for _ in range(2):
            self.call([*line, "--resume"], calm=True)

    def again(self, line: list[str]) -> list[str]:
        """Ask some rows again, and return the line that continues the batch."""
        if self.chance(0.5):
            again = self.rng.choice(["failed", "failed", "red", "red", "doubtful", "stopped"])
            for _ in range(self.rng.randint(1, 2)):
                self.call([*line, "--again", again])
            return self.through([*line, "--resume"], is_alone=True)
        return line

    def compared(self) -> None:
        """Rows asked in two versions, and compared."""
        self.table(2, 4, 8)
        lines = [self.line("compare 1"), self.line("compare 2")]
        for line in lines:
            self.through(line)
        self.judge("compare", *lines)

    def shards(self) -> None:
        """Rows asked by two machines, and joined."""
        self.table(2, 4, 8)
        lines = [self.line("results 1"), self.line("results 2")]
        for line in lines:
            self.through(line)
        self.judge("results", *lines)

    def judge(self, verb: str, *lines: list[str]) -> None:
        asked = [verb, *map(self.directory, lines), *self.line("judge")]
        for _ in range(2):
            self.call(asked, calm=True)
        self.call([*asked[: len(lines) + 1], *self.line(f"judge {verb}")], calm=True)

    def directory(self, line: list[str]) -> str:
        """Return where a batch keeps what it does."""
        if "--output-dir" in line:
            return line[line.index("--output-dir") + 1]
        return f"{line[2]}.batch"

    def through(self, line: list[str], *, is_alone: bool = False, **first: Any) -> list[str]:
        """Call a batch, with trouble, and continue it until it is done; then once more.

        If its directory `is_alone`, each edit of its table is possible. `first` is what the first
        call meets, if that is not left to chance. Return the line that continues it in the end.
        """
        again = line
        if line[0] == "batch" and "--resume" not in line:
            again = [*line, "--resume"]
        may_edit = line[0] == "batch" and not UNEDITED & {*line} and "small/" not in str(line)
        for turn in range(self.rng.randint(1, 3)):
            self.call(again if turn else line, calm=bool(first), **first)
            first = {}
            if line[0] == "batch" and self.chance(0.3):
                self.somebody_else(line)
            if may_edit and self.chance(0.6):
                again = self.edit(again, is_alone=is_alone)
        self.steps.append({"grow": True})
        for _ in range(self.rng.choice([1, 2])):
            self.call(again, calm=True)
        return again

    # Edits of a table or a file: what has started is not started again.

    def edit(self, again: list[str], *, is_alone: bool) -> list[str]:
        """Edit the table or a file of a batch, and return the line that continues it."""
        edits: list[Edit] = [self.append, self.insert, self.sort, self.rename]
        has_ids = "--id" in again
        if has_ids:
            edits += [self.edit_cell, self.edit_cell]
        if "Paper@paper.txt" in again:
            edits += [self.edit_file, self.edit_file]
        if is_alone:
            edits.append(self.delete)
        if is_alone and not has_ids:
            edits += [self.other_question, self.add_ids, self.add_ids]
        if is_alone and has_ids and "--expect" not in again:
            edits.append(self.remove_ids)
        changed = self.rng.choice(edits)(again)
        return changed or again

    def put(self, rows: list[list[str]], edit: str, **more: Any) -> None:
        self.steps.append({"file": "rows.csv", "rows": rows, "edit": edit, **self.header, **more})

    def latest(self) -> list[list[str]]:
        """Return the rows that the table has now."""
        return [*next(step["rows"] for step in reversed(self.steps) if "rows" in step)]

    def another(self) -> list[str]:
        """Return a row that the table has not had."""
        number = f"1{len(self.steps)}"
        return [f"r{number}", f"question {number}"]

    def append(self, _: list[str]) -> None:
        self.put([*self.latest(), self.another()], "a row at the end")

    def insert(self, _: list[str]) -> None:
        rows = self.latest()
        rows.insert(self.rng.randrange(len(rows)), self.another())
        self.put(rows, "a row in between")

    def sort(self, _: list[str]) -> None:
        rows = self.latest()
        self.rng.shuffle(rows)
        self.put(rows, "sorted")

    def delete(self, _: list[str]) -> None:
        """Delete a row, but the first one that the user has an expectation for."""
        rows = self.latest()
        others = [row for row in rows if row[0] != "r0"]
        if len(rows) > 2:
            rows.remove(self.rng.choice(others))
        self.put(rows, "a row less")

    def other_question(self, _: list[str]) -> None:
        """Ask something else, which is another row in a table without ids."""
        rows = self.latest()
        rows[self.rng.randrange(len(rows))] = self.another()
        self.put(rows, "a cell, without ids")

    def edit_cell(self, again: list[str]) -> None:
        """Ask something else under an id, and put it back once that is refused."""
        rows = self.latest()
        place = self.rng.randrange(len(rows))
        id, question = rows[place]
        edited = [id, f"{question}, edited"]
        self.put([*rows[:place], edited, *rows[place + 1 :]], "a cell", begun=question)
        self.call(again, calm=True, edited=question)
        self.put(rows, "a cell, back")

    def edit_file(self, again: list[str]) -> None:
        """Send another file with each row, and put it back once that is refused."""
        self.write("paper.txt", "an edited paper", edit="a file", begun="")
        self.call(again, calm=True, edited="")
        self.write("paper.txt", SAYS["files"]["paper.txt"])

    def rename(self, again: list[str]) -> None:
        rows = self.latest()
        header = "id,Asked,Count" if "--id" in again else "Asked,Count"
        self.put(rows, "another name of a column", header=header)
        self.call(again, calm=True, mistake=True)
        self.put(rows, "a column, back")

    def add_ids(self, again: list[str]) -> list[str]:
        """Give the rows ids, by which they are known from now on."""
        self.header = {}
        self.put(self.latest(), "ids added")
        return [*again[:3], *ID, *again[3:]]

    def remove_ids(self, again: list[str]) -> list[str]:
        self.header = WITHOUT_IDS
        self.put(self.latest(), "ids removed")
        return without_ids(again)

    def somebody_else(self, line: list[str]) -> None:
        """Somebody else asks the same as the first rows."""
        version = line[line.index("--version-id") :][:2] if "--version-id" in line else []
        for number in range(2):
            question = f"Question=question {number}"
            argv = ["run", WORKFLOW, question, "Count=7", *version, "--detach"]
            self.call(argv, calm=True)

    # Gates.

    def gate(self) -> None:
        """Two versions asked until it is decided, by answers near each border of the rules."""
        kinds = {
            self.near_the_lead: 5,
            self.near_the_level: 3,
            self.mixed: 3,
            self.near_the_fall: 3,
            self.near_the_budget: 1,
        }
        self.plan["climate"]["outputs"] = ["Answer", "Score"]
        kind = self.rng.choices([*kinds], [*kinds.values()])[0]
        kind()
        line = self.line("gate")
        if kind == self.near_the_budget:
            line += [
                "--max-runs",
                str(FEWEST_RUNS + 2 * MANY_ROWS + self.rng.choice([0, 0, 9, 24])),
            ]
        is_whole = len(self.steps[0]["rows"]) > 6
        has_score = kind == self.near_the_fall or self.chance(0.5)
        if is_whole and "--score" not in line and has_score:
            line += ["--score", "output.Score"]
        if self.chance(0.35):
            place = line.index("--assert") + 1
            line[place] = JUDGED
            line += ["--judge", JUDGE]
        if self.chance(0.3):
            self.mistake("wrong gate")
        self.through(line)
        if self.chance(0.4):
            self.change_the_gate(line)
        self.call(line, calm=True)

    def fate(self, question: str, base: str, new: str) -> None:
        self.plan["fates"][question] = {"v1": base, "v2": new, "v3": new}

    def mix(self, **letters: int) -> str:
        """Return letters in a random order: `g=3` for three answers that are right."""
        found = [letter for letter, count in letters.items() for _ in range(count)]
        self.rng.shuffle(found)
        return "".join(found)

    def near_the_lead(self) -> None:
        """Rows that seem broken, and BASE's lead is what is needed, or one less."""
        rows = self.table(2, 3, 4)
        count = self.rng.choice([1, 1, 2])
        for _, question in rows[count:]:
            self.fate(question, "g", "g")
        for _, question in rows[:count]:
            lead = LEADS[count] - self.rng.choice([0, 0, 1, 1, 2])
            base = self.rng.choice([CONFIRMED, CONFIRMED, CONFIRMED - 2])
            first = self.rng.choice("gggf")
            screen = self.rng.choice([0, 1, 2, 2, 3])
            new = base - lead
            bases = first + self.mix(g=base, b=CONFIRMED - base)
            news = "b" + self.mix(g=screen, b=SCREENED - screen)
            news += self.mix(g=new, b=CONFIRMED - new)
            if self.chance(0.3):
                news = news.replace("b", "f")  # it does not even complete
            if self.chance(0.35):
                bases = self.with_holes(bases)
                news = self.with_holes(news)
            self.fate(question, f"{bases}g", f"{news}b")

    def with_holes(self, fate: str) -> str:
        """Return a fate in which some answers, asked twice, have no result."""
        found = fate
        for _ in range(self.rng.choice([1, 2, 4])):
            place = self.rng.randrange(1, len(found))
            found = found[:place] + self.rng.choice(["-", "--", "--"]) + found[place:]
        return found

    def near_the_level(self) -> None:
        """Rows that broke once, so many that all together is what decides, or one less."""
        rows = self.table(9, 10)
        count = self.rng.choice([2, 3, 4, 7, 8, 8, 9, 9])
        for place, (_, question) in enumerate(rows):
            later = self.mix(g=4, b=self.rng.choice([0, 0, 1, 2]), G=1)
            if place < count:
                self.fate(question, "ggggg", f"bgggg{later}")
            else:
                low = self.rng.choice(["g", "g", "G", "--"])
                self.fate(question, self.rng.choice(["g", "g", "b", "--"]), f"{low}{later}")

    def near_the_fall(self) -> None:
        """Answers that are all right, and whose scores fell a little, or only seem to."""
        low = self.rng.choice([0.2, 0.4, 0.6])
        more = self.rng.choice([0.0, 0.1, 0.2, 0.3])
        for _, question in self.table(9, 10):
            base = ["G" if self.chance(low) else "g" for _ in range(10)]
            new = ["G" if self.chance(low + more) else "g" for _ in range(10)]
            self.fate(question, "".join(base), "".join(new))

    def mixed(self) -> None:
        """Rows of any kind."""
        for _, question in self.table(2, 3, 5):
            likely = self.rng.choice(["g", "gggb", "b", "f", "ggf", "gg-", "-", "p", "ggb--"])
            now = self.rng.choice([likely, likely, "b", "gb", "gggb", "f", "bb-", "--"])
            base = "".join(self.rng.choices(likely, k=24))
            new = "".join(self.rng.choices(now, k=24))
            self.fate(question, base, new)

    def near_the_budget(self) -> None:
        """So many rows that seem broken that the runs do not suffice for all of them."""
        rows = self.table(MANY_ROWS)
        half = MANY_ROWS // 2
        for _, question in rows[:half]:
            screen = self.rng.choice([0, 0, 0, 1, 2, 3])
            again = self.mix(g=screen, b=SCREENED - screen)
            self.fate(question, "g" * CONFIRMED, f"b{again}" + self.mix(g=3, b=CONFIRMED - 3))
        for _, question in rows[half:]:
            self.fate(question, "b", "g")

    def change_the_gate(self, line: list[str]) -> None:
        """Edit the table under a gate, put it back, or ask something else of its answers."""
        rows = self.steps[0]["rows"]
        if self.chance(0.5):
            edited = [*rows[:-1], [rows[-1][0], "an edited question"]]
            longer = [*rows, ["r-x", "an added question"]]
            self.steps.append({"file": "rows.csv", "rows": self.rng.choice([edited, longer])})
            self.call(line, calm=True, mistake=True)
            self.steps.append({"file": "rows.csv", "rows": rows})
            self.call(line, calm=True)
            return
        other = [WRONGLY_JUDGED] if "--judge" in line else self.line("other check")
        place = line.index("--assert") + 1
        changed = [*line[:place], other[0], *line[place + 1 :]]
        for _ in range(2):
            self.call(changed, calm=True)


def without_ids(line: list[str]) -> list[str]:
    """Return a line that knows rows by what they ask."""
    place = line.index("--id")
    return [*line[:place], *line[place + 2 :]]
