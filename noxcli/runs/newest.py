"""Lists newest first, for any order of the server: the docs do not specify one."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import TypeVar

from noxcli.models import Run, Version, Workflow
from noxcli.timing import parse_time

EVIDENCE = 50  # items, half a page: enough to detect an order
LONG_AGO = datetime.min.replace(tzinfo=UTC)
Listed = TypeVar("Listed", bound=Run | Workflow | Version)


def newest_first(items: Iterable[Listed]) -> Iterator[Listed]:
    """Yield runs and versions by their creation and workflows by their last change, the newest first.

    If the list begins in that order, items are passed on as they arrive, and pages are read only on demand; otherwise
    the whole list is read and sorted.
    """
    rest = _distinct(items)
    first = list(islice(rest, EVIDENCE))
    if first == _sorted(first):
        yield from first
        yield from rest
    else:
        yield from _sorted([*first, *rest])


def _sorted(items: Iterable[Listed]) -> list[Listed]:
    return sorted(items, key=moment_of, reverse=True)


def moment_of(item: Run | Workflow | Version) -> datetime:
    """Return when a run or version was created, or a workflow last changed; long ago if that is not known."""
    return parse_time(item.last_updated_at if isinstance(item, Workflow) else item.created_at) or LONG_AGO


def _distinct(items: Iterable[Listed]) -> Iterator[Listed]:
    """Yield each item once: a run that starts while pages are read pushes others onto the next page."""
    seen: set[str] = set()
    for item in items:
        if item.id not in seen:
            seen.add(item.id)
            yield item
