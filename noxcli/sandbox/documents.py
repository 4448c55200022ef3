"""JSON and TOML as the sandbox reads and writes them: nested to a limit, in any text."""

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MOST_DEPTH = 500  # levels
MOST_TOML = 4 * 1024 * 1024  # bytes

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(separators=(",", ":")).encode


def encoded(value: Any) -> bytes:
    """JSON in UTF-8; text that UTF-8 cannot carry (a lone surrogate) is escaped instead."""
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        return _encode_ascii(value).encode()


def decoded(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError if it is not JSON, or nested too deep to be written again in a record."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """ValueError for a value that is nested too deep."""
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [below for each in level if isinstance(each, dict | list) for below in _children(each)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a file; ValueError says why it is none that can be used."""
    with path.open("rb") as file:
        content = file.read(MOST_TOML + 1)
    if len(content) > MOST_TOML:
        raise ValueError(f"{path}: larger than {MOST_TOML} bytes; give a smaller file")
    try:
        document = tomllib.loads(content.decode())
        check_depth(document)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}; correct that line") from None
    except (RecursionError, ValueError):
        raise ValueError(f"{path}: {_TOO_DEEP}; make it flatter") from None
    return document


_TOO_DEEP = f"it is nested deeper than {MOST_DEPTH} levels"


def _children(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value
