"""Every way in which noxcli shows what a server said, with the whole corpus in every field that reaches it."""

import io
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from noxcli.app import run_argv
from noxcli.cli.context import Context
from noxcli.models import Finished, Gap, Reconnecting, Run, Started, Workflow
from noxcli.outputs.filenames import UNPRINTABLE
from noxcli.render import Format
from noxcli.render.live import Live
from noxcli.render.live_region import Bar
from noxcli.render.log import WarningsOnly
from noxcli.render.renderers import play
from noxcli.render.terminal import Terminal
from noxcli.runs.progress import Progress
from noxcli.sandbox.faults import NO_EVENTS, Answer, Cut, Fault, LostAnswer
from noxcli.sandbox.scenario import File, Node, Scenario, Version, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Raw, Sleep, State, Step
from tests.conftest import QuickClock, Screen, Turning
from tests.rawserver import Turn, answer, json_answer, raw_server
from tests.research.hostile.corpus import NAMES, marked
from tests.sides import Line, stored

# Each field has a letter:
# (a) workflow name, (b) node name, (c) node id, (d) node status, (e) run status, (f) streamed text, (g) output key,
# (h) output value, (i, j, k) an error as a text, a list, an object, (l) request id, (m) file name, (n) input label,
# (o) input type, (p) input default, (q) a candidate's status, (r) cursor, (s) reason of a reconnect, (t) of a retry,
# (u) place of a redirect, (v) name of a version, (w) content type, (x) id of a file, (y) an input that is sent.
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class View:
    """What one renderer wrote, and which fields it must have shown."""

    renderer: str
    data: bytes
    fields: str
    columns: int = 80
    form: str = ""  # as in `judge.leaks`


@dataclass
class Theatre:
    """Calls noxcli in this process, on a terminal or not, against a sandbox full of hostile workflows."""

    sandbox: Sandbox
    directory: Path
    names: Sequence[str] = tuple(NAMES)  # of the payloads

    def marked(self, field: str) -> list[str]:
        """Return the payloads, marked for the field."""
        return [marked(field, name) for name in self.names]

    def named(self, fields: str) -> Iterator[tuple[Any, ...]]:
        """Yield the same payload for several fields at once."""
        return zip(*map(self.marked, fields), strict=True)

    def call(
        self, *argv: str, url: str | None = None, err_tty: bool = False, out_tty: bool = True
    ) -> tuple[int, bytes, bytes]:
        """Return the exit code, stdout and stderr."""
        out, err = Screen() if out_tty else io.BytesIO(), io.StringIO()
        environ = {
            "NOXUS_BACKEND_URL": url or self.sandbox.url,
            "NOXUS_API_KEY": self.sandbox.key,
            "NOXCLI_STATE_DIR": str(self.directory / "state"),
            "TERM": "xterm-256color",
        }
        terminal = Terminal(out, err, interactive=err_tty, environ=environ)
        code = run_argv(argv, Context(terminal, clock=QuickClock()))
        return code, out.getvalue(), err.getvalue().encode("utf-8", "surrogatepass")

    def add(
        self,
        name: str,
        *,
        nodes: Sequence[Node] = (),
        output: Iterable[tuple[str, Any]] = (),
        **more: Any,
    ) -> str:
        """Add a workflow; its outputs have our own ids, since the sandbox makes ids from names, which must be valid."""
        outputs, values = [], {}
        for n, (key, value) in enumerate(output):
            outputs.append(
                Node(f"out {n}", "OutputNode", {"label": key, "type": "String"}, f"out-{n}")
            )
            values[f"out {n}"] = value
        return self.sandbox.add(
            Scenario(f"hostile {name}", nodes=[*nodes, *outputs], output=values, **more)
        )


