"""The known name that the user probably meant by an unknown one, and the question about it."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to the word, or None."""
    import difflib  # needed only after a mistake

    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def suggestion(near: str | None, otherwise: str = "", *, quoted: bool = False) -> str:
    """Return the question whether the user meant this name, or else the hint `otherwise`."""
    return f"did you mean {repr(near) if quoted else near}?" if near else otherwise


def nearest_in_any_case(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to the word, in any case."""
    folded = {name.casefold(): name for name in known}
    near = nearest(word.casefold(), folded)
    return None if near is None else folded[near]
