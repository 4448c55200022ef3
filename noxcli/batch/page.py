"""A batch's HTML report from its journals, including earlier calls and other shards."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from noxcli.batch.expected import EXPECT
from noxcli.batch.plan import FINAL
from noxcli.batch.report import Joined
from noxcli.batch.resuming import flags_to_continue
from noxcli.batch.row_work import row_folder
from noxcli.batch.shards import Shard
from noxcli.masking import Mask
from noxcli.reports.html.rows import BatchAbout, rows_page

MOST_COMMANDS = 20


def page_of(joined: Joined, mask: Mask, base: Path, argv: Sequence[str] | None = None) -> Iterator[bytes]:
    """Yield the page. `argv` is the command line of the batch, None if unknown.

    Links to rows' files are relative to the directory `base`.
    """
    only = Shard.parse(joined.header.shard) if len(joined.directories) == 1 else None

    def rows() -> Iterator[Mapping[str, Any]]:
        for row in joined.reports():
            if only is None or only.has(row.row):
                folder = Path(row.directory) / row_folder(row.row, row.id) if row.directory is not None else None
                yield {**row.document(), **({"folder": str(folder)} if folder is not None and folder.is_dir() else {})}

    notes = (
        [f"missing the journals of shards {', '.join(map(str, joined.absent))}"] if joined.absent and not only else []
    )
    about = BatchAbout(joined.header.source, joined.header.workflow_id, _commands(joined, rows(), argv), notes)
    return rows_page(about, rows, mask, base)


def _commands(joined: Joined, rows: Iterator[Mapping[str, Any]], argv: Sequence[str] | None) -> list[str]:
    """Return the commands that run incomplete rows again: one for each directory that has such rows."""
    codes: dict[str, Counter[int]] = {str(directory): Counter() for directory in joined.directories}
    for row in rows:
        codes.setdefault(row["directory"] or str(joined.directories[0]), Counter())[row["exit_code"]] += 1
    lines = []
    for directory, counted in codes.items():
        begun = _line_of(joined, directory) if argv is None else argv
        flags = flags_to_continue(begun, counted, sum(counted[code] for code in counted if code not in FINAL))
        if flags:
            lines.append(shlex.join(["noxcli", *begun, *(flag for flag in flags if flag not in begun)]))
    return lines[:MOST_COMMANDS]


def _line_of(joined: Joined, directory: str) -> list[str]:
    """Return the line as far as the journal knows it, without inputs that all rows share."""
    header = joined.headers[directory]
    shard = [] if Shard.parse(header.shard).of == 1 else ["--shard", header.shard]
    place = [] if directory == f"{header.source}.batch" else ["--output-dir", directory]
    return ["batch", header.workflow_id, header.source, *place, *shard, *_assertions_of(joined)]


def _assertions_of(joined: Joined) -> Iterator[str]:
    """Yield the options that judged the rows, without which a retry would pass; FILE, since its path is not known."""
    for name in joined.asserted:
        option, _, expression = name.partition(" ")
        if option == "--assert":
            yield from (option, expression)
        elif name == EXPECT:
            yield from (EXPECT, "FILE")
