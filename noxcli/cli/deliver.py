"""The delivery of a completed run's output: to stdout, or to files."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from io import TextIOWrapper
from pathlib import Path
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
    """Check that the outputs can be written, before anything is started and paid for.

    Raises UsageProblem.
    """
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

    `workflow` is what was already read of it. Raises as `require_completed`; OutputNotDelivered if
    a part could not be fetched or written, after delivering the rest, or if there is no output that
    --raw or --query names; and otherwise NotAsAsserted if an --assert fails.
    """
    require_completed(noxus, run)
    context = noxus.context
    context.outcome.entered(Phase.DELIVER)
    run = await_output(noxus.api, run, noxus.retries(), workflow)
    context.outcome.found(run)
    whole_run = run
    keys: list[str] = []
    if options.raw:
        run, keys = _choose_outputs(noxus, run, options.raw, workflow)
    delivered = _write_output(noxus, run, keys)
    context.outcome.obtained(delivered)
    require_whole(delivered, run)
    _require_queried(context, run)
    if context.printing.writer is not None:
        from noxcli.render.events import Content  # it is loaded

        if isinstance(context.printing.writer, Content):
            _require_whole_text(noxus, run, context.printing.writer)
    if context.reports.asserts:
        from noxcli.reports.assertions import require_queries  # loaded only with --assert

        judged = _read_judged_output(noxus, whole_run, delivered, is_part=bool(keys))
        require_queries(context.reports.asserts, context.outcome, context.terminal.mask, judged)


def _read_judged_output(noxus: Session, run: Run, delivered: Delivered, *, is_part: bool) -> Any:
    """Return all of a run's output with whole texts, however it was delivered.

    Raises OutputNotDelivered if a text can't be completed.
    """
    if noxus.directory is not None:
        from noxcli.outputs.file_texts import read_whole_output  # as in check_directory

        whole, _ = read_whole_output(delivered.output, delivered.files)
        return whole
    if delivered.complete and not is_part:
        return delivered.output
    completed = complete_texts(noxus, run.output)
    require_whole(completed, run)
    return completed.output


def _require_queried(context: Context, run: Run) -> None:
    """Raise OutputNotDelivered if --query names an output that the run does not have."""
    printing = context.printing
    if printing.query is None or not printing.format.is_document:
        return
    if not isinstance(run.output, dict):
        return
    from noxcli.outputs.choose import require_output  # loaded only with --query

    for key in printing.query.keys_of("output"):
        fitting = [key] if key in run.output else []
        require_output(run, key, fitting)


def _require_whole_text(noxus: Session, run: Run, content: "Content") -> None:
    """Compare the streamed text with the run's only text output.

    Without one, its stream shows if it is whole. Warns if nothing shows that; raises
    OutputNotDelivered if it is known that it is not.
    """
    from noxcli.runs.event_dedup import Continuity  # loaded only where a stream was used

    context = noxus.context
    dedup = context.outcome.dedup
    output = only_text(complete_texts(noxus, run.output).output)
    if output is not None and content.written.equals(output):
        return
    the_whole = f"full output: {line_to_fetch(context, run)}"
    from_start = dedup is None or not dedup.from_cursor
    if output is not None:
        problem = content.differs_from(output, from_start=from_start)
        if problem:
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

    watching = partial(task_progress, noxus.context.terminal)
    return complete_inline(noxus.api, output, noxus.retries(), watching)


def _write_output(noxus: Session, run: Run, keys: Sequence[str]) -> Delivered:
    """Return the output, or its values under `keys`, once it is delivered.

    It is saved to files, or printed in --format text if it is complete.
    """
    printing = noxus.context.printing
    if noxus.directory is not None:
        return _save_output(noxus, run, noxus.directory)
    if printing.writer is not None and printing.format.is_text:  # stdout was already written
        return Delivered(run.output, complete=is_complete(run.output))
    if printing.format.is_final_text and printing.target is not None and not keys:
        keys = _only_file(run.output)
    if keys:
        return _print_exactly(noxus, run, keys)
    delivered = complete_texts(noxus, run.output)
    if printing.format.is_text and not delivered.problems:
        _print(noxus.context, run, delivered.output)
    return delivered


def _only_file(output: Any) -> list[str]:
    """Return the key of the only output if that is a file, whose bytes -o FILE gets."""
    if isinstance(output, dict) and len(output) == 1 and is_file(only_value(output)):
        return [*output]
    return []


def _save_output(noxus: Session, run: Run, directory: Path) -> Delivered:
    """Save the output to the directory; in --format text, print the paths."""
    from noxcli.outputs.save import save_output  # as in check_directory

    context = noxus.context
    with prepare_directory(directory) as place:
        watching = partial(task_progress, context.terminal)
        delivered = save_output(noxus.api, run, place, noxus.retries(), watching)
        context.outcome.obtained(delivered)
    context.terminal.note(f"saved {amount(len(delivered.files), 'file')} in {directory}")
    if context.printing.format.is_final_text:
        paths = "".join(f"{file['path']}\n" for file in delivered.files)
        context.terminal.write(paths.encode("utf-8", "surrogateescape"))
    return delivered


