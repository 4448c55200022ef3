"""`noxcli import`: a bundle into the workspace: first what that would do, and with --apply, once."""

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from noxcli.cli.options import Common, Documented, Waiting, declared
from noxcli.codec import to_json
from noxcli.errors import NoxError, Phase, StartUnknown, UsageProblem

if TYPE_CHECKING:
    from noxcli.cli.session import Session
    from noxcli.retry import Patience
    from noxcli.runs.imports import ImportRequest, ServerState

IMPORT_SCHEMA = "noxcli.import/1"


class Mode(StrEnum):
    """What becomes of the workflows in a bundle."""

    CLONE = "clone"
    VERSION = "version"
    REPLACE = "replace"


@declared
class Options(Documented, Waiting, Common):
    """Show what importing a bundle would do, and with --apply, import it.

    Examples:
        noxcli export demo > demo.nx
        noxcli import demo.nx --mode version
        noxcli import demo.nx --mode version --apply --query 'created[0].id'
        noxcli export demo | noxcli import - --mode clone --apply
    """

    file: Annotated[str, typer.Argument(metavar="FILE", help="A bundle of `noxcli export`; - is stdin.")]
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode",
            help="Choose what the bundle becomes: a new workflow, a version of the existing one, or its replacement.",
        ),
    ]
    apply: Annotated[bool, typer.Option("--apply", help="Import the bundle, after a dry run.")] = False
    activate: Annotated[bool, typer.Option("--activate", help="Make the imported version the current one.")] = False


def execute(ctx: typer.Context, options: Options) -> None:
    """Try the import, and do it if the options say so. Raises the NoxError that the command ends with."""
    from noxcli.cli.session import begin  # the help loads none of these
    from noxcli.runs.imports import ImportAttempt, ImportRequest, ServerState
    from noxcli.runs.start import send_once

    noxus = begin(ctx, options)
    context = noxus.context
    request = ImportRequest(_read_bundle(noxus, options.file), options.mode, options.activate)
    with noxus.connect(Phase.PREFLIGHT) as api:
        patience = noxus.patience()
        before = ServerState.read(api, request, patience)
        context.outcome.phase = Phase.START
        context.outcome.attempt = attempt = ImportAttempt(api, request, before.look, dry_run=True)
        answer = send_once(attempt, patience=patience, deadline=noxus.deadline)
        doubt = noxus.patience(gave_up=StartUnknown, out_of_time=StartUnknown)  # until the server can be read again
        ServerState.read(api, request, doubt).require_unchanged_since(before)
        context.outcome.attempt = None  # nothing has happened
        plan = _plan(noxus, options, before, answer)
        if not options.apply:
            _show(noxus, plan)
            return
        _require_consent(noxus, options, plan)
        context.outcome.attempt = attempt = ImportAttempt(api, request, before.look, dry_run=False)
        # Said at once, before anything else can fail.
        answer = send_once(
            attempt, patience=patience, deadline=noxus.deadline, note=lambda _: context.terminal.note("imported")
        )
        created = _find_created(noxus, request, before, answer, patience)
    _show(noxus, {**plan, "applied": True, "retry_safe": False, "answer": answer, "created": created})


def _read_bundle(noxus: "Session", file: str) -> str:
    """Return the text of the bundle. Raises UsageProblem for what is certainly none."""
    from noxcli.inputs.exported import definition_in

    shown = "stdin" if file == "-" else file
    hint = "write a bundle with: noxcli export"
    text = noxus.context.sources.read_text(file, shown, shown, hint)
    if not text.strip():
        raise UsageProblem(f"{shown} is empty", hint)
    if definition_in(text) is not None:
        raise UsageProblem(f"{shown} is a definition alone, not a bundle", "export the workflow without --definition")
    return text


