"""The rows that `--only` selects: by their ids, of which a file has one a line."""

from collections.abc import Collection, Iterable
from typing import Self

from noxcli.errors import UsageProblem, nearest, suggestion
from noxcli.inputs.sources import STDIN_NAMES, Sources
from noxcli.render.text import amount

OPTION = "--only"
MAX_NAMED = 5  # ids in a message


class IdFilter:
    """The ids of the rows to run, and which of them were met."""

    def __init__(self, path: str, ids: Collection[str]) -> None:
        self.ids = dict.fromkeys(ids)
        self._path = path
        self._unmet = set(ids)

    @classmethod
    def read(cls, path: str, sources: Sources) -> Self:
        """Read a file of ids, one a line, as `results --query id` prints them. Raises UsageProblem."""
        if path in STDIN_NAMES:
            raise UsageProblem(f"{OPTION} {path} is not a file", "give a file with one id a line")
        text = sources.read_text(path, OPTION, f"{OPTION} {path}").removeprefix("\ufeff")
        ids = [line for each in text.split("\n") if (line := each.removesuffix("\r")).strip()]
        if not ids:
            raise UsageProblem(f"{OPTION} {path} names no row", "write one id a line")
        return cls(path, ids)

    def mark_seen(self, own_id: str | None) -> bool:
        """Record that there is a row with this id, and return whether it is to run."""
        self._unmet.discard(own_id or "")
        return own_id in self.ids

    def require_used(self, ids: Iterable[str], where: str) -> None:
        """Raise UsageProblem for ids that no row has; `ids` are those of the rows, once all were seen."""
        if unmet := [each for each in self.ids if each in self._unmet]:
            known = set(ids)
            more = f" and {amount(len(unmet) - MAX_NAMED, 'more id')}" if len(unmet) > MAX_NAMED else ""
            what = f"{OPTION} {self._path} names {', '.join(map(repr, unmet[:MAX_NAMED]))}{more}"
            own = "" if known else "name the column of the ids with --id"
            hint = suggestion(nearest(unmet[0], known), own, quoted=True)
            raise UsageProblem(f"{what}, but no row of {where} has such an id", hint)