def nodes(theatre: Theatre) -> Iterator[View]:
    """Names, ids, statuses and texts of nodes, in a run that fails at each of them."""
    boxes = [Node(name, id=f"box-{n}") for n, name in enumerate(theatre.marked("b"))]
    script: list[Step] = []
    for box, status, text in zip(boxes, theatre.marked("d"), theatre.marked("f"), strict=True):
        script += [says(box.id, status), says(box.id, "failed", text)]
    script += [says(stranger, "odd") for stranger in theatre.marked("c")]
    workflow = theatre.add("nodes", nodes=boxes, script=script, status="failed")
    _, out, err = theatre.call("run", workflow)
    yield View("plain", err, "bcdf")
    yield View("text, failed", out, "")
    for columns in (40, 80, 200):
        # Every node has its own line, and the last picture before the end shows all texts.
        slow = theatre.add(
            f"nodes {columns}", nodes=boxes, script=[*script, Sleep(700)], status="failed"
        )
        with size(columns, 3 * len(theatre.names)):
            _, _, err = theatre.call("run", slow, err_tty=True)
        yield View(f"live, {columns} columns", err, "bc", columns)
    _, out, err = theatre.call("run", workflow, "--json", "--quiet", "--verbose")
    yield View("json on a terminal", out, "bc")
    yield View("quiet and verbose", err, "")
    _, out, err = theatre.call("run", workflow, "--format", "ndjson", "--quiet")
    yield View("ndjson on a terminal", out, "bcdf")
    _, out, err = theatre.call("run", workflow, "--format", "content")
    yield View("content on a terminal", out, "f", form="\n\t")
    with size(2000, 200):
        _, out, err = theatre.call("inspect", "@last")
    yield View("inspect on a terminal", out, "b", 2000)
    yield View("inspect, what is said beside it", err, "")
    one_by_one = [says("n", "running", letter) for text in theatre.marked("f") for letter in text]
    _, out, _ = theatre.call(
        "run", theatre.add("letters", script=one_by_one), "--format", "content"
    )
    yield View("content, letter by letter", out, "f", form="\n\t")


def says(node_id: str, status: str, content: str | None = None) -> Raw:
    """Return an event of a node, without the state events, which would list all nodes each time."""
    return Raw(
        "content",
        {"id": node_id, "status": status, **({} if content is None else {"content": content})},
    )


def statuses(theatre: Theatre) -> Iterator[View]:
    """A run whose status becomes each payload in turn, then stays on one."""
    script = [State(status) for status in theatre.marked("e")]
    workflow = theatre.add("statuses", script=script)
    yield View("plain", theatre.call("run", workflow)[2], "e")
    stuck = theatre.add("stuck", script=script, status=marked("e", "lf-error-line"))
    _, out, err = theatre.call("run", stuck, "--timeout", "1")
    yield View("error line", err, "")
    run_id = theatre.sandbox.runs(stuck)[0].id
    lines = []
    for name in theatre.names:
        theatre.sandbox.runs(stuck)[0].status = marked("e", name)
        _, out, err = theatre.call("wait", run_id, "--timeout", "0", out_tty=False)
        assert (out.count(b"\n"), out.count(b"\t")) == (1, 1), f"{name} forges lines: {out!r}"
        lines += [out, err]
    yield View("wait", b"".join(lines), "e", form="\t")
    _, out, err = theatre.call("stop", run_id, "--timeout", "0.5")
    yield View("stop", out + err, "", form="\t")


# Breaks in a row without news after which noxcli polls, and no longer reports on the stream.
SAID = 5


def reconnects(theatre: Theatre) -> Iterator[View]:
    """Streams that end with each reason in turn, a few per run, and events under each cursor."""
    reasons = list(theatre.marked("s"))
    running = {"id": "n", "status": "running"}
    outs, errs = [], []
    for first in range(0, len(reasons), SAID):
        cuts = [
            Cut(0, "clean", f"event: error\ndata: {json.dumps(one)}\n\n")
            for one in reasons[first : first + SAID]
        ]
        script = [Raw("content", running, "1-0"), Sleep(10**6)]
        workflow = theatre.add(f"cut {first}", script=script, faults={"events": [*cuts, NO_EVENTS]})
        _, out, err = theatre.call("run", workflow, "--format", "ndjson", "--timeout", "1m")
        outs.append(out)
        errs.append(err)
    yield View("plain", b"".join(errs), "s")
    yield View("ndjson on a terminal, reasons", b"".join(outs), "s")
    cursors = [Raw("content", running, cursor) for cursor in theatre.marked("r")]
    workflow = theatre.add("cursors", script=cursors)
    _, out, _ = theatre.call("run", workflow, "--format", "ndjson", "--timeout", "1m")
    yield View("ndjson on a terminal", out, "r")


