"""What commands cache for Tab: as soon as they learn it, in plain lines, and without making a command fail."""

import stat
from pathlib import Path
from typing import Any

import pytest

from noxcli.inputs.definition import InputNode
from noxcli.masking import Mask
from noxcli.models import PLAIN_ID, Run, Workflow
from noxcli.sandbox.scenario import Node, Version, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.state.completion_cache import MAX_LINES, MAX_WORDS, NOTED_RUNS, CompletionCache
from tests.conftest import Noxcli


def cache_of(noxcli: Noxcli) -> Path:
    return Path(noxcli.environ["NOXCLI_CACHE_DIR"])


def noted(noxcli: Noxcli, kind: str) -> list[str]:
    """The words of that kind, at any server."""
    names = cache_of(noxcli) / "names"
    lines = names.read_text(encoding="utf-8").splitlines() if names.exists() else []
    return [
        rest for line in lines for head, _, rest in [line.partition("\t")] if head.endswith(kind)
    ]


def test_a_run_by_name_notes_the_workflows_and_the_keys(noxcli: Noxcli) -> None:
    assert noxcli("run", "demo", "User Input=a value of mine", "--quiet").code == 0

    lines = dict(line.split("\t") for line in noted(noxcli, "workflow"))
    assert lines.keys() >= {"demo", "document", "qa"}
    assert "User Input=" in noted(noxcli, f"input {lines['demo']}")
    [path] = cache_of(noxcli).iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "a value of mine" not in path.read_text()


@pytest.mark.parametrize(
    "argv", [["inputs"], ["run", "--dry-run", "nope=1"]], ids=["inputs", "a run with a typo"]
)
def test_reading_a_definition_is_enough(noxcli: Noxcli, plays: Any, argv: list[str]) -> None:
    verb, *rest = argv
    nodes = [
        input_node("a:b"),
        input_node("N", type="int"),
        Node("doc", "FileInputNode", {"label": "Doc"}),
    ]
    workflow = plays(nodes=[*nodes, input_node("-x"), input_node("two\nlines")])

    noxcli(verb, workflow, *rest)

    *keys, dash, lines = noted(noxcli, f"input {workflow}")
    assert keys == ["a\\:b=", "N:=", "Doc@"]
    assert all(PLAIN_ID.fullmatch(word.removesuffix("=")) for word in (dash, lines))  # node ids


def test_a_saved_version_has_keys_of_its_own(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(nodes=[input_node("Question")], versions=[Version("old")])

    noxcli("inputs", workflow, "--version-id", "unknown")

    assert noted(noxcli, f"input {workflow}") == []


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("daily report", "daily report"),
        ("$(x) `y` 'z'", "$(x) `y` 'z'"),
        ("--help", "w-1"),
        ("~", "w-1"),
        ("a\tb", "w-1"),
        ("a\nb", "w-1"),
        ("a\x1b[31m", "w-1"),
        ("a\u202eb", "w-1"),
        ("a\ud800", "w-1"),
        ("x" * 201, "w-1"),
        ("", "w-1"),
    ],
)
def test_a_name_that_cannot_be_typed_is_its_id(tmp_path: Path, name: str, word: str) -> None:
    at(tmp_path).save_workflows([Workflow("w-1", name)])

    assert only(tmp_path).read_text(encoding="utf-8") == f"x workflow\t{word}\tw-1\n"


def test_a_name_that_means_two_is_their_ids(tmp_path: Path) -> None:
    at(tmp_path).save_workflows(
        [Workflow("w-1", "same"), Workflow("w-2", "same"), Workflow("w\n3", "odd")]
    )

    assert only(tmp_path).read_text() == "x workflow\tw-1\tw-1\nx workflow\tw-2\tw-2\n"


def test_an_id_that_cannot_be_typed_is_left_out(tmp_path: Path) -> None:
    at(tmp_path).save_keys("w\t1\n", [InputNode("n-1", "Question", "str")])

    assert not list(tmp_path.rglob("*"))


