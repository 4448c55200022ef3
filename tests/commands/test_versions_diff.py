"""`noxcli versions --diff`: what changed between two definitions, for reviewers, pipes and programs."""

import json
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from noxcli.reports.changes import changes_between, summary
from noxcli.sandbox.scenario import Node, Version, fixed_input, input_node, output_node
from tests.conftest import Noxcli
from tests.process import HUNG, NOXCLI, environment, watched

BASE, NEW = "Answer in one sentence.\nBe kind.", "Answer in two sentences.\nBe kind."
PROMPT = "changed\tnode\tPrompt\tnode_config.value\tAnswer in [-one sentence-]{+two sentences+}. Be kind."


def nodes(prompt: str, *more: Node) -> list[Node]:
    return [input_node("Question"), fixed_input("Prompt", prompt), Node("Write"), *more, output_node("Answer")]


def saved(plays: Any) -> str:
    """A workflow with two versions: another prompt, another node, other edges."""
    edges = [("input Question", "Write"), ("Write", "Answer")]
    more = [("input Question", "Check"), ("Check", "Write"), ("Write", "Answer")]
    versions = [Version("base", None, nodes(BASE), edges), Version("new", None, nodes(NEW, Node("Check")), more)]
    return str(plays(nodes=nodes(BASE), edges=edges, versions=versions))


EXPECTED = [
    "added\tnode\tCheck\t\t",
    PROMPT,
    "added\tedge\tCheck -> Write\t\t",
    "added\tedge\tQuestion -> Check\t\t",
    "removed\tedge\tQuestion -> Write\t\t",
]


def test_a_pipe_gets_a_line_for_each_change(noxcli: Noxcli, plays: Any) -> None:
    workflow = saved(plays)
    done = noxcli("versions", workflow, "--diff", "base", "new")
    assert (done.code, done.text.splitlines()) == (0, EXPECTED)
    assert done.err == "1 node added, 1 node changed, 2 edges added, 1 edge removed\n"
    back = noxcli("versions", workflow, "--diff", "new", "base").text
    assert back.splitlines()[0] == "removed\tnode\tCheck\t\t"
    same = noxcli("versions", workflow, "--diff", "base", "base", "--exit-code")
    assert (same.code, same.text, same.err) == (0, "", "nothing changed\n")


def test_files_and_versions_can_be_mixed(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    workflow = saved(plays)
    files = {name: str(tmp_path / f"{name}.json") for name in ("base", "new")}
    for name, file in files.items():
        noxcli("export", workflow, "--definition", "--version-id", name, "-o", file)
    told = [
        noxcli("versions", workflow, "--diff", *sides).text.splitlines()
        for sides in (("base", files["new"]), (files["base"], "new"), (files["base"], files["new"]))
    ]
    assert told == [EXPECTED] * 3
    offline = noxcli("versions", "any", "--diff", *files.values(), "--base-url", "http://127.0.0.1:9")
    assert offline.text.splitlines() == EXPECTED


def test_the_exit_code_tells_them_apart_if_wanted(noxcli: Noxcli, plays: Any) -> None:
    workflow = saved(plays)
    done = noxcli("versions", workflow, "--diff", "base", "new", "--exit-code", "--json")
    assert (done.code, done.json["exit_code"], done.json["ok"]) == (11, 11, False)
    assert done.err.startswith("noxcli: base and new differ: 1 node added")
    document = noxcli("versions", workflow, "--diff", "base", "new", "--json").json
    (changed,) = [each for each in document["changes"] if each["change"] == "changed"]
    assert changed["fields"] == [{"field": "node_config.value", "old": BASE, "new": NEW}]
    assert (document["old"]["name"], document["new"]["name"]) == ("base", "new")


def test_a_terminal_shows_texts_by_words(noxcli: Noxcli, plays: Any) -> None:
    workflow, env = saved(plays), {**noxcli.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1"}
    argv = [*NOXCLI, "versions", workflow, "--diff", "base", "new"]
    shown = []
    for color in ("always", "never"):
        seen = watched([*argv, "--color", color], environment(env["NOXUS_BACKEND_URL"]))
        shown.append(seen.raw.decode().replace("\r", ""))
    assert "\x1b[31m[-one sentence-]\x1b[0m\x1b[32m{+two sentences+}\x1b[0m" in shown[0]
    assert "         node_config.value: Answer in [-one sentence-]{+two sentences+}.\n         │ Be kind.\n" in shown[1]
    assert "added    node     Check (TextGenerationNode)\n" in shown[1]
    assert re.sub(r"\x1b\[\d*m", "", shown[0]) == shown[1]


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (("--diff", "base", "nwe"), 5, "did you mean 'new'?"),
        (("--diff", "base", "./none.json"), 2, "can't read ./none.json"),
        (("--diff", "base", "./odd.json"), 2, "./odd.json is not an exported definition"),
        (("--diff", "base"), 2, "write --diff A B"),
        (("base", "new"), 2, "write --diff A B"),
        (("--diff", "base", "new", "base"), 2, "write --diff A B"),
        (("--exit-code",), 2, "write --diff A B"),
    ],
)
def test_a_wrong_call_is_one_line(noxcli: Noxcli, plays: Any, argv: tuple[str, ...], code: int, said: str) -> None:
    Path("odd.json").write_text('{"nodes": [3]}')
    done = noxcli("versions", saved(plays), *argv)
    assert (done.code, said in done.err, done.out) == (code, True, b"")
    assert len(done.err.splitlines()) == 1