def errors(theatre: Theatre) -> Iterator[View]:
    """Rejections in each form, with the messages of a retry before them and the request id."""
    forms: dict[str, Callable[[str], Any]] = {
        "i": lambda text: {"detail": text},
        "j": lambda text: {"detail": [{"loc": ["body", text], "msg": text}, text]},
        "k": lambda text: {"detail": {"message": text, "more": text}},
    }
    turns: list[Turn] = []
    for name in theatre.names:
        turns.append(
            answer(503, json.dumps({"detail": marked("t", name)}).encode(), Retry_After="1")
        )
        for letter, form in forms.items():
            turns.append(json_with_id(form(marked(letter, name)), marked("l", name)))
        moved = f"Location: https://{marked('u', name)}.example/".encode("utf-8", "replace")
        turns.append(
            answer(302).replace(b"Content-Length", one_line(moved) + b"\r\nContent-Length", 1)
        )
    said = []
    with raw_server(*turns) as server:
        for _ in range(len(theatre.names) * (len(forms) + 1)):
            said.append(
                theatre.call("stop", "w/some-run", "--verbose", "--timeout", "5", url=server.url)[2]
            )
    yield View("error line, retries, verbose", b"".join(said), "ijkt")


def json_with_id(body: Any, request_id: str) -> bytes:
    """Return a 422 whose header has any bytes that are allowed there."""
    head = one_line(b"X-Request-Id: " + request_id.encode("utf-8", "replace"))
    return answer(422, json.dumps(body).encode()).replace(
        b"Content-Length", head + b"\r\nContent-Length", 1
    )


def one_line(header: bytes) -> bytes:
    return header.replace(b"\r", b"").replace(b"\n", b"")


def answers(theatre: Theatre) -> Iterator[View]:
    """An event stream with a wrong content type."""
    said = []
    for name in theatre.names:
        kind = one_line(marked("w", name).encode("utf-8", "replace"))
        record = json.dumps({"id": "r", "workflow_id": "w", "status": "running"}).encode()
        stream = answer(200).replace(
            b"Content-Length", b"Content-Type: " + kind + b"\r\nContent-Length", 1
        )
        final = json.dumps({"id": "r", "workflow_id": "w", "status": "failed"}).encode()
        going = answer(200, record)
        with raw_server(going, answer(404), stream, going, answer(200, final)) as server:
            said.append(theatre.call("stream", "w/r", url=server.url)[2])
    yield View("plain", b"".join(said), "w")


def starts(theatre: Theatre) -> Iterator[View]:
    """A start whose answer is lost, and a run that may be its own."""
    said = []
    for name in theatre.names:
        listed = [{"id": "run-1", "workflow_id": "w", "status": marked("q", name), "input": {}}]
        faults: dict[str, list[Fault]] = {
            "start": [LostAnswer("drop")],
            "list": [Answer(200, {"items": listed})],
        }
        workflow = theatre.add("lost start", faults=faults)
        said.append(theatre.call("run", workflow, "--no-check")[2])
    yield View("error line", b"".join(said), "q")


def inputs(theatre: Theatre) -> Iterator[View]:
    """A workflow whose inputs are the corpus."""
    boxes = [
        Node(
            f"in {n}",
            "InputNode",
            {"label": label, "type": kind, "value": default, "fixed_value": bool(n % 2)},
            id_,
        )
        for n, (label, kind, default, id_) in enumerate(theatre.named("nopc"))
    ]
    required = [
        Node(f"need {n}", "InputNode", {"label": label, "type": "str"})
        for n, label in enumerate(theatre.marked("n"))
    ]
    workflow = theatre.add("inputs", nodes=boxes)
    needs = theatre.add("required inputs", nodes=required)
    for tty in (True, False):
        _, out, _ = theatre.call("inputs", workflow, out_tty=tty)
        if tty:
            yield View("inputs, on a terminal", out, "no")
        else:
            yield View("inputs, piped", out, "ncop", form="\t")
        yield View("inputs, the line to paste", theatre.call("inputs", needs, out_tty=tty)[2], "")
        assert len(out.splitlines()) == len(boxes) + int(tty)  # a pipe gets no header
    yield View("inputs --json on a terminal", theatre.call("inputs", workflow, "--json")[1], "ncop")
    said = []
    for label in theatre.marked("n"):
        one = theatre.add(
            "one input", nodes=[Node("in", "InputNode", {"label": label, "type": "int"})]
        )
        said.append(theatre.call("run", one)[2])
        said.append(theatre.call("run", one, "zzz=1")[2])
    yield View("pre-flight", b"".join(said), "n")
    given = theatre.directory / "given.json"
    given.write_text(json.dumps({str(n): value for n, value in enumerate(theatre.marked("y"))}))
    _, out, _ = theatre.call("run", workflow, "--dry-run", "--no-check", "--inputs", f"@{given}")
    yield View("dry run on a terminal", out, "y")
    yield View("pre-flight", theatre.call("run", workflow, "--inputs", f"@{given}")[2], "")


