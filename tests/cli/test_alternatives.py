"""What the API's documentation leaves open, played the other way: noxcli keeps its promises there, too."""

from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import Node, Scenario, fixed_input, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import node_fails, node_runs
from noxcli.sandbox.switches import Switches
from tests.conftest import Noxcli


@pytest.mark.parametrize("status", ["401", "403"])
def test_a_wrong_key_is_told_as_one_whatever_the_status(
    noxcli: Noxcli, plays: Any, status: str
) -> None:
    workflow = plays(output={"A": "x"}, switches={"key_refusal": status})
    done = noxcli("run", workflow, environ={"NOXUS_API_KEY": "wrong"})
    assert (done.code, done.out) == (4, b"")
    assert f"answered {status}" in done.err
    assert "for this host?" in done.err


@pytest.mark.parametrize("words", ["plain", "upper", "synonym", "foreign"])
def test_nodes_are_told_apart_in_whatever_words_are_known(
    noxcli: Noxcli, plays: Any, words: str
) -> None:
    script = [*node_runs("Read"), *node_fails("Write", "no luck")]
    switches = {"node_words": words, "failed_nodes": "left_out"}
    done = noxcli("run", plays(script=script, status="failed", switches=switches), "--json")
    nodes = {node["name"]: node["status"] for node in done.json["nodes"]}
    assert (done.code, "at 'Write': no luck" in done.err) == (1, True)
    assert nodes["Write"] == {"synonym": "errored"}.get(words, "failed")
    assert nodes["Read"] == {"foreign": "executed"}.get(words, "completed")


@pytest.mark.parametrize(
    ("switch", "used"), [("overridden", "dry"), ("kept", "kind"), ("422", None)]
)
def test_a_value_for_a_fixed_input_is_sent_with_a_warning(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, switch: str, used: str | None
) -> None:
    workflow = plays(
        nodes=[fixed_input("Tone", "kind")], output={"A": "x"}, switches={"fixed_input": switch}
    )
    assert "warning" not in noxcli("run", workflow, "--dry-run").err
    done = noxcli("run", workflow, "Tone=dry", "--json")
    assert (
        "warning: 'Tone' is fixed by the workflow; your value is sent, and may have no effect"
        in done.err
    )
    if used is None:
        assert (done.code, done.json["retry_safe"], sandbox.runs(workflow)) == (2, True, [])
    else:
        assert (done.code, [run.values for run in sandbox.runs(workflow)]) == (0, [{"Tone": used}])


@pytest.mark.parametrize(
    ("switch", "given"),
    [("unknown_input", "Nope=1"), ("wrong_type", "Length=many"), ("missing_input", None)],
)
def test_an_input_that_the_server_refuses_starts_nothing(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, switch: str, given: str | None
) -> None:
    workflow = plays(
        nodes=[input_node("Q"), input_node("Length", type="int", default=1)],
        switches={switch: "422"},
    )
    inputs = ["Q=why", given] if given else []
    done = noxcli("run", workflow, *inputs, "--no-check", "--json")
    assert (done.code, done.json["retry_safe"], sandbox.runs(workflow)) == (2, True, [])


def test_a_server_that_wants_a_slash_gets_it(tmp_path: Path) -> None:
    with Sandbox(speed=1000, switches=Switches(trailing_slash=True)) as sandbox:
        workflow = sandbox.add(Scenario("slashes", output={"A": "x"}))
        environ = {
            "NOXUS_BACKEND_URL": sandbox.url,
            "NOXUS_API_KEY": sandbox.key,
            "NOXCLI_STATE_DIR": str(tmp_path),
        }
        done = Noxcli(environ)("run", workflow, "--raw", "A")
        assert (done.code, done.text, len(sandbox.runs(workflow))) == (0, "x", 1)


@pytest.mark.parametrize(
    ("switch", "key"), [("name", "bare"), ("numbered", "Input 1"), ("input", "input")]
)
def test_an_input_without_a_label_is_sent_by_any_of_its_names(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, switch: str, key: str
) -> None:
    nodes = [Node("bare", "InputNode", {"type": "str"})]
    workflow = plays(nodes=nodes, output={"A": "x"}, switches={"unlabelled_input": switch})
    assert noxcli("run", workflow, f"{key}=hi", "--quiet").code == 0
    assert [run.values for run in sandbox.runs(workflow)] == [{"bare": "hi"}]


def test_a_callback_leaves_the_verdict_to_the_record(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    workflow = plays(output={"A": "x"})
    assert noxcli("run", workflow, "--callback-url", f"{sandbox.url}/nowhere", "--quiet").code == 0
    (run,) = sandbox.runs(workflow)
    assert run.body["callback_url"] == f"{sandbox.url}/nowhere"
