"""The start of a run on the command line: sent once, and its id noted before anything else can fail."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxcli.cli.context import Context
from noxcli.cli.invocation import Invocation
from noxcli.cli.prepare import require_time, stored
from noxcli.errors import NoxError, Phase
from noxcli.fixed import fixed
from noxcli.inputs.definition import inputs_of
from noxcli.inputs.parse import Inputs
from noxcli.models import Run, Workflow
from noxcli.retry import Patience
from noxcli.runs.likeness import Comparison
from noxcli.runs.start import StartAttempt, StartRequest, start_run

if TYPE_CHECKING:
    from noxcli.api import NoxusApi


@fixed
class RunSpec:
    """One run to start; `known` is its workflow as far as it was read."""

    found: Workflow
    known: Workflow
    inputs: Inputs
    version_id: str | None
    callback_url: str | None
    keys_known: bool  # the definition tells what the keys of inputs mean

    def comparison(self) -> Comparison:
        """Return how the inputs of other runs compare with these."""
        return Comparison(inputs_of(self.known.definition) if self.keys_known else None, self.inputs.secret)

    def request(self, api: "NoxusApi", inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body that starts the run."""
        return api.run_request(inputs, self.version_id, self.callback_url)


def start_once(call: Invocation, spec: RunSpec, patience: Patience, state_file: str | None) -> Run:
    """Store the files, start the run, and note its id at once: in the history, the state file and on stderr.

    Raises TimedOutBeforeStart; what storing and `start_run` raise.
    """
    context = call.context
    payload = stored(call, spec.inputs, patience)
    require_time(call.deadline)
    context.enter(Phase.START)
    request = StartRequest(spec.found.id, payload, spec.comparison(), spec.version_id, spec.callback_url)
    history, host = context.history, context.base_url
    attempt = StartAttempt(call.api, request, lambda run_id: history.entry(run_id, host) is not None)
    context.outcome.attempt = attempt

    def note(run: Run) -> None:
        context.outcome.run, context.outcome.inputs = run, spec.inputs.shown()
        context.log.note_run(run)
        history.begin(run, host, None if spec.inputs.veiled else spec.inputs.secret)
        context.cache.run(run, spec.known.name or spec.found.name)
        _announce(context, state_file, run)
        context.terminal.note(f"started run {run.id}")

    return start_run(call.api, attempt, patience=patience, deadline=call.deadline, note=note)


def _announce(context: Context, state_file: str | None, run: Run) -> None:
    """Tell other programs about the run; if that fails, it is running all the same, and its id is on stderr."""
    mask = context.terminal.mask

    def write_ids() -> None:
        if state_file is not None:
            from noxcli.state.statefile import State, write_state  # loaded only with --state-file

            write_state(Path(state_file), State(mask(run.id), mask(run.workflow_id), context.base_url))

    for tell in (write_ids, lambda: context.reports.started(run, mask)):
        try:
            tell()
        except NoxError as error:
            context.terminal.complain(f"noxcli: {error.line()}")
    context.way_back = context.line_to_stream(run.id)
