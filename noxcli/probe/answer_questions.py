"""Questions about lists, redirects and rate limits."""

import re

from noxcli.api.http import REDIRECTS
from noxcli.probe.evidence import Evidence, items_on
from noxcli.probe.learned import Question, Seen, refusal

_HIGHEST_PAGE = 100  # the limit that the docs give for some lists
_LIMIT_IN_WORDS = re.compile(r"less than or equal to (\d{1,6})")
_RATE_HEADERS = ("ratelimit", "ratelimit-limit", "ratelimit-policy", "x-ratelimit-limit", "x-rate-limit-limit")


def _page_size(e: Evidence) -> Seen | None:
    """Find the default number of items on a page."""
    size = e.page.object.get("size")
    limit = _page_limit(e)
    if not isinstance(size, int) or limit is None:
        return None
    # A server may return fewer than its default if its limit is lower.
    return Seen(str(size), size if limit.value is not None and size < int(limit.value) else None, "a list of runs")


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
    times = [str(item.get("created_at")) for item in items_on(e.page)]
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


def _api_redirects(e: Evidence) -> Seen | None:
    """Find whether the API itself redirects."""
    found = sum(answer.status in REDIRECTS for answer in e.asker.answers)
    return Seen(f"{found} of {len(e.asker.answers)} answers", None, "all answers") if e.asker.answers else None


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


def _rate_limit_headers(e: Evidence) -> Seen | None:
    """Find which headers describe a rate limit; only their numbers are shown."""
    for answer in e.asker.answers:
        for name in _RATE_HEADERS:
            if name in answer.headers:
                numbers = ", ".join(re.findall(r"\d{1,9}", answer.headers[name])[:4])
                return Seen(f"{name}: {numbers}", None, "all answers")
    return Seen("none", None, "all answers") if e.asker.answers else None


ANSWER_QUESTIONS = (
    Question("page_size", "items of a page", _page_size, "needs a list that has a limit above that"),
    Question("page_limit", "largest page", _page_limit, "needs a list that names its limit"),
    Question("list_order", "first in a list", _list_order, "needs two runs"),
    Question("versions", "list of versions", _versions, "needs an answer"),
    Question("redirects", "redirects of the API", _api_redirects, "needs an answer", switch=False),
    Question("retry_after", "Retry-After", _retry_after, "needs a 429"),
    Question("retry_after_seconds", "time in Retry-After", _retry_after_seconds, "needs a 429 with seconds"),
    Question("rate_limit_headers", "rate limits in headers", _rate_limit_headers, "needs an answer", switch=False),
)
