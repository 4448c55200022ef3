"""Every finished row's result with its output, in the batch's own file, even if stdout is lost."""

import os
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from noxcli.batch.journal import JournalTrouble, opened
from noxcli.batch.sound import parsed_result
from noxcli.errors import UsageProblem
from noxcli.files import reason_of
from noxcli.place import Place

RESULTS_NAME = "results.jsonl"
LONGEST_RESULT = 1 << 30  # the longest line to read back, in bytes
NOWHERE = (1 << 64) - 1


class Results:
    """The results of one directory, written by one thread; the journal's lock keeps other processes out.

    A line is added before the journal records its row as finished, so a kill in between may add it twice. Of several
    lines of a row, the last one counts, and the others are removed when the file is opened or closed.
    """

    def __init__(self, place: Place) -> None:
        """Raises UsageProblem if the file can't be written."""
        self.path = place.path / RESULTS_NAME
        self._place = place
        self._seen = bytearray()
        self._doubled = False
        try:
            self._file = self._open()
            self._tidy(self._survey())
        except OSError as error:
            raise UsageProblem(
                f"can't write the results {self.path}: {reason_of(error)}", "check --output-dir"
            ) from None

    def close(self) -> None:
        """Remove lines that a later line of the same row replaces. Raises JournalTrouble if writing fails."""
        try:
            if self._doubled:
                self._tidy(self._survey())
        except OSError as error:
            raise self._trouble(error) from None
        finally:
            os.close(self._file)

    def add(self, lines: Sequence[tuple[int, str]]) -> None:
        """Add rows' lines, each with a newline at its end; they are on disk when this returns.

        Raises JournalTrouble if they can't all be written; then none of them remains.
        """
        if not lines:
            return
        begins = os.lseek(self._file, 0, os.SEEK_END)
        try:
            content = "".join(line for _, line in lines).encode("utf-8", "surrogateescape")
            written = os.write(self._file, content)
            while written < len(content):
                written += os.write(self._file, content[written:])
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, begins)
            raise self._trouble(error) from None
        for number, _ in lines:
            self._doubled = self._note(number) or self._doubled

    def _open(self) -> int:
        return self._place.opened(RESULTS_NAME, os.O_RDWR | os.O_CREAT | os.O_APPEND)

    def _note(self, number: int) -> bool:
        """Record that a row has a line; True if it already had one."""
        self._seen.extend(bytes(max(0, number + 1 - len(self._seen))))
        before, self._seen[number] = self._seen[number], 1
        return bool(before)

    def _survey(self) -> tuple["array[int]", bool]:
        """Return the position of each row's last line, and whether the file has anything else."""
        places, other, size = array("Q"), False, 0
        self._seen = bytearray()
        for offset, number, _, line in result_lines(self.path):
            other = self._note(number) or other or offset != size
            size = offset + len(line)
            places.extend([NOWHERE] * (number + 1 - len(places)))
            places[number] = offset
        return places, other or size != os.fstat(self._file).st_size

    def _tidy(self, survey: tuple["array[int]", bool]) -> None:
        places, other = survey
        if other:
            with self._place.replacing(RESULTS_NAME) as new, opened(self.path) as old:
                for offset in sorted(place for place in places if place != NOWHERE):
                    old.seek(offset)
                    new.write(old.readline())
            os.close(self._file)
            self._file = self._open()
        self._doubled = False

    def _trouble(self, error: OSError) -> JournalTrouble:
        return JournalTrouble(
            f"can't write the results {self.path}: {reason_of(error)}", "free some space, and continue with --resume"
        )


class KeptResults:
    """The results of one directory, for reading by row; without a file there are none."""

    def __init__(self, directory: Path) -> None:
        """Raises UsageProblem for a file that can't be read."""
        self._places: array[int] = array("Q")
        self._file: IO[bytes] | None = None
        path = directory / RESULTS_NAME
        with suppress(FileNotFoundError):
            self._file = opened(path)
        if self._file is None:
            return
        for offset, number, _, _ in result_lines(path):
            self._places.extend([NOWHERE] * (number + 1 - len(self._places)))
            self._places[number] = offset

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def line(self, number: int, run_id: str | None) -> bytes | None:
        """Return the row's line, None if it has none of this run."""
        place = self._places[number] if number < len(self._places) else NOWHERE
        if self._file is None or place == NOWHERE:
            return None
        self._file.seek(place)
        raw = self._file.readline(LONGEST_RESULT)
        found = parsed_result(raw)
        return raw if found is not None and found[1] == run_id else None


def result_lines(path: Path) -> Iterator[tuple[int, int, str | None, bytes]]:
    """Yield offset, row, run id and text of each line that is a result, without incomplete and other lines.

    Raises UsageProblem if the file can't be read.
    """
    try:
        with opened(path) as file:
            offset = 0
            while raw := file.readline(LONGEST_RESULT):
                found = parsed_result(raw) if raw.endswith(b"\n") else None
                if found is not None:
                    yield offset, *found, raw
                offset += len(raw)
    except OSError as error:
        raise UsageProblem(f"can't read the results {path}: {reason_of(error)}") from None
