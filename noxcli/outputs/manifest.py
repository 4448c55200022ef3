"""`manifest.json`: the list of what noxcli wrote to a directory, for programs and for its own next call."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from noxcli.codec import decode_json, to_json
from noxcli.errors import NO_ROOM, Undelivered, UsageProblem
from noxcli.files import reason_of, require_readable
from noxcli.models import Run
from noxcli.outputs.directory import in_the_way
from noxcli.outputs.filenames import MANIFEST
from noxcli.place import Place

MANIFEST_SCHEMA = "noxcli.manifest/1"
LIMIT = 64 * 1024 * 1024


def read_manifest(place: Place, *, overwrite: bool = False) -> list[Mapping[str, Any]]:
    """Return the entries of the directory's manifest, of the last run first; none if there is no manifest.

    Raises Undelivered if there is a file of that name that noxcli did not write, or that a newer one did; with
    `overwrite` it counts as none.
    """
    document: Any = None
    try:
        document = decode_json(place.read(MANIFEST, LIMIT))
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno in NO_ROOM:  # otherwise it is a file of another kind, or another user's
            raise Undelivered(f"can't read {place.path / MANIFEST}: {reason_of(error)}") from None
    except ValueError:
        pass
    if not isinstance(document, dict) or document.get("schema") != MANIFEST_SCHEMA:
        if overwrite:
            return []
        if isinstance(document, dict):
            try:
                require_readable(place.path / MANIFEST, document.get("schema"), MANIFEST_SCHEMA)
            except UsageProblem as problem:  # the run has completed: only its files are missing
                raise Undelivered(problem.message, f"{problem.hint}, or choose another directory") from None
        raise in_the_way(place.path / MANIFEST)
    last = document.get("run")
    return [
        {"run_id": last.get("id") if isinstance(last, dict) else None, **entry}
        for part in ("files", "earlier")
        for entry in _entries(document.get(part))
    ]


def manifest_of(
    run: Run,
    *,
    complete: bool,
    files: Sequence[Mapping[str, Any]],
    problems: Sequence[str],
    earlier: Sequence[Mapping[str, Any]],
) -> bytes:
    """Return the new manifest; `earlier` has the files of other runs in the same directory."""
    document = {
        "schema": MANIFEST_SCHEMA,
        "run": {"id": run.id, "workflow_id": run.workflow_id, "status": run.status},
        "complete": complete,
        "files": list(files),
        "problems": list(problems),
        "earlier": list(earlier),
    }
    return to_json(document, indent=2).encode()


def _entries(files: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what has the form of an entry; it may be planted, but a name is opened only as one step below the place."""
    kinds = {"name": str, "bytes": int, "sha256": str}
    for entry in files if isinstance(files, list) else ():
        if isinstance(entry, dict) and all(isinstance(entry.get(name), kind) for name, kind in kinds.items()):
            yield entry
