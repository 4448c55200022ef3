"""`noxcli config`: every current setting and its source; it never shows a key, or runs a command for one."""

from collections.abc import Iterator
from dataclasses import asdict, fields

import typer

from noxcli.cli.context import Context
from noxcli.cli.options import (
    ApiKeyFile,
    BaseUrl,
    Documented,
    Printed,
    ProfileOption,
    Running,
    declared,
)
from noxcli.errors import Unauthorized
from noxcli.fixed import fixed
from noxcli.render.table import Layout, show_table

CONFIG_SCHEMA = "noxcli.config/1"
KEY_SHOWN = "(hidden)"
SETTING_COLUMNS = Layout(("SETTING", "VALUE", "FROM"), cut=("VALUE", "FROM"), wraps=True)


@fixed
class Setting:
    """A setting; None means no value."""

    name: str
    value: str | None
    source: str


@declared
class Options(Documented, Printed):
    """Show the current settings, and where each comes from.

    Examples:
        noxcli config
        noxcli config --json | jq -r '.settings[] | [.name, .source] | @tsv'
    """

    base_url: BaseUrl = None
    api_key_file: ApiKeyFile = None
    profile: ProfileOption = None


def execute(ctx: typer.Context, options: Options) -> None:
    """Print each setting with its source. Raises ConfigProblem."""
    from noxcli.cli.session import present  # the help does not load it

    context: Context = ctx.obj
    present(context, options)
    context.note_config()
    settings = [
        *_connection(context, options.base_url, options.api_key_file),
        *_places(context),
        *_defaults(context),
    ]
    aliases = [
        Setting(name, alias.value, alias.source) for name, alias in context.configured.preferences.aliases.items()
    ]
    if not context.printing.writes_text:
        document = {"schema": CONFIG_SCHEMA, "settings": [*map(asdict, settings)], "aliases": [*map(asdict, aliases)]}
        context.printing.document(document)
        return
    rows = [(row.name, row.value or "-", row.source) for row in settings]
    rows += [(f"alias {row.name}", row.value or "-", row.source) for row in aliases]
    show_table(context.terminal, SETTING_COLUMNS, rows, tabbed=[SETTING_COLUMNS.header, *rows])


def _connection(context: Context, base_url: str | None, api_key_file: str | None) -> Iterator[Setting]:
    from noxcli.config.settings import allows_http, find_key, find_url  # as above
    from noxcli.urls import shown_url

    environ, profile = context.terminal.environ, context.configured.profile
    yield (
        Setting("profile", profile.name.value, profile.name.source) if profile else Setting("profile", None, "default")
    )
    url = find_url(base_url, environ, profile)
    yield Setting("base_url", shown_url(url.value), url.source)
    try:
        yield Setting("api_key", KEY_SHOWN, find_key(api_key_file, environ, profile).source)
    except Unauthorized:
        yield Setting("api_key", None, "nowhere: set NOXUS_API_KEY or give --api-key-file FILE")
    allowed = allows_http(environ)
    yield Setting("allow_http", "yes" if allowed else "no", "env NOXCLI_ALLOW_HTTP" if allowed else "default")


def _places(context: Context) -> Iterator[Setting]:
    from noxcli.state.history import STATE_VARIABLE  # as above

    configured = context.configured
    yield Setting("config_file", configured.path.value, configured.path.source)
    yield Setting("project_file", str(configured.project) if configured.project else None, "working directory")
    from_variable = context.terminal.environ.get(STATE_VARIABLE)
    yield Setting(
        "state_dir", str(context.history.directory or ""), f"env {STATE_VARIABLE}" if from_variable else "default"
    )


def _defaults(context: Context) -> Iterator[Setting]:
    from noxcli.config.preferences import DEFAULTS, LIMITS  # as above

    built_in = {option.name: option.default for option in fields(Running)}
    for name in DEFAULTS:
        chosen = context.configured.preferences.defaults.get(name)
        if chosen is not None:
            yield Setting(name, chosen.value, chosen.source)
        else:
            seconds = LIMITS.get(name) or built_in[name]
            yield Setting(name, f"{seconds:g}" if isinstance(seconds, float) else None, "default")
