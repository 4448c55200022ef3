"""`--output-dir`: what is written, what is left alone, what a second call does, and where nothing can be written."""

import errno
import json
import os
from collections import Counter
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from noxcli.errors import OutputNotDelivered
from noxcli.outputs import file_texts
from noxcli.outputs.save import read_manifest
from noxcli.safe_dir import SafeDir
from noxcli.sandbox.faults import Answer
from noxcli.sandbox.scenario import File, input_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import Sleep
from tests.conftest import Noxcli, write_rows
from tests.outputs.test_files import left
from tests.process import HUNG, environment, running, until

LONG = "Grüße, 世界 🌱. " * 1500
PDF = File("q3.pdf", b"%PDF 123", "application/pdf")


def fetched(sandbox: Sandbox) -> int:
    return sum("/v1/file/" in request.path for request in sandbox.requests)


def manifest(directory: str = "out") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((Path(directory) / "manifest.json").read_text())
    return document


# A second call.


def test_a_second_call_fetches_and_writes_all_anew(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    run = noxcli.ended(plays(output={"A": LONG, "B": PDF, "C": "short", "D": {"deep": [LONG, 3]}}))
    first = noxcli("fetch-output", run, "--output-dir", "out", "--json").json
    damaged, fetches = (
        [Path("out") / name for name in ("A.txt", "B.pdf", "C.txt")],
        fetched(sandbox),
    )
    good = [path.read_bytes() for path in damaged]
    damaged[0].unlink()
    damaged[1].write_bytes(good[1][:-1])
    damaged[2].write_bytes(good[2][:-1] + b"?")
    again = noxcli("fetch-output", run, "--output-dir", "out", "--json")
    assert (again.code, again.json["files"], again.json["output"]) == (
        0,
        first["files"],
        first["output"],
    )
    assert [path.read_bytes() for path in damaged] == good
    assert (fetches, fetched(sandbox)) == (3, 6)
    assert "saved 5 files in out\n" in again.err


def test_a_call_without_a_manifest_takes_over_the_same_bytes(noxcli: Noxcli, plays: Any) -> None:
    run = noxcli.ended(plays(output={"A": LONG, "B": "short"}))
    noxcli("fetch-output", run, "--output-dir", "out")
    Path("out/manifest.json").unlink()  # as after kill -9
    assert noxcli("fetch-output", run, "--output-dir", "out").code == 0


def test_files_of_other_runs_stay_known(noxcli: Noxcli, plays: Any) -> None:
    runs = [noxcli.ended(plays(output={key: LONG})) for key in "AB"]
    argv = ("--output-dir", "out")
    assert [noxcli("fetch-output", run, *argv).code for run in runs] == [0, 0]
    Path("out/A.txt").write_text("damaged")
    assert noxcli("fetch-output", runs[0], *argv).code == 0
    assert Path("out/A.txt").read_text() == LONG
    assert [entry["run_id"] for entry in manifest()["earlier"]] == [runs[1]]
    Path("out/B.txt").unlink()
    noxcli("fetch-output", runs[0], *argv)
    assert manifest()["earlier"] == []


def test_a_file_is_on_disk_before_it_has_its_name(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, named, fsync, replace = set[int](), dict[str, bool](), os.fsync, os.replace

    def flush(file: int) -> None:
        fsync(file)
        flushed.add(os.fstat(file).st_ino)

    def name(part: str, target: str, **at: int) -> None:
        named[target] = os.stat(part, dir_fd=at["src_dir_fd"]).st_ino in flushed
        replace(part, target, **at)

    workflow = plays(output={"A": LONG, "B": PDF, "C": "short"})
    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", name)
    assert noxcli("run", workflow, "--output-dir", "out").code == 0
    assert {target: named[target] for target in left(Path("out"))} == dict.fromkeys(
        left(Path("out")), True
    )


# What noxcli did not write.


@pytest.mark.parametrize("output", [LONG, "short", PDF], ids=["text", "inline", "file"])
def test_a_file_of_the_users_is_not_replaced(noxcli: Noxcli, plays: Any, output: Any) -> None:
    Path("out").mkdir()
    path = Path("out/A.pdf" if output is PDF else "out/A.txt")
    path.write_text("precious")
    workflow = plays(output={"A": output, "B": "b"})
    result = noxcli("run", workflow, "--output-dir", "out", "--json")
    assert (result.code, result.json["complete"]) == (9, False)
    assert f"{path} exists, and this noxcli did not write it; move it" in result.err
    assert path.read_text() == "precious"
    assert left(Path("out")) == sorted([path.name, "B.txt", "manifest.json"])


def test_a_file_in_the_way_is_told_before_the_download(noxcli: Noxcli, plays: Any) -> None:
    Path("out").mkdir()
    Path("out/A.bin").write_text("precious")
    result = noxcli("run", plays(output={"A": File("a.bin", size=1 << 40)}), "--output-dir", "out")
    assert (result.code, left(Path("out"))) == (9, ["A.bin", "manifest.json"])


@pytest.mark.parametrize(
    "content", ["{}", "[]", "not JSON", '{"schema": "noxcli.manifest/2"}', "[" * 100_000]
)
def test_a_foreign_manifest_is_told_before_the_start(
    noxcli: Noxcli, sandbox: Sandbox, content: str
) -> None:
    Path("out").mkdir()
    Path("out/manifest.json").write_text(content)
    result = noxcli("run", "demo", "User Input=hi", "--output-dir", "out")
    assert (result.code, sandbox.requests) == (2, [])
    assert "out/manifest.json exists, and this noxcli did not write it; move it" in result.err
    Path("out/manifest.json").unlink()  # it fits no schema of this version


def test_no_handle_for_the_manifest_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not seem that another program wrote the file."""

    def full(*_: object) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(SafeDir, "read", full)
    with (
        SafeDir.open_named(tmp_path) as place,
        pytest.raises(OutputNotDelivered, match="too many open files"),
    ):
        read_manifest(place)


@pytest.mark.parametrize("name", ["../precious", "/precious", "a/../../precious", "a\0b", 7, None])
def test_a_manifest_is_not_trusted(noxcli: Noxcli, plays: Any, name: Any) -> None:
    run = noxcli.ended(plays(output={"A": LONG}))
    noxcli("fetch-output", run, "--output-dir", "out")
    document = manifest()
    document["files"].append({"name": name, "bytes": 1, "sha256": "x", "file_id": 3})
    document["earlier"] = [{"name": name, "bytes": 1, "sha256": "x"}, 3]
    Path("out/manifest.json").write_text(json.dumps(document))
    Path("precious").touch()
    assert noxcli("fetch-output", run, "--output-dir", "out").code == 0
    assert manifest()["earlier"] == []


# Links.


def test_a_link_at_the_target_is_not_followed(noxcli: Noxcli, plays: Any) -> None:
    Path("out").mkdir()
    Path("precious").write_text("precious")
    Path("out/A.txt").symlink_to(Path("precious").absolute())
    workflow = plays(output={"A": LONG})
    assert noxcli("run", workflow, "--output-dir", "out").code == 9
    assert Path("precious").read_text() == "precious"


def test_the_directory_itself_may_be_a_link_of_the_users(noxcli: Noxcli, plays: Any) -> None:
    Path("real").mkdir()
    Path("out").symlink_to("real")
    assert noxcli("run", plays(output={"A": LONG}), "--output-dir", "out").code == 0
    assert left(Path("real")) == ["A.txt", "manifest.json"]


@pytest.mark.parametrize("kind", ["directory", "fifo"])
def test_what_is_no_file_is_not_replaced(noxcli: Noxcli, plays: Any, kind: str) -> None:
    Path("out").mkdir()
    Path("out/A.txt").mkdir() if kind == "directory" else os.mkfifo("out/A.txt")
    result = noxcli("run", plays(output={"A": LONG, "B": "b"}), "--output-dir", "out")
    assert result.code == 9
    assert left(Path("out")) == ["A.txt", "B.txt", "manifest.json"]


# Names.


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (File("photo.jpeg", b"x", "image/jpeg"), "A.jpeg"),
        (File("photo", b"x", "image/png"), "A.png"),
        (File("", b"x", "audio/mpeg"), "A.mp3"),
        (File("sound.wav", b"x", "application/octet-stream"), "A.wav"),
        (File("x.../../../etc/passwd", b"x", "application/x-unknown"), "A"),
        (File("evil.sh\n", b"x", "text/csv; charset=utf-8"), "A.csv"),
    ],
)
def test_a_file_has_its_own_extension(noxcli: Noxcli, plays: Any, file: File, name: str) -> None:
    assert noxcli("run", plays(output={"A": file}), "--output-dir", "out").code == 0
    assert left(Path("out")) == sorted([name, "manifest.json"])


# The same file twice.


def test_a_file_that_the_output_names_twice_is_two_files(noxcli: Noxcli, plays: Any) -> None:
    file = noxcli("run", plays(output={"A": File("a.csv", b"a,b", "text/csv")}), "--json").json[
        "output"
    ]["A"]["id"]
    # The sandbox passes such values on unchanged.
    value = {"id": file, "uri": f"spot://{file}", "content_type": "text/csv"}
    output = {
        "One": [{**value, "name": "a.csv"}, {**value, "name": "b.CSV"}],
        "Two": {**value, "name": "c.txt"},
    }
    document = noxcli("run", plays(output=output), "--output-dir", "out", "--json").json
    assert left(Path("out")) == ["One-0.csv", "One-1.CSV", "One.json", "Two.txt", "manifest.json"]
    copies = [Path("out") / name for name in ("One-0.csv", "One-1.CSV", "Two.txt")]
    assert {path.read_bytes() for path in copies} == {b"a,b"}
    assert len({path.stat().st_ino for path in copies}) == 3, "to edit one is not to edit all"
    assert [entry["pointer"] for entry in document["files"]] == ["/One", "/One/0", "/One/1", "/Two"]
    assert document["output"]["Two"] == {"$file": "out/Two.txt"}


# Where nothing can be written.


def test_a_full_disk_leaves_no_part(noxcli: Noxcli, plays: Any, small_disk: Path) -> None:
    workflow = plays(output={"Big": File("a.bin", b"x", size=1_000_000), "Small": "y"})
    result = noxcli("run", workflow, "--output-dir", str(small_disk), "--json")
    assert result.code == 9
    assert "no space left on device" in result.json["error"]["message"]
    assert left(small_disk) == ["Small.txt", "manifest.json"]


def test_a_directory_that_vanishes_is_told(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": LONG}, script=[Sleep(1)])
    Path("out").mkdir()
    os.chdir("out")
    Path("../out").rmdir()
    result = noxcli("run", workflow, "--output-dir", ".")
    assert (result.code, len(result.err.splitlines())) == (2, 1)


def test_an_interrupted_download_leaves_nothing(plays: Any, sandbox: Sandbox) -> None:
    workflow = plays(output={"Small": LONG, "Big": File("a.bin", b"x", size=1 << 40)})
    with running(
        "run", workflow, "--output-dir", "out", "--quiet", env=environment(sandbox.url)
    ) as process:
        until(lambda: Path("out/Small.txt").exists() and list(Path().glob("out/.noxcli-out-*")))
        process.terminate()
        process.communicate(timeout=HUNG)
    assert process.returncode == 143
    assert left(Path("out")) == ["Small.txt", "manifest.json"]
    assert (manifest()["complete"], [entry["name"] for entry in manifest()["files"]]) == (
        False,
        ["Small.txt"],
    )


def test_what_a_killed_call_left_is_removed_by_the_next(
    plays: Any, sandbox: Sandbox, noxcli: Noxcli
) -> None:
    workflow = plays(output={"A": File("a.bin", b"x", size=1 << 40)})
    with running(
        "run", workflow, "--output-dir", "out", "--quiet", env=environment(sandbox.url)
    ) as process:
        until(lambda: list(Path().glob("out/.noxcli-out-*")))
        process.kill()
        process.communicate()
    assert noxcli("run", plays(output={"B": LONG}), "--output-dir", "out").code == 0
    assert len(left(Path("out"))) == 3, "it may be another's, where directories have no locks"
    for part in Path().glob("out/.noxcli-out-*"):
        os.utime(part, (1, 1))
    assert noxcli("run", plays(output={"B": LONG + "!"}), "--output-dir", "out").code == 0
    assert left(Path("out")) == ["B.txt", "manifest.json"]


def test_one_of_three_runs_has_the_directory(plays: Any, sandbox: Sandbox, noxcli: Noxcli) -> None:
    workflow, argv = plays(script=[Sleep(1e6)]), ("--output-dir", "a/out", "--json")
    with ExitStack() as stack:
        env = environment(sandbox.url)
        three = [stack.enter_context(running("run", workflow, *argv, env=env)) for _ in range(3)]
        until(
            lambda: (
                sum(process.poll() is not None for process in three) == 2 and sandbox.runs(workflow)
            )
        )
        [run] = sandbox.runs(workflow)
        assert noxcli("fetch-output", run.id, *argv).code == 75
        assert noxcli("stop", run.id).code == 0
        ended = [(*process.communicate(timeout=HUNG), process.returncode) for process in three]
    assert sorted(code for *_, code in ended) == [3, 75, 75]
    for out, err, code in ended:
        document = json.loads(out)
        if code == 75:
            assert b"another noxcli is writing to a/out; choose another directory" in err
            assert (document["retry_safe"], document["run"]) == (True, None)
    assert noxcli("run", plays(output={"A": "x"}), *argv).code == 0


@pytest.mark.parametrize("there", [True, False])
def test_a_directory_made_for_nothing_goes_again(noxcli: Noxcli, plays: Any, there: bool) -> None:
    if there:
        Path("a").mkdir()
    assert noxcli("run", plays(status="failed"), "--output-dir", "a/b/c").code == 1
    assert Path("a").exists() == there
    assert not Path("a/b").exists()


@pytest.mark.usefixtures("paced")
def test_a_limit_ends_a_download_and_leaves_nothing(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": File("a.bin", b"x", size=1 << 40), "B": LONG})
    result = noxcli("run", workflow, "--output-dir", "out", "--timeout", "1s")
    assert result.code == 124
    assert left(Path("out")) == ["B.txt", "manifest.json"]


@pytest.mark.parametrize("status", [404, 410, 400, 401, 403])
def test_an_unavailable_file_leaves_the_rest_delivered(
    noxcli: Noxcli, plays: Any, status: int
) -> None:
    faults = {"file": [Answer(status, {"detail": "so it is"})]}
    workflow = plays(output={"A": LONG, "B": "b"}, faults=faults)
    result = noxcli("run", workflow, "--output-dir", "out", "--json")
    assert (result.code, result.json["complete"]) == (9, False)
    assert "/A: 127.0.0.1" in result.err
    assert "so it is" in result.err
    assert left(Path("out")) == ["B.txt", "manifest.json"]
    assert manifest()["problems"]


def test_a_row_of_a_batch_costs_a_flush_for_each_download(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed, fsync = Counter[str](), os.fsync

    def flush(file: int) -> None:
        fsync(file)
        flushed[Path(f"/proc/self/fd/{file}").readlink().parent.name] += 1

    output = {"A": "short", "B": "in the results", "C": PDF}
    workflow, rows = plays(nodes=[input_node("Q")], output=output), write_rows("1", "2", "3")
    monkeypatch.setattr(os, "fsync", flush)
    assert noxcli("batch", workflow, rows, "--output-dir", "out").code == 0
    folders = [path.name for path in Path("out").iterdir() if path.is_dir()]
    assert {folder: flushed[folder] for folder in folders} == dict.fromkeys(
        ["000001", "000002", "000003"], 1
    )


def test_a_manifest_that_a_power_cut_emptied_is_none(noxcli: Noxcli, plays: Any) -> None:
    workflow = plays(output={"A": "short"})
    Path("out").mkdir()
    Path("out/manifest.json").touch()
    assert noxcli("run", workflow, "--output-dir", "out").code == 0
    assert [entry["name"] for entry in manifest()["files"]] == ["A.txt"]


# Texts that became files, read back.


def test_a_text_that_is_too_large_stays_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_texts, "MAX_TEXTS", 12)
    output, files = dict[str, object](), list[dict[str, object]]()
    for key, text in (("fits", "123456"), ("large", "1234567")):  # each may have half of the limit
        path = tmp_path / key
        path.write_text(text)
        output[key] = {"$file": str(path)}
        digest = sha256(text.encode()).hexdigest()
        files.append(
            {
                "pointer": f"/{key}",
                "path": str(path),
                "bytes": len(text),
                "sha256": digest,
                "text": True,
            }
        )
    read, wrong = file_texts.read_whole_output(output, files)
    assert (read, wrong) == ({"fits": "123456", "large": output["large"]}, [])
    alone, wrong = file_texts.read_whole_output(output, files[1:])
    assert (alone["large"], wrong) == ("1234567", [])
