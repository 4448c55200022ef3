"""The files of all outputs: named, downloaded, written, and listed in the manifest at the end."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pathvalidate  # noqa: F401 - with this, and not where a thread names its first file

from noxcli.codec import decode_json, to_json, to_utf8
from noxcli.errors import NO_ROOM, NoxError, OutputNotDelivered
from noxcli.files import Saved, reason_of
from noxcli.models import Run
from noxcli.outputs.directory import Folder, in_the_way
from noxcli.outputs.download import Transfer
from noxcli.outputs.expand import DELIVERABLE, Watching, problem, run_transfers
from noxcli.outputs.filenames import MANIFEST, Names, safe_extension
from noxcli.outputs.values import (
    Delivered,
    Remote,
    as_text,
    file_entry,
    find_remote,
    is_complete,
    is_file,
    is_preview,
    pointer_to,
    replaced,
    text_of,
)
from noxcli.retry import RetryPolicy
from noxcli.safe_dir import SafeDir
from noxcli.waiting import value_of

if TYPE_CHECKING:
    from noxcli.api import NoxusApi


MANIFEST_SCHEMA = "noxcli.manifest/1"
MAX_MANIFEST = 64 * 1024 * 1024  # bytes
Entry = Mapping[str, Any]  # of a file, in a result document or a manifest


@dataclass(slots=True)
class Item:
    """A planned file: its place in the output, its name, and its result."""

    keys: tuple[str | int, ...]
    name: str
    remote: Remote | None
    saved: Saved | None = None
    error: BaseException | None = None


def save_output(
    source: "NoxusApi",
    run: Run,
    place: SafeDir,
    retries: RetryPolicy,
    watching: Watching = nullcontext,
    *,
    durable: bool = True,
) -> Delivered:
    """Write each output of the run to a file, and return the output with paths instead of remote
    values.

    Downloads are on disk at the end, texts of the record and the manifest only if they are to be
    `durable`.
    """
    before = read_manifest(place)
    folder = Folder(place, before)
    output = run.output if isinstance(run.output, dict) else {"output": run.output}
    items = list(plan(output))
    try:
        _fetch_all(source, folder, items, retries, watching)
        shown = replaced(
            output,
            {
                item.keys: {"$file": str(item.saved.path)}
                for item in items
                if item.remote and item.saved
            },
        )
        for item in items:
            if item.remote is None:
                _write(folder, item, as_text(shown[item.keys[0]]), durable=durable)
    finally:
        # Also after a signal: the next call then recognizes the existing files as noxcli's own.
        files = [
            file_entry(item.remote, pointer_to(item.keys), saved.bytes, saved.sha256, saved.path)
            for item in items
            if (saved := item.saved)
        ]
        problems = [
            problem(pointer_to(item.keys), item.error)
            for item in items
            if isinstance(item.error, NoxError)
        ]
        earlier = [entry for entry in before if folder.exists(entry["name"])]
        listed = {
            "complete": len(files) == len(items),
            "files": files,
            "problems": problems,
            "earlier": earlier,
        }
        late = _write_manifest(run, place, listed, durable=durable)
    problems += late
    whole = shown if isinstance(run.output, dict) else shown["output"]
    return Delivered(whole, files, is_complete(whole) and not problems, problems)


def _fetch_all(
    source: "NoxusApi",
    folder: Folder,
    items: Iterable[Item],
    retries: RetryPolicy,
    watching: Watching,
) -> None:
    wanted = {Transfer(item.remote): item for item in items if item.remote is not None}

    def obtain(transfer: Transfer, retries: RetryPolicy) -> None:
        item = wanted[transfer]
        item.saved = folder.save(item.name, lambda part: transfer.fill(source, part, retries))

    outcomes = run_transfers([*wanted], obtain, retries, watching)
    for item, outcome in zip(wanted.values(), outcomes, strict=True):
        try:
            value_of(outcome)
        except DELIVERABLE as error:
            item.error = error


def _write(folder: Folder, item: Item, text: str, *, durable: bool) -> None:
    try:
        item.saved = folder.save(item.name, lambda part: part.write(to_utf8(text)), durable=durable)
    except OutputNotDelivered as error:
        item.error = error


def _write_manifest(
    run: Run, place: SafeDir, listed: Mapping[str, Any], *, durable: bool
) -> list[str]:
    """Write the manifest, with each name once; return what went wrong in that."""
    about = {"id": run.id, "workflow_id": run.workflow_id, "status": run.status}
    files = {
        (name := Path(entry["path"]).name): {"name": name, **entry} for entry in listed["files"]
    }
    earlier = [entry for entry in listed["earlier"] if entry["name"] not in files]
    document = {
        "schema": MANIFEST_SCHEMA,
        "run": about,
        **listed,
        "files": [*files.values()],
        "earlier": earlier,
    }
    try:
        with place.replacing(MANIFEST, durable=durable) as file:
            file.write(to_json(document, indent=2).encode())
    except OSError as error:
        return [f"{MANIFEST}: can't write {place.path / MANIFEST}: {reason_of(error)}"]
    return []


def plan(output: Mapping[str, Any]) -> Iterator[Item]:
    """Yield a file for each output, in order, and for each remote value inside one."""
    names = Names()
    for key, value in output.items():
        if not is_preview(value) and not is_file(value):
            yield Item(
                (key,), names.claim(key, ".json" if text_of(value) is None else ".txt"), None
            )
        for remote in find_remote({key: value}, outermost=True):
            extension = (
                ".txt" if remote.is_text else safe_extension(remote.name, remote.content_type)
            )
            yield Item(remote.keys, names.claim("-".join(map(str, remote.keys)), extension), remote)


def read_manifest(place: SafeDir) -> list[Entry]:
    """Return the entries of the directory's manifest, of the last run first.

    None if there is no manifest. Raises OutputNotDelivered if there is a file of that name that
    noxcli did not write, or that a newer one did.
    """
    document: Any = None
    try:
        content = place.read(MANIFEST, MAX_MANIFEST)
        if not content:  # after a power cut
            return []
        document = decode_json(content)
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno in NO_ROOM:  # otherwise it is a file of another kind, or another user's
            raise OutputNotDelivered(
                f"can't read {place.path / MANIFEST}: {reason_of(error)}"
            ) from None
    except ValueError:
        pass
    if not isinstance(document, dict) or document.get("schema") != MANIFEST_SCHEMA:
        raise in_the_way(place.path / MANIFEST)
    last = document.get("run")
    entries = list[Entry]()
    run_id = last.get("id") if isinstance(last, dict) else None
    kinds = {"name": str, "bytes": int, "sha256": str}
    for files in (document.get("files"), document.get("earlier")):
        for entry in files if isinstance(files, list) else ():
            # It may be planted, but a name is opened only as one step below the place.
            if isinstance(entry, dict) and all(
                isinstance(entry.get(name), kind) for name, kind in kinds.items()
            ):
                entries.append({"run_id": run_id, **entry})
    return entries
