"""The delivery of a completed run's output by `run`, `stream` and `fetch-output`: to stdout, or to files."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from io import TextIOWrapper
from typing import IO, TYPE_CHECKING, Any

from noxcli.cli.context import Context
from noxcli.cli.ending import line_to_fetch
from noxcli.cli.follow import require_completed
from noxcli.cli.options import DeliverOptions
from noxcli.cli.session import Session
from noxcli.codec import to_utf8
from noxcli.errors import OutputNotDelivered, Phase, UsageProblem
from noxcli.files import check_writable, prepare_directory
from noxcli.models import Run, Workflow
from noxcli.outputs.await_output import await_output, find_output_nodes
from noxcli.outputs.values import (
    Delivered,
    Remote,
    as_text,
    find_remote,
    is_complete,
    is_file,
    is_preview,
    media_type,
    only_text,
    only_value,
    require_whole,
    text_of,
)
from noxcli.render.renderers import task_progress
from noxcli.render.text import amount

if TYPE_CHECKING:
    from noxcli.render.events import Content

COPIED_AT_ONCE = 256 * 1024  # bytes


def check_directory(noxus: Session) -> None:
    """Check, before anything is started and paid for, that the outputs can be written. Raises UsageProblem."""
    directory = noxus.directory
    if directory is None:
        return
    from noxcli.outputs.save import read_manifest  # loaded only to write files

    try:
        check_writable(directory)
        if directory.exists():
            with prepare_directory(directory) as place:
                read_manifest(place)
    except OutputNotDelivered as error:
        raise UsageProblem(error.message, error.hint) from None


def deliver(
    noxus: Session, run: Run, options: DeliverOptions, workflow: Workflow | None = None
) -> None:
    """Deliver the output of a completed run in the requested form, on stdout or to a directory.

    `workflow` is what was already read of it. Raises as `require_completed`; OutputNotDelivered if a part could not be
    fetched or written, after delivering the rest, or if there is no output that --raw or --query names; and otherwise
    NotAsAsserted if an --assert fails.
    """
    require_completed(noxus, run)
    context = noxus.context
    context.outcome.entered(Phase.DELIVER)
    run = await_output(noxus.api, run, noxus.retries(), workflow)
    context.outcome.found(run)
    keys: list[str] = []
    if options.raw:
        run, keys = _choose_outputs(noxus, run, options.raw, workflow)
    delivered = _write_output(noxus, run, keys)
    context.outcome.obtained(delivered)
    require_whole(delivered, run)
    printing = context.printing
    if printing.query is not None and printing.format.is_document and isinstance(run.output, dict):
        from noxcli.outputs.choose import require_output  # loaded only with --query

        for key in printing.query.keys_of("output"):
            require_output(run, key, [key] if key in run.output else [])
    if printing.writer is not None:
        from noxcli.render.events import Content  # it is loaded

        if isinstance(printing.writer, Content):
            _require_whole_text(noxus, run, printing.writer)
    if context.reports.asserts:
        from noxcli.reports.assertions import require_queries  # loaded only with --assert

        require_queries(context.reports.asserts, context.outcome, context.terminal.mask)


def _require_whole_text(noxus: Session, run: Run, content: "Content") -> None:
    """Compare the streamed text with the run's only text output, if there is one; else its stream shows if it is whole.

    Warns if nothing shows that; raises OutputNotDelivered if it is known that it is not.
    """
    from noxcli.runs.event_dedup import Continuity  # loaded only where a stream was used

    context, dedup = noxus.context, noxus.context.outcome.dedup
    output = only_text(complete_texts(noxus, run.output).output)
    if output is not None and content.written.equals(output):
        return
    the_whole = f"full output: {line_to_fetch(context, run)}"
    from_start = dedup is None or not dedup.from_cursor
    if output is not None and (problem := content.differs_from(output, from_start=from_start)):
        raise OutputNotDelivered(problem, the_whole)
    label = Continuity.NONE if dedup is None else dedup.label
    if content.is_as_sent and label is Continuity.PROVEN:
        return
    if not content.is_readable:
        raise OutputNotDelivered("the streamed text has pieces that are not text", the_whole)
    if label not in {Continuity.PROVEN, Continuity.ASSUMED}:
        raise OutputNotDelivered("the streamed text may be incomplete", the_whole)
    context.terminal.warn(f"cannot confirm that the streamed text is complete; {the_whole}")


def complete_texts(noxus: Session, output: Any) -> Delivered:
    """Return the output with the full text of every truncated text."""
    if is_complete(output):
        return Delivered(output)
    from noxcli.outputs.expand import complete_inline  # loaded only for downloads

    return complete_inline(
        noxus.api, output, noxus.retries(), partial(task_progress, noxus.context.terminal)
    )


def _write_output(noxus: Session, run: Run, keys: Sequence[str]) -> Delivered:
    """Return the output, or its values under `keys`: saved to files, or if it is complete, printed in --format text."""
    context, directory = noxus.context, noxus.directory
    if directory is not None:
        from noxcli.outputs.save import save_output  # as in check_directory

        with prepare_directory(directory) as place:
            watching = partial(task_progress, context.terminal)
            delivered = save_output(noxus.api, run, place, noxus.retries(), watching)
            context.outcome.obtained(delivered)
        context.terminal.note(f"saved {amount(len(delivered.files), 'file')} in {directory}")
        if context.printing.format.is_final_text:
            paths = "".join(f"{file['path']}\n" for file in delivered.files)
            context.terminal.write(paths.encode("utf-8", "surrogateescape"))
        return delivered
    if (
        context.printing.writer is not None and context.printing.format.is_text
    ):  # stdout was already written
        return Delivered(run.output, complete=is_complete(run.output))
    if keys:
        return _print_exactly(noxus, run, keys)
    delivered = complete_texts(noxus, run.output)
    if context.printing.format.is_text and not delivered.problems:
        _print(context, run, delivered.output)
    return delivered


def _print_exactly(noxus: Session, run: Run, keys: Sequence[str]) -> Delivered:
    """Copy values to stdout once all are complete: an error must not end up in answer.txt."""
    from noxcli.outputs.expand import DELIVERABLE, problem, spool  # as in complete_texts

    watch = partial(task_progress, noxus.context.terminal)
    contents: list[Iterator[bytes]] = []
    files: list[dict[str, Any]] = []
    problems: list[str] = []
    output = {key: run.output[key] for key in keys}
    with ExitStack() as stack:
        for key in keys:
            value = output[key]
            if not (is_preview(value) or is_file(value)):
                whole = complete_texts(noxus, {key: value})
                files, problems = files + whole.files, problems + whole.problems
                contents.append(iter([to_utf8(as_text(whole.output[key]))]))
                continue
            remote = next(find_remote({key: value}))
            try:
                content, entry = stack.enter_context(
                    spool(noxus.api, remote, noxus.retries(), watch)
                )
            except DELIVERABLE as error:
                problems.append(problem(remote.pointer, error))
                continue
            _require_shown(noxus.context, run, remote, content)
            files.append(entry)
            contents.append(iter(partial(content.read, COPIED_AT_ONCE), b""))
        if not problems:
            for pieces in contents:
                last = b""
                for last in pieces:
                    noxus.context.terminal.write(last)
                if len(keys) != 1 and not last.endswith(b"\n"):
                    noxus.context.terminal.write(b"\n")
    return Delivered(output, files, not problems, problems)


def _require_shown(context: Context, run: Run, remote: Remote, content: IO[bytes]) -> None:
    """Raise OutputNotDelivered if stdout is a terminal and the content is binary.

    The content is left at its beginning.
    """
    if not context.terminal.stdout_is_tty:
        return
    text = TextIOWrapper(content, "utf-8")
    try:
        is_text = all("\0" not in piece for piece in iter(partial(text.read, COPIED_AT_ONCE), ""))
    except UnicodeDecodeError:
        is_text = False
    text.detach()
    content.seek(0)
    if not is_text:
        ways = (
            "convert it with iconv in a pipe, or save"
            if remote.content_type.startswith("text/")
            else "save"
        )
        raise OutputNotDelivered(
            f"{remote.name or 'the file'} is not UTF-8 text, and a terminal can't show it",
            f"{ways} it with: {line_to_fetch(context, run)} --output-dir out",
        )


def _choose_outputs(
    noxus: Session, run: Run, raw: Sequence[str], workflow: Workflow | None
) -> tuple[Run, list[str]]:
    """Return the output's own keys for the requested ones; the definition is read only if they differ."""
    from noxcli.outputs.choose import (
        keys_in,
        require_output,
        under_its_key,
    )  # loaded only with --raw

    fitting = keys_in(run.output, raw)
    if not all(fitting):
        nodes = find_output_nodes(noxus.api, run, noxus.retries(), workflow) or ()
        run = replace(run, output=under_its_key(run.output, raw, nodes))
        fitting = keys_in(run.output, raw, nodes)
    return run, [require_output(run, key, own) for key, own in zip(raw, fitting, strict=True)]


def _print(context: Context, run: Run, output: Any) -> None:
    """Print an output: on a terminal, files described, and several values in sections if no format was chosen."""
    terminal = context.terminal
    holder = output if isinstance(output, dict) and not is_file(output) else {"output": output}
    files = (
        [key for key, value in holder.items() if is_file(value)] if terminal.stdout_is_tty else []
    )
    if files or (context.printing.for_reading and terminal.stdout_is_tty and len(holder) > 1):
        from noxcli.render.sections import in_sections  # loaded only for drawing

        values = {
            key: _describe(value) if key in files else as_text(value)
            for key, value in holder.items()
        }
        terminal.show(in_sections(terminal, values, line_to_fetch(context, run), files))
    else:
        text = text_of(only_value(output))
        content = as_text(output if text is None else text)
        newline = "" if context.printing.format.is_live or content.endswith("\n") else "\n"
        terminal.write(content + newline)


def _describe(value: Any) -> str:
    """Return a file value's name, type and size, where the server names them."""
    remote = next(find_remote(value))
    size = "" if remote.size is None else f"{remote.size:,} bytes"
    about = ", ".join(filter(None, [media_type(remote.content_type), size]))
    return f"{remote.name or 'file'}{about and f' ({about})'}"
