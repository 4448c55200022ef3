"""The layout of help: options under headings, runnable examples, and one screen of what is used
most.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from noxcli.errors import ExitCode, ReaderGone

if TYPE_CHECKING:
    from noxcli.cli.verbs import VerbFacts

Record = tuple[str, str]  # an entry: names and help
# The layout of every verb's help, by the user's task. Options without a heading are the verb's own,
# and come first.
OWN = "Options"
ARGUMENTS = "Arguments"
TIME = "Time"
COMMON = "General"
HEADINGS = {
    "Inputs": ["--inputs", "--secret", "--version-id", "--dry-run", "--no-check"],
    "Rows": [
        "--input-format",
        "--decimal",
        "--id",
        "--keep",
        "--column",
        "--only",
        "--repeat",
        "--shard",
        "--all",
    ],
    "Continue": [
        "--resume",
        "--again",
        "--fresh",
        "--fresh-if-changed",
        "--etag",
    ],
    "Start": ["--detach", "--state-file", "--callback-url"],
    "Output": [
        "--status",
        "--since",
        "--until",
        "--not-from",
        "--limit",
        "--rows",
        "--unique",
        "--summary",
        "--raw",
        "--format",
        "--json",
        "--query",
        "--output",
        "--output-dir",
        "--csv",
        "--csv-raw",
    ],
    "Checks and reports": [
        "--assert",
        "--expect",
        "--pass-each",
        "--min-pass",
        "--allow-missing",
        "--fail-on",
        "--score",
        "--by",
        "--judge",
        "--judge-input",
        "--judge-version",
        "--report",
        "--markdown",
        "--junit",
        "--dotenv",
    ],
    TIME: [
        "--max-parallel",
        "--max-failures",
        "--row-timeout",
        "--timeout",
        "--stall-timeout",
        "--on-timeout",
        "--on-interrupt",
        "--on-pause",
        "--poll-interval",
        "--no-stream",
    ],
    # Of every verb that calls the server: one line, and the page of `noxcli help options`.
    COMMON: [
        "--retry-for",
        "--base-url",
        "--api-key-file",
        "--profile",
        "--quiet",
        "--progress",
        "--verbose",
        "--color",
        "--help",
    ],
}
COMMON_LINE = "Common options, such as --profile, --timeout, -q and -v: noxcli help options"
# The options that people use most, for the one screen of `-h`; a verb's own options come after
# these.
USED = [
    "--json",
    "--raw",
    "--output-dir",
    "--quiet",
    "--detach",
    "--timeout",
    "--assert",
    "--report",
    "--resume",
    "--junit",
    "--max-parallel",
    "--id",
    "--keep",
    "--expect",
    "--min-pass",
    "--limit",
    "--csv",
    "--inputs",
    "--node",
    "--output",
]
MAX_USED = 10
HEADING_OF = {name: heading for heading, names in HEADINGS.items() for name in names}
PLACED = list(HEADING_OF)
WIDEST = 22  # the longest option, in characters, that has its help on the same line
# Columns.
NARROWEST_TEXT = 24
NARROWEST_PAGE = 30
NARROWEST_CUT = 64
EXAMPLES = "Examples:\n"
BRACKET = re.compile(r"\[[^]]*\]")  # [default: 30s], [env: NOXCLI_CI], [required]
BEFORE_BRACKET = re.compile(r"  +(?=\[)")


class HelpOnStdout:
    """A command that writes help like all output: a full disk or a closed pipe is reported."""

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.callback = show_help
        return option

    def get_help(self, ctx: Any) -> str:
        """Return the page of help."""
        formatter = new_page(ctx)
        self.format_help(ctx, formatter)  # type: ignore[attr-defined]
        return str(formatter.getvalue().rstrip("\n"))


def new_page(ctx: Any) -> Any:
    """Return a page as wide as the terminal; Typer's formatter would take at least 50 columns."""
    formatter = ctx.make_formatter()
    formatter.width = min(formatter.width, max(NARROWEST_PAGE, get_terminal_size().columns - 2))
    return formatter


def show_help(ctx: Any, _param: Any, wanted: bool) -> None:
    """Write the help of a command to stdout, and end: all of it, or one screen for `-h`."""
    if wanted and not ctx.resilient_parsing:
        brief = isinstance(ctx.command, Verb) and "-h" in ctx.obj.argv
        page = ctx.command.brief(ctx) if brief else ctx.get_help()
        end_with(ctx, page)