def outputs(theatre: Theatre) -> Iterator[View]:
    """Outputs under hostile keys, of hostile texts, on a terminal in every format."""
    several = theatre.add("several outputs", output=theatre.named("gh"))
    yield View("sections on a terminal", theatre.call("run", several)[1], "gh", form="\n")
    for form in (each for each in Format if each is not Format.CONTENT):  # which has no output
        yield View(f"{form} on a terminal", theatre.call("run", several, "--format", form)[1], "gh")
    whole = "\n".join(theatre.marked("h"))
    one = theatre.add("one output", output=[("A", whole)])
    for argv, renderer in (((), "text on a terminal"), (("--raw", "A"), "raw on a terminal")):
        _, out, err = theatre.call("run", one, *argv)
        yield View(renderer, out, "h", form="\n\t")
        yield View("plain", err, "")
    text = "\n".join(value for value in theatre.marked("h") if not SURROGATE.search(value))
    cut = theatre.add(
        "cut output",
        output=[("A", text)],
        switches={"preview_limit": 100, "preview_characters": 50},
    )
    yield View("text, streamed to a terminal", theatre.call("run", cut)[1], "", form="\n\t")
    said = []
    for key in theatre.marked("g"):
        two = theatre.add("a key", output=[(key, "x"), ("B", "y")])
        said.append(theatre.call("run", two, "--raw", "C")[2])
    yield View("error line", b"".join(said), "g")


def files(theatre: Theatre) -> Iterator[View]:
    """Files under hostile keys and names, some of them unavailable."""
    values = {key: File(SURROGATE.sub("", name), b"x") for key, name in theatre.named("gm")}
    here = theatre.add("files", output=values.items())
    into = theatre.directory / "files"
    _, out, err = theatre.call("run", here, "--output-dir", str(into))
    yield View("paths on a terminal", out, "")
    yield View("plain", err, "")
    made = [path.relative_to(into).as_posix() for path in into.rglob("*")]
    assert len(made) == len(values) + 1
    assert not {unicodedata.category(letter) for name in made for letter in name} & UNPRINTABLE
    assert not [name for name in made if "/" in name]
    json.loads((into / "manifest.json").read_text())
    said = []
    for key, file_id in theatre.named("gx"):
        missing = theatre.add("no file", output=[(key, {"uri": "spot://x", "id": file_id})])
        said.append(
            theatre.call("run", missing, "--output-dir", str(theatre.directory / "missing"))[2]
        )
    yield View("error line", b"".join(said), "g")


def alone(theatre: Theatre) -> Iterator[View]:
    """What a run has one of, through the renderer alone: the title, the run's status, a note, a warning."""
    drawn: dict[int, bytes] = {40: b"", 160: b""}
    quiet = b""
    for name in theatre.names:
        here = Run("run-1", "w", marked("e", name), 50)
        waits, gap = Reconnecting(1, 0.5, marked("s", name)), Gap(marked("s", name))
        for columns in drawn:
            terminal = on_terminal()
            progress = Progress(here, Turning(), Workflow("w", marked("a", name)))
            with size(columns, 24), Live(terminal, progress) as live:
                for update in (Started(here), waits, gap):
                    live.show([(update, progress.apply_one(update))])
                    live.refresh()
            drawn[columns] += said_by(terminal)
        terminal = on_terminal()
        play(
            [[Started(here), waits, gap, Finished(here)]],
            Progress(here, Turning()),
            [WarningsOnly(terminal)],
        )
        quiet += said_by(terminal)
    for columns, data in drawn.items():
        yield View(f"live, {columns} columns", data, "aes", columns)
    yield View("quiet", quiet, "s")


