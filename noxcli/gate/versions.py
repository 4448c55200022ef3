"""Versions that files name by their content: found among the saved ones, or created once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from noxcli.batchdir.header import NOT_SAVED, BatchHeader, changed_nodes, digests_of
from noxcli.batchdir.journal import Journal
from noxcli.batchdir.journal_state import JournalState
from noxcli.errors import (
    CommandLine,
    Hint,
    NoxError,
    RequestRejected,
    StartUnknown,
    Unavailable,
    UsageProblem,
)
from noxcli.gate.rules import NEW
from noxcli.inputs.definition import LAYOUT, definition_in, has_layout
from noxcli.inputs.sources import Sources
from noxcli.models import Version, Workflow
from noxcli.retry import RetryPolicy
from noxcli.runs.start import MAX_SEARCH, SEARCH_AGAIN, NonIdempotentRequest, send_once
from noxcli.timing import Deadline

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

NAMED_BY = 16  # digits of the digest
FIRST = (
    "if the target branch has no definition yet, merge one first: "
    "later pull requests are compared with it; "
    "if it has one, check out the pull request's merge with fetch-depth 2"
)
TAKEN = 409  # the HTTP status for a name that another version may have


class DefinitionRefused(UsageProblem):
    """The server does not save the definition of a file, or saves another one."""


class VersionNotListed(Unavailable):
    """A version was sent, and the server's list does not show it; the same line finds it later."""


@dataclass(frozen=True, slots=True)
class DefinitionFile:
    """A definition in a file, and the digest that tells which version it is."""

    name: str
    definition: Mapping[str, Any]
    digest: str

    @classmethod
    def read(cls, name: str, option: str, workflow: str, sources: Sources) -> Self:
        """Read the file that an option names. Raises UsageProblem for anything but a definition."""
        export = CommandLine("export", workflow, "--definition")
        way = Hint("write it with: ", export)
        if option == "--base-file":
            way = Hint(FIRST)
        try:
            text = sources.read_text(name, option, name)
        except UsageProblem as error:
            raise UsageProblem(error.message, error.hint or way) from None
        if not text.strip():
            raise UsageProblem(f"{name} is empty", way)
        definition = definition_in(text)
        if definition is None:
            raise UsageProblem(f"{name} is not a definition", Hint("write one with: ", export))
        digest, _ = digests_of(definition)
        return cls(name, definition, str(digest))

    @property
    def version_name(self) -> str:
        """The name of the version that is created for it."""
        return f"noxcli-{self.digest[:NAMED_BY]}"

    def version_of(self, workflow: Workflow) -> Workflow:
        """Return the workflow in a version that is not saved yet."""
        return replace(
            workflow,
            definition=self.definition,
            version_id=NOT_SAVED,
            version_name=self.version_name,
        )


class VersionAttempt(NonIdempotentRequest[str | None]):
    """One request that saves a version."""

    def __init__(self, api: "NoxusApi", workflow_id: str, file: DefinitionFile) -> None:
        check_first = Hint("check before you save it again: ", CommandLine("versions", workflow_id))
        super().__init__("the request to save a version", check_first)
        self._api = api
        self._workflow_id = workflow_id
        self._file = file

    def send(self, within: float = float("inf")) -> str | None:
        """Save the version; return its id, None if the answer has none. Raises as the API."""
        return self._api.within(within).create_version(
            self._workflow_id, self._file.version_name, self._file.definition, attempt=self
        )


