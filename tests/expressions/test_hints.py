"""Expressions as users know them from jq and other languages: each hint about one is an expression that works."""

import shlex

import pytest

from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, posts
from tests.sample import one_in

SLIPS = {
    ".output.Answer": ("not with a dot", "output.Answer"),
    "$.output.Answer": ("not with a dot", "output.Answer"),
    ".output | .Answer": ("not with a dot", "output | Answer"),
    "output.Answer = 'x'": ("equality is ==", "output.Answer == 'x'"),
    "output.Answer === 'x'": ("equality is ==", "output.Answer == 'x'"),
    "length(output.Answer) > 3": ("in backticks", "length(output.Answer) > `3`"),
    "length(output.Answer) >=-3.5": ("in backticks", "length(output.Answer) >=`-3.5`"),
    "output.Answer = 'a = 1' && !output.Essay": (
        "equality is ==",
        "output.Answer == 'a = 1' && !output.Essay",
    ),
    ".output.Answer = 'x'": ("not with a dot, equality is ==", "output.Answer == 'x'"),
    'output.Answer == "x"': ("which is a name", "output.Answer == 'x'"),
    '"x" != output.Answer': ("which is a name", "'x' != output.Answer"),
    'contains(output.Answer, "it\'s")': ("which is a name", "contains(output.Answer, 'it\\'s')"),
    'nodes[?name == "Answer it"]': ("which is a name", "nodes[?name == 'Answer it']"),
}


@pytest.mark.parametrize(("option", "text"), one_in(2, ["--query", "--assert"], SLIPS))
def test_a_slip_is_told_with_what_to_write(
    noxcli: Noxcli, sandbox: Sandbox, text: str, option: str
) -> None:
    why, meant = SLIPS[text]
    done = noxcli("run", "qa", "Question=x", option, text)
    assert (done.code, why in done.err, posts(sandbox)) == (2, True, []), done.err
    written = shlex.split(
        done.err.rpartition("; ")[2]
        .removeprefix("write ")
        .removeprefix("a text is written in single quotes: ")
    )
    assert written == [meant], done.err
    assert "JMESPath" not in noxcli("run", "qa", "Question=x", option, meant, "--dry-run").err


REFERENCE = "&NAME is an argument of map(), max_by(), min_by() and sort_by() alone"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("output.Answer == x'", "a ' has no partner"),
        ("(output.Answer == 'x'", "it ends too early"),
        ("", "it is empty"),
        ("output.Answer ? 1", "unexpected '?'"),
        ("output.User Input", "unexpected 'Input'"),
        ("output['Answer']", "unexpected 'Answer'"),
        ("output.A && output.B and output.C", "unexpected 'and'"),
        ("lenght(output.Answer) > `3`", "there is no function lenght()"),
        ("type() == 'null'", "type() takes 1 argument, not 0"),
        ("|".join(["[@, @]"] * 18), "it may repeat a value more than 1,000 times"),
        ("output.Answer == " + "'" * 20_000, "has 20,017 characters, more than 10,000; write"),
        ("[&output]", REFERENCE),
        ("&output || `1`", REFERENCE),
        ("not_null(output, &output)", REFERENCE),
        ("sort_by(nodes, &name)[?&name]", REFERENCE),
    ],
)
def test_what_cannot_be_repaired_is_told_in_plain_words(
    noxcli: Noxcli, text: str, why: str
) -> None:
    done = noxcli("run", "qa", "Question=x", "--assert", text)
    assert (done.code, why in done.err, "Parse error" in done.err) == (2, True, False), done.err


@pytest.mark.parametrize(
    "text", ['output."Answer"', "nodes[?\"name\" == 'x']", 'output."Answer" == \'"x"\'', "keys(@)"]
)
def test_a_name_in_double_quotes_is_a_name(noxcli: Noxcli, text: str) -> None:
    assert noxcli("run", "qa", "Question=x", "--query", text, "--quiet").code == 0
