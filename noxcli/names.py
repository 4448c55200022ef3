"""File names from keys of outputs, never from a path that the server gave."""

import re
import unicodedata
from pathlib import PurePosixPath

LONGEST = 120  # bytes, so that a number and an extension still fit everywhere
MANIFEST = "manifest.json"
EDGES = re.compile(r"^[\s.]+|[\s.]+$")
HIDDEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class Names:
    """Gives each key a name that no other has, also where case does not count."""

    def __init__(self) -> None:
        self._taken = {MANIFEST}

    def claim(self, key: str, extension: str) -> str:
        """Return a safe name for the key."""
        stem = safe_stem(key)
        name, number = f"{stem}{extension}", 1
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}{extension}"
        self._taken.add(name.casefold())
        return name


def safe_stem(key: str) -> str:
    """Return what is left of a key that may stand in a file name on any system: NFC, one path segment, visible."""
    from pathvalidate import sanitize_filename  # loaded where files are written, not by every command

    shown = "".join("_" if unicodedata.category(letter) in HIDDEN or letter in "/\\" else letter for letter in key)
    plain = EDGES.sub("", unicodedata.normalize("NFC", shown)).encode()[:LONGEST].decode(errors="ignore")
    # Edges first: `AUX ` is a reserved name only without its blank.
    clean = sanitize_filename(EDGES.sub("", plain), replacement_text="_", platform="universal")
    return EDGES.sub("", clean) or "output"


def safe_extension(name: str) -> str:
    """Return the extension of a server's file name where it is a plain one, else an empty text."""
    suffix = PurePosixPath(name.replace("\\", "/")).suffix
    return suffix if 1 < len(suffix) <= 12 and suffix[1:].isascii() and suffix[1:].isalnum() else ""