def _plan(noxus: "Session", options: Options, before: "ServerState", answer: list[Any]) -> dict[str, Any]:
    """Return the document about what an import would do."""
    return {
        "schema": IMPORT_SCHEMA,
        "ok": True,
        "exit_code": 0,
        "retry_safe": True,
        "server": noxus.context.base_url,
        "mode": str(options.mode),
        "activate": options.activate,
        "targets": [{"id": each.id, "name": each.name} for each in before.targets.values()],
        "applied": False,
        "answer": answer,
        "created": [],
    }


def _require_consent(noxus: "Session", options: Options, plan: dict[str, Any]) -> None:
    """Ask on a terminal before something current changes. Raises UsageProblem without a yes."""
    from noxcli.render.text import visible

    terminal = noxus.context.terminal
    if not terminal.interactive or (options.mode is not Mode.REPLACE and not options.activate):
        return
    named = ", ".join(f"{each['name']!r} ({each['id']})" for each in plan["targets"]) or "a workflow"
    does = "replace" if options.mode is Mode.REPLACE else "change the current version of"
    question = f"{does} {named} at {plan['server']}?"
    terminal.draw(f"{visible(terminal.mask(question))} [y/N] ")
    try:
        device = terminal.device()  # stdin may be the bundle
        answer = noxus.context.sources.in_time(lambda: _read_line(device), "the question was not answered")
    except OSError:
        raise UsageProblem("nothing was imported: there is no terminal to ask on", "redirect stderr") from None
    if answer.strip().lower() not in {"y", "yes"}:
        raise UsageProblem("nothing was imported")


def _read_line(terminal: Path) -> str:
    with terminal.open() as keyboard:
        return keyboard.readline()


def _find_created(
    noxus: "Session", request: "ImportRequest", before: "ServerState", answer: list[Any], patience: "Patience"
) -> list[dict[str, Any]]:
    """Return what this import has created on the server; if that is not known, or nothing, say how to find it."""
    from noxcli.cli.ending import to_paste  # as above
    from noxcli.runs.imports import ServerState

    created, why = list[dict[str, Any]](), None if request.mode == Mode.REPLACE else "nothing new is there"
    try:
        now = ServerState.read(noxus.api, request, patience)
        new = now.new_since(before)
        owner = _read_owner(noxus, patience) if len(new) > 1 else set[object]()
        created = now.own_among(new, request, answer, owner)
        if new and not created:
            named = ", ".join(f"the {each['kind']} {each['name']!r} ({each['id']})" for each in new)
            why = f"this import created one of these, and somebody else the others: {named}"
    except NoxError as error:
        why = f"what is new can't be read: {error.message}"
    if why is not None and not created:
        noxus.context.terminal.warn(to_paste(noxus.context, f"{why}; look with: {before.look}"))
    return created


def _read_owner(noxus: "Session", patience: "Patience") -> set[object]:
    """Return what may stand for the key's owner where something says who created it; nothing if that can't be read."""
    with suppress(NoxError):
        me = patience.keep_trying(lambda within: noxus.api.within(within).get_me())
        return {me[name] for name in ("id", "name") if isinstance(me.get(name), str)}
    return set()


def _show(noxus: "Session", document: dict[str, Any]) -> None:
    """Print the document, or a line for each thing in it."""
    from noxcli.render.table import with_tabs  # as above

    printing, terminal = noxus.context.printing, noxus.context.terminal
    document = terminal.mask.whole(document)
    if not printing.writes_text:
        printing.print_document(document)
        return
    created = [[each["kind"], each["id"], each["name"] or ""] for each in document["created"]]
    targets = [[each["id"], each["name"]] for each in document["targets"]]
    if document["applied"]:
        replaced = targets if document["mode"] == Mode.REPLACE else []
        terminal.write(with_tabs([*(["replaced", *each] for each in replaced), *created]))
        return
    mode = document["mode"] + " and activate" * document["activate"]
    answers = [["answer", to_json(each)] for each in document["answer"]]
    shown = [["server", document["server"]], ["mode", mode], *(["target", *each] for each in targets), *answers]
    terminal.write(with_tabs(shown))
    terminal.note("nothing was imported; add --apply to import it")
