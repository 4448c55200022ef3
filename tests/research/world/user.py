"""The user: plans of what is called, in which order, and what goes wrong meanwhile; a plan is JSON."""

import json
from random import Random
from typing import Any

from tests.research.world.server import VERSIONS, WORKFLOW, dice

Plan = dict[str, Any]
Step = dict[str, Any]

RIGHT = "starts_with(output.Answer, 'right')"
FORMS = [[], ["--json"], ["--format", "ndjson"], ["--format", "content"], ["--no-stream"]]
REFUSALS = [400, 401, 403, 404, 422]
SICK = [500, 502, 503, 504]
# What may go wrong with a request, by its kind; the first ones are the commonest.
TROUBLE: dict[str, list[Any]] = {
    "start": ["lost", "sick", "busy", "late", "lost", "refused"],
    "record": ["sick", "lost", "late", "busy", "stale", "slow", "refused"],
    "events": ["cut", "cut", "sick", "refused", "drop"],
    "file": ["cut", "sick", "preview", "slow", "drop", "refused"],
    "list": ["sick", "without", "late", "drop"],
    "versions": ["refused", "sick", "late", "drop"],
    "workflow": ["refused", "sick", "late", "drop"],
    "stop": ["lost", "sick", "late", "refused"],
}
KINDS = {
    "batch": ["start"] * 6 + ["record"] * 5 + ["workflow", "versions", "list", "file", "stop"],
    "run": ["start", "start", "record", "record", "events", "events", "file", "workflow", "list", "stop"],
    "stop": ["stop", "record"],
}
CLIMATES: dict[str, list[Any]] = {
    "outputs": [["Answer"], ["Answer"], ["Answer", "Text"], ["Answer", "Text", "Doc"], ["Text"]],
    "slowest": [0.2, 0.6, 0.6, 1.5],
    "lag": [0, 0, 0, 0.4, 3],
    "stale": [0, 0, 3],
    "pages": ["number", "number", "cursor"],
    "skew": [0, 0, 7200, -7200],
    "times": ["z", "z", "naive", "whole"],
    "trimmed": [False, False, True],
    "inclusive": [False, True],
    "cumulative": [False, True],
    "twice": [False, False, True],
    "hasty": [False, False, True],
}


def invent(seed: int) -> Plan:
    """Return the plan of a seed: some stories, one after the other."""
    rng = dice("user", seed)
    climate = {name: rng.choice(choices) for name, choices in CLIMATES.items()}
    user = User(rng, "Doc" in climate["outputs"] or rng.random() < 0.3, "Answer" in climate["outputs"])
    for story in rng.sample([user.rows, user.rows, user.versions, user.shards, user.one], 1) + [user.one] * 3:
        story()
    return {"seed": seed, "climate": climate, "steps": user.steps}


