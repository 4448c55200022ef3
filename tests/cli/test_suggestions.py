"""What to type instead of an unknown word: each hint works as it stands, and none starts, stops or reveals anything."""

import ast
import re
import shlex
from itertools import product
from pathlib import Path

import pytest

from noxcli.app import verb_named
from noxcli.cli.suggestions import ACTING, ACTING_OPTIONS, OPTIONS, option_hint
from noxcli.cli.suggestions import VERBS as WORDS
from noxcli.cli.verbs import VERBS
from noxcli.errors import nearest
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, posts, write_rows

ROOT = Path(__file__).parents[2]
# Exit codes of a command that could not be run as printed.
MISUNDERSTOOD = {2, 4, 5, 70, 75}
HINT = re.compile(r"(?:did you mean: |see |with: )(noxcli .*)")
KEY = "sk_live_abcdefghijklmnop"
LINES = (
    "run qa Question=x",
    "rerun @last",
    "stream @last",
    "fetch-output @last",
    "batch qa rows.jsonl --fresh",
    "runs",
    "inspect @last",
    "report @last",
    "export qa",
)
VALUES = {"--limit": ["3"], "--max-parallel": ["2"], "--output": ["o.txt"], "--output-dir": ["out"]}


def options_of(verb: str) -> list[str]:
    return [name for param in verb_named(verb).params for name in param.opts]


def test_the_table_is_short() -> None:
    assert len(WORDS) + len(OPTIONS) <= 40
    assert not WORDS.keys() & VERBS.keys()


@pytest.mark.parametrize("word", [*WORDS, "wrokflows", "inspekt", "xyzzy"])
def test_a_hint_about_a_verb_works_as_printed(noxcli: Noxcli, word: str) -> None:
    told = noxcli(word, "@last").err
    line = HINT.search(told)
    assert line
    done = noxcli(*line[1].split()[1:])
    assert done.code == 0, done.err
    if named := re.search(r"did you mean (\S+)\?", told):
        assert done.text.startswith(f"Usage: noxcli {named[1]} ")


@pytest.mark.parametrize("option", OPTIONS)
def test_a_hint_about_an_option_works_as_printed(
    noxcli: Noxcli, sandbox: Sandbox, option: str
) -> None:
    write_rows({"Question": "x"})
    noxcli.ended("qa", "Question=x")
    ours = OPTIONS[option].split()
    tried = [
        line.split()
        for line in LINES
        if ours[0] in options_of(line.split()[0]) or not ours[0].startswith("-")
    ]
    for line in {tuple(tried[0]), tuple(tried[-1])}:
        value = [sandbox.url] if ours == ["--base-url"] else VALUES.get(ours[0], [])
        done = noxcli(*line, option, *value)
        assert (done.code, OPTIONS[option] in done.err) == (2, True), (line, done.err)
        if ours[0].startswith("-"):
            done = noxcli(*line, *ours, *value)
            assert done.code not in MISUNDERSTOOD, (line, done.err)


