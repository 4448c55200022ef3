"""The user's defaults for options, put below the flags and above the built-in ones."""

from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from noxcli.cli.context import Context
from noxcli.errors import ConfigProblem

if TYPE_CHECKING:
    from noxcli.config.preferences import Preferences

# A default for how long to follow a run does not apply to how long to wait for a stop, nor to many runs.
# The directory of a batch holds the journal of that one batch.
NOT_FOR = {("stop", "timeout"), ("batch", "timeout"), ("batch", "output_dir")}


def apply_profile(ctx: typer.Context, named: str | None) -> str | None:
    """Read the config files, and set the defaults of the verb's other options.

    Raises ConfigProblem for mistakes in them.
    """
    context: Context = ctx.obj
    ctx.default_map = defaults_for(ctx, context.configure(named).preferences)
    return named


def defaults_for(ctx: typer.Context, preferences: "Preferences") -> dict[str, Any]:
    """Return the values by the names of the verb's options.

    Raises ConfigProblem if an option would reject one, or a limit is not valid.
    """
    preferences.check_limits()
    values: dict[str, Any] = {}
    for param in ctx.command.params:
        name = param.name or ""
        default = preferences.defaults.get(name)
        if default is None or (ctx.info_name, name) in NOT_FOR:
            continue
        try:
            param.type_cast_value(ctx, default.value)
        except typer.BadParameter as error:
            raise ConfigProblem(f"{default.source}, for {param.opts[0]}: {error.message}") from None
        values[name] = default.value
    return values


def check_defaults(ctx: typer.Context, preferences: "Preferences") -> None:
    """Check every default against `run`, which has all these options.

    Raises ConfigProblem.
    """
    defaults_for(typer.Context(run_command(ctx), info_name="run", parent=ctx), preferences)


def run_command(ctx: typer.Context) -> TyperCommand:
    """Return the verb `run` as Typer knows it."""
    group = ctx.find_root().command
    assert isinstance(group, TyperGroup)
    command = group.get_command(ctx, "run")
    assert isinstance(command, TyperCommand)
    return command
