"""`noxcli import`: a bundle into the workspace: what that would do, and with --apply, once."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from noxcli.cli.options import DocumentOptions, LimitOptions, argument, declared, flag
from noxcli.cli.verbs import Codes
from noxcli.codec import to_json
from noxcli.errors import CommandLine, Hint, Phase, UsageProblem
from noxcli.render.table import with_tabs
from noxcli.render.text import visible

if TYPE_CHECKING:
    from noxcli.cli.session import Session


@declared
class Options(DocumentOptions, LimitOptions):
    """Show what importing a bundle would do, and with --apply, import it.

    Examples:
        noxcli export demo > demo.nx
        noxcli import demo.nx --mode version
        noxcli import demo.nx --mode version --apply --query 'created[0].id'
        noxcli export demo | noxcli import - --mode clone --apply
    """

    codes = {2: "rejected"} | Codes.IN_DOUBT | Codes.TEMPORARY

    file: str = argument("FILE", "A bundle of `noxcli export`; - is stdin.")
    mode: Literal["clone", "version", "replace"] = typer.Option(
        ...,
        "--mode",
        help="Choose what the bundle becomes: a new workflow, a version of the existing one, "
        "or its replacement.",
    )
    apply: bool = flag("--apply", "Import the bundle, after a dry run.")
    activate: bool = flag("--activate", "Make the imported version the current one.")


def execute(ctx: typer.Context, options: Options) -> None:
    """Try the import, and do it if the options say so.

    Raises the NoxError that the command ends with.
    """
    from noxcli.cli.session import begin  # the help loads none of these
    from noxcli.runs.start import ImportAttempt, ImportRequest, send_once

    noxus = begin(ctx, options)
    context = noxus.context
    retries = noxus.retries()
    request = ImportRequest(_read_bundle(noxus, options.file), options.mode, options.activate)
    with noxus.connect(Phase.PREFLIGHT) as api:
        listed = noxus.keep_listing(lambda api, pages: list(api.list_workflows(pages)))
        workflows = {each.id: each.name for each in listed}
        targets = request.targets(workflows)
        check = _way_to_check(targets)

        answer = noxus.keep_trying(request.try_at)
        created: list[dict[str, str]] = []
        if options.apply:
            _require_consent(noxus, options, targets)
            attempt = ImportAttempt(api, request, check)
            context.outcome.attempted(attempt)

            def note(_: object) -> None:
                context.terminal.note("imported")

            answer = send_once(attempt, policy=retries, deadline=noxus.deadline, note=note)
            created = request.created_in(answer, workflows)
            if not created and options.mode != "replace":
                unnamed = Hint("the answer does not name what was created; list it with: ", check)
                context.terminal.warn(unnamed.shown(context.route))
    _show(noxus, options, targets, answer, created)


def _way_to_check(targets: Mapping[str, str]) -> Hint:
    """Return the commands that show what an import has changed."""
    lines = [CommandLine("versions", workflow_id) for workflow_id in targets]
    return Hint.joined(", ", lines or [CommandLine("workflows")])


def _read_bundle(noxus: "Session", file: str) -> str:
    """Return the text of the bundle. Raises UsageProblem for what is certainly none."""
    from noxcli.inputs.definition import definition_in

    shown = "stdin" if file == "-" else file
    hint = Hint("write a bundle with: ", CommandLine("export", "WORKFLOW"))
    text = noxus.context.sources.read_text(file, shown, shown, hint)
    if not text.strip():
        raise UsageProblem(f"{shown} is empty", hint)
    if definition_in(text) is not None:
        raise UsageProblem(
            f"{shown} is a definition alone, not a bundle",
            "export the workflow without --definition",
        )
    return text


def _require_consent(noxus: "Session", options: Options, targets: Mapping[str, str]) -> None:
    """Ask on a terminal before something current changes. Raises UsageProblem without a yes."""
    terminal = noxus.context.terminal
    if not terminal.interactive or (options.mode != "replace" and not options.activate):
        return
    named = ", ".join(f"{name!r} ({id})" for id, name in targets.items()) or "a workflow"
    does = "replace" if options.mode == "replace" else "change the current version of"
    question = f"{does} {named} at {noxus.context.base_url}?"
    terminal.draw(f"{visible(terminal.mask(question))} [y/N] ")
    try:
        device = terminal.device()  # stdin may be the bundle
        answer = noxus.context.sources.in_time(
            lambda: _read_line(device), "the question was not answered"
        )
    except OSError:
        raise UsageProblem(
            "nothing was imported: there is no terminal to ask on", "redirect stderr"
        ) from None
    if answer.strip().lower() not in {"y", "yes"}:
        raise UsageProblem("nothing was imported")


def _read_line(terminal: Path) -> str:
    with terminal.open() as keyboard:
        return keyboard.readline()


def _show(
    noxus: "Session",
    options: Options,
    targets: Mapping[str, str],
    answer: list[Any],
    created: list[dict[str, str]],
) -> None:
    """Print what an import did, or would do: a document, or a line for each thing in it."""
    context = noxus.context
    terminal = noxus.context.terminal
    document = terminal.mask.whole(
        {
            "retry_safe": not options.apply,
            "server": context.base_url,
            "mode": options.mode,
            "activate": options.activate,
            "targets": [{"id": id, "name": name} for id, name in targets.items()],
            "applied": options.apply,
            "answer": answer,
            "created": created,
        }
    )
    if not context.printing.format.is_text:
        context.printing.print_named("import", document)
        return
    lines = _made(document) if options.apply else _would_do(document)
    if not options.apply:
        terminal.note("nothing was imported; add --apply to import it")
    terminal.write(with_tabs(lines))


def _made(document: Mapping[str, Any]) -> list[list[str]]:
    """Return a line for each thing that the import has replaced or created."""
    lines = []
    if document["mode"] == "replace":
        lines = [["replaced", each["id"], each["name"]] for each in document["targets"]]
    for each in document["created"]:
        lines.append([each["kind"], each["id"]])
    return lines


def _would_do(document: Mapping[str, Any]) -> list[list[str]]:
    """Return the lines about an import that was only tried."""
    mode = document["mode"]
    if document["activate"]:
        mode = f"{mode} and activate"
    lines = [["server", document["server"]], ["mode", mode]]
    for each in document["targets"]:
        lines.append(["target", each["id"], each["name"]])
    for each in document["answer"]:
        lines.append(["answer", to_json(each)])
    return lines
