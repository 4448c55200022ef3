"""Secrets: their values reach the server, and nothing else."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import assume, given

from noxcli.masking import HIDDEN_KEY, Mask, can_hide
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.rawserver import json_answer, raw_server
from tests.texts import any_text

SECRET = 'tök"en\\ 1234567890'
ENVIRON = {"CRM_TOKEN": SECRET}
TOKEN = input_node("Token")


def everywhere(noxcli: Noxcli, *argv: str) -> list[str]:
    """What a command wrote to stderr, to stdout and into the journal."""
    left = []
    for form in ("text", "json", "ndjson"):
        result = noxcli(*argv, "--verbose", "--format", form, environ=ENVIRON)
        left += [result.err, result.text]
    left.append(noxcli(*argv, tty=True, environ=ENVIRON).err)
    return left + [path.read_text() for path in noxcli.state.glob("*")]


def hidden(texts: list[str]) -> None:
    for text in texts:
        for form in (
            SECRET,
            json.dumps(SECRET)[1:-1],
            json.dumps(SECRET, ensure_ascii=False)[1:-1],
            SECRET[-9:],
        ):
            assert form not in text


def test_the_server_gets_it_and_nobody_else(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(nodes=[TOKEN], output={"A": "x"})
    hidden(everywhere(noxcli, "run", workflow, "--secret", "Token=CRM_TOKEN"))
    assert [run.input for run in sandbox.runs(workflow)] == [{"Token": SECRET}] * 4


@pytest.mark.parametrize("secret", [SECRET, "e"], ids=["long", "too short to hide elsewhere"])
def test_a_dry_run_shows_stars(noxcli: Noxcli, plays: Any, secret: str) -> None:
    result = noxcli(
        "run", plays(nodes=[TOKEN]), "--secret", "Token=ONE", "--dry-run", environ={"ONE": secret}
    )
    assert result.json == {"input": {"Token": "***"}}


def test_the_type_of_a_secret_is_told_without_it(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[input_node("Pin", type="int")], output={"A": "x"})
    result = noxcli("run", workflow, "--secret", "Pin=PIN", environ={"PIN": "907856"})
    assert (result.code, "Pin:=***" in result.err, "907856" in result.err) == (0, True, False)
    assert sandbox.runs(workflow)[0].input == {"Pin": 907856}


@pytest.mark.parametrize(
    ("item", "told"),
    [
        ("Token=NO_SUCH", "--secret 'Token': the variable NO_SUCH is not set"),
        ("Token=EMPTY", "--secret 'Token': the variable EMPTY is empty"),
        ("Token=BYTES", "is not UTF-8 text"),
        ("Token=sk-live-123", "the environment variable it names is not set"),
        ("Token=hunter2", "the environment variable it names is not set"),
        ("Token=", "the environment variable it names is not set"),
        ("TOKEN", "--secret takes KEY=ENVNAME"),
        ("=TOKEN", "--secret takes KEY=ENVNAME"),
    ],
)
def test_a_missing_variable_is_named_but_no_value(
    noxcli: Noxcli, sandbox: Sandbox, item: str, told: str
) -> None:
    result = noxcli("run", "demo", "--secret", item, environ={"EMPTY": "", "BYTES": "\udcff"})
    assert (result.code, told in result.err, sandbox.requests) == (2, True, []), result.err
    assert "sk-live" not in result.err
    assert "hunter2" not in result.err


@pytest.mark.parametrize("key", [r"a\=b", "a=b", "n::input", r"a\@b", "a:b"])
def test_a_secrets_key_may_be_any(noxcli: Noxcli, plays: Any, sandbox: Sandbox, key: str) -> None:
    workflow = plays(output={"A": "x"})
    assert (
        noxcli("run", workflow, "--secret", f"{key}=CRM_TOKEN", "--no-check", environ=ENVIRON).code
        == 0
    )
    assert list(sandbox.runs(workflow)[0].input) == [key.replace("\\", "")]


def test_a_secret_overrides_the_whole_and_stands_alone(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(nodes=[TOKEN], output={"A": "x"})
    whole = ("--inputs", '{"Token": "old"}')
    assert noxcli("run", workflow, *whole, "--secret", "Token=CRM_TOKEN", environ=ENVIRON).code == 0
    assert sandbox.runs(workflow)[0].input == {"Token": SECRET}
    twice = noxcli("run", workflow, "Token=x", "--secret", "Token=CRM_TOKEN", environ=ENVIRON)
    assert (twice.code, "given twice" in twice.err) == (2, True)


# Values that are too short to hide.


def test_a_short_secret_is_sent_and_said_to_be_too_short(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(
        nodes=[TOKEN],
        output={"A": "x"},
        faults={"start": [Answer(429, {"detail": "come back later"})]},
    )
    result = noxcli("run", workflow, "--secret", "Token=PIN", environ={"PIN": "e"})
    assert (result.code, sandbox.runs(workflow)[0].input) == (0, {"Token": "e"})
    warnings = [line for line in result.err.splitlines() if line.startswith("warning:")]
    assert warnings == [
        "warning: the value of --secret 'Token' has fewer than 6 characters, too short to hide in messages"
    ]
    assert "come back later" in result.err


def test_a_short_key_leaves_messages_readable() -> None:
    with raw_server(json_answer({"detail": "the key is wrong"}, 401)) as server:
        result = Noxcli({"NOXUS_BACKEND_URL": server.url, "NOXUS_API_KEY": "e"})("runs")
    assert server.requests[0].headers["x-api-key"] == "e"
    warning, error = result.err.splitlines()
    assert (
        warning == "warning: the API key has fewer than 6 characters, too short to hide in messages"
    )
    assert "answered 401: the key is wrong" in error


@pytest.mark.parametrize("value", ["123456", "12 34 56", "päßwör"])
def test_six_characters_are_enough(value: str) -> None:
    assert (can_hide(value), Mask([value])(f"bad {value}")) == (True, "bad ***")


@pytest.mark.parametrize("value", ["", " ", "12345", "1 2 3 4 5", "\n\n12345\n"])
def test_fewer_are_not(value: str) -> None:
    assert (can_hide(value), Mask([value])(f"12345 {value}")) == (False, f"12345 {value}")


# The gate by itself.


@given(any_text(min_size=6), any_text(), any_text())
def test_what_is_hidden_is_gone_and_the_rest_is_there(secret: str, before: str, after: str) -> None:
    mask = Mask([secret])
    assume(can_hide(secret))
    assert "***" in mask(before + secret + after)
    assert mask("a b\n c") in {"a b\n c", "***"}
    for text in (before, after):
        assert mask(text) == text or "***" in mask(text)


def test_a_mask_learns_and_the_key_goes_by_its_own_name() -> None:
    mask = Mask()
    assert mask("abcdefgh 12345678") == "abcdefgh 12345678"
    mask.learn(["abcdefgh"])
    mask.learn(["12345678"], HIDDEN_KEY)
    assert mask("abcdefgh 12345678") == "*** [key]"
    assert mask.whole({"a": ["abcdefgh", 1, None, {"b": "x"}]}) == {
        "a": ["***", 1, None, {"b": "x"}]
    }


IN_EACH_OTHER = ["abcdefgh", "defghijk", "abcdefghi"]


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        (IN_EACH_OTHER, "abcdefghijk", "***"),
        (IN_EACH_OTHER, "abcdefghiabcdefgh abcdefgh", "****** ***"),
        (IN_EACH_OTHER, "******", "******"),
        (
            ["-----BEGIN-----\nMIIEvQIBADANBg\n}\n"],
            "line 2, MIIEvQIBADANBg, is bad }",
            "line 2, ***, is bad }",
        ),
    ],
    ids=["in each other", "side by side", "stars", "a line of several"],
)
def test_each_secret_and_each_of_its_lines_is_hidden(
    secrets: list[str], text: str, shown: str
) -> None:
    assert Mask(secrets)(text) == shown


@pytest.mark.parametrize("shown", [str.upper, str.lower, str.title, str.casefold])
def test_a_secret_in_other_case_is_hidden(shown: Callable[[str], str]) -> None:
    secret = "straße-ÄÖÜ-λόγος"
    assert Mask([secret])(f"bad {shown(secret)}") == "bad ***"
    assert Mask([secret])(f"bad {json.dumps(shown(secret))}") == 'bad "***"'
    assert (
        Mask([secret.title()])(f"bad {quote(secret.upper())}, {quote(secret.lower())}")
        == "bad ***, ***"
    )


@given(any_text(min_size=6))
def test_any_secret_is_hidden_in_upper_and_lower_case(secret: str) -> None:
    assume(can_hide(secret))
    mask = Mask([secret])
    assert ("***" in mask(secret.upper()), "***" in mask(secret.lower())) == (True, True)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('bad key "abcdefg..."', 'bad key "[key]..."'),
        ("bad key abcdefgh%2Dij%6", "bad key [key]%6"),
        ("...fgh-ijkl is bad", "...[key] is bad"),
        ("opqrst and mnopqrst and mnop", "*** and *** and ***"),
        ("rst and mno", "rst and mno"),
    ],
)
def test_no_part_of_them_is_left_where_a_text_was_cut(text: str, shown: str) -> None:
    assert Mask(["mnopqrst"], key="abcdefgh-ijkl").torn(text) == shown
    assert Mask().torn(text) == text