def _print_exactly(noxus: Session, run: Run, keys: Sequence[str]) -> Delivered:
    """Copy values to stdout once all are complete: an error must not end up in answer.txt."""
    values = {key: run.output[key] for key in keys}
    seen = Delivered(values)
    with ExitStack() as stack:
        contents = [_content_of(noxus, run, key, seen, stack) for key in keys]
        if not seen.problems:
            for content in contents:
                _copy(noxus.context, content, ends_line=len(keys) != 1)
    return replace(seen, complete=not seen.problems)


def _content_of(
    noxus: Session, run: Run, key: str, seen: Delivered, stack: ExitStack
) -> Iterator[bytes]:
    """Return the whole bytes of a value; note in `seen` which files it took, and what failed.

    A downloaded file stays until the end of the stack.
    """
    from noxcli.outputs.expand import DELIVERABLE, problem, spool  # as in complete_texts

    value = run.output[key]
    if not is_preview(value) and not is_file(value):
        whole = complete_texts(noxus, {key: value})
        seen.files.extend(whole.files)
        seen.problems.extend(whole.problems)
        return iter([to_utf8(as_text(whole.output[key]))])
    remote = next(find_remote({key: value}))
    watching = partial(task_progress, noxus.context.terminal)
    try:
        content, entry = stack.enter_context(spool(noxus.api, remote, noxus.retries(), watching))
    except DELIVERABLE as error:
        seen.problems.append(problem(remote.pointer, error))
        return iter(())
    _require_shown(noxus.context, run, remote, content)
    seen.files.append(entry)
    return iter(partial(content.read, COPIED_AT_ONCE), b"")


def _copy(context: Context, content: Iterator[bytes], *, ends_line: bool) -> None:
    """Copy bytes to stdout, and end their last line if something may follow."""
    last = b""
    for piece in content:
        context.terminal.write(piece)
        last = piece
    if ends_line and not last.endswith(b"\n"):
        context.terminal.write(b"\n")


def _require_shown(context: Context, run: Run, remote: Remote, content: IO[bytes]) -> None:
    """Raise OutputNotDelivered if stdout is a terminal and the content is binary.

    The content is left at its beginning.
    """
    if not context.terminal.stdout_is_tty:
        return
    is_text = _is_readable(content)
    content.seek(0)
    if is_text:
        return
    ways = "save"
    if remote.content_type.startswith("text/"):
        ways = "convert it with iconv in a pipe, or save"
    raise OutputNotDelivered(
        f"{remote.name or 'the file'} is not UTF-8 text, and a terminal can't show it",
        f"{ways} it with: {line_to_fetch(context, run)} --output-dir out",
    )


def _is_readable(content: IO[bytes]) -> bool:
    """Return whether all of the content is text in UTF-8."""
    text = TextIOWrapper(content, "utf-8")
    try:
        pieces = iter(partial(text.read, COPIED_AT_ONCE), "")
        return not any("\0" in piece for piece in pieces)
    except UnicodeDecodeError:
        return False
    finally:
        text.detach()


def _choose_outputs(
    noxus: Session, run: Run, raw: Sequence[str], workflow: Workflow | None
) -> tuple[Run, list[str]]:
    """Return the output's own keys for the requested ones.

    The definition is read only if they differ.
    """
    from noxcli.outputs.choose import keys_in, require_output, under_its_key  # only with --raw

    fitting = keys_in(run.output, raw)
    if not all(fitting):
        nodes = find_output_nodes(noxus.api, run, noxus.retries(), workflow) or ()
        run = replace(run, output=under_its_key(run.output, raw, nodes))
        fitting = keys_in(run.output, raw, nodes)
    return run, [require_output(run, key, own) for key, own in zip(raw, fitting, strict=True)]


def _print(context: Context, run: Run, output: Any) -> None:
    """Print an output.

    On a terminal, files are described; several values are in sections, unless a format was chosen.
    """
    terminal = context.terminal
    if terminal.stdout_is_tty:
        named = {"output": output}
        if isinstance(output, dict) and not is_file(output):
            named = output
        files = [key for key, value in named.items() if is_file(value)]
        if files or (context.printing.for_reading and len(named) > 1):
            _print_sections(context, run, named, files)
            return
    text = text_of(only_value(output))
    content = as_text(output if text is None else text)
    if not context.printing.format.is_live and not content.endswith("\n"):
        content += "\n"
    terminal.write(content)


def _print_sections(
    context: Context, run: Run, values: Mapping[str, Any], files: Sequence[str]
) -> None:
    """Print each value under its key; those in `files` are described in a line."""
    from noxcli.render.sections import in_sections  # loaded only for drawing

    texts = {}
    for key, value in values.items():
        texts[key] = _describe(value) if key in files else as_text(value)
    way = line_to_fetch(context, run)
    context.terminal.show(in_sections(context.terminal, texts, way, files))


def _describe(value: Any) -> str:
    """Return a file value's name, type and size, where the server names them."""
    remote = next(find_remote(value))
    about = []
    kind = media_type(remote.content_type)
    if kind:
        about.append(kind)
    if remote.size is not None:
        about.append(f"{remote.size:,} bytes")
    name = remote.name or "file"
    if not about:
        return name
    return f"{name} ({', '.join(about)})"
