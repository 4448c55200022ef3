"""The reason in an error body of a server or a gateway, in any form, as one readable line."""

import json
import re
from typing import Any

from noxcli.decode import decode_json
from noxcli.masking import Mask

LONGEST_DETAIL = 300
PAGE_START = 4096  # the reason is at the top, and the patterns below must not see a megabyte of `<`
TITLE = r"(?is)<title[^>]*>(.*?)</title>"
SCRIPT_OR_STYLE = r"(?is)<(script|style)\b.*?</\1\s*>"
TAG = r"<[^>]*>"


def describe(body: bytes, mask: Mask | None = None) -> str:
    """Return the reason in an error body, or an empty string if it has none.

    FastAPI puts it in `detail` (text, a list with `loc`, or an object); noxus-sdk 0.6.0 (errors.py) also reads
    `message` and `error`. Gateways answer HTML. `mask` is applied before we truncate; the server may have truncated,
    too.
    """
    mask = mask or Mask()
    text = body.decode("utf-8", "replace").strip()
    try:
        reason = _from_json(decode_json(text))
    except ValueError:
        reason = _from_html(text, mask) if text.startswith("<") else text
    line = " ".join(mask.torn(reason).split())
    return line if len(line) <= LONGEST_DETAIL else f"{line[:LONGEST_DETAIL]}…"


def is_own_form(content_type: str, body: bytes) -> bool:
    """True for an error of the API itself: FastAPI's JSON object with `detail`.

    `message` and `error` do not count: gateways write those as well, even about requests that they had forwarded.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        return False
    try:
        answer = decode_json(body)
    except ValueError:
        return False
    return isinstance(answer, dict) and "detail" in answer


def _from_json(answer: Any) -> str:
    if isinstance(answer, dict):
        for name in ("detail", "message", "error"):
            if answer.get(name):
                return _reason(answer[name])
    return _reason(answer) if answer else ""


def _reason(detail: Any) -> str:
    if isinstance(detail, str):
        return detail
    if isinstance(detail, list):
        return ", ".join(_problem(item) for item in detail)
    if isinstance(detail, dict):
        for name in ("msg", "message", "error", "detail"):
            if isinstance(detail.get(name), str):
                return _problem(detail)
    return json.dumps(detail, ensure_ascii=False)


def _problem(item: Any) -> str:
    if not isinstance(item, dict):
        return _reason(item)
    told = next(
        (item[name] for name in ("msg", "message", "error", "detail") if isinstance(item.get(name), str)),
        None,
    )
    if told is None:
        return json.dumps(item, ensure_ascii=False)
    where = item.get("loc")
    return f"{'.'.join(map(str, where))}: {told}" if isinstance(where, list) and where else told


def _from_html(page: str, mask: Mask) -> str:
    from html import unescape  # loads the table of all entities

    page = mask.torn(page[:PAGE_START])
    title = re.search(TITLE, page)
    return unescape(title[1] if title else re.sub(TAG, " ", re.sub(SCRIPT_OR_STYLE, " ", page)))
