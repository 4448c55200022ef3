"""Stored files: uploads, full texts of previews, files that are generated while they are sent."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from noxcli.sandbox.scenario import File

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file under an id. `owner` is the workflow whose faults its downloads obey."""

    content: File
    owner: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def size(self) -> int:
        """Its length in bytes."""
        if self.content.size is None:
            return len(self.content.content)
        return self.content.size

    @property
    def held(self) -> int:
        """The bytes that it takes in memory, including its metadata."""
        return len(self.content.content) + 1024

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The bytes from start to stop, piece by piece, in constant memory."""
        block = self.content.content or b"\0"
        if self.content.size is not None and len(block) < PIECE:
            block *= PIECE // len(block) + 1
        while start < stop:
            at = start % len(block)
            piece = block[at : at + min(PIECE, stop - start)]
            yield piece
            start += len(piece)

    def value(self) -> dict[str, Any]:
        """The file as a value among a run's outputs: it has a `name` there."""
        return {**self._shared(), "name": self.content.name}

    def record(self, group_id: str, created_at: str) -> dict[str, Any]:
        """The file as the Files API describes it: it has a `filename` there."""
        own = {
            "size": self.size,
            "group_id": group_id,
            "filename": self.content.name,
            "created_at": created_at,
        }
        return {**self._shared(), **own}

    def _shared(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "uri": f"spot://{self.id}",
            "content_type": self.content.content_type,
            "source_type": "Document",
            "source_metadata": None,
        }
