"""What `run`, `stream` and `fetch-output` do with a completed run's output: to stdout, or to files."""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from noxcli.commands.context import Context
from noxcli.deliver import DELIVERABLE, PIECE, Delivered, complete_inline, is_complete, problem, require_whole, spooled
from noxcli.encode import to_json
from noxcli.errors import Phase, Undelivered, UsageProblem
from noxcli.files import prepare_directory
from noxcli.models import Run
from noxcli.names import TEMPLATE, check_template
from noxcli.output import Format
from noxcli.output.downloads import watching
from noxcli.patience import Patience
from noxcli.transfers import Watching
from noxcli.values import Remote, as_text, find_remote, is_file, is_preview, text_of

if TYPE_CHECKING:
    from noxcli.api import NoxusApi


@dataclass(frozen=True, slots=True)
class Destination:
    """A directory for the outputs, and how files in it are named."""

    directory: Path
    template: str = TEMPLATE
    overwrite: bool = False


def destination(output_dir: str | None, name: str | None, *, overwrite: bool) -> Destination | None:
    """Return where files go, None for stdout.

    Raises UsageProblem for a template that can't be filled, and for options that mean nothing without a directory.
    """
    if output_dir is None:
        given = [option for option, there in (("--name", name is not None), ("--overwrite", overwrite)) if there]
        if given:
            raise UsageProblem(f"{given[0]} is about files", "add --output-dir DIR")
        return None
    if name is not None:
        check_template(name)
    return Destination(Path(output_dir), TEMPLATE if name is None else name, overwrite)


def check_directory(into: Destination | None) -> None:
    """Find out before anything is started, and paid for, that the outputs could not be written.

    Raises UsageProblem.
    """
    if into is not None:
        from noxcli.manifest import read_manifest  # loaded where files are written, not by every command

        try:
            with prepare_directory(into.directory) as place:
                read_manifest(place, overwrite=into.overwrite)
        except Undelivered as error:
            raise UsageProblem(error.message, error.hint) from None


def with_output(context: Context, api: "NoxusApi", run: Run, patience: Patience) -> Run:
    """Return the run with its output: a run that was found by its id alone came without."""
    if run.output is None:
        run = context.outcome.run = patience.keep_trying(lambda: api.get_run(run.workflow_id, run.id))
    return run


def deliver(
    context: Context,
    api: "NoxusApi",
    run: Run,
    patience: Patience,
    *,
    raw: str | None = None,
    into: Destination | None = None,
    expand: bool = True,
) -> None:
    """Hand over the output of a completed run, in the form that was asked for.

    Raises Undelivered where not all of it could be had or written, after delivering the rest.
    """
    context.enter(Phase.DELIVER)
    output = _chosen(run.output, raw)
    watch = partial(watching, context.terminal)
    if into is not None:
        delivered = _to_files(context, api, run, patience, into, watch)
    elif not expand or context.format is Format.CONTENT:  # whose stdout has been written already
        delivered = Delivered(output, complete=is_complete(output))
        if context.format is Format.TEXT:
            context.terminal.write(_as_stdout(output, raw))
    elif context.format is Format.TEXT and (remote := _only_remote(output, raw)) is not None:
        delivered = _stream(context, api, output, remote, patience, watch, raw=raw is not None)
    else:
        delivered = complete_inline(api, output, patience, watch)
        if context.format is Format.TEXT and not (delivered.problems and raw is not None):
            context.terminal.write(_as_stdout(delivered.output, raw))
    context.outcome.delivered = delivered
    require_whole(delivered, run)


def _to_files(
    context: Context, api: "NoxusApi", run: Run, patience: Patience, into: Destination, watch: Watching
) -> Delivered:
    from noxcli.filing import Filing  # as in check_directory

    with prepare_directory(into.directory) as place:
        filing = Filing(api, patience, place, into.template, into.overwrite, watch)
        delivered = context.outcome.delivered = filing.deliver(run)
    count, right = len(delivered.files), len(filing.skipped)
    context.terminal.note(
        f"saved {count} files in {into.directory}" + (f", {right} of them there before" if right else "")
    )
    if context.format is Format.TEXT:
        paths = "".join(f"{file['path']}\n" for file in delivered.files)
        context.terminal.write(paths.encode("utf-8", "surrogateescape"))
    return delivered


def _only_remote(output: object, raw: str | None) -> Remote | None:
    """Return what stdout shall be the very bytes of: the only output, being a cut text, or the chosen file."""
    values = list(output.values()) if isinstance(output, dict) and not is_preview(output) else [output]
    if len(values) != 1 or not (is_preview(values[0]) or (raw is not None and is_file(values[0]))):
        return None
    return next(find_remote(output))


def _stream(
    context: Context, api: "NoxusApi", output: object, remote: Remote, patience: Patience, watch: Watching, *, raw: bool
) -> Delivered:
    """Copy one file to stdout, once it is whole: an error must not land in somebody's answer.txt."""
    with ExitStack() as stack:
        try:
            content, entry = stack.enter_context(spooled(api, remote, patience, watch))
        except DELIVERABLE as error:
            return Delivered(output, complete=False, problems=[problem(remote.pointer, error)])
        last = b""
        while piece := content.read(PIECE):
            context.terminal.write(piece)
            last = piece[-1:]
        if not raw and last != b"\n":
            context.terminal.write(b"\n")
    return Delivered(output, [entry])


def _chosen(output: object, raw: str | None) -> object:
    if raw is None:
        return output
    if not isinstance(output, dict) or raw not in output:
        keys = ", ".join(map(repr, output)) if isinstance(output, dict) and output else "none"
        raise UsageProblem(f"the output has no key {raw!r}", f"its keys: {keys}")
    return {raw: output[raw]}


def _as_stdout(output: object, raw: str | None) -> bytes:
    if raw is not None and isinstance(output, dict):
        return as_text(output[raw]).encode("utf-8", "surrogatepass")
    values = list(output.values()) if isinstance(output, dict) else [output]
    text = text_of(values[0]) if len(values) == 1 else None
    if text is None:
        return f"{to_json(output, indent=2)}\n".encode()
    return (text if text.endswith("\n") else f"{text}\n").encode("utf-8", "surrogatepass")
