"""The files of all outputs: named, downloaded, written, and listed in the manifest at the end."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from noxcli.encode import slices
from noxcli.errors import NoxError, Undelivered
from noxcli.files import Saved, replacing_in
from noxcli.fixed import fixed
from noxcli.models import Run
from noxcli.outputs.directory import Folder
from noxcli.outputs.download import Transfer, fetch
from noxcli.outputs.expand import DELIVERABLE, Watching, problem, required_id, run_transfers
from noxcli.outputs.filenames import MANIFEST, Names, safe_extension
from noxcli.outputs.manifest import Manifest, manifest_of, read_manifest
from noxcli.outputs.values import (
    Delivered,
    Remote,
    as_text,
    find_remote,
    is_complete,
    is_file,
    is_preview,
    outermost,
    pointer_to,
    replaced,
    text_of,
)
from noxcli.place import Place
from noxcli.retry import Patience

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

Keys = tuple[str | int, ...]


@dataclass(slots=True)
class Item:
    """A planned file: its place in the output, its name, and its result."""

    keys: Keys
    name: str
    remote: Remote | None
    saved: Saved | None = None
    error: BaseException | None = None

    @property
    def pointer(self) -> str:
        return pointer_to(self.keys)


@fixed
class Filing:
    """Writes one run's outputs to a directory."""

    source: "NoxusApi"
    patience: Patience
    place: Place
    overwrite: bool = False
    watching: Watching = nullcontext
    skipped: list[str] = field(default_factory=list)

    def deliver(self, run: Run) -> Delivered:
        """Return the output with paths instead of remote values; each file is downloaded once."""
        before = read_manifest(self.place, overwrite=self.overwrite)
        folder = Folder(self.place, before.written, overwrite=self.overwrite)
        output = run.output if isinstance(run.output, dict) else {"output": run.output}
        items = list(plan(output))
        try:
            self._fetch_all(folder, [item for item in items if item.remote is not None])
            shown = with_paths(output, items)
            for item in items:
                if item.remote is None:
                    self._write(folder, item, as_text(shown[item.keys[0]]))
        finally:
            # Also after a signal: the next call then recognizes the existing files as noxcli's own.
            folder.abandon()
            files = [entry_of(item, item.saved) for item in items if item.saved]
            problems = [problem(item.pointer, item.error) for item in items if isinstance(item.error, NoxError)]
            late = self._write_manifest(run, folder, before, items, problems)
        problems += late
        whole = shown if isinstance(run.output, dict) else shown["output"]
        return Delivered(whole, files, is_complete(whole) and not problems, problems)

    def _fetch_all(self, folder: Folder, items: list[Item]) -> None:
        together: dict[tuple[str, bool, str], list[Item]] = {}
        for item in items:
            assert item.remote is not None
            try:
                # One file with two beginnings: one of them must be wrong.
                one = required_id(item.remote), item.remote.is_text, item.remote.text
                together.setdefault(one, []).append(item)
            except Undelivered as error:
                item.error = error
        jobs = []
        for (file_id, _, _), same in together.items():
            assert same[0].remote is not None
            transfer = Transfer(same[0].remote, file_id)
            jobs.append((transfer, partial(self._obtain, folder, transfer, same)))
        for (_, trouble), same in zip(
            run_transfers(jobs, self.patience, self.watching), together.values(), strict=True
        ):
            for item in same:
                item.error = item.error or trouble
                if item.error is not None and not isinstance(item.error, DELIVERABLE):
                    raise item.error

    def _obtain(self, folder: Folder, transfer: Transfer, items: list[Item], patience: Patience) -> None:
        """Write the same file under each of these names, in a separate thread."""
        for item in items:
            item.saved = folder.right(item.name, transfer.file_id)
        self.skipped.extend(item.name for item in items if item.saved)
        # Names that another program's file has come last: they only need a comparison.
        missing = sorted((item for item in items if not item.saved), key=lambda item: not folder.is_free(item.name))
        if not missing:
            return

        def refuse(size: int | None) -> None:
            if not any(folder.could_be(item.name, size) for item in missing):
                raise folder.in_the_way(missing[0].name)

        with folder.part(missing[0].name) as part:
            fetch(self.source, transfer, part, patience, refuse)
            for item in reversed(missing):  # the part's own name last, since the part is then moved
                try:
                    item.saved = folder.settle(item.name, part)
                except Undelivered as error:
                    item.error = error

    def _write(self, folder: Folder, item: Item, text: str) -> None:
        try:
            with folder.part(item.name) as part:
                for piece in slices(text):
                    part.write(piece.encode("utf-8", "surrogatepass"))
                if folder.has(item.name, part):
                    self.skipped.append(item.name)
                item.saved = folder.settle(item.name, part)
        except Undelivered as error:
            item.error = error

    def _write_manifest(
        self, run: Run, folder: Folder, before: Manifest, items: list[Item], problems: list[str]
    ) -> list[str]:
        files = [{"name": item.name, **entry_of(item, item.saved)} for item in items if item.saved]
        now = {entry["name"] for entry in files}
        content = manifest_of(
            run,
            complete=len(files) == len(items) and not problems,
            files=files,
            problems=problems,
            earlier=[entry for entry in before.entries if entry["name"] not in now and folder.exists(entry["name"])],
        )
        try:
            with replacing_in(self.place, MANIFEST) as file:
                file.write(content)
        except Undelivered as error:
            return [problem(MANIFEST, error)]
        return []


def plan(output: Mapping[str, Any]) -> Iterator[Item]:
    """Yield a file for each output, in order, and for each remote value inside one."""
    names = Names()
    for key, value in output.items():
        own = [] if is_preview(value) or is_file(value) else [(".txt" if text_of(value) is not None else ".json", None)]
        found: list[tuple[str, Remote | None]] = [*own]
        for remote in outermost(find_remote({key: value})):
            found.append((".txt" if remote.is_text else safe_extension(remote.name, remote.content_type), remote))
        for extension, one in found:
            keys: Keys = one.keys if one else (key,)
            yield Item(keys, names.claim("-".join(map(str, keys)), extension), one)


def with_paths(output: Mapping[str, Any], items: Iterable[Item]) -> Any:
    """Return the output with the path of each downloaded file instead of its remote value."""
    return replaced(
        output, {item.keys: {"$file": str(item.saved.path)} for item in items if item.remote and item.saved}
    )


def entry_of(item: Item, saved: Saved) -> dict[str, Any]:
    """Return a file's entry in the result document."""
    return {
        "pointer": item.pointer,
        "file_id": item.remote.file_id if item.remote else None,
        "path": str(saved.path),
        "bytes": saved.bytes,
        "sha256": saved.sha256,
    }
