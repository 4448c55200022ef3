"""Remote text made harmless: what a terminal or a CI system would obey is shown as text instead."""

import re

# What a line starts with, up to a `::`: the runner skips white space, and may compare by a culture that skips more.
_COMMAND = re.compile(r"\A(\W*?)::")
# C0, C1, DEL, line and paragraph separators, and every format character (bidi controls, zero-width, tags).
_RISKY = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Return one line in which nothing acts on a terminal or a CI log; newlines become spaces."""
    text = _RISKY.sub(_spell, text)
    # GitHub reads `##[command]` anywhere in a line; `::command::` counts only where a line starts.
    text = text.replace("##[", "## [")
    return _COMMAND.sub(r"\1: :", text)


def _spell(match: re.Match[str]) -> str:
    character = match[0]
    if character in "\n\r\t\v\f\u2028\u2029":
        return " "
    code = ord(character)
    if code == 0x200D:  # joins emoji, moves nothing
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def shorten(text: str, width: int) -> str:
    """Return the text in at most `width` characters, its end replaced by an ellipsis."""
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"