def end_with(ctx: Any, page: str) -> None:
    """Write one of noxcli's own pages to stdout, and end.

    A reader that closes the pipe is not an error.
    """
    code = ExitCode.OK
    try:
        ctx.obj.terminal.write(f"{page}\n")
    except ReaderGone as gone:
        code = gone.exit_code
    ctx.exit(code)


class Verb(HelpOnStdout, TyperCommand):
    """A verb: Typer calls its class of options, and its steps get what that made.

    The class's docstring is the help, and ends in examples: shell commands, which the tests run.
    """

    facts: "type[VerbFacts]"  # the class of its options
    steps: str  # the module whose `execute` has its steps

    def __init__(self, *args: Any, help: str | None = None, **kwargs: Any) -> None:
        text, _, examples = (help or "").partition(EXAMPLES)
        super().__init__(*args, help=text.strip(), **kwargs)
        lines = [line.strip() for line in examples.splitlines()]
        self.examples = [line for line in lines if line]
        # Fields of base classes come first, but what is required comes before what is not.
        self.params.sort(key=_is_optional_argument)

    def invoke(self, ctx: Any) -> Any:
        """Read the options, and do what they say."""
        options = super().invoke(ctx)
        return import_module(self.steps).execute(ctx, options)

    def readable(self, words: Sequence[str], context: Any) -> Any:
        """Return the options of an invalid command line; those that can't be read are None."""
        lenient: Any = {
            "resilient_parsing": True,
            "ignore_unknown_options": True,
            "allow_extra_args": True,
        }
        with self.make_context(self.name, [*words], obj=context, **lenient) as ctx:
            return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the arguments after the name; Typer would put braces around required ones."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options under their headings."""
        sections = [each for each in self.sections(ctx) if not self._is_left_to_the_line(*each)]
        every_record = []
        for _, records in sections:
            every_record += records
        width = names_width(every_record)
        for heading, records in sections:
            with formatter.section(heading):
                write_definitions(formatter, records, width)
        if self.calls_server:
            formatter.write("\n")
            formatter.write_text(COMMON_LINE)

    @property
    def calls_server(self) -> bool:
        """True if it has the options that `noxcli help options` lists."""
        return any("--profile" in param.opts for param in self.params)

    def _is_left_to_the_line(self, heading: str, records: Sequence[Record]) -> bool:
        """True if the line about common options stands for these.

        So it does for a lone --timeout without a default.
        """
        if not self.calls_server:
            return False
        lone_timeout = heading == TIME and len(records) == 1 and "[" not in records[0][1]
        return heading == COMMON or lone_timeout

    def brief(self, ctx: Any) -> str:
        """Return one screen: usage, arguments, the options that people use most, two examples."""
        page = new_page(ctx)
        self.format_usage(ctx, page)
        page.write("\n")
        page.write_text((self.help or "").partition("\n\n")[0])
        arguments = [param for param in self.params if _heading(param) == ARGUMENTS]
        options = [param for param in self.params if _is_used_most(param)]
        options.sort(key=lambda param: _place(param, USED, len(USED)))
        for params in (arguments, options[:MAX_USED]):
            if params:
                _write_one_liners(page, _records_of(params, ctx))
        page.write("\n")
        own = [line for line in self.examples if f"{ctx.command_path} " in f"{line} "]
        for line in own[:2]:
            page.write(f"  {line}\n")
        page.write(f"\nAll options: {ctx.command_path} --help")
        return str(page.getvalue())

    def common_page(self, ctx: Any) -> str:
        """Return the options that all verbs share which call the server."""
        page = new_page(ctx)
        shared = []
        for heading, records in self.sections(ctx):
            for record in records:
                if heading == COMMON or record[0] == "--timeout DUR":
                    shared.append(record)
        page.write_text(
            "Options of all commands that call the server. They come after the command."
        )
        page.write("\n")
        write_definitions(page, shared, names_width(shared))
        return str(page.getvalue().rstrip("\n"))

    def sections(self, ctx: Any) -> list[tuple[str, list[Record]]]:
        """Return each heading with its entries."""
        sections: dict[str, list[Record]] = {ARGUMENTS: [], OWN: []}
        for heading in HEADINGS:
            sections[heading] = []
        # The verbs' classes have the shared ones in another order.
        params = sorted(self.get_params(ctx), key=lambda param: _place(param, PLACED, -1))
        for param in params:
            record = param.get_help_record(ctx)
            if record is None:
                continue
            names, text = record
            if param.metavar == "DUR" and param.default is not None:
                in_seconds = f"[default: {param.default:g}s]"
                text = text.replace(f"[default: {param.default}]", in_seconds)
            sections[_heading(param)].append((names, BEFORE_BRACKET.sub(" ", text)))
        return [(heading, records) for heading, records in sections.items() if records]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - theirs
        """Write the exit codes that matter, and the examples without breaking their lines."""
        if self.facts.codes:
            codes = [(f"{code:>3}", text) for code, text in self.facts.codes.items()]
            with formatter.section("Exit codes"):
                write_definitions(formatter, codes, 3)
        if self.examples:
            with formatter.section(EXAMPLES.rstrip(":\n")):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def names_width(records: Sequence[Record]) -> int:
    """Return the width of the column of names; those that are longer have a line of their own."""
    return max((len(names) for names, _ in records if len(names) <= WIDEST), default=0)


