"""Query parameters and JSON bodies, checked as FastAPI checks them."""

import math
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from noxcli.sandbox.documents import decoded
from noxcli.sandbox.errors import Invalid
from noxcli.sandbox.switches import Switches

_TRUE, _FALSE = ("true", "1", "on", "yes"), ("false", "0", "off", "no")


def flag(request: Request, name: str, default: str = "false") -> bool:
    """A boolean of the query."""
    text = request.query_params.get(name, default).lower()
    if text not in _TRUE + _FALSE:
        raise Invalid(["query", name], "Input should be a valid boolean, unable to interpret input", "bool_parsing")
    return text in _TRUE


def choice(request: Request, name: str, words: Sequence[str]) -> str:
    """One of these words of the query; the first if it is missing."""
    text = request.query_params.get(name, words[0])
    if text not in words:
        raise Invalid(["query", name], f"Input should be {', '.join(map(repr, words))}", "literal_error")
    return text


def number(request: Request, name: str, default: int, *, most: int | None = None) -> int:
    """A whole number from 1 of the query."""
    text = request.query_params.get(name, str(default))
    try:
        value = int(text)
    except ValueError:
        raise Invalid(["query", name], "Input should be a valid integer", "int_parsing") from None
    if value < 1:
        raise Invalid(["query", name], "Input should be greater than or equal to 1", "greater_than_equal")
    if most is not None and value > most:
        raise Invalid(["query", name], f"Input should be less than or equal to {most}", "less_than_equal")
    return value


def page(request: Request, items: Sequence[Any], switches: Switches) -> tuple[Sequence[Any], dict[str, Any]]:
    """The items of the page that the query asks for, and the envelope around them.

    The parameter is called `size`; `page_size`, which SDK 0.6.0 sends as well, has no effect.
    """
    at = number(request, "page", 1)
    size = number(request, "size", min(switches.page_size, switches.page_limit), most=switches.page_limit)
    envelope = {"total": len(items), "page": at, "size": size, "pages": math.ceil(len(items) / size)}
    return items[(at - 1) * size : at * size], envelope


async def body(request: Request) -> dict[str, Any]:
    """The JSON object in a request."""
    raw = await request.body()
    try:
        value = decoded(raw or b"null")
    except ValueError:
        raise Invalid(["body"], "JSON decode error", "json_invalid") from None
    if value is None:
        raise Invalid(["body"], "Field required", "missing")
    if not isinstance(value, dict):
        raise Invalid(["body"], "Input should be a valid dictionary", "model_attributes_type")
    return value


async def run_body(request: Request) -> dict[str, Any]:
    """The body of a start: `input` is present and is an object."""
    value = await body(request)
    if "input" not in value:
        raise Invalid(["body", "input"], "Field required", "missing")
    if not isinstance(value["input"], dict):
        raise Invalid(["body", "input"], "Input should be a valid dictionary", "dict_type")
    return value
