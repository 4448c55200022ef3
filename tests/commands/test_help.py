"""`--help`: it fits, is in order, is complete, and its examples run."""

import re
import subprocess
from pathlib import Path

import pytest

from noxcli import __version__
from noxcli.app import verb_named
from noxcli.cli.help_format import COMMON_LINE, HEADINGS, MAX_USED, OWN
from noxcli.cli.options import RETRY_AT_FIRST, RETRY_FOLLOWING
from noxcli.cli.verbs import VERBS, verb_facts
from noxcli.errors import ExitCode
from noxcli.sandbox.server import Sandbox
from tests import forks
from tests.conftest import Noxcli, write_rows
from tests.process import captured, environment

PAGES = ["", *VERBS]
SIDES = ("--base", "base", "--new", "new", "--assert", "complete")
MOST_LINES = {"runs": 42, "run": 60, "batch": 75}  # at 80 columns
CALL_NO_SERVER = {"results", "compare", "schema", "completion", "sandbox", "help"}


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {page: Noxcli()(*page.split(), "--help").text for page in PAGES}


def sections(page: str) -> dict[str, list[str]]:
    """The lines under each heading."""
    found: dict[str, list[str]] = {}
    for part in page.split("\n\n")[1:]:
        heading, _, body = part.partition("\n")
        if heading.endswith(":") and not heading.startswith(" "):
            found[heading[:-1]] = [line.strip() for line in body.splitlines()]
    return found


@pytest.mark.parametrize("page", PAGES)
def test_help_fits_a_terminal_of_80_columns(page: str, pages: dict[str, str]) -> None:
    assert all(len(line) <= 80 for line in pages[page].splitlines())
    assert pages[page].startswith(f"Usage: noxcli {page}")
    usage = pages[page].splitlines()[0].replace("[ARGS]...", "")
    assert not re.search(r"[{}]|:<| \.\.\.( |$)", usage.removeprefix("Usage: "))


@pytest.mark.parametrize("verb", VERBS)
def test_options_stand_under_headings_in_one_order(verb: str, pages: dict[str, str]) -> None:
    found = [
        heading
        for heading in sections(pages[verb])
        if heading not in {"Arguments", OWN, "Exit codes", "Examples"}
    ]
    assert found == [heading for heading in HEADINGS if heading in found]
    assert ("General" in found) == (verb in CALL_NO_SERVER)


@pytest.mark.parametrize("verb", VERBS)
def test_a_line_stands_for_the_options_that_all_share(
    verb: str, pages: dict[str, str], noxcli: Noxcli
) -> None:
    assert (f"\n{COMMON_LINE}\n" in pages[verb]) == (verb not in CALL_NO_SERVER)
    shared = noxcli("help", "options").text
    assert re.findall(r"^(?:-\w, )?(--[a-z-]+)", shared, re.M) == [
        "--timeout",
        *HEADINGS["General"],
    ]
    assert verb in CALL_NO_SERVER or not re.search(
        r"^ +(-q, )?--(profile|quiet|base-url) ", pages[verb], re.M
    )


@pytest.mark.parametrize("verb", MOST_LINES)
def test_help_is_short(verb: str, pages: dict[str, str]) -> None:
    assert len(pages[verb].splitlines()) <= MOST_LINES[verb]


@pytest.mark.parametrize("verb", VERBS)
def test_help_names_the_exit_codes_that_matter(verb: str, pages: dict[str, str]) -> None:
    assert len(verb_facts(verb).codes) == 3
    assert {*verb_facts(verb).codes} <= {
        *map(int, ExitCode),
        *([127] if verb == "sandbox" else []),
    }  # as of the shell
    assert [int(line.split()[0]) for line in sections(pages[verb])["Exit codes"]] == [
        *verb_facts(verb).codes
    ]


def test_shared_options_and_headings_match(pages: dict[str, str]) -> None:
    placed = [name for names in HEADINGS.values() for name in names]
    assert len(placed) == len({*placed})
    everywhere = " ".join([*pages.values(), Noxcli()("help", "options").text])
    assert all(re.search(rf"{name}\b", everywhere) for name in placed), (
        "an option that there is not has a place"
    )
    own = [
        re.findall(
            r"^ +(?:-., )?(--[a-z-]+)", page.partition(f"{OWN}:")[2].partition("\n\n")[0], re.M
        )
        for name, page in pages.items()
        if name
    ]
    once = [name for names in own for name in names]
    assert len(once) == len({*once}), "what several verbs share has a heading"


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_says_what_the_verb_says(verb: str) -> None:
    said = verb_named(verb).help
    assert said.partition("\n")[0] == VERBS[verb][1]


