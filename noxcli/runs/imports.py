"""An import, and what it changed on the server, whatever its answer says."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from noxcli.codec import to_json
from noxcli.errors import ChangedMeanwhile
from noxcli.retry import Patience
from noxcli.runs.start import SentOnce

if TYPE_CHECKING:
    from noxcli.api import NoxusApi
    from noxcli.models import Version, Workflow

UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """One bundle to import. Which workflows it changes is not documented: those that are there and that it names."""

    bundle: str
    mode: str  # clone, version or replace
    activate: bool

    def targets(self, workflows: Mapping[str, str]) -> dict[str, str]:
        """Return the workflows that may change, by id with their names."""
        named = set() if self.mode == "clone" else {found.lower() for found in UUID.findall(self.bundle)}
        return {id: name for id, name in workflows.items() if id.lower() in named}


@dataclass(frozen=True, slots=True)
class ServerState:
    """What an import may change on a server: the names of all workflows, and of its targets, what runs."""

    workflows: Mapping[str, str]
    targets: "Mapping[str, Workflow]"
    versions: "Mapping[str, Version]"  # the saved ones of the targets

    @classmethod
    def read(cls, api: "NoxusApi", request: ImportRequest, patience: Patience) -> "ServerState":
        """Read it. Raises what the API raises."""

        def read(within: float) -> "ServerState":
            limited = api.within(within)
            workflows = {each.id: each.name for each in limited.list_workflows()}
            targets = [limited.get_workflow(id) for id in request.targets(workflows)]
            versions = [version for each in targets for version in limited.list_versions(each.id)]
            return cls(workflows, {each.id: each for each in targets}, {each.id: each for each in versions})

        return patience.keep_trying(read)

    @property
    def look(self) -> str:
        """The command that shows what an import has changed."""
        return ", ".join(f"noxcli versions {id}" for id in self.targets) or "noxcli workflows"

    def new_since(self, before: "ServerState") -> list[dict[str, Any]]:
        """Return the workflows and versions that were not there before."""
        workflows = [
            {"kind": "workflow", "id": id, "workflow_id": id, "name": name}
            for id, name in self.workflows.items()
            if id not in before.workflows
        ]
        versions = [
            {"kind": "version", "id": each.id, "workflow_id": each.workflow.id, "name": each.name}
            for each in self.versions.values()
            if each.id not in before.versions
        ]
        return [*workflows, *versions]

    def own_among(
        self, new: Sequence[dict[str, Any]], request: ImportRequest, answer: Any, owner: Collection[object]
    ) -> list[dict[str, Any]]:
        """Return what of the new an import has certainly created: somebody else may be at work.

        The answer names it; or else it alone is new of its kind in its place, or new and of the key's `owner`.
        """
        said = to_json(answer)
        if named := [each for each in new if to_json(each["id"]) in said]:
            return named
        kind = "workflow" if request.mode == "clone" else "version"
        likely = [each for each in new if each["kind"] == kind] or new
        owned = {id for id, each in self.versions.items() if each.created_by in owner}
        likely = [each for each in likely if each["id"] in owned] or likely
        places = Counter(map(_place, likely))
        return [each for each in likely if places[_place(each)] == 1]

    def require_unchanged_since(self, before: "ServerState") -> None:
        """Raise ChangedMeanwhile if something changed during a dry run."""
        changed = [f"the {each['kind']} {each['name']!r} ({each['id']}) is new" for each in self.new_since(before)]
        changed += [
            f"the workflow {each.name!r} is another one"
            for each in self.targets.values()
            if each.id in before.targets and each.definition != before.targets[each.id].definition
        ]
        if changed:
            raise ChangedMeanwhile(
                f"the server changed during the dry run: {'; '.join(changed)}",
                "check whether the dry run did that, before you import anything",
            )


def _place(new: Mapping[str, Any]) -> tuple[str, str]:
    """Return where one import creates one thing: a version in each workflow, or a workflow."""
    return new["kind"], new["workflow_id"] if new["kind"] == "version" else ""


class ImportAttempt(SentOnce[list[Any]]):
    """One import, or a dry run of one; `look` is the command that shows what it has changed."""

    def __init__(self, api: "NoxusApi", request: ImportRequest, look: str, *, dry_run: bool) -> None:
        super().__init__("the dry run" if dry_run else "the import", f"check before you import it again: {look}")
        self._api, self._request, self._dry_run = api, request, dry_run

    def post(self) -> list[Any]:
        """Import the bundle, and return the server's answer. Raises what the API raises."""
        request = self._request
        return self._api.import_workflow(
            request.bundle, request.mode, activate=request.activate, dry_run=self._dry_run, attempt=self
        )
