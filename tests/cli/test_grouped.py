"""Options in groups: what Typer sees of them, and what the verb gets."""

from dataclasses import asdict
from typing import Annotated, Any

import pytest
import typer

from noxcli.cli.grouped import grouped
from noxcli.fixed import fixed


@fixed
class Size:
    name: Annotated[str, typer.Argument()]
    width: Annotated[int, typer.Option("--width")] = 3
    height: int = 4  # not an option here


@fixed
class Box(Size):
    height: Annotated[int, typer.Option("--height")] = 5
    lid: Annotated[bool, typer.Option("--lid")] = False


def seen(verb: Any) -> list[tuple[str, Any]]:
    app = typer.Typer(add_completion=False)
    app.command()(verb)
    command = typer.main.get_command(app)
    return [(param.opts[0], param.default) for param in command.params]


def call(verb: Any, *argv: str) -> None:
    app = typer.Typer(add_completion=False)
    app.command()(verb)
    app(args=list(argv), standalone_mode=False)


def test_the_options_of_a_group_stand_in_its_place() -> None:
    @grouped
    def verb(
        *,
        first: Annotated[bool, typer.Option("--first")] = False,
        size: Size,
        last: Annotated[str, typer.Option("--last")] = "x",
    ) -> None:
        """Do nothing."""

    assert seen(verb) == [("--first", False), ("name", None), ("--width", 3), ("--last", "x")]
    assert verb.__doc__ == "Do nothing."


def test_a_verb_gets_its_groups_made() -> None:
    got: list[Any] = []

    @grouped
    def verb(ctx: typer.Context, *, size: Size, last: Annotated[str, typer.Option("--last")] = "x") -> None:
        got.extend([type(ctx).__name__, size, last])

    call(verb, "n", "--width", "7")
    assert [got[0], asdict(got[1]), got[2]] == ["Context", {"name": "n", "width": 7, "height": 4}, "x"]


def test_a_subclass_declares_again_what_differs_for_its_verb() -> None:
    got: list[Any] = []

    @grouped
    def verb(*, box: Box) -> None:
        got.append(box)

    assert seen(verb) == [("name", None), ("--width", 3), ("--height", 5), ("--lid", False)]
    call(verb, "n", "--height", "1", "--lid")
    assert asdict(got[0]) == {"name": "n", "width": 3, "height": 1, "lid": True}


def test_two_groups_can_not_have_one_option() -> None:
    def verb(*, one: Size, other: Box) -> None: ...

    with pytest.raises(ValueError, match="duplicate parameter name: 'name'"):
        grouped(verb)
