"""Questions about lists, errors and rate limits."""

import re
from typing import Any

from noxcli.probe.evidence import Evidence
from noxcli.probe.learned import Question, Seen, Sureness, refusal
from noxcli.probe.raw import items_on

_HIGHEST_PAGE = 100  # the limit that the docs give for some lists
_LIMIT_IN_WORDS = re.compile(r"less than or equal to (\d{1,6})")


def _page_limit(e: Evidence) -> Seen | None:
    """Find the largest page that a list accepts."""
    above = e.page_above
    if above.ok:
        return Seen(f"more than {_HIGHEST_PAGE}", None, "a list of runs")
    named = _LIMIT_IN_WORDS.search(above.body[:10_000].decode("utf-8", "replace"))
    if above.status != 422 or named is None:
        return None
    limit = int(named[1])
    return Seen(str(limit), limit, "the refusal of a larger page") if limit <= _HIGHEST_PAGE else None


def _list_order(e: Evidence) -> Seen | None:
    """Find which run comes first in a list."""
    times = [str(item.get("created_at")) for item in items_on(e.page.object)]
    if len(set(times)) < 2:
        return None
    order = "newest" if times == sorted(times, reverse=True) else "oldest" if times == sorted(times) else None
    return Seen(f"the {order}" if order else "neither the newest nor the oldest", order, "a list of runs")


def _versions(e: Evidence) -> Seen | None:
    """Find the form of the list of saved versions."""
    how = "a list of versions"
    if not e.versions.ok:
        return refusal(e.versions, how, s404="404")
    if isinstance(e.versions.json, list):
        return Seen("a bare list", "list", how)
    return Seen("in pages", "paged", how) if isinstance(e.versions.object.get("items"), list) else None


def _retry_after(e: Evidence) -> Seen | None:
    """Find the form of Retry-After."""
    for answer in e.asker.refusals:
        text = answer.headers.get("retry-after")
        form = "none" if text is None else "seconds" if text.isdecimal() else "date"
        return Seen(form, form, "a 429")
    return None


def _retry_after_seconds(e: Evidence) -> Seen | None:
    """Find the time in Retry-After."""
    for answer in e.asker.refusals:
        text = answer.headers.get("retry-after", "")
        if text.isdecimal() and len(text) < 6:
            return Seen(f"{int(text)}s", int(text), "a 429")
    return None


def _error_body(e: Evidence) -> Seen | None:
    """Find the form of an error. An error about a request's form is always a list, which shows nothing."""
    for answer in e.asker.errors:
        form = _form_of(answer.json, answer.body, listed=answer.status == 422)
        if form:
            return Seen(form, form, "an error of the server", Sureness.LIKELY)
    return None


def _form_of(value: Any, body: bytes, *, listed: bool) -> str:
    if isinstance(value, dict):
        if isinstance(value.get("detail"), list):
            return "" if listed else "list"
        return next((key for key in ("detail", "message", "error") if isinstance(value.get(key), str)), "")
    return "empty" if not body else "html" if body.lstrip().startswith(b"<") else ""


ANSWER_QUESTIONS = (
    Question("page_limit", "largest page", _page_limit, "needs a list that names its limit"),
    Question("list_order", "first in a list", _list_order, "needs two runs"),
    Question("versions", "list of versions", _versions, "needs an answer"),
    Question("retry_after", "Retry-After", _retry_after, "needs a 429"),
    Question("retry_after_seconds", "time in Retry-After", _retry_after_seconds, "needs a 429 with seconds"),
    Question("error_body", "form of an error", _error_body, "needs an error that is not about a request's form"),
)
