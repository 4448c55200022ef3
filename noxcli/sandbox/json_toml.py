"""JSON and TOML as the sandbox reads and writes them: any text, limited depth, known types."""

import json
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

MAX_DEPTH = 500  # levels
_TOO_DEEP = f"it is nested deeper than {MAX_DEPTH} levels"

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(separators=(",", ":")).encode


def encoded(value: Any) -> bytes:
    """JSON in UTF-8; text that UTF-8 cannot carry (a lone surrogate) is escaped instead."""
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        return _encode_ascii(value).encode()


def decoded(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError if it is not JSON, or too deep to be written again."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """ValueError for a value that is nested too deep."""
    level = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
        if not below:
            return
        level = below
    raise ValueError(_TOO_DEEP)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a file; ValueError says why it is none that can be used."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        check_depth(document)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}; correct that line") from None
    except (RecursionError, ValueError):
        raise ValueError(f"{path}: {_TOO_DEEP}; make it flatter") from None
    return document


def typed(what: str, value: Any, hint: Any) -> Any:
    """The value of a field in its type, from TOML or from a command line.

    ValueError says what the field takes.
    """
    try:
        if get_origin(hint) is Literal:
            choices = {str(choice): choice for choice in get_args(hint)}
            return choices[str(value)]
        if hint is bool:
            return {"true": True, "false": False}[str(value).lower()]
        if hint in (int, float):
            return hint(str(value))  # as text, neither true nor 2.5 is an int
        if hint is Any or isinstance(value, get_origin(hint) or hint):
            return value
    except (KeyError, ValueError, TypeError):
        pass
    raise ValueError(f"{what} cannot be {value!r}; it takes {', '.join(accepted(hint))}")


def accepted(hint: Any) -> list[str]:
    """The values of a type as they are typed; of a number, what kind of number it is."""
    if get_origin(hint) is Literal:
        return [str(choice) for choice in get_args(hint)]
    names = {
        bool: ["true", "false"],
        int: ["N"],
        float: ["SECONDS"],
        str: ["TEXT"],
        list: ["[VALUE, ...]"],
    }
    return names.get(hint, ["{ KEY = VALUE }"])
