"""`noxcli import`: a bundle into the workspace: first what that would do, and with --apply, once."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from noxcli.cli.options import CommonOptions, DocumentOptions, LimitOptions, declared
from noxcli.codec import to_json
from noxcli.errors import Phase, UsageProblem

if TYPE_CHECKING:
    from noxcli.cli.session import Session

IMPORT_SCHEMA = "noxcli.import/1"


@declared
class Options(DocumentOptions, LimitOptions, CommonOptions):
    """Show what importing a bundle would do, and with --apply, import it.

    Examples:
        noxcli export demo > demo.nx
        noxcli import demo.nx --mode version
        noxcli import demo.nx --mode version --apply --query 'created[0].id'
        noxcli export demo | noxcli import - --mode clone --apply
    """

    file: Annotated[str, typer.Argument(metavar="FILE", help="A bundle of `noxcli export`; - is stdin.")]
    mode: Annotated[
        Literal["clone", "version", "replace"],
        typer.Option(
            "--mode",
            help="Choose what the bundle becomes: a new workflow, a version of the existing one, or its replacement.",
        ),
    ]
    apply: Annotated[bool, typer.Option("--apply", help="Import the bundle, after a dry run.")] = False
    activate: Annotated[bool, typer.Option("--activate", help="Make the imported version the current one.")] = False


def execute(ctx: typer.Context, options: Options) -> None:
    """Try the import, and do it if the options say so. Raises the NoxError that the command ends with."""
    from noxcli.cli.ending import to_paste  # the help loads none of these
    from noxcli.cli.session import begin
    from noxcli.runs.start import ImportAttempt, ImportRequest, send_once

    noxus = begin(ctx, options)
    context, retries = noxus.context, noxus.retries()
    request = ImportRequest(_read_bundle(noxus, options.file), options.mode, options.activate)
    with noxus.connect(Phase.PREFLIGHT) as api:
        workflows = {each.id: each.name for each in noxus.keep_trying(lambda api: list(api.list_workflows()))}
        targets = request.targets(workflows)
        check_command = ", ".join(f"noxcli versions {id}" for id in targets) or "noxcli workflows"

        def send(*, dry_run: bool) -> list[Any]:
            context.outcome.phase = Phase.START
            context.outcome.attempt = attempt = ImportAttempt(api, request, check_command, dry_run=dry_run)
            note = (lambda _: None) if dry_run else lambda _: context.terminal.note("imported")
            return send_once(attempt, policy=retries, deadline=noxus.deadline, note=note)

        plan = _plan(context.base_url, options, targets, send(dry_run=True))
        context.outcome.attempt = None  # nothing has happened
        if not options.apply:
            _show(noxus, plan)
            return
        _require_consent(noxus, options, plan)
        answer = send(dry_run=False)
    created = request.created_in(answer, workflows)
    if not created and options.mode != "replace":
        context.terminal.warn(
            to_paste(context, f"the answer does not name what was created; list it with: {check_command}")
        )
    _show(noxus, {**plan, "applied": True, "retry_safe": False, "answer": answer, "created": created})


def _read_bundle(noxus: "Session", file: str) -> str:
    """Return the text of the bundle. Raises UsageProblem for what is certainly none."""
    from noxcli.inputs.definition import definition_in

    shown = "stdin" if file == "-" else file
    hint = "write a bundle with: noxcli export"
    text = noxus.context.sources.read_text(file, shown, shown, hint)
    if not text.strip():
        raise UsageProblem(f"{shown} is empty", hint)
    if definition_in(text) is not None:
        raise UsageProblem(f"{shown} is a definition alone, not a bundle", "export the workflow without --definition")
    return text


def _plan(server: str, options: Options, targets: Mapping[str, str], answer: list[Any]) -> dict[str, Any]:
    """Return the document about what an import would do."""
    return {
        "schema": IMPORT_SCHEMA,
        "ok": True,
        "exit_code": 0,
        "retry_safe": True,
        "server": server,
        "mode": options.mode,
        "activate": options.activate,
        "targets": [{"id": id, "name": name} for id, name in targets.items()],
        "applied": False,
        "answer": answer,
        "created": [],
    }


def _require_consent(noxus: "Session", options: Options, plan: dict[str, Any]) -> None:
    """Ask on a terminal before something current changes. Raises UsageProblem without a yes."""
    from noxcli.render.text import visible

    terminal = noxus.context.terminal
    if not terminal.interactive or (options.mode != "replace" and not options.activate):
        return
    named = ", ".join(f"{each['name']!r} ({each['id']})" for each in plan["targets"]) or "a workflow"
    does = "replace" if options.mode == "replace" else "change the current version of"
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


def _show(noxus: "Session", document: dict[str, Any]) -> None:
    """Print the document, or a line for each thing in it."""
    from noxcli.render.table import with_tabs  # as above

    printing, terminal = noxus.context.printing, noxus.context.terminal
    document = terminal.mask.whole(document)
    if not printing.format.is_text:
        printing.print_document(document)
        return
    created = [[each["kind"], each["id"]] for each in document["created"]]
    targets = [[each["id"], each["name"]] for each in document["targets"]]
    if document["applied"]:
        replaced = targets if document["mode"] == "replace" else []
        terminal.write(with_tabs([*(["replaced", *each] for each in replaced), *created]))
        return
    mode = document["mode"] + " and activate" * document["activate"]
    answers = [["answer", to_json(each)] for each in document["answer"]]
    shown = [["server", document["server"]], ["mode", mode], *(["target", *each] for each in targets), *answers]
    terminal.write(with_tabs(shown))
    terminal.note("nothing was imported; add --apply to import it")
