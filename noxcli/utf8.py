"""Text as UTF-8, which can't carry everything that JSON can."""

import re

LONE_SURROGATE = "[\ud800-\udfff]"  # half of a character, as a server cuts it


class Replaced:
    """How much UTF-8 could not carry; the command's end says so, once."""

    texts = 0  # with lone surrogates


REPLACED = Replaced()  # in this process


def to_utf8(text: str) -> bytes:
    """Return the text's bytes; lone surrogates become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        REPLACED.texts += 1
        return re.sub(LONE_SURROGATE, "\ufffd", text).encode()