def test_it_stays_small(tmp_path: Path) -> None:
    at(tmp_path).save_workflows(
        [Workflow(f"w-{number}", f"name {number}") for number in range(MAX_WORDS + 10)]
    )
    assert only(tmp_path).read_text().count("\n") == MAX_WORDS

    nodes = [InputNode(f"n-{number}", f"Question {number}", "str") for number in range(1000)]
    for number in range(6):
        at(tmp_path).save_keys(f"w-{number}", nodes)
    lines = only(tmp_path).read_text().splitlines()
    assert len(lines) == MAX_LINES
    assert lines[-1] == "x input w-5\tQuestion 999="


def test_where_it_cannot_be_written_the_command_goes_on(noxcli: Noxcli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    result = noxcli(
        "run",
        "demo",
        "User Input=x",
        "--quiet",
        environ={"NOXCLI_CACHE_DIR": str(tmp_path / "file")},
    )

    assert (result.code, result.err) == (0, "")


def test_a_start_notes_the_run_and_the_outputs(noxcli: Noxcli) -> None:
    assert noxcli("run", "demo", "User Input=a value of mine", "--quiet", "--detach").code == 0
    assert noxcli("run", "demo", "User Input=a value of mine", "--quiet", "--detach").code == 0

    workflow = dict(line.split("\t") for line in noted(noxcli, "workflow"))["demo"]
    first, second = (line.split("\t") for line in noted(noxcli, "run"))
    assert first[0] != second[0]
    assert first[1] == second[1] == workflow
    assert first[2].startswith("demo, 20")
    assert noted(noxcli, f"output {workflow}") == ["Answer", "Essay"]


def test_profiles_and_aliases_are_noted_when_they_are_read(
    noxcli: Noxcli, sandbox: Sandbox, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text(
        f'[profile.a]\nbase_url = "{sandbox.url}"\n[profile.a.aliases]\nday = "daily report"\n[profile.b]\n'
    )
    environ = {"NOXCLI_CONFIG": str(config)}

    noxcli("workflows", environ=environ)
    assert noted(noxcli, "profile") == ["a", "b"]
    noxcli("workflows", "--profile", "a", environ=environ)
    assert noted(noxcli, "alias") == ["day\tdaily report"]


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    for number in range(NOTED_RUNS + 10):
        at(tmp_path).save_run(
            Run(f"r-{number}", "w-1", "running", created_at="2026-01-01T00:00:00Z"), "demo"
        )

    runs = [line.split("\t")[1] for line in only(tmp_path).read_text().splitlines()]
    assert runs == [f"r-{number}" for number in range(9, NOTED_RUNS + 10)]


@pytest.mark.parametrize(
    ("run", "name", "line"),
    [
        (Run("r-1", "w-1", "running"), "demo", "x run\tr-1\tw-1\tdemo\n"),
        (Run("r-1", "w-1", "running", created_at="now\t$(x)\n"), "demo", None),
        (Run("r-1", "w-1", "running"), "two\nlines", "x run\tr-1\tw-1\tw-1\n"),
        (Run("secret-key", "w-1", "running"), "demo", None),
        (Run("r-1", "w-1", "running"), "my secret-key", None),
    ],
)
def test_what_is_noted_of_a_run(tmp_path: Path, run: Run, name: str, line: str | None) -> None:
    mask = Mask()
    mask.learn(["secret-key"])

    CompletionCache({"NOXCLI_CACHE_DIR": str(tmp_path)}, "x", mask).save_run(run, name)

    assert [path.read_text() for path in tmp_path.iterdir()] == ([line] if line else [])


def at(directory: Path) -> CompletionCache:
    return CompletionCache({"NOXCLI_CACHE_DIR": str(directory)}, "x")


def only(directory: Path) -> Path:
    [path] = directory.iterdir()
    return path
