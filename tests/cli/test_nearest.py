"""What is suggested for an unknown name."""

import pytest

from noxcli.errors import nearest


@pytest.mark.parametrize(
    ("word", "meant"),
    [("complted", "completed"), ("COMPLETED", "completed"), ("user input", "User Input"), ("zzz", None), ("", None)],
)
def test_the_nearest_name_looks_like_the_word_in_any_case(word: str, meant: str | None) -> None:
    assert nearest(word, ("completed", "failed", "User Input")) == meant