def write_definitions(formatter: Any, records: Sequence[Record], names_width: int) -> None:
    """Write names and, next to or below them, their help.

    No line ends inside a word or a short bracket.
    """
    indent = formatter.current_indent
    text_column = indent + names_width + 2
    if formatter.width - text_column < NARROWEST_TEXT:
        text_column = 2 * indent + 2
    for names, text in records:
        lines = _wrapped(text, formatter.width - text_column)
        head = f"{'':{indent}}{names}"
        if lines and len(head) + 2 <= text_column:
            head = f"{head:{text_column}}{lines.pop(0)}"
        formatter.write(f"{head.rstrip()}\n")
        for line in lines:
            formatter.write(f"{'':{text_column}}{line}".rstrip() + "\n")


def _wrapped(text: str, width: int) -> list[str]:
    """Return the help of an option in lines; a bracket that fits into one is not broken."""

    def keep_together(bracket: re.Match[str]) -> str:
        if len(bracket[0]) > width:
            return bracket[0]
        return bracket[0].replace(" ", "\xa0")

    kept = BRACKET.sub(keep_together, text)
    lines = wrap(kept, width, break_on_hyphens=False, break_long_words=False)
    return [line.replace("\xa0", " ") for line in lines]


def _write_one_liners(page: Any, records: Sequence[Record]) -> None:
    """Write entries in a line each; on a page too narrow for that, their help is whole."""
    width = max(len(names) for names, _ in records)
    page.write("\n")
    with page.indentation():
        if page.width >= NARROWEST_CUT:
            longest = max(NARROWEST_TEXT, page.width - page.current_indent - width - 2)
        else:
            longest = max(len(text) for _, text in records)
        short = [(names, shortened(text, longest)) for names, text in records]
        write_definitions(page, short, width)


def shortened(text: str, width: int) -> str:
    """Return the help of an option in one line: without brackets, and only its first clause."""
    text = BRACKET.sub("", text).strip()
    if len(text) > width:
        text = f"{re.split('[;:(,]', text)[0].rstrip()}."
    if len(text) > width:
        text = f"{text[: width - 3]}..."
    return text


def _records_of(params: Sequence[Any], ctx: Any) -> list[Record]:
    records = []
    for param in params:
        record = param.get_help_record(ctx)
        if record:
            records.append(record)
    return records


def _is_optional_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument" and not param.required)


def _is_used_most(param: Any) -> bool:
    """True for the verb's own options, and for those that people use most."""
    return _heading(param) == OWN or any(name in USED for name in param.opts)


def _place(param: Any, among: Sequence[str], other: int) -> int:
    """Return the place of an option among these names, `other` if it is none of them."""
    for place, name in enumerate(among):
        if name in param.opts:
            return place
    return other


def _heading(param: Any) -> str:
    if param.param_type_name == "argument":
        return ARGUMENTS
    if getattr(param, "rich_help_panel", None):
        return str(param.rich_help_panel)
    for name in param.opts:
        if name in HEADING_OF:
            return HEADING_OF[name]
    return OWN
