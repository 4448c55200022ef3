"""Finding runs and workflows: those that users name, the newest first, and runs that a lost start
may have begun.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from noxcli.errors import (
    CommandLine,
    ConfigProblem,
    Hint,
    NotFound,
    NoxError,
    UsageProblem,
    nearest,
    suggestion,
)
from noxcli.inputs.definition import definition_in
from noxcli.inputs.sources import Sources
from noxcli.models import Run, Version, Workflow, is_uuid
from noxcli.retry import RetryPolicy
from noxcli.timing import latest_moment, parse_time
from noxcli.value_class import value_class

if TYPE_CHECKING:
    from noxcli.api import NoxusApi

# What a server may say to `GET /v1/runs/{id}` if it does not serve that, or does not let the key.
NO_READ_BY_ID = frozenset({403, 404, 405})
RUN_FORMS = Hint(
    "give a run id or its first 8 characters (",
    CommandLine("runs"),
    " lists them), WORKFLOW_ID/RUN_ID, @last or -",
)
# In a message.
MAX_NODES = 8
SHOWN_CANDIDATES = 5
MIN_BEGINNING = 8
FILLING = "00000000-0000-0000-0000-000000000000"
MAX_PAGES = 5  # of the list of runs that is read for the beginning of an id
EVIDENCE = 50  # items: enough to detect an order
LONG_AGO = datetime.min.replace(tzinfo=UTC)
LAST_SEARCH = 0.5  # seconds for the list of runs if the command's own time is up
# Seconds: servers write whole ones, and those that share one address have different clocks.
SLACK = 60.0
OLD_ENOUGH = 200  # consecutive runs from before a start, in a list that is newest first
MAX_CANDIDATES = 200
Listed = TypeVar("Listed", bound=Run | Workflow | Version)


def id_on_page(text: str, kind: Literal["run", "workflow"]) -> str:
    """Return the id in the address of a page of the web app: the one after /runs/ or /workflows/,
    or its only one.

    Any other text is returned unchanged.
    """
    if not text.startswith(("https://", "http://")):
        return text
    words = re.split(r"[/?&=#]", text)
    after = [
        word for before, word in pairwise(words) if before in {kind, f"{kind}s"} and is_uuid(word)
    ]
    found = {*(after or filter(is_uuid, words))}
    return found.pop() if len(found) == 1 else text


def resolve_workflow(
    api: "NoxusApi",
    text: str,
    retries: RetryPolicy,
    aliases: Mapping[str, str],
    learn: Callable[[list[Workflow]], None] = lambda _: None,
) -> Workflow:
    """Return the workflow by id, page, alias or exact name, in that order.

    An alias refers to an id or a name.

    An id needs no request, and then nothing else is known about it. `learn` gets the list if one
    was read. Raises UsageProblem for a name that several workflows have, NotFound for one that none
    has.
    """
    text = id_on_page(text, "workflow")
    alias, text = text, text if is_uuid(text) else aliases.get(text, text)
    if is_uuid(text):
        return Workflow(text, "")
    workflows = retries.keep_listing(
        lambda within, pages: list(api.within(within).list_workflows(pages))
    )
    learn(workflows)
    matches = [workflow for workflow in workflows if workflow.name == text]
    _require_unique(text, "workflows", [workflow.id for workflow in matches])
    if not matches:
        names = [workflow.name for workflow in workflows]
        leads = f", to which the alias {alias!r} leads"
        if alias == text:
            names, leads = [*aliases, *names], ""
        otherwise = Hint("list them with: ", CommandLine("workflows"))
        hint = suggestion(nearest(text, names), otherwise, quoted=True)
        raise NotFound(f"no workflow has the id or name {text!r}{leads}", hint)
    return matches[0]


def resolve_version(versions: Sequence[Version], text: str) -> Version:
    """Return the version by its id, in capitals or not, or by its exact name.

    Raises UsageProblem for a name that several versions have, NotFound if none has it.
    """
    matches = [version for version in versions if version.id.lower() == text.lower()]
    matches = matches or [version for version in versions if version.name == text]
    _require_unique(text, "versions", [version.id for version in matches])
    if not matches:
        near = nearest(text, [version.name or version.id for version in versions])
        hint = _way_to_save(text) or suggestion(near, quoted=True)
        raise NotFound(f"the workflow's list has no version with the id or name {text!r}", hint)
    return matches[0]


def _way_to_save(text: str) -> Hint | None:
    """Return how to save a version that is named by a file, None for any other name."""
    if not os.path.isfile(text):  # noqa: PTH113 - a text may be too long for pathlib
        return None
    with suppress(OSError, UnicodeDecodeError):
        if definition_in(Path(text).read_text(encoding="utf-8")) is not None:
            return Hint(
                "it is a definition alone: export the workflow without --definition, and import "
                "that"
            )
    return Hint(
        "save the file as one: ", CommandLine("import", text, "--mode", "version", "--apply")
    )


def parse_runs(texts: Sequence[str], sources: Sources) -> list[str]:
    """Return the named runs, with `-` replaced by the lines of stdin, each once.

    None if stdin is empty. Raises UsageProblem for any other form.
    """
    named: list[str] = []
    for text in map(str.strip, texts):  # a copied id may have blanks or a carriage return around it
        if text == "-":
            lines = sources.read("-", "RUN -").decode("utf-8", "replace").split("\n")
            ids = [
                (number, line.strip().split("\t")[0].strip())
                for number, line in enumerate(lines, 1)
            ]
            named += [
                require_run(word, f"line {number} of stdin: ") for number, word in ids if word
            ]
        else:
            named.append(require_run(text))
    return list(dict.fromkeys(named))


def require_run(text: str, place: str = "") -> str:
    """Return a run's name on a command line or at a `place`.

    Raises UsageProblem for anything but an id in the API's form, or a page of the app with one.
    """
    text = id_on_page(text, "run")
    if text != "@last" and "/" not in text and not is_uuid(text) and not is_beginning(text):
        near = nearest(text, ["@last"]) if text.startswith("@") else None
        raise UsageProblem(f"{place}{text!r} is not a run id", suggestion(near, RUN_FORMS))
    return text


def is_beginning(text: str) -> bool:
    """True for the beginning of an id of a run, of eight characters or more, as pages show it."""
    return (
        len(text) >= MIN_BEGINNING
        and is_uuid(f"{text}{FILLING[len(text) :]}")
        and not is_uuid(text)
    )


def require_one(text: str, found: Sequence[str], where: str) -> str:
    """Return the only id among those found that begin like `text`.

    Raises UsageProblem, with the candidates.
    """
    if len(found) == 1:
        return found[0]
    if found:
        more = ", …" if len(found) > SHOWN_CANDIDATES else ""
        raise UsageProblem(
            f"{len(found)} runs in {where} begin with {text!r}",
            f"give more of the id: {', '.join(found[:SHOWN_CANDIDATES])}{more}",
        )
    raise UsageProblem(f"no run in {where} begins with {text!r}", "give the whole id")


def parse_one_run(text: str, sources: Sources) -> str:
    """Return the one named run, which may be on stdin.

    Raises UsageProblem if there is none, or there are several.
    """
    named = parse_runs([text], sources)
    if not named:
        raise UsageProblem("stdin has no run id", "write one to stdin, or give RUN")
    if len(named) > 1:
        raise UsageProblem(
            f"stdin names {len(named)} runs, but this command follows one",
            Hint("for many: ", CommandLine("wait", "-")),
        )
    return named[0]


def resolve_run(api: "NoxusApi", text: str, retries: RetryPolicy, *, young: bool = False) -> Run:
    """Return the current record of a run, by RUN_ID or WORKFLOW_ID/RUN_ID.

    The latter includes its output. A `young` run was started moments ago, and may not be known
    everywhere yet.

    Raises UsageProblem for any other form, NotFound for `@last`, which stays if nothing was started
    yet.
    """
    if text == "@last":
        raise NotFound(
            "no run has been started on this machine at this address",
            "give the run's id; of a batch, @last is the last run once the batch has ended",
        )
    workflow_id, _, run_id = text.rpartition("/")
    if not run_id.strip(".") or "/" in workflow_id:
        raise UsageProblem(f"{text!r} is not a run id", RUN_FORMS)
    if workflow_id:
        return retries.keep_trying(
            lambda within: api.within(within).get_run(workflow_id, run_id), known=young
        )
    try:
        return retries.keep_trying(lambda within: api.within(within).find_run(run_id))
    except NoxError as error:
        if error.http_status not in NO_READ_BY_ID or isinstance(
            error, ConfigProblem
        ):  # a page, not the API
            raise
        # A server may not know runs by their ids alone, or not let every key read them so.
        hint = Hint("give WORKFLOW_ID/RUN_ID")
        if error.hint is not None:
            hint = Hint(error.hint, ", or ", hint)
        raise type(error)(error.message, hint, **error.facts()) from error


def resolve_node(text: str, names: Mapping[str, str]) -> str:
    """Return the id of the node with that name or id; `names` are the nodes' by id.

    An unknown id may be part of another workflow. Raises UsageProblem for a name that no node has,
    or several have.
    """
    found = [node_id for node_id, name in names.items() if text in {node_id, name}]
    _require_unique(text, "nodes", found)
    if found:
        return found[0]
    if is_uuid(text) or not names:
        return text
    near = nearest(text, names.values())
    more = ", ..." if len(names) > MAX_NODES else ""
    there = f"it has {', '.join(map(repr, islice(names.values(), MAX_NODES)))}{more}"
    raise UsageProblem(f"the run has no node {text!r}", suggestion(near, there, quoted=True))


def _require_unique(name: str, kind: str, ids: Sequence[str]) -> None:
    """Raise UsageProblem if several have that name."""
    if len(ids) > 1:
        raise UsageProblem(
            f"{len(ids)} {kind} are named {name!r}", f"give one of their ids: {', '.join(ids)}"
        )


def newest(
    items: Iterable[Listed], most: int, wanted: Callable[[Listed], bool] = lambda _: True
) -> list[Listed]:
    """Return `most` of the wanted runs and versions by their creation and workflows by their last
    change, newest first.

    If the list begins in that order, pages are read only on demand; otherwise the whole list is
    read and sorted.
    """
    rest = iter(items)
    first = list(islice(rest, EVIDENCE))
    in_order = first == sorted(first, key=moment_of, reverse=True)
    ordered = (
        chain(first, rest) if in_order else sorted([*first, *rest], key=moment_of, reverse=True)
    )
    return list(islice(filter(wanted, ordered), most))


def moment_of(item: Run | Workflow | Version) -> datetime:
    """Return when a run or version was created, or a workflow last changed.

    Long ago if that is not known.
    """
    return (
        parse_time(item.last_updated_at if isinstance(item, Workflow) else item.created_at)
        or LONG_AGO
    )


@value_class(frozen=True, slots=True)
class Candidates:
    """Runs with the input of the start, created since.

    `listed` is false if the list could not be read to its end.
    """

    runs: list[Run]
    listed: bool

    def brief(self) -> list[dict[str, Any]]:
        """Return the runs in the form of `error.candidates`."""
        return [
            {"id": run.id, "status": run.status, "created_at": run.created_at} for run in self.runs
        ]

    def words(self) -> str:
        """Return what was found, for a message."""
        named = [f"{run.id} ({run.word})" for run in self.runs[:SHOWN_CANDIDATES]]
        more = len(self.runs) - len(named)
        if named:
            return f"runs with the same input: {', '.join(named)}" + (
                f" and {more} more" if more else ""
            )
        if not self.listed:
            return "the run list can't be read at the moment"
        return "found no run with this input, but the server may list other keys for it"


def find_candidates(
    api: "NoxusApi",
    workflow_id: str,
    fits: Callable[[Run], bool],
    since: Callable[[], float],
    within: float,
    most: int = MAX_CANDIDATES,
) -> Candidates:
    """Read the list of runs once, for at most `within` seconds, and return those that `fits` takes,
    up to a limit.

    `since` is asked once the server has answered: when the first of them may have started, in
    seconds since 1970.
    """
    found = list[Run]()
    listed = True
    older = 0
    first = None
    try:
        for run in api.within(within).list_runs(workflow_id, whole=True):
            if first is None:  # its answer has the server's time
                first = run
                begin = since() - SLACK
            # As seconds since 1970: servers also write the year 1, from which nothing can be
            # subtracted.
            created = latest_moment(run.created_at)
            older = 0 if created is None or created >= begin else older + 1
            if not older and fits(run):
                found.append(run)
            if len(found) == most or (older >= OLD_ENOUGH and moment_of(run) <= moment_of(first)):
                break
    except NoxError:
        listed = False
    return Candidates(found[:most], listed)
