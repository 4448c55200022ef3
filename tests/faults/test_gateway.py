"""Single starts behind a gateway that answers for the server: at most one run, and an honest message about it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from noxcli.sandbox.faults import LostAnswer
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result, WrongClock
from tests.faults.gateway import ENVOY_503, LIST, Gateway, Meddle, loses_starts, rewrites


@pytest.fixture
def echo(plays: Any) -> str:
    """A workflow with one labeled input."""
    return str(plays(nodes=[input_node("Question")], output=lambda inputs: {"A": inputs["Question"]}))


def assert_in_doubt(result: Result, candidates: list[str]) -> None:
    assert result.code == 7, result.err
    assert result.json["retry_safe"] is False
    assert sorted(one["id"] for one in result.json["error"]["candidates"]) == sorted(candidates)


@contextmanager
def after_another(noxcli: Noxcli, sandbox: Sandbox, echo: str, meddle: Meddle) -> Iterator[Gateway]:
    """A gateway through which a run with another input was started before."""
    waiting = [True]
    with Gateway(sandbox.url, lambda r, f: None if waiting else meddle(r, f)) as gateway:
        noxcli.environ["NOXUS_BACKEND_URL"] = gateway.url
        assert noxcli("run", echo, "Question=before").code == 0
        gateway.requests.clear()
        waiting.clear()
        yield gateway


def renaming(names: Callable[[str], str]) -> Callable[[Any], Any]:
    """A list whose inputs have other keys."""

    def change(page: Any) -> Any:
        return {
            **page,
            "items": [{**one, "input": {names(k): v for k, v in one["input"].items()}} for one in page["items"]],
        }

    return change


@pytest.mark.parametrize("form", ["{}", "{}::input"], ids=["id", "id and name"])
def test_inputs_that_the_server_keys_by_node_are_known_again(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, form: str
) -> None:
    node = replace(input_node("Question"), id="node-1")
    echo = plays(nodes=[node], output=lambda inputs: {"A": inputs["Question"]})
    keyed = renaming(lambda _: form.format(node.id))
    with after_another(noxcli, sandbox, echo, rewrites(LIST, keyed, loses_starts(1, ENVOY_503, forwarded=True))):
        result = noxcli("run", echo, "Question=why", "--json")
    assert_in_doubt(result, [sandbox.runs(echo)[-1].id])
    assert len(sandbox.runs(echo)) == 2


def test_what_could_not_be_compared_is_said(noxcli: Noxcli, sandbox: Sandbox, echo: str) -> None:
    starts = loses_starts(1, ENVOY_503, forwarded=True)
    with after_another(noxcli, sandbox, echo, rewrites(LIST, renaming(lambda key: f"inputs.{key}"), starts)):
        assert "but the server may list other keys" in noxcli("run", echo, "Question=why", "--no-check").err

    def closed(request: Any, forward: Any) -> bytes | None:
        starts = loses_starts(1, ENVOY_503, forwarded=True)
        return ENVOY_503 if LIST.match(f"{request.method} {request.target}") else starts(request, forward)

    with after_another(noxcli, sandbox, echo, closed):
        assert "the run list can't be read at the moment" in noxcli("run", echo, "Question=why").err


def test_a_secret_input_is_compared_without_its_value(noxcli: Noxcli, sandbox: Sandbox, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Question"), input_node("token")])
    given = ["Question=why", "--secret", "token=TOKEN"]
    noxcli.environ["TOKEN"] = "hidden-one"
    with Gateway(sandbox.url, lambda _r, _f: None) as gateway:
        noxcli.environ["NOXUS_BACKEND_URL"] = gateway.url
        assert noxcli("run", workflow, *given).code == 0
        gateway._meddle = loses_starts(1, ENVOY_503, forwarded=True)
        result = noxcli("run", workflow, "Question=now", *given[1:], "--json")
    assert_in_doubt(result, [sandbox.runs(workflow)[-1].id])
    assert "hidden-one" not in result.err + result.text
    assert len(sandbox.runs(workflow)) == 2


# Clocks.


@pytest.mark.parametrize("off", [timedelta(seconds=3), timedelta(hours=1), timedelta(days=-400)], ids=str)
@pytest.mark.parametrize("options", [[], ["--no-check"]], ids=["checked", "unchecked"])
def test_the_run_is_found_whatever_our_clock_says(
    noxcli: Noxcli, sandbox: Sandbox, plays: Any, off: timedelta, options: list[str]
) -> None:
    workflow = plays(nodes=[input_node("Question")], faults={"start": [LostAnswer()]})
    noxcli.clock = WrongClock(off)
    result = noxcli("run", workflow, "Question=why", "--json", *options)
    assert_in_doubt(result, [run.id for run in sandbox.runs(workflow)])