class User:
    """One random user; each story adds its steps."""

    def __init__(self, rng: Random, saves: bool, judges: bool) -> None:
        self.rng, self.saves, self.steps = rng, saves, list[Step]()
        self.judged = ["--assert", RIGHT] if judges and rng.random() < 0.6 else []

    def call(self, *argv: str, calm: bool = False) -> str:
        """Add a call, with trouble unless it is to be `calm`, and return its name."""
        step: Step = {"name": f"s{len(self.steps)}", "argv": list(argv)}
        if not calm and self.rng.random() < 0.85:
            self._trouble(step, argv[0])
        self.steps.append(step)
        return str(step["name"])

    def _trouble(self, step: Step, verb: str) -> None:
        rng, kinds = self.rng, KINDS.get(verb, KINDS["run"])
        step["faults"] = [self._fault(rng.choice(kinds)) for _ in range(rng.choice([0, 1, 1, 2, 3, 4]))]
        if rng.random() < 0.55:
            moment = [rng.choice(["workflow", "start", "start", *KINDS.get(verb, KINDS["run"])])]
            name = rng.choice(["KILL", "KILL", "KILL", "TERM", "TERM", "INT", "HUP"])
            delay = rng.choice([0.0, 0.0, 0.02, 0.1, 0.3])
            step["signals"] = [{"send": name, "at": [*moment, rng.choice([1, 1, 2, 3, 5])], "delay": delay}]
            if name != "KILL" and rng.random() < 0.2:
                step["signals"] += [{**step["signals"][0], "delay": delay + 0.3}]
        elif rng.random() < 0.12:
            step["close"] = rng.choice([0, 1, 50, 400])
        elif rng.random() < 0.12:
            step["twins"] = True

    def _fault(self, kind: str) -> dict[str, Any]:
        rng, fault = self.rng, dict[str, Any]()
        does = rng.choice(TROUBLE[kind])
        match does:
            case "sick":
                fault = {"do": "status", "status": rng.choice(SICK), "effect": rng.random() < 0.4}
            case "refused":
                body = {} if kind == "start" else {"body": rng.choice(["json", "html"])}
                fault = {"do": "status", "status": rng.choice(REFUSALS), **body}
            case "busy":
                fault = {"do": "status", "status": 429, "retry": rng.choice([0, 1])}
            case "lost":
                fault = {
                    "do": rng.choice(["reset", "silent", "cut", "drop"]),
                    "seconds": 0.7,
                    "effect": rng.random() < 0.7,
                }
            case "cut" if kind == "events":
                fault = {"after": rng.randint(0, 8), "how": rng.choice(["torn", "clean", "abort", "silent"])}
            case "stale":
                fault = {"stale": rng.choice([0.2, 1.0])}
            case "preview" | "without":
                fault = {does: True}
            case _:
                fault = {"do": does, "seconds": rng.choice([0.1, 0.6])}
        often = [1, 1, 1, 2, 4] if does == "busy" else [1, 1, 1, 2, 4, 40]  # 429 to each start is waited for
        return {"at": [kind, rng.choice([1, 1, 1, 2, 2, 3, 5])], "times": rng.choice(often), **fault}

    def one(self) -> None:
        """A run, and what becomes of it."""
        rng, number = self.rng, len(self.steps)
        options = list(rng.choice(FORMS))
        options += ["--output-dir", f"out{number}"] if self.saves and not {"content", "--raw"} & {*options} else []
        options += rng.choice([[], [], ["--timeout", "1s"], ["--on-interrupt", "detach"], ["--version-id", "v2"]])
        options += ["-o", f"file{number}"] if rng.random() < 0.2 and "--format" not in options else []
        detached = [] if rng.random() < 0.6 else ["--detach"]
        options = rng.choice([[], ["--json"]]) if detached else options
        retries = ["--retry-for", rng.choice(["2s", "4s"])]
        given = ["run", WORKFLOW, f"Question=solo {number}", "Count=7"]
        first = self.call(*given, *options, *detached, *retries)
        for _ in range(rng.randint(0, 2)):
            run = rng.choice([f"{{{first}}}", f"{{{first}}}", "@last"])
            then = rng.choice(
                [["stream", run], ["wait", run], ["fetch-output", run, "--wait"], ["stop", run], ["rerun", run]]
            )
            if then[0] in {"stream", "rerun"}:
                then += rng.choice(FORMS)
            elif then[0] == "fetch-output" and self.saves:
                then += ["--output-dir", f"out{number}"]
            self.call(*then, *([] if then[0] == "stop" else retries))
        last = ["fetch-output", f"{{{first}}}", "--wait", "--json"]
        for _ in range(rng.choice([0, 1, 1, 2])):
            self.call(*last, calm=True)

    def rows(self) -> None:
        """A batch that is continued until it is done, and then asked for more."""
        rng, number = self.rng, len(self.steps)
        file, rows = self._table(number)
        options = rng.choice([[], [], [], ["--repeat", "2"], ["--limit", "3"], ["--version-id", "v3"]])
        line, dir = self._batch(file, [*options, *self.judged])
        self._through(line)
        if rng.random() < 0.3:
            rows[rng.randrange(len(rows))] = [f"r{number}-x", f"edited {number}", "7"]
            rows.append([f"r{number}-y", f"added {number}", "7"])
            self._write(file, rows)
            self._through([*line, "--resume", "--allow-changed-input"], first=False)
        elif rng.random() < 0.6:
            again = rng.choice(["failed", "failed", "red", "red", "doubtful", "stopped"])
            for _ in range(rng.randint(1, 3)):
                self.call(*line, "--again", again)
            self._through(line, first=False)
        self._settle(dir)

    def versions(self) -> None:
        """Two versions over one table, compared."""
        number = len(self.steps)
        file, _ = self._table(number)
        dirs = [f"base{number}", f"new{number}"]
        for version, dir in zip(("v1", "v2"), dirs, strict=True):
            line, _ = self._batch(file, ["--version-id", VERSIONS[version], "--output-dir", dir])
            self._through(line)
        for _ in range(2):
            self.call("compare", *dirs, *self.judged, calm=True)

    def shards(self) -> None:
        """A table in two shards, joined."""
        number = len(self.steps)
        file, _ = self._table(number)
        dirs = [f"shard{number}-{each}" for each in "12"]
        for place, dir in enumerate(dirs, 1):
            line, _ = self._batch(file, ["--shard", f"{place}/2", "--output-dir", dir])
            self._through(line)
        self._settle(*dirs)

    def _batch(self, file: str, options: list[str]) -> tuple[list[str], str]:
        """Return the command line of a batch, and its directory."""
        rng, number = self.rng, len(self.steps)
        if "--output-dir" not in options and self.saves:
            options = [*options, "--output-dir", rng.choice([f"dir{number}", f"dir{number}", f"small/dir{number}"])]
        dir = options[options.index("--output-dir") + 1] if "--output-dir" in options else f"{file}.batch"
        own = ["--id", "id"] if file.endswith("csv") else []
        pace = ["--max-parallel", rng.choice(["1", "3", "8"]), "--poll-interval", "0.3s", "--retry-for", "3s"]
        return ["batch", WORKFLOW, file, *own, *options, *pace], dir

    def _through(self, line: list[str], *, first: bool = True) -> None:
        """Call a batch, with trouble, and continue it until it is done; then once more."""
        again = line if "--resume" in line else [*line, "--resume"]
        version = ["--version-id", line[line.index("--version-id") + 1]] if "--version-id" in line else []
        for turn in range(self.rng.randint(1, 3)):
            self.call(*(line if first and not turn else again))
            if self.rng.random() < 0.15:  # somebody else asks the same
                same = [f"Question=question {line[2].removeprefix('rows').partition('.')[0]}-0", "Count=7", "--detach"]
                self.call("run", WORKFLOW, *same, *version, calm=True)
        if any(word.startswith("small/") for word in line):
            self.steps.append({"grow": True})
        for _ in range(self.rng.choice([1, 2])):
            self.call(*again, calm=True)

    def _settle(self, *dirs: str) -> None:
        for _ in range(2):
            self.call("results", *dirs, *self.judged, calm=True)

    def _table(self, number: int) -> tuple[str, list[list[str]]]:
        form = self.rng.choice(["csv", "jsonl"])
        rows = [
            [f"r{number}-{each}", f"question {number}-{each}", "7"] for each in range(self.rng.choice([2, 4, 8, 12]))
        ]
        self._write(file := f"rows{number}.{form}", rows)
        return file, rows

    def _write(self, file: str, rows: list[list[str]]) -> None:
        names = ["id", "Question", "Count"]
        if file.endswith("csv"):
            text = "".join(",".join(row) + "\n" for row in [names, *rows])
        else:
            text = "".join(
                json.dumps({"$id": id, "Question": question, "Count": int(count)}) + "\n"
                for id, question, count in rows
            )
        self.steps.append({"file": file, "text": text})
