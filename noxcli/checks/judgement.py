"""An answer with its judgement.

An answer whose judgement has no result is no answer.
"""

from noxcli.errors import ExitCode, NotFinished, Phase
from noxcli.outputs.values import by_name
from noxcli.reports.failure_groups import ResultLine, brief_reason_in, run_in


def with_judgement(line: ResultLine, judgement: ResultLine) -> ResultLine:
    """Return the line of a completed answer with what its judge says; others as they are."""
    result = line["result"]
    if result["exit_code"] != ExitCode.OK:
        return line
    judged = judgement["result"]
    if judged["exit_code"] == ExitCode.OK:
        run_id = run_in(judged).get("id")
        return {**line, "judge": by_name(judged["output"]), "judge_run": run_id}
    why = brief_reason_in(judged) or ExitCode(judged["exit_code"]).words
    error = NotFinished(f"it was not judged: {why}").document(Phase.RUN)
    return {
        **line,
        "result": {**result, "ok": False, "exit_code": int(ExitCode.NOT_FINISHED), "error": error},
    }