def node(id: str, name: str, **config: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "type": "Work", "node_config": config, "inputs": [{"node_id": id}]}


def without_id(name: str, **config: Any) -> dict[str, Any]:
    return {"name": name, "type": "Work", "node_config": config}


def changed(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (each.change, each.name, " ".join(field.field for field in each.fields)) for each in changes_between(old, new)
    ]


FIRST, SECOND, THIRD = (f"0000000{number}-aaaa-4aaa-8aaa-aaaaaaaaaaaa" for number in (1, 2, 3))
DEFINITIONS: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str, str]]]] = {
    "another id alone, as in a clone": (
        {
            "nodes": [node(FIRST, "A", text=f":var[{FIRST}.output]")],
            "edges": [{"id": "e1", "source": FIRST, "target": FIRST}],
        },
        {
            "nodes": [node(SECOND, "A", text=f":var[{SECOND}.output]")],
            "edges": [{"id": "e2", "source": SECOND, "target": SECOND}],
        },
        [],
    ),
    "two of one name in place of another": (
        {"nodes": [node(FIRST, "A")]},
        {"nodes": [node(SECOND, "A"), node(THIRD, "A")]},
        [("added", "A", ""), ("added", "A", ""), ("removed", "A", "")],
    ),
    "a name and what moved": (
        {"nodes": [{**node(FIRST, "A"), "display": {"position": 1}}]},
        {"nodes": [{**node(FIRST, "B"), "display": {"position": 2}, "updated_at": "now"}]},
        [("changed", "B", "name")],
    ),
    "fields added, removed and of another type": (
        {"nodes": [node(FIRST, "A", gone=None, same=1.10, one=1, list=[1, {"x": 1}])]},
        {"nodes": [node(FIRST, "A", here=None, same=1.10, one=True, list=[1, {"x": 2}])]},
        [("changed", "A", "node_config.gone node_config.here node_config.list[1].x node_config.one")],
    ),
    "settings of the workflow": ({"nodes": [], "flow_version": "v1"}, {"nodes": []}, [("changed", "", "flow_version")]),
    "odd shapes": (
        {"nodes": [3, None], "edges": {}},
        {"nodes": [], "edges": [None]},
        [("removed", "3", ""), ("removed", "null", ""), ("added", "? -> ?", "")],
    ),
    "nodes without ids, by name and place": (
        {"nodes": [without_id("A", a=1), without_id("A", a=2), without_id("B")]},
        {"nodes": [without_id("A", a=1), without_id("A", a=3), without_id("C")]},
        [("changed", "A", "node_config.a"), ("removed", "B", ""), ("added", "C", "")],
    ),
    "a node without an id that is gone": (
        {"nodes": [without_id("A"), without_id("A", a=1)]},
        {"nodes": [without_id("A")]},
        [("removed", "A", "")],
    ),
    "ids that are numbers": (
        {"nodes": [{**without_id("A"), "id": 7}]},
        {"nodes": [{**without_id("B"), "id": 7}, {**without_id("B"), "id": "7"}]},
        [("added", "B", ""), ("changed", "B", "name")],
    ),
    "two nodes with one id": (
        {"nodes": [node(FIRST, "A", a=1), node(FIRST, "A", a=2)]},
        {"nodes": [node(FIRST, "A", a=0), node(FIRST, "A", a=2), node(FIRST, "A", a=3)]},
        [("added", "A", ""), ("changed", "A", "node_config.a")],
    ),
    "times that a run depends on": (
        {"nodes": [{**node(FIRST, "A"), "run_at": "09:00", "created_at": "then", "last_run_at": "then"}]},
        {"nodes": [{**node(FIRST, "A"), "run_at": "10:00", "created_at": "now", "last_run_at": "now"}]},
        [("changed", "A", "run_at")],
    ),
    "one edge twice": (
        {"nodes": [node("a", "A")], "edges": [{"id": "1", "source": "a", "target": "a"}]},
        {"nodes": [node("a", "A")], "edges": [{"id": n, "source": "a", "target": "a"} for n in "12"]},
        [("added", "A -> A", "")],
    ),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_counts_as_a_change(name: str) -> None:
    old, new, expected = DEFINITIONS[name]
    assert changed(old, new) == expected
    assert changed(old, json.loads(json.dumps(old))) == []
    assert bool(summary(changes_between(old, new))) is bool(expected)


def test_edges_are_named_with_special_connectors() -> None:
    edge = {"from_id": {"node_id": "a", "connector_name": "yes"}, "to_id": {"node_id": "b", "connector_name": "input"}}
    both = {"nodes": [node("a", "Decide"), node("b", "Write")]}
    assert changed(both, {**both, "edges": [edge]}) == [("added", "Decide.yes -> Write", "")]


def test_a_signal_ends_a_long_diff(tmp_path: Path) -> None:
    nodes = [node(f"node-{number:08}", f"N{number}", text="some words here " * 200) for number in range(1000)]
    old, new, text = tmp_path / "old.json", tmp_path / "new.json", json.dumps({"nodes": nodes})
    old.write_text(text)
    os.mkfifo(new)
    argv = [*NOXCLI, "versions", "any", "--diff", str(old), str(new)]
    process = subprocess.Popen(argv, env=environment("http://127.0.0.1:9"), stdout=subprocess.PIPE)
    new.write_text(text.replace("words", "texts"))
    with suppress(OSError):  # nobody reads it any more
        while True:
            os.close(os.open(new, os.O_WRONLY | os.O_NONBLOCK))
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=HUNG)[0], process.returncode) == (b"", 130)