@pytest.mark.parametrize(
    ("line", "typed"),
    [
        ("run demmo 'User Input=x'", "demmo"),
        ("run qa Qestion=x", "Qestion"),
        ("run qa Question=x --raw Anser", "Anser"),
        ("run qa Question=x --query output.Anser", "Anser"),
        ("run qa Question=x --tiemout 10", "--tiemout"),
        ("run review Question=x --version-id bsae", "bsae"),
        ("runs --status compelted", "compelted"),
        ("inspect RUN --node Anser", "Anser"),
        ("wait @lats", "@lats"),
        ("schema reslut", "reslut"),
        ("help btach", "btach"),
        ("results rows.jsonl", "rows.jsonl"),
        ("run qa Question=x --query 'lenght(output.Answer)'", "lenght"),
        ("run qa Question=x --assert \"outptu.Answer != 'y'\"", "outptu"),
        ("batch qa t.csv --fresh --id ID --keep notse --keep City", "notse"),
        ("batch qa t.csv --fresh --id IDs --keep notes --keep City", "IDs"),
        (
            "batch qa t.csv --fresh --id ID --keep notes --keep City --assert 'row.Citty != output.Answer'",
            "Citty",
        ),
        (
            "batch qa t.csv --fresh --id ID --keep notes --keep City --assert 'output.Anser != row.City'",
            "Anser",
        ),
        ("batch qa u.csv --fresh --column Question=Frag", "Frag"),
        ("run qa Question=x --query 'in(output.Answer)'", ""),
        ("run qa Question=x --query 'isnull(output.Answer)'", ""),
        ("runs --outputt-dir x", ""),
    ],
)
def test_a_guess_works_in_place_of_what_was_typed(noxcli: Noxcli, line: str, typed: str) -> None:
    if "RUN" in line or "@" in line:
        line = line.replace("RUN", noxcli.ended("qa", "Question=x"))
    write_rows({"Question": "x"})
    Path("t.csv").write_text("ID,Question,City,notes\na,x,Rome,y\n")
    Path("u.csv").write_text("Frage\nx\n")
    if line.startswith("results"):
        assert noxcli("batch", "qa", "rows.jsonl").code == 0
    told = noxcli(*shlex.split(line))
    guess = re.search(r"did you mean(?:: noxcli help)? '?([^'?\n]+)", told.err)
    assert (told.code in {2, 5, 9}, bool(guess)) == (True, bool(typed)), told.err
    if guess:
        done = noxcli(*shlex.split(line.replace(typed, guess[1].removesuffix("()"))))
        assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("name", "text", "typed", "line"),
    [
        ("rows.jsonl", '{"Qestion": "x"}', "Qestion", "batch qa rows.jsonl --fresh"),
        (
            "expected.jsonl",
            '{"Anser": "Answer to: x"}',
            "Anser",
            "batch qa t.jsonl --fresh --expect expected.jsonl",
        ),
        ("only.txt", "onne\n", "onne", "batch qa t.jsonl --fresh --only only.txt"),
        (".noxcli.toml", "[defalts]\n", "defalts", "run qa Question=x"),
        (".noxcli.toml", "[defaults]\ntimout = '10m'\n", "timout", "run qa Question=x"),
    ],
)
def test_a_guess_works_in_place_of_what_a_file_has(
    noxcli: Noxcli, name: str, text: str, typed: str, line: str
) -> None:
    Path("t.jsonl").write_text('{"$id": "one", "Question": "x"}\n')
    Path(name).write_text(text)
    told = noxcli(*line.split())
    meant = re.search(r"did you mean '?([^'?]+)", told.err)
    assert (told.code, bool(meant)) == (2, True), told.err
    assert meant
    Path(name).write_text(text.replace(typed, meant[1]))
    done = noxcli(*line.split())
    assert done.code == 0, done.err


def test_each_option_that_a_message_names_exists() -> None:
    offered = {"--help", "--version", *(name for verb in VERBS for name in options_of(verb))}
    of_git = {"--depth", "--quiet", "--verify"}
    named = set[str]()
    for path in (ROOT / "noxcli").rglob("*.py"):
        source = path.read_text()
        if "--" in source and path.name != "suggestions.py" and "sandbox" not in path.parts:
            texts = (
                node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)
            )
            named |= {
                word
                for text in texts
                for word in re.findall(r"(?<![\w-])--[a-z][a-z-]+", str(text))
            }
    assert len(named) > 50
    assert not named - offered - of_git


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        ("--inputs in.json", "--inputs @in.json"),
        ("--inputs Question=x", "Question=x"),
        ("@in.json", "--inputs @in.json"),
        ("Question=@", "Question=@FILE"),
        ("hello", "KEY=VALUE"),
    ],
)
def test_an_input_that_is_almost_one(
    noxcli: Noxcli, sandbox: Sandbox, argv: str, hint: str
) -> None:
    Path("in.json").write_text('{"Question": "x"}')
    Path("in.txt").write_text("x")
    done = noxcli("run", "qa", *argv.split())
    assert (done.code, hint in done.err, posts(sandbox)) == (2, True, []), done.err
    written = hint.replace("FILE", "in.txt").replace("KEY", "Question").split()
    assert noxcli("run", "qa", *written).code == 0


