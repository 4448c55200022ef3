"""The name that was probably meant, where somebody wrote one that there is not."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like the word, None where none does."""
    import difflib  # only a mistake needs it

    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def nearest_in_any_case(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like the word, capitals or not."""
    folded = {name.casefold(): name for name in known}
    near = nearest(word.casefold(), folded)
    return None if near is None else folded[near]
