"""File names from the keys of outputs, never from a path that the server gave."""

import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath
from string import Formatter
from typing import Any

from noxcli.errors import UsageProblem

TEMPLATE = "{key}{ext}"
FIELDS = ("run_id", "workflow_id", "key", "index", "ext")
LONGEST_SEGMENT = 220  # bytes; most systems take 255
LONGEST_STEM = 120  # bytes, so that a number and an extension still fit everywhere
MANIFEST = "manifest.json"
# `tar c *` would take a name that begins with a dash for an option.
EDGES = re.compile(r"^[\s.-]+|[\s.]+$")
UNPRINTABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class Names:
    """Gives each output a unique name inside the directory, also on systems that ignore case."""

    def __init__(self, template: str = TEMPLATE, **values: str) -> None:
        self._segments = [list(Formatter().parse(segment)) for segment in template.split("/")]
        self._values = values
        self._taken = {MANIFEST}

    def claim(self, key: str, extension: str, index: int = 1) -> str:
        """Return a safe name for the key, with as many path segments as the template has."""
        values = {**self._values, "key": key, "index": str(index), "ext": extension}
        *above, last = [self._fill(segment, values) for segment in self._segments]
        stem, extension = (last.removesuffix(extension), extension) if last.endswith(extension) else (last, "")
        directory = "".join(f"{safe_stem(segment, LONGEST_SEGMENT)}/" for segment in above)
        if directory.partition("/")[0].casefold() == MANIFEST:
            directory = f"_{directory}"
        stem, number = safe_stem(stem, LONGEST_SEGMENT), 1
        name = f"{directory}{stem}{extension}"
        while name.casefold() in self._taken:
            number += 1
            name = f"{directory}{stem}-{number}{extension}"
        self._taken.add(name.casefold())
        return name

    @staticmethod
    def _fill(segment: list[Any], values: Mapping[str, str]) -> str:
        # The key is made safe first: it must not push the rest of the segment over the limit.
        return "".join(
            literal + (safe_stem(values[field]) if field == "key" else values[field] if field else "")
            for literal, field, _, _ in segment
        )


def check_template(template: str) -> None:
    """Check that the template can be filled, and stays inside the directory.

    Raises UsageProblem.
    """
    known = f"use {', '.join(f'{{{field}}}' for field in FIELDS)}"
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as error:
        raise UsageProblem(f"--name {template}: {error}", known) from None
    for _, field, form, conversion in parsed:
        if field is not None and (field not in FIELDS or form or conversion):
            raise UsageProblem(f"--name {template}: {{{field}}} is not known", known)
    if any(not segment.strip(". ") for segment in template.split("/")):
        raise UsageProblem(f"--name {template} is not a path inside the directory", "write it like {run_id}/{key}{ext}")


def safe_stem(key: str, longest: int = LONGEST_STEM) -> str:
    """Return the characters of a key that every system accepts in a file name: NFC, one path segment, visible."""
    from pathvalidate import sanitize_filename  # loaded only to write files

    shown = "".join("_" if unicodedata.category(letter) in UNPRINTABLE or letter in "/\\" else letter for letter in key)
    plain = EDGES.sub("", unicodedata.normalize("NFC", shown)).encode()[:longest].decode(errors="ignore")
    # Edges first: `AUX ` is a reserved name only without its space.
    clean = sanitize_filename(EDGES.sub("", plain), replacement_text="_", platform="universal")
    return EDGES.sub("", clean) or "output"


def safe_extension(name: str, content_type: str = "") -> str:
    """Return the extension of a server's file name if it is plain, else the usual one of the type, or none."""
    kind = content_type.partition(";")[0].strip().lower()
    import mimetypes  # loaded for an output that is a file

    for suffix in (PurePosixPath(name.replace("\\", "/")).suffix, mimetypes.guess_extension(kind) or ""):
        if 1 < len(suffix) <= 12 and suffix[1:].isascii() and suffix[1:].isalnum():
            return suffix
    return ""
