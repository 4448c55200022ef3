"""The output of a completed run, made whole: truncated texts fetched, files written where they were asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from noxcli.encode import to_json
from noxcli.errors import NotFound, Refused, Unauthorized, Unavailable, Undelivered
from noxcli.files import Saved, save
from noxcli.models import Run
from noxcli.names import MANIFEST, Names, safe_extension
from noxcli.patience import Patience
from noxcli.values import Remote, as_text, find_remote, is_file, is_preview, pointer_to, replaced, text_of


class OpenFile(Protocol):
    """A file on its way here."""

    def __enter__(self) -> "OpenFile": ...
    def __exit__(self, *exc: Any) -> None: ...
    def pieces(self) -> Iterator[bytes]: ...


class FileSource(Protocol):
    """What delivery needs of the API."""

    def download(self, file_id: str) -> OpenFile: ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """The output as it is handed over; `complete` is true only where nothing in it is still a preview."""

    output: Any
    files: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = True
    problems: list[str] = field(default_factory=list)


class Delivery:
    """Delivers one run's output; each file is fetched once, however often the output names it."""

    def __init__(self, source: FileSource, patience: Patience) -> None:
        self._source = source
        self._patience = patience
        self._files: list[dict[str, Any]] = []
        self._problems: list[str] = []

    def inline(self, output: Any) -> Delivered:
        """Return the output with every truncated text replaced by the whole one."""
        contents: dict[str, bytes] = {}
        texts: dict[tuple[str | int, ...], str] = {}
        for remote in find_remote(output):
            if not remote.is_text:
                continue
            with self._noting(remote.pointer):
                file_id = required_id(remote)
                if file_id not in contents:
                    contents[file_id] = self._patience.keep_trying(partial(self._read, file_id))
                texts[remote.keys] = decoded(contents[file_id], file_id)
                self._list(remote.pointer, file_id, None, contents[file_id])
        return self._delivered(replaced(output, texts))

    def to_directory(self, run: Run, directory: Path) -> Delivered:
        """Write every output to a file of its own and return the output with paths in place of what is remote."""
        names = Names()
        output = run.output if isinstance(run.output, dict) else {"output": run.output}
        markers: dict[tuple[str | int, ...], Any] = {}
        for remote in find_remote(output):
            extension = ".txt" if remote.is_text else safe_extension(remote.name)
            target = directory / names.claim("-".join(map(str, remote.keys)), extension)
            with self._noting(remote.pointer):
                file_id = required_id(remote)
                saved = self._patience.keep_trying(partial(self._fetch, file_id, target))
                markers[remote.keys] = {"$file": str(target)}
                self._list(remote.pointer, file_id, saved)
        shown = replaced(output, markers)
        for key, value in output.items():
            pointer = pointer_to((key,))
            if is_preview(value) or is_file(value):
                continue
            with self._noting(pointer):
                extension = ".txt" if text_of(value) is not None else ".json"
                content = as_text(shown[key]).encode("utf-8", "surrogatepass")
                self._list(pointer, None, save(directory / names.claim(key, extension), [content]))
        delivered = self._delivered(shown if isinstance(run.output, dict) else shown["output"])
        with self._noting(MANIFEST):
            save(directory / MANIFEST, [to_json(_manifest(run, delivered), indent=2).encode()])
        return delivered

    def _read(self, file_id: str) -> bytes:
        with self._source.download(file_id) as download:
            return b"".join(download.pieces())

    def _fetch(self, file_id: str, target: Path) -> Saved:
        with self._source.download(file_id) as download:
            return save(target, download.pieces())

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Note what can't be delivered and go on with the rest."""
        try:
            yield
        except (NotFound, Refused, Unauthorized, Unavailable, Undelivered) as error:
            self._problems.append(f"{what}: {error.line()}")

    def _list(self, pointer: str, file_id: str | None, saved: Saved | None, content: bytes = b"") -> None:
        self._files.append(
            {
                "pointer": pointer,
                "file_id": file_id,
                "path": str(saved.path) if saved else None,
                "bytes": saved.bytes if saved else len(content),
                "sha256": saved.sha256 if saved else sha256(content).hexdigest(),
            }
        )

    def _delivered(self, output: Any) -> Delivered:
        return Delivered(output, self._files, is_complete(output) and not self._problems, self._problems)


def is_complete(output: Any) -> bool:
    """True where nothing in the output is a preview."""
    return not any(remote.is_text for remote in find_remote(output))


def required_id(remote: Remote) -> str:
    """Return the id to fetch by.

    Raises Undelivered where the server gave none.
    """
    if remote.file_id is None:
        raise Undelivered("the server gave no file id for it")
    return remote.file_id


def decoded(content: bytes, file_id: str) -> str:
    """Return the text.

    Raises Undelivered where it is not UTF-8: it would not be what the workflow wrote.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Undelivered(f"the file {file_id} is not UTF-8 text (byte {error.start:,})") from None


def _manifest(run: Run, delivered: Delivered) -> dict[str, Any]:
    return {
        "schema": "noxcli.manifest/1",
        "run": {"id": run.id, "workflow_id": run.workflow_id, "status": run.status},
        "complete": delivered.complete,
        "files": delivered.files,
        "problems": delivered.problems,
    }
