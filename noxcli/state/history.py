"""The history of this user's runs, and how far each was read: ids, host, times, position, keys of
secrets; no value.

A run has two small files in the state directory. The first has what is known at its start, and is
written once, as --state-file writes it for a later step of a canceled pipeline, which cleans up.
The second has its cursor, and is replaced after each burst, so that a killed process leaves a
complete one. Nothing here makes a command fail: an unreadable file counts as missing, and a run
that can't be saved is a warning. Only @last rejects the file of a newer noxcli.
"""

import errno
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from noxcli.codec import decode_json
from noxcli.errors import NO_ROOM, OutputNotDelivered, UsageProblem
from noxcli.files import put_privately, reason_of, require_readable, save, users_directory
from noxcli.masking import Mask
from noxcli.models import PLAIN_ID, RunEvent
from noxcli.safe_dir import SafeDir, read_named
from noxcli.value_class import value_class

STATE_VARIABLE = "NOXCLI_STATE_DIR"
ENTRY = ".json"
MAX_ENTRY = 64 * 1024  # largest file to read, in bytes
STATE_SCHEMA = "noxcli.state/1"
FROM_RUN = "give the FILE of --state-file"
KEPT_RUNS = 500
YOUNG = 10.0  # seconds


@value_class(frozen=True, slots=True)
class Entry:
    """A run at its start. `secret_inputs` are the keys of its secrets, None if that is not known.

    A `young` one was saved here moments ago, when a server that lags may not know it yet.
    """

    run_id: str
    workflow_id: str
    base_url: str
    secret_inputs: frozenset[str] | None = None
    young: bool = False

    def document(self) -> dict[str, Any]:
        """Return the content of its file."""
        document: dict[str, Any] = {
            "schema": STATE_SCHEMA,
            "run_id": self.run_id,
            "workflow_id": self.workflow_id,
            "base_url": self.base_url,
        }
        if self.secret_inputs is not None:
            document["secret_inputs"] = sorted(self.secret_inputs)
        return document


def parse_entry(document: Any, path: Path) -> Entry:
    """Return the run in a file's JSON.

    Raises UsageProblem for a file of a newer noxcli, ValueError, KeyError or TypeError for what is
    not a run's file.
    """
    require_readable(path, document["schema"], STATE_SCHEMA)
    if document["schema"] != STATE_SCHEMA:
        raise ValueError(f"its schema is not {STATE_SCHEMA}")
    secret = document.get("secret_inputs")
    known = None
    if secret is not None:
        known = frozenset(map(str, secret))
    return Entry(
        str(document["run_id"]), str(document["workflow_id"]), str(document["base_url"]), known
    )


class History:
    """The history of runs in the state directory.

    Several noxcli may use it together, since no two write one file.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        mask: Mask | None = None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`warn` is called if a run could not be saved."""
        self._environ = environ
        self._mask = mask or Mask()
        self._warn = warn

    @property
    def directory(self) -> Path | None:
        """The directory of the files, None for a user without a home: then nothing is saved."""
        if self._environ.get(STATE_VARIABLE):
            return Path(self._environ[STATE_VARIABLE])
        return users_directory("state")

    def begin(self, entry: Entry) -> None:
        """Save a run that was just started."""
        if not PLAIN_ID.fullmatch(self._mask(entry.run_id)):
            return
        directory = self.directory
        if directory is None:
            self._warn(
                "this user has no home directory; @last and --resume won't find runs; "
                f"set {STATE_VARIABLE}"
            )
            return
        try:
            content = json.dumps(self._mask.whole(entry.document())).encode()
            put_privately(directory / f"{entry.run_id}{ENTRY}", content)
        except OSError as error:
            self._warn(
                f"can't write to {directory}: {reason_of(error)}; "
                "@last and --resume won't find this run"
            )
            return
        with suppress(OSError), self._open_directory() as place:
            for name in _list_newest_first(place)[KEPT_RUNS:]:
                place.remove(name)
                place.remove(f"{name.removesuffix(ENTRY)}.cursor")

    def find_last(self, base_url: str) -> Entry | None:
        """Return the last run started at this server.

        Raises UsageProblem if it can't be read, or a newer noxcli saved it; OSError if no more
        files can be opened.
        """
        try:
            with self._open_directory() as place:
                for name in _list_newest_first(place):
                    entry = _read_entry_in(place, name, base_url)
                    if entry is not None:
                        return entry
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            reason = f"can't read the history of runs in {self.directory}: {reason_of(error)}"
            raise UsageProblem(reason, "give the run's id") from None
        return None

    def find_beginning(self, text: str, base_url: str) -> list[str]:
        """Return the ids of this user's runs at this server that begin like this."""
        with suppress(OSError, UsageProblem), self._open_directory() as place:
            found = []
            for name in sorted(place.list_names()):
                if not name.startswith(text.lower()) or not name.endswith(ENTRY):
                    continue
                entry = _read_entry_in(place, name, base_url)
                if entry is not None:
                    found.append(entry.run_id)
            return found
        return []

    def find_entry(self, run_id: str, base_url: str) -> Entry | None:
        """Return the run with that id, if it was started from this machine at this server."""
        if PLAIN_ID.fullmatch(run_id):
            with suppress(OSError, UsageProblem), self._open_directory() as place:
                return _read_entry_in(place, f"{run_id}{ENTRY}", base_url)
        return None

    def read_positions(self, run_id: str) -> Sequence[str]:
        """Return the last two positions up to which the run's events were delivered, or as many as
        are known.
        """
        if not PLAIN_ID.fullmatch(run_id):
            return ()
        with suppress(OSError, ValueError), self._open_directory() as place:
            noted = decode_json(place.read(f"{run_id}.cursor", MAX_ENTRY))
            if isinstance(noted, list):
                return [each for each in noted if isinstance(each, str) and each][-2:]
        return ()

    def keep_cursor(self, run_id: str, positions: Sequence[str] = ()) -> "CursorKeeper":
        """Return the writer of the run's cursor, for use while its events are shown from these
        positions on.
        """
        path = None
        directory = self.directory
        if directory is not None and PLAIN_ID.fullmatch(self._mask(run_id)):
            path = directory / f"{run_id}.cursor"
        return CursorKeeper(path, self._mask, positions)

    def _open_directory(self) -> SafeDir:
        directory = self.directory
        if directory is None:
            raise FileNotFoundError
        return SafeDir.open_named(directory)