@pytest.mark.parametrize(
    "word", ["top", "rnu", "stpo", "batsh", "improt", "rerunn", "reprot", "sandbx", "sto", "r"]
)
def test_no_spelling_leads_to_what_starts_stops_or_writes(noxcli: Noxcli, word: str) -> None:
    told = noxcli(word, "@last").err
    assert not {*re.findall(r"noxcli (\S+)", told)} & ACTING, told


def test_no_acting_option_is_guessed() -> None:
    for option, verb in product([f"{name}x" for name in ACTING_OPTIONS], VERBS):
        assert (
            not {*re.findall(r"mean (\S+)\?", option_hint(option, options_of(verb), ""))}
            & ACTING_OPTIONS
        ), verb


@pytest.mark.parametrize(
    "line",
    [
        "runs --failed",
        "run --env-file",
        "run --retry-failed",
        "run --retries",
        "run --report-file",
        "run --output-file",
        "run --state",
        "run --key",
        "stop --all",
        "batch --json",
        "--json runs",
    ],
)
def test_an_option_of_another_meaning_is_not_named(noxcli: Noxcli, line: str) -> None:
    done = noxcli(*line.split())
    assert (done.code, "did you mean" in done.err, " --help" in done.err) == (2, False, True), (
        done.err
    )


def test_an_alias_of_an_alias_is_not_itself_again(noxcli: Noxcli) -> None:
    Path(".noxcli.toml").write_text('[aliases]\ncs = "support"\nsupport = "qa"\n')
    told = noxcli("run", "cs", "Question=x").err
    assert (
        "no workflow has the id or name 'support', to which the alias 'cs' leads; list them with:"
        in told
    )


@pytest.mark.parametrize(
    "argv",
    [
        f"runs --api-key {KEY}",
        f"runs --api-key={KEY}",
        f"runs --api-key-file {KEY}",
        "runs --api-key-file 0123456789abcdef",
        f"frobnicate {KEY}",
        f"{KEY}",
        f"list --token {KEY}",
        f"help {KEY}",
        f"run qa {KEY}",
        f"run {KEY}",
        f"run qa -f Question={KEY}",
        f"--json run qa {KEY}",
        f"wait {KEY}",
    ],
)
def test_what_looks_like_a_key_is_not_repeated(noxcli: Noxcli, argv: str) -> None:
    done = noxcli(*argv.split())
    assert done.code in {2, 4, 5}
    assert not {KEY, "0123456789abcdef"} & {*re.findall(r"[\w-]+", f"{done.err} {done.out!r}")}, (
        done.err
    )


@pytest.mark.parametrize("name", ["json", "yaml", "jsonl", "csv", "table", "text", "wide"])
@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("run qa Question=x", "for JSON on stdout: --json"),
        ("results x", "JSON lines are on stdout without it; for a table: --csv FILE"),
        ("export demo", "for the definition as JSON: --definition"),
        ("report @last", "the page is always HTML"),
    ],
)
def test_a_format_is_no_file(
    noxcli: Noxcli, sandbox: Sandbox, line: str, instead: str, name: str
) -> None:
    done = noxcli(*line.split(), "-o", name)
    assert (done.code, f"{instead}; for a file of this name: --output ./{name}\n" in done.err) == (
        2,
        True,
    )
    assert posts(sandbox) == []
    assert not Path(name).exists()


def test_a_file_of_that_name_is_written(noxcli: Noxcli) -> None:
    assert noxcli("run", "qa", "Question=x", "-o", "./json").code == 0
    assert Path("json").read_text() == "Answer to: x\n"


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("complted", "completed"),
        ("COMPLETED", "completed"),
        ("user input", "User Input"),
        ("zzz", None),
        ("", None),
    ],
)
def test_the_nearest_name_looks_like_the_word_in_any_case(word: str, meant: str | None) -> None:
    assert nearest(word, ("completed", "failed", "User Input")) == meant
