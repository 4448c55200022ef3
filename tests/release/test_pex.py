"""The single file: on a machine with nothing but Python, it does what an installation does."""

import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
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
def test_the_single_file_does_what_an_installation_does(
    built: dict[str, Path], tmp_path: Path
) -> None:
    file, home = tmp_path / "noxcli", tmp_path / "home"
    home.mkdir()
    cache = Path(os.environ.get("PEX_ROOT", tmp_path / "pex"))
    line = [sys.executable, "scripts/release.py", "pex", str(built["wheel"]), "--output", str(file)]
    subprocess.run(line, cwd=ROOT, check=True, env={**os.environ, "PEX_ROOT": str(cache)})
    with ZipFile(file) as archive:
        compiled = [name for name in archive.namelist() if name.endswith((".so", ".pyd"))]
    assert not compiled, "it would run on one kind of machine only"
    assert file.stat().st_size < 8_000_000

    env = {
        "PATH": f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
    }

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
    assert call(
        "sandbox",
        "--speed",
        "1000",
        "--",
        "noxcli",
        "run",
        "demo",
        "User Input=hello",
        "--raw",
        "Answer",
    ) == (
        0,
        answer,
    )
    assert call("completion", "zsh") == (0, (ROOT / "completions/_noxcli").read_text())
    assert bill_of_materials(file) == packages_in(file)
    installed = subprocess.run(
        [Path(sys.executable).with_name("noxcli"), "schema", "result"],
        capture_output=True,
        text=True,
    )
    assert call("schema", "result") == (0, installed.stdout)


@pytest.mark.wide
@pytest.mark.timeout(1000)
def test_the_single_file_is_the_same_from_any_path(built: dict[str, Path], tmp_path: Path) -> None:
    made = []
    for place in ("here", "there/in another"):
        checkout = tmp_path / place
        for name in (
            "requirements/pex.txt",
            "scripts/release.py",
            "scripts/release_text.py",
            "noxcli/__init__.py",
        ):
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
        wheel = shutil.copy(built["wheel"], checkout)
        subprocess.run(
            [sys.executable, "scripts/release.py", "pex", wheel, "--output", "noxcli"],
            cwd=checkout,
            check=True,
        )
        made.append((checkout / "noxcli").read_bytes())
    assert made[0] == made[1]


def test_the_lock_of_a_release_names_its_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / f"noxcli-{__version__}-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    assert release.main(["pin", str(wheel), "--output", str(tmp_path / "noxcli.lock")]) == 0
    first, digest, rest = (tmp_path / "noxcli.lock").read_text().split("\n", 2)
    assert first == f"noxcli=={__version__} \\"
    assert digest.strip() == f"--hash=sha256:{sha256(b'a wheel').hexdigest()}"
    assert rest == (ROOT / "requirements/run.txt").read_text()


def bill_of_materials(file: Path) -> set[str]:
    """Return the packages in the bill of materials, each as NAME-VERSION."""
    bill = file.with_name("bill.json")
    assert release.main(["sbom", str(file), "--output", str(bill)]) == 0
    document = json.loads(bill.read_text())
    assert document["bomFormat"] == "CycloneDX"
    root = document["metadata"]["component"]
    assert (root["name"], root["version"], root["licenses"][0]["license"]["id"]) == (
        "noxcli",
        __version__,
        "MIT",
    )
    assert [each["name"] for each in document["components"] if not each["licenses"]] == []
    [depends] = [
        each["dependsOn"] for each in document["dependencies"] if each["ref"] == root["bom-ref"]
    ]
    assert len(depends) > 10
    return {normal(f"{each['name']}-{each['version']}") for each in [root, *document["components"]]}


def packages_in(file: Path) -> set[str]:
    with ZipFile(file) as archive:
        wheels = json.loads(archive.read("PEX-INFO"))["distributions"]
    return {normal("-".join(name.split("-")[:2])) for name in wheels}


def normal(named: str) -> str:
    name, _, version = named.lower().rpartition("-")
    return f"{re.sub('[-_.]+', '-', name)}-{version}"


@pytest.mark.wide
@pytest.mark.parametrize(("line", "failed"), [("pex no.whl", "pex"), ("sbom noxcli", "pex.tools")])
def test_what_cannot_be_made_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str, failed: str
) -> None:
    (tmp_path / "noxcli").write_text("echo\n")
    verb, name = line.split()
    assert release.main([verb, str(tmp_path / name), "--output", str(tmp_path / "made")]) == 1
    told = capfd.readouterr().err.splitlines()
    assert told[-1].startswith(f"release: {failed} failed with exit code ")
    assert len(told) > 1
