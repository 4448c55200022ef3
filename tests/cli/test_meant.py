"""What people type first: each hint that it gets works as it stands, and none starts, stops or reveals anything."""

import re
import shlex
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from noxcli.app import VERBS, verb_named
from noxcli.cli.meant import (
    ACTING,
    ACTING_OPTIONS,
    ANSWERS,
    LISTING,
    LISTS,
    OPTION_ANSWERS,
    OPTIONS,
    SHOWING,
    WORDS,
    option_for,
)
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, posts, write_rows

# Exit codes of a command that could not be run as printed.
MISUNDERSTOOD = {2, 4, 5, 70, 75}
HINT = re.compile(r"(?:did you mean: |see: |call it: |write: |to start a workflow: )(noxcli .*)")
KEY = "sk_live_abcdefghijklmnop"
# A command of each verb that has options of this table, without them.
LINES = {
    "run": "run qa Question=x",
    "rerun": "rerun @last",
    "wait": "wait @last",
    "stream": "stream @last",
    "fetch-output": "fetch-output @last",
    "batch": "batch qa rows.jsonl --fresh",
    "runs": "runs",
    "inspect": "inspect @last",
}
VALUES = {"N": "3", "KEY": "Answer", "FILE": "there.txt", "DIR": "out", "DUR": "10s"}


UNTRIED = {"|", "@FILE", "VERSION", "URL", "KEY=ENVNAME"}  # they need more


@pytest.fixture
def filled(noxcli: Noxcli) -> dict[str, str]:
    """What placeholders in a hint stand for."""
    write_rows({"Question": "x"})
    Path("b.yaml").write_text(noxcli("export", "review").text)
    for name in "xy":
        assert noxcli("batch", "qa", "rows.jsonl", "--output-dir", name).code == 0
    run = noxcli.ended("qa", "Question=x")
    return {"RUN": run, "WORKFLOW": "demo", "FILE": "b.yaml", "DIR": "x", "BASE": "x", "NEW": "y"}


def hinted(noxcli: Noxcli, *argv: str) -> list[str]:
    """Return the words of the command that the hint names, if it names one."""
    done = noxcli(*argv)
    assert done.code in {2, 5}, (argv, done.err)
    found = HINT.search(done.err.strip())
    return shlex.split(found[1])[1:] if found else []


def works(noxcli: Noxcli, words: list[str], filled: dict[str, str]) -> None:
    argv = [filled.get(word, word) for word in words]
    if argv[:1] == ["sandbox"]:
        argv += ["--", "true"]
    if argv[:1] == ["run"] and argv[1:] == ["demo"]:
        argv.append("User Input=x")
    done = noxcli(*argv)
    assert done.code not in MISUNDERSTOOD, (argv, done.code, done.err)


@pytest.mark.parametrize("word", sorted({word for names in WORDS.values() for word in names} - VERBS.keys()))
def test_a_word_of_other_tools_leads_to_ours(noxcli: Noxcli, filled: dict[str, str], word: str) -> None:
    bare = hinted(noxcli, word)
    assert bare
    works(noxcli, bare, filled)
    takes = [filled.get(part, part) for part in bare[1:]]
    assert hinted(noxcli, word, *takes) == [bare[0], *takes], "what it was given is repeated"
    assert hinted(noxcli, word, "--no-such-option") == bare, "what it does not take is not"
    assert hinted(noxcli, word, *takes, "--api-key", "abc") == bare, "a key is not repeated"


def test_two_words_lead_to_the_verb_that_is_meant(noxcli: Noxcli, filled: dict[str, str]) -> None:
    pairs = [*product(("workflow", "run"), sorted(LISTING)), *product(sorted(LISTING | SHOWING), ("workflows", "runs"))]
    for pair in pairs:
        (verb,) = hinted(noxcli, *pair)
        assert verb in LISTS.values(), pair
    run = filled["RUN"]
    for line, meant in {
        "workflow run qa Question=x": "run qa Question=x",
        "workflows list": "workflows",
        "runs list": "runs",
        "run list": "runs",
        f"run view {run}": f"inspect {run}",
        f"run watch {run}": f"stream {run}",
        f"run stop {run}": f"stop {run}",
        f"cancel run {run}": f"stop {run}",
        "get workflow qa": "inputs qa",
        "describe workflow qa": "inputs qa",
        f"logs -f {run}": f"stream {run}",
        "logs --follow": "stream RUN",
        "workflow versions review": "versions review",
        "--json run qa Question=x": "run qa Question=x --json",
        "-q runs": "runs -q",
        "--no-color runs --limit 1": "runs --limit 1 --color never",
        "--query 'runs[0] | id' runs": "runs --query 'runs[0] | id'",
        "qa Question=x": "run qa Question=x",
    }.items():
        assert hinted(noxcli, *shlex.split(line)) == shlex.split(meant), line
        works(noxcli, shlex.split(meant), filled)


def test_a_workflow_of_that_name_is_started(noxcli: Noxcli, sandbox: Sandbox) -> None:
    from noxcli.sandbox.scenario import Scenario

    sandbox.add(Scenario("list", output={"A": "x"}))
    assert noxcli("run", "list").text == "x\n"


