"""What a repository, an archive or another user planted where noxcli writes: no link is followed, nothing hangs."""

import ast
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from noxcli.files import replacing
from noxcli.safe_dir import SafeDir, is_device, open_regular
from noxcli.sandbox.scenario import File, input_node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, posts, write_rows
from tests.process import HUNG, environment

PRECIOUS = "precious\n"
ROWS = [{"$id": "$(touch pwned).jsonl", "Q": "a"}, {"$id": "second", "Q": "b"}]


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """One of the user's files that noxcli was not asked to write."""
    path = tmp_path / "profile"
    path.write_text(PRECIOUS)
    return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    return path


@pytest.fixture
def workflow(plays: Any) -> str:
    return str(
        plays(nodes=[input_node("Q")], output={"A": "x", "B": File("b.csv", b"a,b", "text/csv")})
    )


@pytest.fixture
def rows() -> str:
    return write_rows(*ROWS)


# A batch's own directory and journal.


@pytest.mark.parametrize("existing", [True, False])
def test_a_link_for_a_journal_is_not_followed(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, rows: str, precious: Path, existing: bool
) -> None:
    if not existing:
        precious.unlink()
    Path("rows.jsonl.batch").mkdir()
    Path("rows.jsonl.batch/batch.jsonl").symlink_to(precious)
    for options in ((), ("--resume",), ("--junit", "r.xml")):
        result = noxcli("batch", workflow, rows, *options)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "batch.jsonl is a symbolic link, which noxcli does not follow" in result.err
    assert not posts(sandbox)
    assert precious.read_text() == PRECIOUS if existing else not precious.exists()


def test_a_link_for_noxclis_own_directory_is_not_followed(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, rows: str, outside: Path
) -> None:
    Path("rows.jsonl.batch").symlink_to(outside)
    result = noxcli("batch", workflow, rows)
    assert (result.code, result.err.count("\n"), posts(sandbox)) == (2, 1, [])
    assert "rows.jsonl.batch is a symbolic link, which noxcli does not follow" in result.err
    assert list(outside.iterdir()) == []


def test_the_directory_that_the_user_names_may_be_a_link(
    noxcli: Noxcli, workflow: str, rows: str, outside: Path
) -> None:
    Path("out").symlink_to(outside)
    assert noxcli("batch", workflow, rows, "--output-dir", "out").code == 0
    assert (outside / "batch.jsonl").is_file()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def another_name(path: Path) -> None:
    path.with_name("mine").write_text(PRECIOUS)
    os.link(path.with_name("mine"), path)


@pytest.mark.parametrize(
    ("plant", "told"),
    [
        (fifo, "not a regular file"),
        (listening, "not a regular file"),
        (Path.mkdir, "is a directory"),
        (another_name, "has a second name (a hard link)"),
    ],
)
def test_what_is_no_file_is_not_taken_for_a_journal(
    noxcli: Noxcli,
    sandbox: Sandbox,
    workflow: str,
    rows: str,
    plant: Callable[[Path], None],
    told: str,
) -> None:
    Path("rows.jsonl.batch").mkdir()
    plant(Path("rows.jsonl.batch/batch.jsonl"))
    result = noxcli("batch", workflow, rows)
    assert (result.code, result.err.count("\n"), posts(sandbox)) == (2, 1, [])
    assert told in result.err


def test_a_journal_that_is_merged_is_a_file(noxcli: Noxcli, precious: Path) -> None:
    Path("one").mkdir()
    Path("two").mkdir()
    fifo(Path("one/batch.jsonl"))
    Path("two/batch.jsonl").symlink_to(precious)
    assert "it is not a regular file" in noxcli("results", "one").err
    assert "is a symbolic link" in noxcli("results", "two").err


# A row's directory, and its content.


def test_a_link_for_a_rows_directory_costs_that_row_its_files(
    noxcli: Noxcli, workflow: str, rows: str, outside: Path
) -> None:
    Path("out").mkdir()
    name = "000001-$(touch pwned).jsonl"
    Path("out", name).symlink_to(outside)
    result = noxcli("batch", workflow, rows, "--output-dir", "out")
    told = result.codes
    assert (result.code, told) == (9, {1: 9, 2: 0})
    assert f"{name} is a symbolic link, which noxcli does not follow" in result.err
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in Path("out/000002-second").iterdir()) == [
        "A.txt",
        "B.csv",
        "manifest.json",
    ]


