"""noxcli delivers what the workflow wrote, byte for byte, in every form and at any size."""

import hashlib
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import File
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.outputs.test_files import left
from tests.process import environment, measured
from tests.sample import one_in

EDGES = ["x", "é", "世", "🌱", "\n", "\r\n", "e\u0301"]
LARGE = 5_000_000
SIZES = [15_999, 16_000, 16_001]


def text(size: int, edge: str) -> str:
    """A text of that many characters, with `edge` at its end, at the 16,000th character and across blocks."""
    base = ("Grüße 世界 🌱\r\n \t" + edge) * (size // 15 + 1)
    return (base[: min(size, 15_999) - len(edge)] + edge + base)[: size - len(edge)] + edge


@pytest.mark.parametrize(
    ("size", "edge"),
    [
        *one_in(3, SIZES, EDGES),
        (LARGE, EDGES[-1]),
        pytest.param(LARGE, "🌱", marks=pytest.mark.wide),
    ],
    ids=ascii,
)
def test_each_form_has_the_originals_bytes(
    noxcli: Noxcli, plays: Any, size: int, edge: str
) -> None:
    original = text(size, edge)
    assert len(original) == size
    run = noxcli.ended(plays(output={"A": original}))
    Path("original").write_bytes(original.encode())
    newline = "" if original.endswith("\n") else "\n"
    assert noxcli("fetch-output", run, "--raw", "A").out == original.encode()
    assert noxcli("fetch-output", run).out == (original + newline).encode()
    assert noxcli("fetch-output", run, "--json").json["output"] == {"A": original}
    assert noxcli("fetch-output", run, "--output-dir", "out").code == 0
    assert subprocess.run(["diff", "original", "out/A.txt"], check=False).returncode == 0


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\xff\xfe\x00", b"\r\n\r\n", bytes(range(256)) * 2000]
)
def test_a_files_bytes_are_what_raw_prints(noxcli: Noxcli, plays: Any, content: bytes) -> None:
    workflow = plays(output={"A": File("a.bin", content), "B": "b"})
    assert noxcli("run", workflow, "--raw", "A").out == content


@pytest.mark.parametrize("options", [("--raw", "A"), (), ("--json",), ("--output-dir", "out")])
def test_a_text_that_is_no_text_is_told(
    noxcli: Noxcli, plays: Any, options: tuple[str, ...]
) -> None:
    bad = "é" * 300_000 + "\ud800"
    result = noxcli("run", plays(output={"A": bad}), *options)
    if options == ("--output-dir", "out"):
        assert Path("out/A.txt").read_bytes() == bad.encode("utf-8", "surrogatepass")
        return
    assert result.code == 9
    assert "is not UTF-8 text" in result.err
    assert options == ("--json",) or result.out == b""


def test_no_place_for_a_temporary_file_is_told(
    noxcli: Noxcli, plays: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/nowhere")
    result = noxcli("run", plays(output={"A": "x" * 20_000}), "--raw", "A")
    assert (result.code, result.out) == (9, b"")
    assert "can't make a temporary file: no such file or directory; set TMPDIR" in result.err


def test_memory_does_not_grow_with_the_size(plays: Any, sandbox: Sandbox, noxcli: Noxcli) -> None:
    big = "Wörter 🌱 " * 1_000_000
    env = environment(sandbox.url)
    run = noxcli.ended(plays(output={"A": big, "B": File("b.bin", b"abc", size=100_000_000)}))
    other = noxcli("run", plays(output={"A": "x"}), "--json").json["run"]["id"]
    small = measured("fetch-output", other, "--json", "--quiet", env=env)[0]
    memory, code, digest = measured("fetch-output", run, "--raw", "A", "--quiet", env=env)
    assert (code, digest) == (0, hashlib.sha256(big.encode()).hexdigest())
    assert memory - small < 12
    memory, code, _ = measured("fetch-output", run, "--output-dir", "out", "--quiet", env=env)
    assert (code, (Path("out") / "B.bin").stat().st_size) == (0, 100_000_000)
    assert memory - small < 16
    assert left(Path("out")) == ["A.txt", "B.bin", "manifest.json"]