@pytest.mark.parametrize("words", ANSWERS.values(), ids=ANSWERS)
def test_a_word_that_calls_nothing_gets_an_answer(noxcli: Noxcli, words: tuple[str, ...]) -> None:
    for word in words:
        done = noxcli(word)
        assert done.code == 2
        for line in re.findall(r"noxcli (help \w+|doctor|--version)", done.err):
            assert noxcli(*line.split()).code == 0, line


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("usage", OPTIONS)
def test_an_option_of_other_tools_leads_to_ours(noxcli: Noxcli, usage: str) -> None:
    having = [verb for verb in VERBS if usage.split()[0] in {name for p in verb_named(verb).params for name in p.opts}]
    assert having
    for name, verb in product(OPTIONS[usage], having):
        offered = [each for param in verb_named(verb).params for each in param.opts]
        assert name not in offered, "it is one of ours"
        told = option_for(name, offered)
        assert told
        words = [VALUES.get(word, word) for word in usage.split()]
        if verb in LINES and told == f"did you mean {usage}?" and not {*words} & UNTRIED:
            done = noxcli(*LINES[verb].split(), *words)
            assert done.code not in MISUNDERSTOOD, (words, done.err)


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ("-f Question=hi", "an input needs no option: Question=hi"),
        ("-d {}", "did you mean --inputs '{}'?"),
        ("-i in.json", "did you mean --inputs @in.json?"),
        ("-i no.json", "did you mean --inputs @FILE?"),
        ("--file=in.json", "did you mean --inputs @in.json?"),
        ("--inputs in.json", "for the file, write --inputs @in.json"),
        ("--inputs Question=x", "write an input without --inputs: Question=x"),
    ],
)
def test_inputs_as_other_tools_take_them(noxcli: Noxcli, argv: str, told: str) -> None:
    Path("in.json").write_text('{"Question": "x"}')
    done = noxcli("run", "qa", *argv.split())
    assert (done.code, told in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    ("items", "hint"),
    [
        (["Question", "hello"], "write Question=hello"),
        (["question", "hello"], "write Question=hello"),
        (["Question", "=", "hello"], "write Question=hello"),
        (["Question=", "hello"], "write Question=hello"),
        (["Question:hello"], "write Question=hello"),
        (["hello"], "write Question=hello"),
        (["in.json"], "write --inputs @in.json"),
        (["list.json"], "write Question=@list.json"),
        (["in.txt"], "write Question=@in.txt"),
        (["\u2013-raw"], "type --raw"),
        (["\u2014raw", "Answer"], "type --raw"),
        (["\u201cQuestion\u201d"], "its quotes are not those of a shell"),
        (["\u201cQuestion=x\u201d"], "its quotes are not those of a shell"),
        (["Question=@"], "write Question=@FILE"),
    ],
)
def test_an_input_that_is_almost_one(noxcli: Noxcli, sandbox: Sandbox, items: list[str], hint: str) -> None:
    Path("in.json").write_text('{"Question": "x"}')
    Path("list.json").write_text("[]")
    Path("in.txt").write_text("x")
    done = noxcli("run", "qa", *items)
    assert (done.code, hint in done.err, posts(sandbox)) == (2, True, []), done.err
    written = re.search(r"write (--inputs \S+|\S+=\S+)", done.err)
    if written and "FILE" not in hint:
        assert noxcli("run", "qa", *written[1].split()).code == 0, done.err


def test_a_file_is_named_as_the_input_takes_it(noxcli: Noxcli) -> None:
    Path("in.json").write_text("{}")
    assert "write Document@in.json" in noxcli("run", "document", "in.json").err
    assert "write KEY=VALUE" in noxcli("run", "document", "no.json").err, "Document@no.json would be refused"


@pytest.mark.parametrize("word", ["top", "rnu", "stpo", "batsh", "improt", "rerunn", "reprot", "sto", "st", "r"])
def test_no_spelling_leads_to_what_starts_stops_or_writes(noxcli: Noxcli, word: str) -> None:
    told = noxcli(word, "@last").err
    assert not {*re.findall(r"noxcli (\S+)", told)} & ACTING, told


@pytest.mark.parametrize(
    "option", ["-n", "-p", "-w", "--en", "--run", "--pro", "--apply", "--overwrit", "--freshh", "--agai"]
)
def test_no_short_or_acting_option_is_guessed(option: str) -> None:
    for verb in VERBS:
        offered = [name for param in verb_named(verb).params for name in param.opts]
        told = option_for(option, [name for name in offered if name != option])
        assert not {*re.findall(r"(--[\w-]+)\?", told or "")} & ACTING_OPTIONS, verb
        assert len(option.lstrip("-")) > 3 or told in {None, "did you mean --limit N?"}, verb


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
    assert not {KEY, "0123456789abcdef"} & {*re.findall(r"[\w-]+", f"{done.err} {done.out!r}")}, done.err


@pytest.mark.parametrize("name", ["json", "yaml", "jsonl", "csv", "table", "text", "wide"])
@pytest.mark.parametrize("line", ["run qa Question=x", "fetch-output @last", "results x"])
def test_a_format_is_no_file(noxcli: Noxcli, sandbox: Sandbox, line: str, name: str) -> None:
    done = noxcli(*line.split(), "-o", name)
    assert (done.code, "--json" in done.err, f"./{name}" in done.err, posts(sandbox)) == (2, True, True, [])
    assert not Path(name).exists()


def test_a_file_of_that_name_is_written(noxcli: Noxcli) -> None:
    assert noxcli("run", "qa", "Question=x", "-o", "./json").code == 0
    assert Path("json").read_text() == "Answer to: x\n"


@pytest.mark.parametrize("option", [name for names in OPTION_ANSWERS.values() for name in names])
def test_an_option_with_an_answer_gets_it(option: str) -> None:
    offered = {verb: [name for param in verb_named(verb).params for name in param.opts] for verb in VERBS}
    answers: dict[str, Any] = {
        verb: option_for(option, there) for verb, there in offered.items() if option not in there
    }
    assert {answer for answer, _ in OPTION_ANSWERS} & {*answers.values()}