def test_the_verbs_stand_under_headings(pages: dict[str, str]) -> None:
    listed = sections(pages[""])
    for verb, (heading, does) in VERBS.items():
        assert f"{verb} {does}" in " ".join(" ".join(listed[heading]).split())


def test_a_default_duration_is_shown_as_typed(pages: dict[str, str]) -> None:
    assert "[default: 30s]" in pages["stop"]
    assert ".0]" not in "".join(pages.values())


# Examples.


@pytest.mark.parametrize(
    "twice", [False, pytest.param(True, marks=pytest.mark.wide)], ids=["once", "twice"]
)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.long(4)
def test_the_examples_can_be_pasted_twice(
    verb: str, pages: dict[str, str], lively: Sandbox, tmp_path: Path, *, twice: bool
) -> None:
    lines = sections(pages[verb])["Examples"]
    assert any(line.startswith("noxcli") for line in lines)
    env = {**environment(lively.url), "PATH": f"{forks.directory()}:/usr/local/bin:/usr/bin:/bin"}
    for number in range(len(lines)):
        assert lines[number].startswith(("noxcli", "#")), "a line for each command"
    again = [
        line for line in lines if twice and not line.startswith("noxcli sandbox")
    ]  # of which nothing remains
    script = ["bash", "-euo", "pipefail", "-c", "\n".join([*lines, *again])]
    done = captured(script, {**env, "HOME": str(tmp_path)}, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    assert done.stdout.strip()


# Typos.


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["fetch"], "no such command 'fetch'; see noxcli --help"),
        (
            ["wrokflows", "-q"],
            "no such command 'wrokflows'; did you mean workflows? see noxcli workflows --help",
        ),
        (
            ["login"],
            "no such command 'login'; set NOXUS_API_KEY to your key, and check it with: noxcli doctor",
        ),
        (["xyzzy"], "no such command 'xyzzy'; see noxcli --help"),
        ([""], "no such command ''; see noxcli --help"),
        (
            ["run", "demo", "--tiemout=3"],
            "no such option: --tiemout; did you mean --timeout? see noxcli run --help",
        ),
        (
            ["run", "demo", "--inpu"],
            "no such option: --inpu; did you mean --inputs? see noxcli run --help",
        ),
        (["run", "demo", "--foo"], "no such option: --foo; see noxcli run --help"),
        (["wait", "x", "--zzz"], "no such option: --zzz; see noxcli wait --help"),
        (
            ["--vrsion"],
            "no such option: --vrsion; did you mean --version? see noxcli --help; options of a command come after it",
        ),
        (["run"], "missing argument 'WORKFLOW'; see noxcli run --help"),
        (["rerun"], "missing argument 'RUN', such as @last; see noxcli rerun --help"),
        (
            ["import", "x.nx"],
            "missing option '--mode', one of clone, version, replace; see noxcli import --help",
        ),
        (
            ["completion"],
            "missing argument 'SHELL', one of bash, zsh, fish; see noxcli completion --help",
        ),
        (["no\x1b[2Jpe"], "no such command 'no\\x1b[2Jpe'; see noxcli --help"),
    ],
)
def test_a_slip_names_what_was_probably_meant(noxcli: Noxcli, argv: list[str], line: str) -> None:
    result = noxcli(*argv)
    assert (result.code, result.err, result.out) == (2, f"noxcli: {line}\n", b"")


def test_a_slip_is_told_in_the_document(noxcli: Noxcli) -> None:
    error = noxcli("output", "@last", "--json").json["error"]
    assert (error["phase"], error["hint"]) == (
        "usage",
        "did you mean fetch-output? see noxcli fetch-output --help",
    )


def test_the_page_for_assistants_is_true(noxcli: Noxcli) -> None:
    page = noxcli("help", "agents").text
    assert len(page.splitlines()) < 120
    assert len(page) < 6000
    assert all(re.search(rf"^ *{int(code)}  ", page, re.M) for code in ExitCode)
    assert all(re.search(rf"^  (noxcli )?{verb} ", page, re.M) for verb in VERBS)
    lines = re.findall(r"^  noxcli (\S+) .*?  +(\..*)$", page, re.M)
    for question in "yx":
        write_rows({"$id": "a", "Question": "z"}, {"$id": question, "Question": question})
        assert noxcli("batch", "qa", "rows.jsonl", "--output-dir", question).code == 0
    Path("asked.jsonl").write_text('{"Question": "When do you open?"}\n')
    calls = {
        "workflows": noxcli("workflows", "--json").json["workflows"][0],
        "inputs": noxcli("inputs", "qa", "--json").json,
        "run": noxcli("run", "qa", "Question=x", "--json").json
        | {"error": {"message": "", "hint": ""}},
        "fetch-output": noxcli("fetch-output", "@last", "--json").json,
        "inspect": noxcli("inspect", "--json").json["nodes"][0],
        "batch": noxcli("batch", "qa", "rows.jsonl").lines[0],
        "compare": noxcli("compare", "x", "y", "--json").json["rows"][0],
        "results": noxcli("results", "x", "--summary", "--json").json["directories"][0],
        "versions": noxcli("versions", "review", "--json").json["versions"][0],
        "gate": noxcli("gate", "review", "asked.jsonl", *SIDES, "--json").json["rows"][0],
    }
    assert {verb for verb, _ in lines} == calls.keys()
    for verb, told in lines:
        for path in re.findall(r"(?<!\w)\.([a-z_.]+)", told.rpartition("| ")[2]):
            value = calls[verb]
            for key in path.split("."):
                assert key in value, (verb, path)
                value = value[key]


