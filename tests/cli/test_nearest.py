"""What is suggested for an unknown name."""

import pytest

from noxcli.nearest import nearest, nearest_in_any_case


@pytest.mark.parametrize(("word", "meant"), [("complted", "completed"), ("COMPLETED", None), ("zzz", None), ("", None)])
def test_the_nearest_name_looks_like_the_word(word: str, meant: str | None) -> None:
    assert nearest(word, ("completed", "failed")) == meant


@pytest.mark.parametrize(("word", "meant"), [("user input", "User Input"), ("ANSWR", "Answer"), ("zzz", None)])
def test_capitals_count_for_nothing_where_that_is_asked_for(word: str, meant: str | None) -> None:
    assert nearest_in_any_case(word, ["User Input", "Answer"]) == meant
