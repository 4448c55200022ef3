"""The page about the rooms: its picture is current, its table complete, and every name in it exists in the code."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
import make_architecture

ROOT = make_architecture.ROOT
PAGE = make_architecture.PAGE.read_text()
NAMED = sorted(set(re.findall(r"`([\w/]+(?:\.py|/))(?::(\w+))?`", PAGE)))


def test_the_picture_is_fresh() -> None:
    assert make_architecture.main(["--check"]) == 0, "run python scripts/make_architecture.py"


def test_a_stale_picture_is_named_and_drawn_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "architecture.md"
    copy.write_text(PAGE.replace("main --> app", "main --> render"))
    monkeypatch.setattr(make_architecture, "PAGE", copy)
    assert make_architecture.main(["--check"]) == 1
    assert "make_architecture.py" in capsys.readouterr().err
    assert make_architecture.main([]) == make_architecture.main(["--check"]) == 0
    assert copy.read_text() == PAGE


def test_an_arrow_that_a_longer_way_replaces_is_left_out() -> None:
    arrows = {"a": frozenset("bcd"), "b": frozenset("c"), "c": frozenset(), "d": frozenset("c")}
    assert make_architecture.reduced(arrows) == arrows | {"a": frozenset("bd")}


def test_every_room_has_one_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted([*make_architecture.rooms(), "sandbox"])


def is_there(path: str, name: str) -> bool:
    at_the_top = path.startswith(("tests/", "scripts/", "completions/", "noxcli/"))
    found = ROOT / path if at_the_top else ROOT / "noxcli" / path
    return found.exists() and (
        not name or bool(re.search(rf"^(?: *def |class |){name}\b", found.read_text(), re.MULTILINE))
    )


def test_what_the_page_names_is_there() -> None:
    assert len(NAMED) > 100
    assert [(path, name) for path, name in NAMED if not is_there(path, name)] == []
    assert not is_there("runs/follow.py", "Nothing")
    assert not is_there("runs/nothing.py", "")
