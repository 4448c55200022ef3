"""What a row asks, by content: the digest of its own inputs, files by their bytes."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from noxcli.errors import UsageProblem
from noxcli.files import expanded, reason_of
from noxcli.inputs.definition import InputNode
from noxcli.inputs.uploads import Upload
from noxcli.rows.columns import Row
from noxcli.runs.start import InputDigests

REMEMBERED = 1000  # files, since rows often share one
HEX_DIGITS = 16  # of 64 bits


class RowContents:
    """Digests of rows: equal for rows that send the same, wherever they are in the table."""

    def __init__(self, nodes: Sequence[InputNode] | None, shared: Collection[str]) -> None:
        """`nodes` are None if the definition is unknown; `shared` inputs are not the row's own."""
        self._digests = InputDigests(nodes)
        self._shared = frozenset(shared)
        self._hash = lru_cache(REMEMBERED)(hash_file)

    def digest(self, row: Row) -> int:
        """Return the digest of a row whose files are read now.

        Raises UsageProblem if one can't be read.
        """
        return self._of(row, None)

    def digest_as_sent(self, row: Row, hashes: Mapping[Upload, str]) -> int:
        """Return the digest of a row whose files had these hashes when they were sent."""
        return self._of(row, hashes)

    def _of(self, row: Row, hashes: Mapping[Upload, str] | None) -> int:
        own: dict[str, Any] = {}
        for key, value in row.inputs.values.items():
            if key in self._shared:
                continue
            if isinstance(value, Upload):
                own[key] = self._hash(value.path) if hashes is None else hashes[value]
            else:
                own[key] = [value]  # so that no text equals the hash of a file
        return int(self._digests.of(own)[:HEX_DIGITS], 16) or 1  # 0 is for none


def hash_file(path: str) -> str:
    """Return the SHA-256 of a file. Raises UsageProblem if it can't be read."""
    try:
        with expanded(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageProblem(f"can't read the file {path}: {reason_of(error)}") from None
