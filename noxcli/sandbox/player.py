"""The player of a run's script: an asyncio task that writes events, watched or not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from noxcli.sandbox.progress import DONE
from noxcli.sandbox.run import TERMINAL, Run
from noxcli.sandbox.steps import Emit, Raw, Sleep, State, Step, node_runs
from noxcli.sandbox.values import Store, published

Pause = Callable[[float], Awaitable[None]]

_log = logging.getLogger("noxcli.sandbox")
_BURST = 256  # events between two turns for other tasks on the loop


async def play(run: Run, pause: Pause, store: Store) -> None:
    """Play a run from queued to its last status."""
    run.emit_state()
    if run.switches.queue_seconds:
        await pause(run.switches.queue_seconds)
    run.status = "running"
    for node in run.graph.inputs:
        run.progress.note(node.id, "completed")
    run.emit_state()
    try:
        for number, step in enumerate(_script(run), 1):
            if isinstance(step, Sleep):
                await pause(step.seconds)
            else:
                _perform(run, step, store)
                if number % _BURST == 0:
                    await asyncio.sleep(0)
        if not run.ended:
            _finish(run, store)
    except Exception:
        # A script may be any function: an error in it fails its run, not the server.
        _log.exception("the script of %s failed", run.workflow.scenario.name)
        run.end_with("failed")
    if run.stream == "open":
        run.close_stream()


def _script(run: Run) -> Iterable[Step]:
    script = run.course.script
    if callable(script):
        return script(run.known)
    if script is not None:
        return script
    steps: list[Step] = []
    for node in run.graph.work:
        steps += node_runs(node.name)
    return steps


def _perform(run: Run, step: Emit | State | Raw, store: Store) -> None:
    match step:
        case Emit():
            _emit(run, step)
        case State(status):
            if status:
                run.status = status
            run.emit_state()
        case Raw(type, data, cursor):
            _follow(run, data, store)
            run.log.append(type, data, cursor)


def _emit(run: Run, step: Emit) -> None:
    node_id = run.graph.node(step.node).id
    changed = run.progress.note(node_id, step.status)
    content = step.content
    if step.status == "failed":
        reason = str(content or "")
        run.failure = (node_id, reason)
        if run.says("run_logs"):
            run.progress.log(node_id, reason)
        if not run.says("content"):
            content = None
    if changed and step.status not in DONE:
        run.emit_state()
    run.emit_content(node_id, step.status, content)
    if changed and step.status in DONE:
        run.emit_state()


def _follow(run: Run, data: Any, store: Store) -> None:
    """Update the record for a raw event; make it final before an event that announces the end."""
    if not isinstance(data, dict):
        return
    status = data.get("status")
    if isinstance(status, str):
        if isinstance(data.get("id"), str):
            run.progress.note(data["id"], status)
        else:
            run.told_status = status
            if status not in TERMINAL:
                run.status = status
    ending = data.get("workflow_status")
    if isinstance(ending, str) and not run.ended:
        if ending == "completed":
            _publish(run, store)
        run.status = ending
        run.finished_at = run.now()


def _finish(run: Run, store: Store) -> None:
    status = run.course.status
    if status == "completed":
        for node in run.graph.outputs[:-1]:
            if run.progress.note(node.id, "completed"):
                run.emit_content(node.id, "completed")
        _publish(run, store)
    run.end_with(status)


def _publish(run: Run, store: Store) -> None:
    """Compute the output of a completed run; nodes that never ran count as skipped."""
    output = run.course.output
    if callable(output):
        output = output(run.known)
    run.output = published(output, run.graph, store, run.switches)
    outputs = {node.id for node in run.graph.outputs}
    for node_id in run.progress.unfinished():
        run.progress.note(node_id, "completed" if node_id in outputs else "skipped")
