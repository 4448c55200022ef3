"""Random texts."""

from hypothesis import strategies as st

# All that UTF-8 can encode. `codec="utf-8"`, the default, has the same, but takes three seconds to work it out.
LETTERS = st.characters(exclude_categories=["Cs"])


def any_text(*, min_size: int = 0, max_size: int | None = None) -> st.SearchStrategy[str]:
    """Return texts of so many characters."""
    return st.text(LETTERS, min_size=min_size, max_size=max_size)