@pytest.mark.parametrize("plant", [fifo, listening])
def test_a_manifest_that_is_no_file_is_not_waited_for(
    noxcli: Noxcli, sandbox: Sandbox, workflow: str, plant: Callable[[Path], None]
) -> None:
    Path("out").mkdir()
    plant(Path("out/manifest.json"))
    result = noxcli("run", workflow, "Q=x", "--output-dir", "out")
    assert (result.code, posts(sandbox)) == (2, [])
    assert "out/manifest.json exists, and this noxcli did not write it" in result.err


# State, cache and log.


def test_links_in_the_state_directory_are_not_followed(
    noxcli: Noxcli, plays: Any, precious: Path
) -> None:
    workflow = plays(output={"A": "x"})
    run = noxcli("run", workflow, "--format", "ndjson").events and noxcli.start(workflow)
    for path in noxcli.state.iterdir():
        path.unlink()
    for name in (f"{run}.json", f"{run}.cursor"):
        (noxcli.state / name).symlink_to(precious)
    assert noxcli("stream", str(run), "--format", "ndjson").code == 0
    assert noxcli("wait", "@last").code == 5
    assert precious.read_text() == PRECIOUS


def test_an_entry_that_is_no_file_is_passed_over(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "x"})
    noxcli("run", workflow)
    fifo(noxcli.state / "later.json")
    (noxcli.state / "huge.json").touch()
    os.truncate(noxcli.state / "huge.json", 1 << 34)
    assert noxcli("fetch-output", "@last").text == "x\n"


def test_a_run_that_cannot_be_noted_is_a_warning(
    noxcli: Noxcli, plays: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    environ = {"NOXCLI_STATE_DIR": str(tmp_path / "file")}
    result = noxcli("run", plays(output={"A": "x"}), "--quiet", environ=environ)
    assert (result.code, result.text) == (0, "x\n")
    assert result.err.count("\n") == 1
    assert (
        f"warning: can't write to {tmp_path / 'file'}: file exists; @last and --resume won't find this"
        in result.err
    )


def test_links_in_the_cache_are_replaced_and_not_followed(
    noxcli: Noxcli, workflow: str, precious: Path
) -> None:
    cache = Path(noxcli.environ["NOXCLI_CACHE_DIR"])
    noxcli("inputs", workflow)
    names = [path.name for path in cache.iterdir()]
    for name in names:
        (cache / name).unlink()
        (cache / name).symlink_to(precious)
    assert noxcli("inputs", workflow).code == 0
    assert names
    assert not [path for path in cache.iterdir() if path.is_symlink()]
    assert precious.read_text() == PRECIOUS


@pytest.mark.parametrize("plant", [fifo, listening, Path.mkdir])
def test_a_state_file_that_is_no_file_is_not_waited_for(
    noxcli: Noxcli, plant: Callable[[Path], None]
) -> None:
    plant(Path("run.state"))
    result = noxcli("stop", "--state-file", "run.state")
    assert (result.code, result.err.count("\n")) == (2, 1)


def test_a_report_stays_in_the_directory_that_was_opened(outside: Path) -> None:
    """The directory is exchanged for a link between the first byte and the last."""
    Path("reports").mkdir()
    with replacing(Path("reports/r.xml")) as file:
        file.write(b"<x/>")
        Path("reports").rename("moved")
        Path("reports").symlink_to(outside)
    assert (Path("moved/r.xml").read_bytes(), list(outside.iterdir())) == (b"<x/>", [])


# Planted between the check of a name and its opening.

SWAPPING = """
import ast, fnmatch, os, sys
from contextlib import suppress
workflow, outside = sys.argv[1:]
swapped = set()
def swap(event, args):
    name = os.path.basename(args[0]) if event == "open" and isinstance(args[0], str | os.PathLike) else ""
    if not fnmatch.fnmatch(name, target or "-"):
        return
    for folder, _, _ in list(os.walk(".", topdown=False)):
        with suppress(OSError):
            path = os.path.join(folder, name)
            if os.path.lexists(path):
                os.rename(path, path + ".moved")
            os.symlink(outside if args[2] & os.O_DIRECTORY else os.path.join(outside, "file"), path)
            swapped.add(target)
target = ""
sys.addaudithook(swap)
from noxcli.app import run_argv
from noxcli.cli.context import Context
from noxcli.render.terminal import Terminal
codes = {}
for number, (what, (line, _)) in enumerate(ast.literal_eval(os.environ["TARGETS"]).items()):
    os.mkdir(str(number))
    os.chdir(str(number))
    with open("rows.jsonl", "w") as rows:
        rows.write('{"$id": "a", "Q": "x"}')
    target = what
    codes[what] = int(run_argv(line.replace("W", workflow).split(), Context(Terminal.of_process())))
    target = ""
    os.chdir("..")
sys.stderr.write("\\n" + repr((codes, sorted(swapped))))
sys.stderr.flush()
os._exit(0)
"""
# What is opened, a command that opens it, and its code.
TARGETS = {
    "rows.jsonl.batch": ("batch W rows.jsonl", 2),
    "batch.jsonl": ("batch W rows.jsonl", 2),
    "results.jsonl": ("batch W rows.jsonl", 2),
    "000001-a": ("batch W rows.jsonl --output-dir out", 9),
    "manifest.json": ("run W Q=x --output-dir out", 2),
    "*.part": ("run W Q=x --output-dir out --junit r.xml --report r.html --format ndjson", 9),
}


def test_a_link_in_the_moment_of_opening_is_not_followed(
    sandbox: Sandbox, workflow: str, outside: Path
) -> None:
    """What is opened is exchanged for a link right before: a check of the name would have found a file."""
    (outside / "file").write_text(PRECIOUS)
    Path("work").mkdir()
    env = {**environment(sandbox.url), "NOXCLI_STATE_DIR": "state", "TARGETS": repr(TARGETS)}
    command = [sys.executable, "-c", SWAPPING, workflow, str(outside)]
    done = subprocess.run(
        command, env=env, cwd="work", capture_output=True, text=True, timeout=HUNG, check=True
    )
    codes, swapped = ast.literal_eval(done.stderr.splitlines()[-1])
    assert swapped == sorted(TARGETS)
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"file": PRECIOUS}
    assert codes == {target: code for target, (_, code) in TARGETS.items()}


