"""The known name that the user probably meant by an unknown one, and the question about it."""

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most similar to the word, in any case, or None."""
    import difflib  # needed only after a mistake

    folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1)
    return folded[near[0]] if near else None


def suggestion(near: str | None, otherwise: str = "", *, quoted: bool = False) -> str:
    """Return the question whether the user meant this name, or else the hint `otherwise`."""
    return f"did you mean {repr(near) if quoted else near}?" if near else otherwise