def size(columns: int, rows: int) -> AbstractContextManager[Any]:
    """The terminal's size, as rich requests it."""
    return patch.dict(os.environ, COLUMNS=str(columns), LINES=str(rows))


def on_terminal() -> Terminal:
    return Terminal(
        io.BytesIO(), io.StringIO(), interactive=True, environ={"TERM": "xterm-256color"}
    )


def said_by(terminal: Terminal) -> bytes:
    assert isinstance(terminal.err, io.StringIO)
    return terminal.err.getvalue().encode("utf-8", "surrogatepass")


def downloads(theatre: Theatre) -> Iterator[View]:
    """Slow downloads, that are tried again for hostile reasons."""
    for columns in (40, 80):
        terminal = on_terminal()
        with size(columns, 200), Bar(terminal) as bar:
            bar.update(lambda _: (0.5, "5 bytes of 10 bytes", "1 byte/s"))
            bar.refresh()
            for reason in theatre.marked("t"):
                terminal.note(reason)
        yield View(f"download bar, {columns} columns", said_by(terminal), "t", columns)
    terminal = on_terminal()
    for reason in theatre.marked("t"):
        terminal.note(reason)
    yield View("download lines", said_by(terminal), "t")


def batches(theatre: Theatre) -> Iterator[View]:
    """Rows that fail at a node with a hostile name for a hostile reason, and rows with hostile labels."""
    said = list(zip(theatre.marked("b"), theatre.marked("f"), strict=True))
    boxes = [Node(name, id=f"box-{n}") for n, (name, _) in enumerate(said)]

    def script(inputs: dict[str, Any]) -> list[Step]:
        return [says(f"box-{inputs['Q']}", "failed", said[int(inputs["Q"])][1])]

    asks = Node("in", "InputNode", {"label": "Q", "type": "str"})
    workflow = theatre.add("batch", nodes=[asks, *boxes], script=script, status="failed")
    rows = theatre.directory / "rows.jsonl"
    rows.write_text("".join(f'{{"Q": "{n}"}}\n' for n in range(len(said))))
    with patch("noxcli.reports.failure_groups.MAX_REASONS", len(said)):
        # One at a time: a sleep of one row would make time jump for the search for another one's reason.
        _, out, err = theatre.call("batch", workflow, str(rows), "--max-parallel", "1")
    yield View("batch, a table", out, "")
    yield View("batch, summary", err, "bf")
    with patch("noxcli.reports.row_table.MAX_CELL", 10_000):
        _, out, err = theatre.call("results", f"{rows}.batch", "--query", "@")
        _, table, _ = theatre.call("results", f"{rows}.batch")
    yield View("results, a table", table, "")
    yield View("results on a terminal", out, "bf")
    rows.write_text("".join(f"{json.dumps({label: 1})}\n" for label in theatre.marked("n")))
    with patch("noxcli.batch.resume.MISTAKES_KEPT", len(said)):
        _, out, err = theatre.call(
            "batch", workflow, str(rows), "--output-dir", str(theatre.directory / "other")
        )
    yield View("batch, mistakes", err, "n")


def comparisons(theatre: Theatre) -> Iterator[View]:
    """Rows whose outputs have hostile keys and values in both results that are compared."""
    sides: list[list[Line]] = [[], []]
    for row, (key, value) in enumerate(
        zip(theatre.marked("g"), theatre.marked("h"), strict=True), 1
    ):
        for side, output in zip(sides, ({key: "old"}, {key: value}), strict=True):
            result = {"exit_code": 0, "run": {"id": "r"}, "error": None, "output": output}
            line = {
                "row": row,
                "id": str(row),
                "input": {},
                "columns": {},
                "asked": 1,
                "result": result,
            }
            side.append(line)
    paths = [str(theatre.directory / name) for name in ("base", "new")]
    for path, lines in zip(paths, sides, strict=True):
        stored(path, lines)
    shown = len(sides[0])
    with (
        patch("noxcli.cli.comparison_report.MAX_SHOWN", shown),
        patch("noxcli.cli.comparison_report.MAX_DIFFS", shown),
        patch("noxcli.cli.comparison_report.MAX_WHAT", 10_000),
        patch("noxcli.reports.row_pair.MAX_CHANGES", 10_000),
    ):
        _, out, err = theatre.call("compare", *paths)
    yield View("compare on a terminal", out, "gh")
    yield View("compare, summary", err, "")


