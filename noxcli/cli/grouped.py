"""Options in groups: a verb takes a few dataclasses, and Typer sees each of their fields as an option."""

from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any


def grouped(verb: Callable[..., None]) -> Callable[..., None]:
    """Return the verb with each of its dataclass parameters replaced by options for the fields.

    A field with Typer's annotation is an option. One without is not an option of this verb, and keeps its default: so
    a verb with one more option, or another default, takes a subclass that declares the field again.
    """
    options: list[Parameter] = []
    groups: dict[str, tuple[Callable[..., Any], list[str]]] = {}
    for parameter in signature(verb).parameters.values():
        kind = parameter.annotation
        if not (isinstance(kind, type) and is_dataclass(kind)):
            options.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))
            continue
        own = [_option(field) for field in fields(kind) if hasattr(field.type, "__metadata__")]
        groups[parameter.name] = kind, [option.name for option in own]
        options += own

    @wraps(verb)
    def call(**values: Any) -> None:
        for name, (kind, names) in groups.items():
            values[name] = kind(**{each: values.pop(each) for each in names})
        verb(**values)

    call.__signature__ = Signature(options)  # type: ignore[attr-defined]  # what Typer looks at first
    return call


def _option(field: "Field[Any]") -> Parameter:
    default = Parameter.empty if field.default is MISSING else field.default
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=field.type)
