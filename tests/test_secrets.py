"""Secrets: their values reach the server, and nothing and nobody else."""

import json
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.faults import Answer, LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Emit
from noxcli.secrets import Mask
from tests.conftest import Noxcli

SECRET = 'tök"en\\ 1234567890'
ENVIRON = {"CRM_TOKEN": SECRET}
TOKEN = input_node("Token")


def everywhere(noxcli: Noxcli, *argv: str) -> list[str]:
    """What a command leaves on stderr, on stdout and in the journal."""
    left = []
    for form in ("text", "json", "ndjson"):
        result = noxcli(*argv, "--verbose", "--format", form, environ=ENVIRON)
        left += [result.err, result.text]
    left.append(noxcli(*argv, tty=True, environ=ENVIRON).err)
    return left + [path.read_text() for path in Path(noxcli.environ["NOXCLI_STATE_DIR"]).glob("*")]


def hidden(texts: list[str]) -> None:
    for text in texts:
        for form in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1], SECRET[-9:]):
            assert form not in text


def test_the_server_gets_it_and_nobody_else(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(nodes=[TOKEN], output={"A": "x"})
    hidden(everywhere(noxcli, "run", workflow, "--secret", "Token=CRM_TOKEN"))
    assert [run.input for run in sandbox.runs(workflow)] == [{"Token": SECRET}] * 4


def test_a_dry_run_shows_stars(noxcli: Noxcli, plays: Any) -> None:
    result = noxcli("run", plays(nodes=[TOKEN]), "--secret", "Token=CRM_TOKEN", "--dry-run", environ=ENVIRON)
    assert result.json == {"input": {"Token": "***"}}


@pytest.mark.parametrize("padding", [0, 268, 278], ids=str)
@pytest.mark.parametrize("status", [400, 422, 500])
def test_an_answer_that_quotes_it_is_masked(noxcli: Noxcli, plays: Any, status: int, padding: int) -> None:
    detail = [{"loc": ["body", "input", "Token"], "msg": f"{'.' * padding}{SECRET} and {json.dumps(SECRET)} are bad"}]
    workflow = plays(nodes=[TOKEN], faults={"start": [Answer(status, {"detail": detail}, repeat=True)]})
    texts = everywhere(noxcli, "run", workflow, "--secret", "Token=CRM_TOKEN")
    hidden(texts)
    assert "***" in texts[0]
    assert not any(SECRET[:4] in text for text in texts)


def test_a_failed_node_that_quotes_it_is_masked(noxcli: Noxcli, plays: Any) -> None:
    for said in (f"bad {SECRET}", f"{SECRET}{'.' * 390}", f"{'.' * 195}{SECRET}"):
        workflow = plays(nodes=[TOKEN], script=[Emit("Use", said, "failed")], status="failed")
        result = noxcli("run", workflow, "--secret", "Token=CRM_TOKEN", environ=ENVIRON)
        assert result.code == 1
        hidden([result.err])
        assert SECRET[:4] not in result.err


def test_a_lost_start_finds_its_candidate_and_tells_no_value(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[TOKEN], output={"A": "x"}, faults={"start": [LostAnswer("drop")]})
    result = noxcli("run", workflow, "--secret", "Token=CRM_TOKEN", "--json", environ=ENVIRON)
    assert (result.code, len(result.json["error"]["candidates"])) == (7, 1)
    hidden([result.err, result.text])


def test_the_type_of_a_secret_is_told_without_it(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
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
def test_a_variable_that_is_not_there_is_told_and_a_value_in_its_place_is_not(
    noxcli: Noxcli, sandbox: Sandbox, item: str, told: str
) -> None:
    result = noxcli("run", "demo", "--secret", item, environ={"EMPTY": "", "BYTES": "\udcff"})
    assert (result.code, told in result.err, sandbox.requests) == (2, True, []), result.err
    assert "sk-live" not in result.err
    assert "hunter2" not in result.err


@pytest.mark.parametrize("key", [r"a\=b", "a=b", "n::input", r"a\@b", "a:b"])
def test_a_secrets_key_may_be_any(noxcli: Noxcli, plays: Any, sandbox: Sandbox, key: str) -> None:
    workflow = plays(output={"A": "x"})
    assert noxcli("run", workflow, "--secret", f"{key}=CRM_TOKEN", "--no-check", environ=ENVIRON).code == 0
    assert list(sandbox.runs(workflow)[0].input) == [key.replace("\\", "")]


def test_a_secret_overrides_the_whole_and_stands_alone(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(nodes=[TOKEN], output={"A": "x"})
    whole = ("--inputs", '{"Token": "old"}')
    assert noxcli("run", workflow, *whole, "--secret", "Token=CRM_TOKEN", environ=ENVIRON).code == 0
    assert sandbox.runs(workflow)[0].input == {"Token": SECRET}
    twice = noxcli("run", workflow, "Token=x", "--secret", "Token=CRM_TOKEN", environ=ENVIRON)
    assert (twice.code, "given twice" in twice.err) == (2, True)


def test_parts_at_the_edges_of_a_cut_text_are_hidden() -> None:
    mask = Mask(["abcdefgh"])
    assert mask.torn("defgh and abcdefgh and abcd") == "*** and *** and ***"
    assert mask.torn("fgh and abc") == "fgh and abc"
    assert Mask().torn("abc") == "abc"
