"""An import, and what the server's answer says that it has created."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noxcli.models import is_uuid
from noxcli.runs.start import NonIdempotentRequest

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
# What an import creates by its mode, and under which names an answer may have its id: no field is documented.
CREATED = {"clone": ("workflow", ("id", "workflow_id")), "version": ("version", ("id", "version_id"))}


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One bundle to import. Which workflows it changes is not documented: those that exist and that it names."""

    bundle: str
    mode: str  # clone, version or replace
    activate: bool

    def targets(self, workflows: Mapping[str, str]) -> dict[str, str]:
        """Return the workflows that may change, by id with their names."""
        named = set() if self.mode == "clone" else {found.lower() for found in UUID.findall(self.bundle)}
        return {id: name for id, name in workflows.items() if id.lower() in named}

    def created_in(self, answer: list[Any], workflows: Collection[str]) -> list[dict[str, str]]:
        """Return what each part of an answer has created, if it has one id that none of the earlier workflows has."""
        kind, names = CREATED.get(self.mode, ("", ()))
        parts = [{id for name, id in _ids(part) if name in names} - {*workflows} for part in answer]
        return [{"kind": kind, "id": new.pop()} for new in parts if len(new) == 1]


def _ids(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield each id in a part of an answer with the name of its field."""
    if isinstance(part, str) and is_uuid(part):
        yield name, part
    inside = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for inner_name, inner in inside:
        yield from _ids(inner, str(inner_name))


class ImportAttempt(NonIdempotentRequest[list[Any]]):
    """One import, or a dry run of one; `check_command` is the command that shows what it has changed."""

    def __init__(self, api: "NoxusApi", request: ImportRequest, check_command: str, *, dry_run: bool) -> None:
        super().__init__(
            "the dry run" if dry_run else "the import", f"check before you import it again: {check_command}"
        )
        self._api, self._request, self._dry_run = api, request, dry_run

    def send(self, within: float = float("inf")) -> list[Any]:
        """Import the bundle, and return the server's answer. Raises what the API raises."""
        request = self._request
        return self._api.within(within).import_workflow(
            request.bundle, request.mode, activate=request.activate, dry_run=self._dry_run, attempt=self
        )
