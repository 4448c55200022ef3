"""The runs that a batch or a gate has started, by the journal in its directory."""

from pathlib import Path

from noxcli.batchdir.append_file import lines_in
from noxcli.batchdir.journal_state import MAX_LINE, JournalState
from noxcli.codec import decode_json
from noxcli.files import JOURNAL_NAME


def read_run_ids(directory: Path) -> set[str]:
    """Return the ids of all runs that the journal names, also of rows that were started again.

    Raises UsageProblem if the directory has no journal, or one that can't be read.
    """
    path = directory / JOURNAL_NAME
    JournalState.read(path)
    found = set()
    for _, raw in lines_in(path, MAX_LINE):
        if not raw.endswith(b"\n"):
            break
        run_id = decode_json(raw).get("run_id")
        if run_id is not None:
            found.add(run_id)
    return found
