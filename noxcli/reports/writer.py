"""The reports apart from stdout: `--report`, `--junit`, `--dotenv`, and a CI system's files."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from noxcli.errors import ConfigProblem, ExitCode
from noxcli.files import identities_of
from noxcli.masking import Mask
from noxcli.render.terminal import Terminal
from noxcli.reports.result import EndedRun, Outcome, own_code

if TYPE_CHECKING:
    from pathlib import Path

    from noxcli.expressions.query import Query
    from noxcli.models import Run
    from noxcli.reports.ci import BatchReport
    from noxcli.reports.ci.github import GitHub
    from noxcli.reports.html.markup import Page
    from noxcli.reports.junit import Suite

CI_VARIABLE = "NOXCLI_CI"
AUTO = "auto"
OFF = "off"
CI_SYSTEMS = (AUTO, "github", OFF)
# How each report begins, by the name of its option.
HEADS = {
    "report": b"<!doctype html>",
    "junit": b'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ',
    "dotenv": b"NOXCLI_",
    "markdown": b"<!-- noxcli ",
}
MAX_VARIABLE = 200  # characters of a value in the file for --dotenv


@dataclass(slots=True, eq=False, repr=False)  # without unused methods: each costs start-up time
class Reports:
    """The reports of one command line; without options and outside CI there are none."""

    command: str = ""
    targets: "dict[str, Path]" = field(default_factory=dict)  # the files, by the names in HEADS
    output_dir: str | None = None
    ci: "GitHub | None" = None
    asserts: Sequence["Query"] = ()
    batch: "BatchReport | None" = None  # reported to the CI system instead of the runs
    links: Sequence[tuple[str, str]] = ()  # words and addresses, for reviewers in a CI job
    suite: "Suite | None" = None  # the test cases of rows, which were written before the end

    def put(self, name: str, write: "Callable[[Path], Suite | None]") -> None:
        """Write the report now, if it has a file; if that fails, another says so at the end.

        Raises as `write`. `write` returns the suite that it has written, if any.
        """
        if name in self.targets:
            self.suite = write(self.targets[name]) or self.suite
            del self.targets[name]

    def explain_code(self, code: ExitCode, message: str, mask: Mask) -> None:
        """Let the test cases say why the command ended with a code, if none of them does.

        Raises OutputNotDelivered.
        """
        if code == ExitCode.OK or self.suite is None or self.suite.has_trouble:
            return
        from noxcli.reports.junit import add_ending

        add_ending(self.suite, code, message, mask)

    def keep_other_files(self) -> None:
        """Write no report in the place of a file that is visibly none.

        A wrong command line may mean another one.
        """
        for name, path in [*self.targets.items()]:
            with suppress(OSError), path.open("rb") as file:
                if file.read(len(HEADS[name])) != HEADS[name]:
                    del self.targets[name]

    def keep_earlier_reports(self) -> None:
        """Write only in the place of earlier reports, as the command line is wrong about files."""
        for name, path in [*self.targets.items()]:
            if not _begins_with(path, HEADS[name]):
                del self.targets[name]

    def spare(self, path: "Path") -> str | None:
        """Write no report in the place of a file that is read.

        Return the option that names it, None without one.
        """
        identities = identities_of(path)
        for name, target in self.targets.items():
            if not identities_of(target).isdisjoint(identities):
                del self.targets[name]
                return f"--{name}"
        return None

    def report_start(self, run: "Run", mask: Mask) -> None:
        """Write the ids as soon as the server answers the start. Raises OutputNotDelivered."""
        if self.ci is not None:
            self.ci.report_start(run)
        if "dotenv" in self.targets:
            write_dotenv(self.targets["dotenv"], _variables(run), mask)

    def write(
        self,
        name: str,
        outcomes: Sequence[Outcome],
        code: ExitCode,
        elapsed: float,
        mask: Mask,
        new_page: Callable[["Path"], "Page"],
    ) -> None:
        """Write one of the files, again if the exit code is another one by now.

        `elapsed` is in seconds, `new_page` returns the empty page of a directory. Raises
        OutputNotDelivered.
        """
        from noxcli.files import save

        path = self.targets[name]
        ended = _ended(outcomes, code, mask)
        match name:
            case "report":
                from noxcli.reports.html.run_page import run_page  # loaded only for a page

                save(path, run_page(new_page(path.parent), self._for_reviewers(ended, code)))
            case "junit":
                from noxcli.reports.assertions import assertion_name

                # xml.sax loads half of urllib.
                from noxcli.reports.junit import Case, cases_of, write_junit

                asserted = [assertion_name(query) for query in self.asserts]
                cases: list[Case] = []
                for one in ended:
                    cases += cases_of(one.name, "noxcli", one.document, asserted, elapsed)
                write_junit(path, "noxcli", cases, mask)
            case "dotenv":
                variables = {}
                if len(outcomes) == 1:
                    variables = _variables(outcomes[0].run)
                variables["NOXCLI_EXIT_CODE"] = int(code)
                write_dotenv(path, variables, mask)
            case "markdown":
                from noxcli.reports.ci.step_summary import batch_page  # as for a page

                text = batch_page(self._as_batch(outcomes, code), mask)
                save(path, [text.encode("utf-8", "replace")])

    def write_ci(self, outcomes: Sequence[Outcome], code: ExitCode, mask: Mask) -> None:
        """Append to the CI system's files, which can't be undone."""
        if self.ci is None:
            return
        batch = self._as_batch(outcomes, code)
        ends_without_rows = batch.compares and code != ExitCode.OK
        if self.batch is not None or ends_without_rows:
            self.ci.report_batch(batch)
        else:
            self.ci.report_end(_ended(outcomes, code, mask), code, self.output_dir)

    def _as_batch(self, outcomes: Sequence[Outcome], code: ExitCode) -> "BatchReport":
        """Return how a batch ended, with the code and the reason of the command.

        It has no rows if the command ended before it had any.
        """
        from noxcli.reports.ci import BatchReport  # loaded only for a report

        batch = self.batch
        if batch is None:
            batch = BatchReport(outcomes[0].name, 0, 0, (), (), command=self.command)
        error = outcomes[0].error
        reason = error.line() if error is not None else ""
        return replace(batch, exit_code=code, reason=reason, links=self.links)

    def _for_reviewers(self, ended: Sequence[EndedRun], code: ExitCode) -> Sequence[EndedRun]:
        """Return these ends; of a gate in a CI job, a reviewer re-runs the job, not its line."""
        from noxcli.reports.ci import COMPARING, RERUN_THE_JOB, RERUN_WORDS  # as for a report

        if not self.links or self.command not in COMPARING or code not in RERUN_THE_JOB:
            return ended
        return [replace(one, document=_with_hint(one.document, RERUN_WORDS)) for one in ended]


def _begins_with(path: "Path", head: bytes) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(head)) == head
    return False


def write_dotenv(path: "Path", variables: Mapping[str, object], mask: Mask) -> None:
    """Write a file of variables for later jobs and steps; one with None is omitted.

    Raises OutputNotDelivered. GitLab docs, ci/yaml/artifacts_reports and
    ci/variables/dotenv_variables: one KEY=VALUE per line, no quotes, empty lines or comments, at
    most 5 KB and 20 variables. GitLab expands `$NAME` in a value, and a shell expands more, so
    values have plain characters only.
    """
    from noxcli.files import save  # as for a page

    lines = []
    for name, value in variables.items():
        if value is not None:
            shown = mask(str(value))[:MAX_VARIABLE]
            plain = re.sub(r"[^A-Za-z0-9_.:/@+-]", "_", shown)
            lines.append(f"{name}={plain}\n".encode())
    save(path, lines)


def _with_hint(document: Mapping[str, Any], hint: str) -> Mapping[str, Any]:
    """Return the document with another hint of its error."""
    return {**document, "error": {**(document["error"] or {}), "hint": hint}}


def _variables(run: "Run | None") -> dict[str, object]:
    if run is None:
        return {}
    return {
        "NOXCLI_RUN_ID": run.id,
        "NOXCLI_WORKFLOW_ID": run.workflow_id,
        "NOXCLI_STATUS": run.status,
    }


def _ended(outcomes: Sequence[Outcome], code: ExitCode, mask: Mask) -> list[EndedRun]:
    """Return how each run ended, with a name of its own, since several may be of one workflow."""
    ended = []
    for one in outcomes:
        name = one.name
        if len(outcomes) > 1 and one.run is not None and one.run.id != name:
            name = f"{name} {one.run.id}"
        document = one.document(own_code(one, outcomes, code), mask)
        ended.append(EndedRun(name, document, mask.whole(one.inputs)))
    return ended


def ci_system(terminal: Terminal) -> "GitHub | None":
    """Return GitHub, if NOXCLI_CI or the variable of its runner says so; else None.

    None elsewhere. Raises ConfigProblem for any other NOXCLI_CI.
    """
    word = terminal.environ.get(CI_VARIABLE) or AUTO
    if word not in CI_SYSTEMS:
        raise ConfigProblem(
            f"{CI_VARIABLE}={word} is not known", f"write one of {', '.join(CI_SYSTEMS)}"
        )
    if word == OFF:
        return None
    if word == AUTO and terminal.environ.get("GITHUB_ACTIONS") != "true":
        return None
    from noxcli.reports.ci.github import GitHub  # loaded only there

    return GitHub(terminal)
