"""Several outputs on a terminal: readable sections, no longer than the window; pipes and files get JSON."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pyte
import pytest

from noxcli.sandbox.server import Sandbox
from tests.process import captured, environment, forked, in_bash, on_terminal, watched
from tests.render.test_sharing import scrolled
from tests.sample import one_in

LONG = "\n".join(f"line {number}" for number in range(500))
OUTPUT = {
    "Answer": "one\ntwo\n",
    "Report 2": LONG,
    "Wide": "世界" * 4000,
    "Data": [1],
    "Count": 9007199254740993,
    "Empty": "",
}


@pytest.fixture
def env(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {**environment(sandbox.url), "NOXCLI_STATE_DIR": str(tmp_path / "state")}


def read(env: dict[str, str], *argv: str, columns: int = 80, rows: int = 24) -> list[str]:
    seen = watched([*forked(), *argv, "--quiet"], env, columns=columns, rows=rows)
    assert seen.process.returncode == 0
    return scrolled(seen, columns, rows)


def sections(lines: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        if heading := re.fullmatch(r"── (.+?) ─+( .*|$)", line):
            found[heading[1]] = [heading[2].strip()] if heading[2] else []
        else:
            found[next(reversed(found))].append(line)
    return found


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 10)])
def test_several_outputs_are_sections_that_fit_the_window(
    env: dict[str, str], plays: Any, columns: int, rows: int
) -> None:
    shown = sections(read(env, "run", plays(output=OUTPUT), columns=columns, rows=rows))
    assert list(shown) == list(OUTPUT)
    assert shown["Answer"] == ["one", "two"]
    assert "".join(shown["Data"]).replace(" ", "") == "[1]"
    assert shown["Count"] == ["9007199254740993"], "in its heading's line"
    assert shown["Empty"] == []
    assert shown["Report 2"][:3] == ["line 0", "line 1", "line 2"], (
        "so many values leave each the least"
    )
    cut, *line = shown["Report 2"][3:]
    assert cut == f"… {len(LONG) - 21:,} more characters:"
    assert len(line) == (2 if columns == 40 else 1)
    whole = in_bash("".join(line).replace("noxcli", shlex.join(forked()), 1), env)
    assert (whole.returncode, whole.stdout) == (0, LONG)


@pytest.mark.parametrize("asked", [["--format", "text"], ["--json"]])
def test_an_asked_format_is_json_on_a_terminal_too(
    env: dict[str, str], plays: Any, asked: list[str]
) -> None:
    lines = read(env, "run", plays(output={"A": "one", "B": "two"}), *asked)
    document = json.loads("".join(lines))
    assert document.get("output", document) == {"A": "one", "B": "two"}


def test_a_pipe_and_a_single_text_get_what_they_always_got(env: dict[str, str], plays: Any) -> None:
    several = plays(output={"A": "one", "B": "two"})
    piped = captured([*forked(), "run", several], env)
    assert json.loads(piped.stdout) == {"A": "one", "B": "two"}
    assert read(env, "fetch-output", "@last")[0].startswith("── A ─")
    assert read(env, "run", plays(output={"A": LONG}))[-3:] == LONG.splitlines()[-3:]


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40), (50, 20)])
def test_long_values_share_the_window(
    env: dict[str, str], plays: Any, columns: int, rows: int
) -> None:
    text = "four-" * 2000
    lines = read(
        env, "run", plays(output={"Report": LONG, "Wall": text}), columns=columns, rows=rows
    )
    shown = sections(lines)
    each = (rows - 4) // 2 - 4
    assert shown["Report"][:each] == [f"line {number}" for number in range(each)]
    *wall, told = shown["Wall"][: each + 1]
    assert "".join(wall) == text[: each * columns]
    assert told.startswith(f"… {len(text) - each * columns:,} more characters")
    assert len(lines) <= rows - 4, "all of it is on the screen, and how the run has ended"


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_rows_end_at_a_word_and_a_long_word_is_whole(
    env: dict[str, str], plays: Any, columns: int
) -> None:
    words = [f"word{number}" for number in range(40)]
    address = f"https://example.com/{'x' * 150}"
    text = f"{' '.join(words)}\n  indented\nsee {address} there"
    with on_terminal(
        [*forked(), "run", plays(output={"A": text, "B": "y"}), "--quiet"],
        env,
        columns=columns,
        rows=50,
    ) as seen:
        pass
    shown = sections(scrolled(seen, columns, 50))["A"]
    place = shown.index("  indented")
    assert [word for row in shown[:place] for word in row.split(" ")] == words
    assert place == -(-len(" ".join(words)) // columns) or columns == 40
    assert address.encode() in seen.raw, "it can be copied"


VERBS = ["run", "stream", "fails", "run --format content", "run --json", "run --progress plain"]


@pytest.mark.parametrize(
    ("size", "verb"), one_in(3, [(80, 24), (120, 40), (60, 20), (0, 0)], VERBS)
)
def test_how_a_run_has_ended_is_last_on_the_screen(
    env: dict[str, str], plays: Any, size: tuple[int, int], verb: str
) -> None:
    columns, rows = size
    workflow = (
        "fails"
        if verb == "fails"
        else plays(output={"Report": LONG, "Wide": "世界" * 4000, "Count": 1})
    )
    with on_terminal(
        [*forked(), "run", workflow, *verb.split()[1:], "--color", "never"],
        env,
        columns=columns,
        rows=rows,
    ) as seen:
        pass
    if verb == "stream":
        seen = watched(
            [*forked(), "stream", "@last", "--color", "never"], env, columns=columns, rows=rows
        )
    run_id = re.findall(rb"noxcli \S+ ([0-9a-f-]{36})", seen.raw)[-1].decode()
    screen = pyte.Screen(columns or 80, rows or 24)
    pyte.ByteStream(screen).feed(bytes(seen.raw))
    *_, third, second, last = [line.rstrip() for line in screen.display if line.strip()]
    above = (third + second).replace(" ", "")  # a blank at the end of a row is not seen
    if verb == "fails":
        assert "128,000areallowed" in above
        assert last == f"details: noxcli inspect {run_id}"
    else:
        assert re.search(r"mpletedin\d\.\ds;3nodescompleted(output:)?$", above)
        assert last.removeprefix("output: ") == f"noxcli fetch-output {run_id}"
