"""The released packages, built once for all tests of a process."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist of the checkout, the wheel of the checkout, and the wheel of the sdist."""
    directory = tmp_path_factory.mktemp("built")
    sdist = build("sdist", ROOT, directory)
    with tarfile.open(sdist) as archive:
        archive.extractall(directory, filter="data")
    unpacked = directory / sdist.name.removesuffix(".tar.gz")
    return {
        "sdist": sdist,
        "unpacked": unpacked,
        "wheel": build("wheel", ROOT, directory / "direct"),
        "wheel of the sdist": build("wheel", unpacked, directory / "indirect"),
    }


def build(target: str, source: Path, directory: Path) -> Path:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(directory)]
    subprocess.run(argv, cwd=source, check=True, capture_output=True)
    [made] = [path for path in directory.iterdir() if path.name.endswith((".tar.gz", ".whl"))]
    return made