def lists(theatre: Theatre) -> Iterator[View]:
    """Lists on a terminal, whose entries have hostile names and statuses."""
    named = [
        {"id": f"w-{n}", "name": name, "created_at": None}
        for n, name in enumerate(theatre.marked("a"))
    ]
    saved = [Version(name, id=f"v-{n}") for n, name in enumerate(theatre.marked("v"))]
    workflow = theatre.add("versions", versions=saved)
    runs = [
        {"id": f"run-{n}", "workflow": {"id": "w", "name": name}, "status": status}
        for n, (name, status) in enumerate(theatre.named("ae"))
    ]
    every = ("--limit", "99")
    with size(2000, 200):
        with raw_server(json_answer({"items": named})) as server:
            _, out, _ = theatre.call("workflows", *every, url=server.url)
        yield View("workflows", out, "a", 2000)
        _, out, _ = theatre.call("versions", workflow, *every)
        yield View("versions", out, "v", 2000)
        with raw_server(json_answer({"items": runs})) as server:
            _, out, _ = theatre.call("runs", *every, url=server.url)
        yield View("runs", out, "ae", 2000)


def again(theatre: Theatre) -> Iterator[View]:
    """What other verbs show of a run that has ended, on a terminal, and of the workflow itself."""
    boxes = [Node(name, id=f"box-{n}") for n, name in enumerate(theatre.marked("b"))]
    workflow = theatre.add("again", nodes=boxes, output=theatre.named("gh"))
    theatre.call("run", workflow, "--quiet")
    yield View("rerun", theatre.call("rerun", "@last")[1], "gh", form="\n")
    yield View("fetch-output", theatre.call("fetch-output", "@last")[1], "gh", form="\n")
    page = str(theatre.directory / "page.html")
    _, out, err = theatre.call("report", "@last", "-o", page)
    yield View("report, what is said beside it", out + err, "")
    yield View("export", theatre.call("export", workflow)[1], "b", form="\n")
    bundle = theatre.directory / "bundle.nx"
    bundle.write_bytes(theatre.call("export", workflow, out_tty=False)[1])
    _, out, err = theatre.call("import", str(bundle), "--mode", "clone")
    yield View("import", out + err, "", form="\t")


def owners(theatre: Theatre) -> Iterator[View]:
    """Keys whose owners have hostile names."""
    said = []
    for name in theatre.marked("a"):
        with raw_server(json_answer({"name": name}), json_answer({"items": []})) as server:
            said.append(theatre.call("doctor", url=server.url, out_tty=False)[1])
    yield View("doctor", b"".join(said), "a", form="\t")


def gates(theatre: Theatre) -> Iterator[View]:
    """Rows of which the new version gives hostile answers."""
    values = theatre.marked("h")

    def nodes_of(version: str) -> list[Node]:
        return [input_node("Q"), input_node("P", default=version), output_node("A")]

    def answers(given: dict[str, Any]) -> dict[str, Any]:
        return {"A": values[int(given["Q"])] if given["P"] == "new" else "fine"}

    workflow = theatre.sandbox.add(
        Scenario(
            "hostile gate",
            nodes=nodes_of("base"),
            output=answers,
            versions=[Version(name, "", nodes_of(name)) for name in ("base", "new")],
        )
    )
    rows = theatre.directory / "gate.jsonl"
    rows.write_text("".join(f'{{"Q": "{n}"}}\n' for n in range(len(values))))
    sides = ("--base", "base", "--new", "new", "--assert", "output.A == 'fine'")
    _, out, err = theatre.call("gate", workflow, str(rows), *sides)
    yield View("gate", out, "")
    yield View("gate, summary", err, "")


SHOWS = (
    nodes,
    statuses,
    reconnects,
    errors,
    answers,
    starts,
    inputs,
    outputs,
    files,
    alone,
    downloads,
    batches,
    comparisons,
    lists,
    again,
    owners,
    gates,
)