class CursorKeeper(AbstractContextManager["CursorKeeper"]):
    """Saves the last two positions after each burst; events at one position count as one.

    It gets each burst last, when stdout already has it. The last one has to come again when a later
    command asks from the one before it.
    """

    def __init__(self, path: Path | None, mask: Mask, positions: Sequence[str] = ()) -> None:
        self._path = path
        self._mask = mask
        self._positions = list(positions)

    def __exit__(self, *_: object) -> None:
        return None

    def show(self, burst: Sequence[tuple[Any, Any]]) -> None:
        if self._path is None:
            return
        last: list[str] = []
        for update, _ in reversed(burst):
            if isinstance(update, RunEvent) and update.redis_id and update.redis_id not in last:
                last.insert(0, update.redis_id)
                if len(last) == 2:
                    break
        if not last:
            return
        earlier = [position for position in self._positions if position not in last]
        self._positions = [*earlier, *last][-2:]
        if all(self._mask(each) == each for each in self._positions):
            with suppress(OSError):
                put_privately(self._path, json.dumps(self._positions).encode())


def _read_entry_in(place: SafeDir, name: str, base_url: str) -> Entry | None:
    """Return a file's run if it was started at this server.

    A damaged or foreign file counts as none. Raises OSError, and UsageProblem for a file that a
    newer noxcli has written.
    """
    try:
        content = place.read(name, MAX_ENTRY)
    except OSError as error:
        # A link, a FIFO, or too large: noxcli wrote none of these.
        if error.errno in {None, errno.EISDIR}:
            return None
        raise
    with suppress(ValueError, KeyError, TypeError):
        noted = decode_json(content)
        if noted["base_url"] == base_url:
            is_young = abs(time.time() - place.lstat(name).st_mtime) < YOUNG
            return replace(parse_entry(noted, place.path / name), young=is_young)
    return None


def _list_newest_first(place: SafeDir) -> list[str]:
    by_age = []
    for name in place.list_names():
        with suppress(OSError):  # another noxcli may have removed it
            if name.endswith(ENTRY):
                by_age.append((-place.lstat(name).st_mtime_ns, name))
    return [name for _, name in sorted(by_age)]


def write_state(path: Path, entry: Entry) -> None:
    """Write the complete file.

    Raises OutputNotDelivered with the reason; the file of an earlier run is then removed.
    """
    try:
        save(path, [f"{json.dumps(entry.document(), indent=2)}\n".encode()])
    except OutputNotDelivered:
        with suppress(OSError):
            path.unlink()
        raise


def read_state(path: Path) -> Entry | None:
    """Return the run in the file, or None without a file: then nothing was started.

    Raises UsageProblem for any other file, also that of a newer noxcli.
    """
    try:
        return parse_entry(decode_json(read_named(path, MAX_ENTRY)), path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else "it is not a state file"
        raise UsageProblem(f"can't use {path}: {reason}", FROM_RUN) from None
