"""File names from the keys of outputs, never from a path that the server gave."""

import re
import unicodedata
from pathlib import PurePosixPath

from noxcli.outputs.values import media_type

MAX_STEM = 120  # bytes, so that a number and an extension still fit everywhere
MANIFEST = "manifest.json"
# `tar c *` would take a name that begins with a dash for an option.
EDGES = re.compile(r"^[\s.-]+|[\s.]+$")
UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class Names:
    """Gives each output a unique name inside the directory, also on systems that ignore case."""

    def __init__(self) -> None:
        self._taken = {MANIFEST}

    def claim(self, key: str, extension: str) -> str:
        """Return a safe name for the key."""
        stem = safe_stem(key)
        number = 1
        name = f"{stem}{extension}"
        while name.casefold() in self._taken:
            number += 1
            name = f"{stem}-{number}{extension}"
        self._taken.add(name.casefold())
        return name


def safe_stem(key: str, longest: int = MAX_STEM) -> str:
    """Return the characters of a key that every system accepts in a file name: NFC, one path
    segment, visible.
    """
    from pathvalidate import sanitize_filename  # loaded only to write files

    shown = "".join(
        "_" if unicodedata.category(letter) in UNPRINTABLE or letter in "/\\" else letter
        for letter in key
    )
    plain = (
        EDGES.sub("", unicodedata.normalize("NFC", shown))
        .encode()[:longest]
        .decode(errors="ignore")
    )
    # Edges first: `AUX ` is a reserved name only without its space.
    clean = sanitize_filename(EDGES.sub("", plain), replacement_text="_", platform="universal")
    return EDGES.sub("", clean) or "output"


def safe_extension(name: str, content_type: str = "") -> str:
    """Return the extension of a server's file name if it is plain, else the usual one of the type,
    or none.
    """
    import mimetypes  # loaded for an output that is a file

    usual = mimetypes.guess_extension(media_type(content_type)) or ""
    for suffix in (PurePosixPath(name.replace("\\", "/")).suffix, usual):
        if 1 < len(suffix) <= 12 and suffix[1:].isascii() and suffix[1:].isalnum():
            return suffix
    return ""
