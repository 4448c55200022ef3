"""The layout of help: options under headings, runnable examples, and one screen of what is used most."""

import re
from collections.abc import Sequence
from importlib import import_module
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

from typer.core import TyperCommand

from noxcli.errors import ExitCode, ReaderGone

# The layout of every verb's help, by the user's task. Options without a heading are the verb's own, and come first.
OWN, ARGUMENTS, TIME, COMMON = "Options", "Arguments", "Time", "General"
HEADINGS = {
    heading: options.split()
    for heading, options in {
        "Inputs": "--inputs --secret --version-id --dry-run --no-check",
        "Rows": "--input-format --id --keep --column --only --repeat --shard",
        "Continue": "--resume --again --fresh --allow-changed-input --etag",
        "Start": "--detach --state-file --callback-url",
        "Output": "--status --limit --raw --format --json --query --output --output-dir --csv --csv-raw",
        "Checks and reports": "--assert --expect --pass-each --min-pass --allow-missing --score --by --report "
        "--markdown --junit --dotenv",
        TIME: "--max-parallel --max-failures --row-timeout --timeout --stall-timeout --on-timeout --on-interrupt "
        "--on-pause --poll-interval --no-stream",
        # Of every verb that calls the server: one line, and the page of `noxcli help options`.
        COMMON: "--retry-for --base-url --api-key-file --profile --quiet --progress --verbose --color --help",
    }.items()
}
COMMON_LINE = "Common options, such as --profile, --timeout, -q and -v: noxcli help options"
# The exit codes that matter most to those who call a verb.
FAILED, NO_KEY, NOT_FOUND = {1: "the run failed"}, {4: "no key, or rejected"}, {5: "not found"}
LOST, IN_DOUBT, RED = (
    {6: "lost contact"},
    {7: "unknown if it started"},
    {11: "an --assert or --expect failed"},
)
TEMPORARY, TIMED_OUT = {75: "nothing started, try again"}, {124: "--timeout reached"}
PRINTED_ONLY = {2: "bad usage", 9: "not written", 141: "the reader went away"}
CODES: dict[str, dict[int, str]] = {
    "run": FAILED | IN_DOUBT | TIMED_OUT,
    "rerun": FAILED | IN_DOUBT | TIMED_OUT,
    "stream": FAILED | LOST | TIMED_OUT,
    "wait": FAILED | LOST | TIMED_OUT,
    "fetch-output": FAILED | {8: "not finished", 9: "output incomplete or not written"},
    "stop": NOT_FOUND | LOST | TIMED_OUT,
    "report": NOT_FOUND | {9: "page not written"} | TEMPORARY,
    "import": {2: "rejected"} | IN_DOUBT | TEMPORARY,
    "batch": FAILED | IN_DOUBT | RED,
    "results": FAILED | {8: "rows without a result"} | RED,
    "gate": {
        2: "bad usage, or nothing to compare",
        8: "rows without an answer",
        11: "a row broke, or NEW is worse",
    },
    "compare": {2: "nothing to compare", 8: "rows without an answer", 11: "a row broke"},
    **dict.fromkeys(("inspect", "versions", "inputs", "export"), NO_KEY | NOT_FOUND | TEMPORARY),
    **dict.fromkeys(
        ("workflows", "runs", "doctor"), {2: "bad usage or config"} | NO_KEY | TEMPORARY
    ),
    **dict.fromkeys(("schema", "completion", "help"), PRINTED_ONLY),
    "sandbox": {
        0: "ended, or COMMAND did",
        2: "bad usage, or the port is taken",
        127: "no such COMMAND",
    },
}
# The options that people use most, for the one screen of `-h`; a verb's own options come after these.
USED = (
    "--json", "--raw", "--output-dir", "--quiet", "--detach", "--timeout", "--assert", "--report", "--resume",
    "--junit", "--max-parallel", "--id", "--keep", "--expect", "--min-pass", "--limit", "--csv", "--inputs", "--node",
    "--output",
)  # fmt: skip
MAX_USED = 10
PLACED = [name for names in HEADINGS.values() for name in names]
WIDEST = 22  # the longest option, in characters, that has its help on the same line
NARROWEST_TEXT, NARROWEST_PAGE, NARROWEST_CUT = 24, 30, 64  # columns
EXAMPLES = "Examples:\n"
BRACKET = re.compile(r"\[[^]]*\]")  # [default: 30s], [env: NOXCLI_CI], [required]
BEFORE_BRACKET = re.compile(r"  +(?=\[)")


