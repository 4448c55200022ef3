"""The known name that the user probably meant by an unknown one."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to the word, or None."""
    import difflib  # needed only after a mistake

    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def nearest_in_any_case(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to the word, in any case."""
    folded = {name.casefold(): name for name in known}
    near = nearest(word.casefold(), folded)
    return None if near is None else folded[near]
