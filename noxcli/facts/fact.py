"""The form of one fact and its source."""

from dataclasses import dataclass
from typing import Literal

SDK_RELEASE = "0.6.0"
DOCS_ADDRESS = "https://docs.noxus.ai"
SourceKind = Literal["docs", "SDK 0.6.0", "assumed"]


@dataclass(frozen=True, slots=True)
class FactSource:
    """The source of a fact.

    `place` is a page of the docs, or a file of the SDK's package with its lines; for an assumption, its reason.
    `quote` is a part of those lines, which a test searches for.
    """

    kind: SourceKind
    place: str
    first: int = 0
    last: int = 0
    quote: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiFact:
    """One statement about the API.

    `left_open` is what no source settles about it, or empty: `switches` of the sandbox play that. `tests` show that
    noxcli copes, as paths below `tests/` with their function. `used` is false if noxcli never depends on it.
    """

    name: str
    statement: str
    source: FactSource
    tests: tuple[str, ...]
    left_open: str = ""
    switches: tuple[str, ...] = ()
    used: bool = True


def from_docs(page: str) -> FactSource:
    """Return a page of docs.noxus.ai as a source."""
    return FactSource("docs", page)


def from_sdk(file: str, first: int, last: int, quote: str) -> FactSource:
    """Return lines of a file in the package `noxus_sdk` as a source."""
    return FactSource("SDK 0.6.0", file, first, last, quote)


def assumed(because: str) -> FactSource:
    """Return an assumption as a source, with what it rests on."""
    return FactSource("assumed", because)