class FileVersions:
    """The versions of one workflow, by the content of files; `files` are those of each side."""

    def __init__(
        self,
        api: "NoxusApi",
        workflow: Workflow,
        files: Mapping[int, DefinitionFile],
        retries: RetryPolicy,
        deadline: Deadline,
    ) -> None:
        self.files = files
        self._api = api
        self._workflow = workflow
        self._retries = retries
        self._deadline = deadline

    def find(self, side: int, journaled: JournalState) -> Workflow:
        """Return the workflow in the saved version of a side's file, one without an id if none is.

        Where the journal says that it may be saved, the list is read again for a while. Raises
        DefinitionRefused for another definition under its name, and VersionNotListed for a version
        that an earlier call has saved.
        """
        file = self.files[side]
        saved_id = journaled.versions.get(file.version_name)
        known_id = _id_in(journaled.header, side, file.digest) or saved_id
        patience = 0.0
        if known_id or file.version_name in journaled.versions:
            patience = MAX_SEARCH
        found = self._search(file, known_id, patience)
        if found is None and saved_id:
            raise _not_listed(file, f"version {saved_id} was saved")
        return found or file.version_of(self._workflow)

    def save_missing(self, workflows: Sequence[Workflow], journal: Journal) -> list[Workflow]:
        """Save the versions that are not saved yet; return all of them, by side.

        Raises as `save`.
        """
        made: dict[str, Workflow] = {}
        versions = []
        for side, workflow in enumerate(workflows):
            if workflow.version_id != NOT_SAVED:
                versions.append(workflow)
                continue
            file = self.files[side]
            if file.digest not in made:
                made[file.digest] = self.save(file, journal)
            versions.append(made[file.digest])
        return versions

    def save(self, file: DefinitionFile, journal: Journal) -> Workflow:
        """Save the file's definition as a version, and return the workflow in it as it is listed.

        Raises DefinitionRefused, VersionNotListed, and what `send_once` does if nothing was sent.
        """
        attempt = VersionAttempt(self._api, self._workflow.id, file)
        journal.note_version_sent(file.version_name, file.digest)

        def note(version_id: str | None) -> None:
            journal.note_version_saved(file.version_name, version_id)

        try:
            version_id = send_once(attempt, self._retries, self._deadline, note)
        except StartUnknown as error:
            return self._resolve(file, None, error)
        except NoxError as error:
            if not attempt.may_be_sent:
                journal.note_version_refused(file.version_name, error)
            if isinstance(error, RequestRejected):
                return self._take_after_refusal(file, error)
            raise
        return self._resolve(file, version_id, None)

    def _resolve(
        self, file: DefinitionFile, version_id: str | None, error: StartUnknown | None
    ) -> Workflow:
        """Return what was saved, once it is listed. Raises VersionNotListed."""
        found = self._search(file, version_id, MAX_SEARCH)
        if found is not None:
            return found
        if error is not None:
            what = error.message
        elif version_id is None:
            what = "the server's answer to a new version has no id"
        else:
            what = f"version {version_id} was saved"
        raise _not_listed(file, what)

    def _take_after_refusal(self, file: DefinitionFile, error: RequestRejected) -> Workflow:
        """Return the version that another process made meanwhile. Raises DefinitionRefused."""
        patience = MAX_SEARCH if error.http_status == TAKEN else 0.0
        found = self._search(file, None, patience)
        if found is not None:
            return found
        hint = error.hint
        if not has_layout(file.definition) and _may_need_layout(error):
            export = CommandLine("export", self._workflow.id, "--definition", "--full")
            hint = Hint(f"if it needs positions, write {file.name} with: ", export)
        raise DefinitionRefused(
            f"the server does not save {file.name} as a version: {error.message}",
            hint,
            **error.facts(),
        ) from error

    def _search(
        self, file: DefinitionFile, known_id: str | None, patience: float
    ) -> Workflow | None:
        """Return the workflow in the version of this content, None if none is listed in time."""
        clock = self._deadline.clock
        limit = Deadline(clock, self._deadline.remaining(patience))
        while True:
            listed = self._retries.keep_listing(
                lambda within, pages: list(
                    self._api.within(within).list_versions(self._workflow.id, pages)
                )
            )
            found = _version_of(file, known_id, listed)
            if found is not None:
                return replace(
                    found.workflow,
                    name=self._workflow.name,
                    version_id=found.id,
                    version_name=found.name or file.version_name,
                )
            if limit.passed:
                return None
            clock.sleep(min(SEARCH_AGAIN, limit.remaining()))


def _version_of(
    file: DefinitionFile, known_id: str | None, listed: Sequence[Version]
) -> Version | None:
    """Return the version with the file's definition: that of this id, else the oldest.

    Raises DefinitionRefused if what was saved for the file has another definition.
    """
    same = []
    others = []
    for each in listed:
        digest, _ = digests_of(each.workflow.definition)
        if digest == file.digest:
            same.append(each)
        elif each.name == file.version_name or each.id == known_id:
            others.append(each)
    for each in same:
        if each.id == known_id:
            return each
    if same:
        return min(same, key=_age_of)
    if others:
        raise _saved_differently(file, others[0])
    return None


def _may_need_layout(error: RequestRejected) -> bool:
    """True if the server names positions, or gives no reason."""
    _, _, reason = error.message.partition(f" answered {error.http_status}: ")
    return not reason or LAYOUT.search(reason) is not None


def _age_of(version: Version) -> tuple[str, str]:
    return version.created_at or "", version.id


def _not_listed(file: DefinitionFile, what: str) -> VersionNotListed:
    return VersionNotListed(
        f"{what}, and the list of versions has none with the definition of {file.name}",
        "the same line looks for it again; --fresh saves another one",
    )


def _saved_differently(file: DefinitionFile, saved: Version) -> DefinitionRefused:
    _, given_nodes = digests_of(file.definition)
    _, saved_nodes = digests_of(saved.workflow.definition)
    nodes = changed_nodes(given_nodes, saved_nodes)
    export = CommandLine("export", saved.workflow.id, "--definition", "--version-id", saved.id)
    return DefinitionRefused(
        f"the server saved {file.name} as version {saved.id} with another definition ({nodes})",
        Hint("see it with: ", export),
    )


def _id_in(header: BatchHeader | None, side: int, digest: str) -> str | None:
    """Return the version that a side with this definition had when the gate began."""
    if header is None:
        return None
    about: Mapping[str, Any] = {"version_id": header.version_id, "definition": header.definition}
    if side == NEW:
        about = header.gate or {}
    if about.get("definition") != digest:
        return None
    version_id: str | None = about.get("version_id")
    return version_id
