"""File names that are safe everywhere, and files that appear whole or not at all."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxcli.errors import ExitCode, OutputNotDelivered, Phase, Unavailable
from noxcli.files import save
from noxcli.outputs.filenames import MAX_STEM, Names, safe_extension, safe_stem
from tests.conftest import Noxcli
from tests.texts import any_text

RESERVED = {"con", "prn", "aux", "nul"} | {
    f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)
}

HOSTILE = [
    "",
    "..",
    "../../etc/passwd",
    "C:\\Users\\x",
    ".hidden",
    "trailing.",
    "a/b/../../../c",
    "a\x00b",
    "\x1b[2Jclear",
    "\u202egnp.exe",
    "\u2066a\u2069\u200b\ufeff",
    "a\u2028b\u2029c",
    "\ud800lone",
    "e\u0301",
    "Aux ",
    "PRN" + " " * 400 + "x",
    "COM¹",
    'a<b>c:d"e|f?g*h',
    "$(reboot)`x`;&",
    "x" * 400,
    "🌱" * 400,
    "a" * 119 + "é",
    "x" * 119 + ". . .",
    "manifest.json",
    "\u0301",
    "--checkpoint-action=exec=sh x",
    "- x",
]


def check_stem(stem: str) -> None:
    assert stem
    assert not stem.startswith("-"), "an option"
    assert len(stem.encode()) <= MAX_STEM
    assert not set(stem) & set('/\\:*?"<>|')
    assert not [
        letter for letter in stem if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    ]
    assert stem == stem.strip(" .")
    assert unicodedata.is_normalized("NFC", stem)
    assert stem.partition(".")[0].rstrip().casefold() not in RESERVED


@pytest.mark.parametrize("key", HOSTILE, ids=lambda key: ascii(key)[:30])
def test_a_hostile_key_becomes_a_safe_name(key: str) -> None:
    check_stem(safe_stem(key))


@given(
    any_text()
    | st.sampled_from(sorted(RESERVED)).map(lambda name: f" {name} .")
    | st.text("./\\ aux:", max_size=9)
)
def test_any_key_becomes_a_safe_name(key: str) -> None:
    check_stem(safe_stem(key))


@pytest.mark.parametrize(
    "key", ["Answer", "User Question", "a-b_c (1)", "v1.2", "Größe", "世界 🌱", "a'b", "x" * 120]
)
def test_an_ordinary_key_is_its_own_name(key: str) -> None:
    assert safe_stem(key) == key


def claimed(*keys: str, extension: str = ".txt") -> list[str]:
    names = Names()
    return [names.claim(key, extension) for key in keys]


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["a", "a", "a"], ["a.txt", "a-2.txt", "a-3.txt"]),
        (["straße", "STRASSE"], ["straße.txt", "STRASSE-2.txt"]),
        (["\u00e9", "e\u0301"], ["\u00e9.txt", "\u00e9-2.txt"]),
        (["a/b", "a_b", "a\\b"], ["a_b.txt", "a_b-2.txt", "a_b-3.txt"]),
        (["a-2", "a", "a"], ["a-2.txt", "a.txt", "a-3.txt"]),
        (["", ".", ".."], ["output.txt", "output-2.txt", "output-3.txt"]),
    ],
)
def test_names_that_collide_are_numbered(keys: list[str], names: list[str]) -> None:
    assert claimed(*keys) == names


def test_long_keys_that_differ_late_get_names_of_their_own() -> None:
    names = claimed(*("x" * 300 + str(number) for number in range(12)))
    assert len(set(names)) == 12
    assert all(len(name.encode()) <= 255 for name in names)


@pytest.mark.parametrize("key", ["manifest", "MANIFEST", " manifest. "])
def test_the_manifests_name_is_taken(key: str) -> None:
    assert claimed(key, extension=".json")[0].casefold() == "manifest-2.json"


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("report.pdf", ".pdf"),
        ("REPORT.PDF", ".PDF"),
        ("..\\x.csv", ".csv"),
        ("", ""),
        (".bashrc", ""),
        ("x.", ""),
        ("x.p/../../df", ""),
        ("x.a b", ""),
        ("x.exe\u202e", ""),
        ("x.ünï", ""),
        ("x." + "y" * 20, ""),
    ],
)
def test_only_a_plain_extension_is_kept(name: str, extension: str) -> None:
    assert safe_extension(name) == extension


# Saving.


def left(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def breaking(error: BaseException) -> Iterator[bytes]:
    yield b"half of"
    raise error


@pytest.mark.parametrize(
    "error", [Unavailable("cut"), OSError(28, "No space left on device"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("old", [None, b"old"])
def test_a_failure_midway_leaves_the_old_file_or_none(
    error: BaseException, old: bytes | None, tmp_path: Path
) -> None:
    target = tmp_path / "a.txt"
    if old is not None:
        target.write_bytes(old)
    expected = OutputNotDelivered if isinstance(error, OSError) else type(error)
    with pytest.raises(expected):
        save(target, breaking(error))
    assert left(tmp_path) == ([] if old is None else ["a.txt"])
    assert old is None or target.read_bytes() == old


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_files_mode_follows_the_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        save(tmp_path / "a", [b"x"])
        assert os.umask(umask) == umask, "it is as it was"
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("target", ["a directory", "file/a.txt", "x" * 300])
def test_a_place_that_cannot_be_written_is_told_and_nothing_left(
    target: str, tmp_path: Path
) -> None:
    (tmp_path / "a directory").mkdir()
    (tmp_path / "a directory" / "kept").touch()
    (tmp_path / "file").touch()
    with pytest.raises(OutputNotDelivered) as caught:
        save(tmp_path / target, [b"x"])
    assert caught.value.message.startswith(f"can't write {tmp_path / target}: ")
    assert (caught.value.exit_code, caught.value.phase) == (ExitCode.UNDELIVERED, Phase.DELIVER)
    assert left(tmp_path) == ["a directory", "file"]


# The directory.


def test_no_output_name_leaves_the_directory(noxcli: Noxcli, plays: Any, tmp_path: Path) -> None:
    keys = [key for key in HOSTILE if key and "\ud800" not in key]
    long = "long " * 4000
    workflow = plays(output={key: long if number % 2 else "x" for number, key in enumerate(keys)})
    before = left(tmp_path)
    result = noxcli("run", workflow, "--output-dir", "out", "--json")
    assert result.code == 0, result.err
    assert left(tmp_path) == [*before, "out"]
    inside = list((tmp_path / "out").iterdir())
    assert all(path.is_file() and not path.is_symlink() for path in inside)
    assert len(inside) == len(result.json["files"]) + 1
    assert {path.read_text() for path in inside if path.suffix == ".txt"} == {long, "x"}
