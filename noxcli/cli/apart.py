"""The files that a call reads and writes, of which no two may be one, under any path."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from noxcli.cli.options import Printed, option_of
from noxcli.codec import decode_json
from noxcli.errors import UsageProblem
from noxcli.files import (
    ASKED_NAME,
    ASKED_ROWS_NAME,
    HOLDER_NAME,
    JOURNAL_NAME,
    PROGRESS_NAME,
    RESULTS_NAME,
    check_target,
    expanded,
    identities_of,
)

STDOUT = "-"
# The options that name files to read and to write, by their fields.
READ = ("file", "expect", "api_key_file", "only")
WRITTEN = ("report", "junit", "csv", "dotenv", "markdown", "state_file", "output", "write")
OF_BATCH = frozenset(
    {JOURNAL_NAME, RESULTS_NAME, PROGRESS_NAME, HOLDER_NAME, ASKED_NAME, ASKED_ROWS_NAME}
)
# What other tools take after -o.
FORMATS = frozenset({"json", "yaml", "jsonl", "csv", "table", "text", "wide"})


class FileUses:
    """Files, each with the argument or option that names it."""

    def __init__(self) -> None:
        self._uses: dict[object, str] = {}

    def add(self, path: Path, use: str) -> None:
        for identity in identities_of(path):
            self._uses.setdefault(identity, use)

    def find(self, path: Path) -> str | None:
        """Return the use of a file, under any path."""
        for identity in identities_of(path):
            if identity in self._uses:
                return self._uses[identity]
        return None


def files_read(options: Printed) -> FileUses:
    """Return the files that the command line reads: of options and inputs, and those of a batch."""
    uses = FileUses()
    for name in READ:
        file = getattr(options, name, None)
        if file:
            uses.add(expanded(file), "FILE" if name == "file" else option_of(name))
    for item, path in _files_of_inputs(options):
        uses.add(expanded(path), item)
    for directory in _directories(options):
        for name in OF_BATCH:
            uses.add(directory / name, f"the batch in {directory}")
        for table in _tables_of(directory):
            uses.add(table, f"the table of {directory}")
    return uses


def _files_of_inputs(options: Printed) -> Iterator[tuple[str, str]]:
    """Yield the inputs that are files, and the paths of these."""
    items = [
        *(getattr(options, "inputs", None) or ()),
        *(getattr(options, "new_input", None) or ()),
    ]
    whole = getattr(options, "whole", None) or ""
    if whole.startswith("@"):
        yield f"--inputs {whole}", whole[1:]
    if not items:
        return
    from noxcli.inputs.parse import split_item  # loaded only with inputs
    from noxcli.inputs.uploads import OPTION

    for item in items:
        with suppress(UsageProblem):  # which its parser raises
            _, operator, text = split_item(item)
            if "@" in operator:
                yield item, re.split(OPTION, text)[0] if operator == "@" else text


def _directories(options: Printed) -> list[Path]:
    """Return the directories of batches that the verb reads or continues."""
    # Of an invalid command line, some may be None.
    named: list[str] = [*filter(None, getattr(options, "directories", None) or ())]
    file = getattr(options, "file", None)
    if file and options.output_dir:
        named.append(options.output_dir)
    elif file:
        named += [f"{file}.batch", f"{file}.gate"]
    found = []
    for path in map(expanded, named):
        if os.path.isfile(path / JOURNAL_NAME):  # noqa: PTH113 - pathlib raises for long names
            found.append(path)
    return found


def _tables_of(directory: Path) -> Iterator[Path]:
    """Yield where the table of a batch may be.

    That is as its journal names it, or next to the directory.
    """
    source: Any = None
    with suppress(OSError, ValueError), (directory / JOURNAL_NAME).open("rb") as file:
        header = decode_json(file.readline())
        source = header.get("source") if isinstance(header, dict) else None
    if isinstance(source, str):
        yield expanded(source)
        yield directory.parent / Path(source).name


def require_apart(options: Printed, uses: FileUses, directory: Path | None) -> None:
    """Raise UsageProblem for a file that can't be written, or that has another use.

    It may be the file of another option, of the batch itself, or among those in `directory`.
    """
    for name in WRITTEN:
        file = getattr(options, name, None)
        if file is None or (file == STDOUT and name == "output"):
            continue
        option = option_of(name)
        if file == STDOUT:
            raise UsageProblem(
                f"{option} needs a file, and - is stdout", f"write {option} ./-, or another name"
            )
        if name == "output" and file in FORMATS:
            raise UsageProblem(
                f"{option} writes to a file, and {file} is a format",
                f"{options.formats}; for a file of this name: {option} ./{file}",
            )
        path = Path(file)
        check_target(path, option)
        resolved = path.resolve()
        if resolved.name in OF_BATCH and _is_of_batch(resolved.parent, options):
            raise UsageProblem(
                f"{option} {file} belongs to the batch itself", "choose another file"
            )
        use = uses.find(path)
        if use is not None:
            raise UsageProblem(f"{use} and {option} name the same file: {file}", "name two files")
        if directory is not None and resolved.parent == directory.resolve():
            raise UsageProblem(
                f"{option} {file} is in --output-dir, among the outputs", "write it elsewhere"
            )
        uses.add(path, option)


def _is_of_batch(directory: Path, options: Printed) -> bool:
    """True for the directory of a batch, and for one that this call may create."""
    if not directory.is_dir() or (directory / JOURNAL_NAME).exists():
        return True
    made = getattr(options, "output_dir", None)
    return made is not None and expanded(made).resolve() == directory