# The only module that opens files.


def test_a_place_that_was_closed_opens_nothing(tmp_path: Path) -> None:
    place = SafeDir.open_named(tmp_path)
    place.close()
    place.close()
    for attempt in (
        lambda: place.open_below("x", make=True),
        lambda: place.open_file("x", os.O_RDWR | os.O_CREAT),
    ):
        with pytest.raises(OSError, match="file descriptor"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_closed_leaves_nothing_incomplete(tmp_path: Path) -> None:
    with SafeDir.open_named(tmp_path) as place:
        below = place.open_below("below", make=True)
        for each in (place, below):
            name, handle = each.open_partial(".noxcli-")
            os.close(handle)
            each.move(name, "whole")
            os.close(each.open_partial(".noxcli-")[1])
    assert sorted(tmp_path.rglob("*")) == [
        tmp_path / "below",
        tmp_path / "below/whole",
        tmp_path / "whole",
    ]
    with pytest.raises(OSError, match="file descriptor"):
        below.open_partial(".noxcli-")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "../x", "a\0b"])
def test_a_name_in_a_place_is_one_step(name: str, tmp_path: Path) -> None:
    with SafeDir.open_named(tmp_path) as place:
        for attempt in (
            place.open_below,
            place.lstat,
            place.remove,
            lambda target: place.move("x", target),
        ):
            with pytest.raises(OSError, match="not a valid file name"):
                attempt(name)


@pytest.mark.parametrize(
    ("path", "device"),
    [
        ("/dev/null", True),
        ("/dev/fd/3", True),
        ("/proc/self/fd/3", True),
        ("/dev/shm/x", False),
        ("/dev/../etc/passwd", False),
        ("dev/null", False),
        ("/device", False),
    ],
)
def test_a_device_is_named_as_one(path: str, device: bool) -> None:
    assert is_device(Path(path)) is device


def test_to_read_a_file_with_two_names_is_fine(tmp_path: Path) -> None:
    another_name(tmp_path / "x")
    os.close(open_regular(tmp_path / "x", os.O_RDONLY))
    with pytest.raises(OSError, match="hard link"):
        open_regular(tmp_path / "x", os.O_WRONLY)