def test_the_page_for_assistants_can_be_a_skill_file(noxcli: Noxcli) -> None:
    _, head, page = noxcli("help", "skill").text.split("---\n", 2)
    assert re.fullmatch(r"name: noxcli\ndescription: .{20,200}\n", head)
    assert page.lstrip() == noxcli("help", "agents").text


@pytest.mark.parametrize("verb", VERBS)
def test_no_help_points_to_a_file_of_the_repository(verb: str, pages: dict[str, str]) -> None:
    assert not re.search(r"docs/|README", pages[verb])


@pytest.mark.parametrize("verb", VERBS)
def test_a_short_help_is_one_screen(verb: str) -> None:
    result = Noxcli()(verb, "-h")
    assert result.code == 0, result.err
    page = result.text
    lines = page.splitlines()
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert "...\n" not in page.partition("\n")[2]
    assert lines[-1] == f"All options: noxcli {verb} --help"
    assert len([line for line in lines if line.startswith("  -")]) <= MAX_USED
    assert [line for line in lines if line.startswith("  ") and f"noxcli {verb}" in line]


def test_a_short_help_comes_after_a_hint_about_the_same_verb() -> None:
    verb_named.cache_clear()
    assert "did you mean" in Noxcli()("input").err
    assert Noxcli()("inputs", "-h").code == 0


@pytest.mark.parametrize("columns", [34, 50, 65])
@pytest.mark.parametrize("verb", ["run", "batch", "results"])
def test_a_short_help_cuts_no_meaning_on_a_narrow_terminal(
    verb: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    page = Noxcli()(verb, "-h").text.partition("\n\n  noxcli")[0]
    assert max(len(line) for line in page.splitlines()[1:]) <= columns
    assert "..." not in page.partition("\n\n")[2].replace("[INPUT]...", "").replace("DIR...", "")


@pytest.mark.parametrize("verb", ["export", "report"])
def test_a_short_help_names_where_a_file_goes(verb: str) -> None:
    assert "-o, --output FILE" in Noxcli()(verb, "-h").text


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("verb", ["run", "batch", "sandbox"])
def test_no_line_of_help_ends_inside_a_word(
    verb: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def words(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        page = Noxcli()(verb, "--help").text.partition("Examples:")[0]
        assert (
            width > 80
            or max(len(line) for line in page.splitlines() if not line.endswith("]...")) <= width
        )
        return page.split()

    assert words(columns) == words(10_000)


@pytest.mark.parametrize("page", PAGES)
def test_help_with_a_command_is_that_commands_help(
    noxcli: Noxcli, page: str, pages: dict[str, str]
) -> None:
    assert noxcli("help", *page.split()).text == pages[page]


@pytest.mark.parametrize(
    ("topic", "hint"),
    [
        ("btach", "did you mean: noxcli help batch"),
        ("7", "did you mean: noxcli help exit-codes"),
        ("zzz", "--help"),
    ],
)
def test_help_on_what_there_is_not_names_what_was_meant(
    noxcli: Noxcli, topic: str, hint: str
) -> None:
    result = noxcli("help", topic)

    assert result.code == 2
    assert hint in result.err


def test_v_is_version(noxcli: Noxcli) -> None:
    assert noxcli("-V").text == noxcli("--version").text == f"noxcli {__version__}\n"


@pytest.mark.parametrize("verb", ["run", "wait", "batch"])
def test_the_limits_of_retrying_are_named_as_they_are(noxcli: Noxcli, verb: str) -> None:
    assert COMMON_LINE in noxcli(verb, "--help").text
    shown = " ".join(noxcli("help", "options").text.split())
    assert (RETRY_AT_FIRST, RETRY_FOLLOWING) == (60, 300)
    assert "while the server is unreachable. [default: 60s; while following a run: 5m]" in shown
