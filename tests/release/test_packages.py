"""The content of sdist and wheel: the scripts and pages next to the package in a checkout, as files and once each."""

import tarfile
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

from tests.release.conftest import ROOT

SHIPPED = sorted(
    path.relative_to(ROOT).as_posix() for name in ("completions", "man") for path in (ROOT / name).iterdir()
)
SHARED = {
    "completions/noxcli.bash": "share/bash-completion/completions/noxcli",
    "completions/_noxcli": "share/zsh/site-functions/_noxcli",
    "completions/noxcli.fish": "share/fish/vendor_completions.d/noxcli.fish",
}


@pytest.mark.wide
def test_the_sdist_has_real_files(built: dict[str, Path]) -> None:
    assert SHIPPED
    for name in SHIPPED:
        copied = built["unpacked"] / name
        assert not copied.is_symlink()
        assert copied.read_bytes() == (ROOT / name).read_bytes()
    with tarfile.open(built["sdist"]) as archive:
        assert not [member.name for member in archive if member.issym() or member.islnk()]


@pytest.mark.wide
@pytest.mark.parametrize("kind", ["wheel", "wheel of the sdist"])
def test_a_wheel_has_them_where_shells_and_man_look(built: dict[str, Path], kind: str) -> None:
    with ZipFile(built[kind]) as wheel:
        names = wheel.namelist()
        assert len(names) == len({*names})
        data = next(name.split("/")[0] for name in names if ".data/" in name)
        for name in SHIPPED:
            shared = SHARED.get(name) or f"share/man/man1/{PurePosixPath(name).name}"
            places = [f"noxcli/{name}"] if name.startswith("completions/") else []
            places.append(f"{data}/data/{shared}")
            for place in places:
                assert wheel.read(place) == (ROOT / name).read_bytes(), place