class HelpOnStdout:
    """A command that writes help like all output, so that a full disk or a closed pipe is reported alike."""

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
    """Return a page as wide as the terminal; Typer's formatter alone would take 50 columns at least."""
    formatter = ctx.make_formatter()
    formatter.width = min(formatter.width, max(NARROWEST_PAGE, get_terminal_size().columns - 2))
    return formatter


def show_help(ctx: Any, _param: Any, wanted: bool) -> None:
    """Write the help of a command to stdout, and end: all of it, or one screen for `-h`."""
    if wanted and not ctx.resilient_parsing:
        brief = isinstance(ctx.command, Verb) and "-h" in ctx.obj.argv
        end_with(ctx, ctx.command.brief(ctx) if brief else ctx.get_help())


def end_with(ctx: Any, page: str) -> None:
    """Write one of noxcli's own pages to stdout, and end; a reader that closes the pipe is not an error."""
    code = ExitCode.OK
    try:
        ctx.obj.terminal.write(f"{page}\n")
    except ReaderGone as gone:
        code = gone.exit_code
    ctx.exit(code)


class Verb(HelpOnStdout, TyperCommand):
    """A verb: Typer calls its class of options, whose docstring ends in examples, and its steps get what that made."""

    steps: str  # the module whose `execute` has them

    def __init__(self, *args: Any, help: str | None = None, **kwargs: Any) -> None:
        text, _, examples = (help or "").partition(EXAMPLES)
        super().__init__(*args, help=text.strip(), **kwargs)
        # Shell commands, which the tests run.
        self.examples = [line.strip() for line in examples.splitlines() if line.strip()]
        # Fields of base classes come first, but what is required comes before what is not.
        self.params.sort(
            key=lambda param: param.param_type_name == "argument" and not param.required
        )

    def invoke(self, ctx: Any) -> Any:
        """Read the options, and do what they say."""
        options = super().invoke(ctx)
        return import_module(self.steps).execute(ctx, options)

    def readable(self, words: Sequence[str], context: Any) -> Any:
        """Return the options of a command line that is not valid; those that can't be read are None."""
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
        sections = [
            (heading, records)
            for heading, records in self.sections(ctx)
            if self._is_own(heading, records)
        ]
        fitting = [
            len(names) for _, records in sections for names, _ in records if len(names) <= WIDEST
        ]
        for heading, records in sections:
            with formatter.section(heading):
                write_definitions(formatter, records, max(fitting, default=0))
        if self.calls_server:
            formatter.write("\n")
            formatter.write_text(COMMON_LINE)

    @property
    def calls_server(self) -> bool:
        """True if it has the options that `noxcli help options` lists."""
        return any("--profile" in param.opts for param in self.params)

    def _is_own(self, heading: str, records: Sequence[tuple[str, str]]) -> bool:
        """True unless the line about common options stands for them, as for a lone --timeout without a default."""
        is_common = heading == COMMON or (
            heading == TIME and len(records) == 1 and "[" not in records[0][1]
        )
        return not (is_common and self.calls_server)

    def brief(self, ctx: Any) -> str:
        """Return one screen: usage, arguments, the options that people use most in a line each, and two examples."""
        page = new_page(ctx)
        self.format_usage(ctx, page)
        page.write("\n")
        page.write_text((self.help or "").partition("\n\n")[0])
        arguments = [param for param in self.params if _heading(param) == ARGUMENTS]
        known = [
            param
            for param in self.params
            if _heading(param) == OWN or any(name in USED for name in param.opts)
        ]
        options = sorted(known, key=lambda param: _place(param, USED, len(USED)))[:MAX_USED]
        for params in filter(None, (arguments, options)):
            records = [record for param in params if (record := param.get_help_record(ctx))]
            width = max(len(names) for names, _ in records)
            page.write("\n")
            with page.indentation():
                room = max(NARROWEST_TEXT, page.width - page.current_indent - width - 2)
                room = (
                    room
                    if page.width >= NARROWEST_CUT
                    else len(max((text for _, text in records), key=len))
                )
                write_definitions(
                    page, [(names, shortened(text, room)) for names, text in records], width
                )
        page.write("\n")
        for line in [line for line in self.examples if f"{ctx.command_path} " in f"{line} "][:2]:
            page.write(f"  {line}\n")
        page.write(f"\nAll options: {ctx.command_path} --help")
        return str(page.getvalue())

    def common_page(self, ctx: Any) -> str:
        """Return the options that all verbs share which call the server."""
        page, shared = new_page(ctx), {"--timeout DUR"}
        records = [
            each
            for heading, found in self.sections(ctx)
            for each in found
            if heading == COMMON or each[0] in shared
        ]
        page.write_text(
            "Options of all commands that call the server. They come after the command."
        )
        page.write("\n")
        write_definitions(
            page, records, max(len(names) for names, _ in records if len(names) <= WIDEST)
        )
        return str(page.getvalue().rstrip("\n"))

    def sections(self, ctx: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return each heading with its entries, as names and help."""
        sections: dict[str, list[tuple[str, str]]] = {
            ARGUMENTS: [],
            OWN: [],
            **{name: [] for name in HEADINGS},
        }
        # The verbs' classes have the shared ones in another order.
        for param in sorted(self.get_params(ctx), key=lambda param: _place(param, PLACED, -1)):
            record = param.get_help_record(ctx)
            if record is not None:
                names, text = record
                if param.metavar == "DUR" and param.default is not None:
                    text = text.replace(
                        f"[default: {param.default}]", f"[default: {param.default:g}s]"
                    )
                sections[_heading(param)].append((names, BEFORE_BRACKET.sub(" ", text)))
        return [(heading, records) for heading, records in sections.items() if records]

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - the signature is theirs
        """Write the exit codes that matter, and the examples without breaking their lines."""
        if self.name in CODES:
            with formatter.section("Exit codes"):
                write_definitions(
                    formatter, [(f"{code:>3}", text) for code, text in CODES[self.name].items()], 3
                )
        if self.examples:
            with formatter.section(EXAMPLES.rstrip(":\n")):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def write_definitions(formatter: Any, records: Sequence[tuple[str, str]], names_width: int) -> None:
    """Write names and, next to or below them, their help; no line ends inside a word or a short bracket."""
    indent, text_column = formatter.current_indent, formatter.current_indent + names_width + 2
    text_column = text_column if formatter.width - text_column >= NARROWEST_TEXT else 2 * indent + 2
    width = formatter.width - text_column
    for names, text in records:
        kept = BRACKET.sub(
            lambda match: match[0].replace(" ", "\xa0") if len(match[0]) <= width else match[0],
            text,
        )
        lines = [
            line.replace("\xa0", " ")
            for line in wrap(kept, width, break_on_hyphens=False, break_long_words=False)
        ]
        head = f"{'':{indent}}{names}"
        if lines and len(head) + 2 <= text_column:
            head = f"{head:{text_column}}{lines.pop(0)}"
        formatter.write(
            "".join(
                f"{line.rstrip()}\n"
                for line in (head, *(f"{'':{text_column}}{line}" for line in lines))
            )
        )


def shortened(text: str, width: int) -> str:
    """Return the help of an option in one line: without brackets, and without what follows the first clause."""
    text = BRACKET.sub("", text).strip()
    if len(text) > width:
        text = f"{re.split('[;:(,]', text)[0].rstrip()}."
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _place(param: Any, among: Sequence[str], other: int) -> int:
    """Return the place of an option among these names, `other` if it is none of them."""
    return next((place for place, name in enumerate(among) if name in param.opts), other)


def _heading(param: Any) -> str:
    if param.param_type_name == "argument":
        return ARGUMENTS
    placed = next(
        (heading for heading, names in HEADINGS.items() if not {*names}.isdisjoint(param.opts)), OWN
    )
    return getattr(param, "rich_help_panel", None) or placed
