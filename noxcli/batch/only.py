"""The rows that `--only` selects: by their ids, of which a file has one a line."""

from collections.abc import Collection
from typing import Self

from noxcli.errors import NotAsAsserted, UsageProblem, nearest, suggestion
from noxcli.files import expanded, reason_of
from noxcli.inputs.sources import STDIN_NAMES
from noxcli.render.text import amount

OPTION = "--only"
MOST_NAMED = 5  # ids in a message


class Only:
    """The ids of the rows to run, and which of them were met."""

    def __init__(self, path: str, ids: Collection[str]) -> None:
        self.ids = dict.fromkeys(ids)
        self._path = path
        self._unmet = set(ids)

    @classmethod
    def read(cls, path: str) -> Self:
        """Read a file of ids, one a line, as `results --query id` prints them. Raises UsageProblem."""
        if path in STDIN_NAMES:
            raise UsageProblem(f"{OPTION} {path} is not a file", "give a file with one id a line")
        try:
            text = expanded(path).read_bytes().decode("utf-8-sig")
        except (OSError, ValueError) as error:
            raise UsageProblem(f"can't read {OPTION} {path}: {reason_of(error)}") from None
        ids = [line for each in text.split("\n") if (line := each.removesuffix("\r")).strip()]
        if not ids:
            raise UsageProblem(f"{OPTION} {path} names no row", "write one id a line")
        return cls(path, ids)

    def meet(self, own_id: str | None) -> bool:
        """Record that there is a row with this id, and return whether it is to run."""
        self._unmet.discard(own_id or "")
        return own_id in self.ids

    @property
    def has_unmet(self) -> bool:
        return bool(self._unmet)

    def require_met(self, known: Collection[str], where: str) -> None:
        """Raise UsageProblem for ids that no row has; `known` are those of the rows."""
        if self._unmet:
            near = nearest(next(each for each in self.ids if each in self._unmet), known)
            own = "" if known else "name the column of the ids with --id"
            raise UsageProblem(self._unmet_in(where), suggestion(near, own, quoted=True))

    def conclude_stream(self) -> None:
        """Raise NotAsAsserted for ids that no row of a stream had, as is known at its end."""
        if self._unmet:
            raise NotAsAsserted(self._unmet_in("the stream"), "each needs a row of the stream")

    def _unmet_in(self, where: str) -> str:
        unmet = [each for each in self.ids if each in self._unmet]
        more = f" and {amount(len(unmet) - MOST_NAMED, 'more id')}" if len(unmet) > MOST_NAMED else ""
        names = ", ".join(map(repr, unmet[:MOST_NAMED]))
        return f"{OPTION} {self._path} names {names}{more}, but no row of {where} has such an id"
