"""The single file: on a machine with nothing but Python, it does what an installation does."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import release

from noxcli import __version__
from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.process import HUNG_INSTALLING
from tests.release.conftest import ROOT


@pytest.mark.wide
@pytest.mark.long(20)
@pytest.mark.timeout(1000)  # it downloads packages, and installs them twice
def test_the_single_file_does_what_an_installation_does(built: dict[str, Path], tmp_path: Path) -> None:
    file, home = tmp_path / "noxcli", tmp_path / "home"
    home.mkdir()
    cache = Path(os.environ.get("PEX_ROOT", tmp_path / "pex"))
    line = [sys.executable, "scripts/release.py", "pex", str(built["wheel"]), "--output", str(file)]
    subprocess.run(line, cwd=ROOT, check=True, env={**os.environ, "PEX_ROOT": str(cache)})
    with ZipFile(file) as archive:
        compiled = [name for name in archive.namelist() if name.endswith((".so", ".pyd"))]
    assert not compiled, "it would run on one kind of machine only"
    assert file.stat().st_size < 8_000_000

    env = {"PATH": f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}

    def call(*argv: str, **more: str) -> tuple[int, str]:
        done = subprocess.run(
            [file, *argv], cwd=home, env={**env, **more}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=HUNG_INSTALLING, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    assert call("--version") == (0, f"noxcli {__version__}\n")
    with Sandbox(BUILT_IN, speed=1000) as sandbox:
        known = {"NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key}
        code, answer = call("run", "demo", "User Input=hello", "--raw", "Answer", **known)
        assert (code, answer.splitlines()[0]) == (0, "You asked: hello")
        endings = {"fails": 1, "demo --no-such-option": 2, "no-such-workflow": 5}
        assert {line: call("run", *line.split(), **known)[0] for line in endings} == endings
        assert call("run", "demo", NOXUS_BACKEND_URL=sandbox.url) == (4, "")
    assert call("sandbox", "--speed", "1000", "--", "noxcli", "run", "demo", "User Input=hello", "--raw", "Answer") == (
        0,
        answer,
    )
    assert call("completion", "zsh") == (0, (ROOT / "completions/_noxcli").read_text())
    assert bill_of_materials(file) == packages_in(file)
    assert call("schema", "result") == (0, (ROOT / "noxcli/schemas/result.json").read_text())


def bill_of_materials(file: Path) -> set[str]:
    """Return the packages in the bill of materials, each as NAME-VERSION."""
    bill = file.with_name("bill.json")
    assert release.main(["sbom", str(file), "--output", str(bill)]) == 0
    document = json.loads(bill.read_text())
    assert document["bomFormat"] == "CycloneDX"
    named = {normal(f"{each['name']}-{each['version']}"): each for each in document["components"]}
    assert {"MIT"} == {one["license"]["id"] for one in named[f"noxcli-{__version__}"]["licenses"]}
    return {*named}


def packages_in(file: Path) -> set[str]:
    with ZipFile(file) as archive:
        wheels = json.loads(archive.read("PEX-INFO"))["distributions"]
    return {normal("-".join(name.split("-")[:2])) for name in wheels}


def normal(named: str) -> str:
    name, _, version = named.lower().rpartition("-")
    return f"{re.sub('[-_.]+', '-', name)}-{version}"


@pytest.mark.parametrize(("line", "failed"), [("sbom noxcli", "pex.tools"), ("pex no.whl", "pex")])
def test_what_cannot_be_made_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str, failed: str) -> None:
    (tmp_path / "noxcli").write_text("echo\n")
    verb, name = line.split()
    assert release.main([verb, str(tmp_path / name), "--output", str(tmp_path / "made")]) == 1
    told = capfd.readouterr().err.splitlines()
    assert told[-1].startswith(f"release: {failed} failed with exit code ")
    assert len(told) > 1
