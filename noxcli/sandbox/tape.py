"""A tape: the stored answers of a batch, served by input, for pipelines without key or server.

Each line is an object with `row`, `input` and `result`, as `noxcli batch` and `noxcli results`
print it, and as a batch keeps it in its directory in `results.jsonl`, next to a journal whose first
line names the version.
"""

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from noxcli.sandbox.answers import Invalid
from noxcli.sandbox.json_toml import decoded, encoded
from noxcli.sandbox.scenario import File, Node, Scenario, Version, input_node, output_node
from noxcli.sandbox.steps import node_fails, node_runs

JOURNAL = "batch.jsonl"
RESULTS = "results.jsonl"
OPTION = "--version-id"
ENDINGS = ("completed", "failed")  # the others say nothing about the workflow's answer
ANY_VERSION = "any version"
MAX_SHOWN = 200  # characters of the nearest input
STEP = "Recorded"
WHAT_TO_GIVE = "give a directory of `noxcli batch`, or what it printed"
TYPES = {bool: "bool", int: "float", float: "float", dict: "dict", list: "list", str: "str"}


@dataclass(frozen=True, slots=True)
class Answer:
    """How one row of the batch ended."""

    row: int
    input: dict[str, Any]
    status: str
    output: dict[str, Any]
    reason: str = ""  # of a failed run


@dataclass(slots=True)
class Tape:
    """The answers of one workflow, by version and input, each to be served once.

    An input has several answers if its row had repetitions.
    """

    name: str = ""  # of the workflow
    versions: dict[str, str] = field(default_factory=dict)  # names, by id
    answers: dict[tuple[str, bytes], list[Answer]] = field(default_factory=dict)
    _turns: Counter[tuple[str, bytes]] = field(default_factory=Counter)

    def add(self, version_id: str, version: str, answer: Answer) -> None:
        """Add the answer of one more row or repetition, of a version with this name."""
        self.versions[version_id] = version
        self.answers.setdefault((version_id, encoded_input(answer.input)), []).append(answer)

    def take(self, version_id: str | None, given: dict[str, Any]) -> Answer:
        """Return the next answer to this input. Raises Invalid (422) if there is no further one."""
        version = self._version(version_id)
        key = (version, encoded_input(given))
        answers = self.answers.get(key)
        if answers is None:
            nearest = self._nearest(version, encoded_input(given))
            raise _refusal(f"this input is not on the tape; {nearest}")
        turn = self._turns[key]
        if turn == len(answers):
            raise _refusal(f"the tape has no further answer to this input; it had {turn}")
        self._turns[key] += 1
        return answers[turn]

    def _version(self, version_id: str | None) -> str:
        if version_id is not None and version_id in self.versions:
            return version_id
        if ANY_VERSION in self.versions:
            return ANY_VERSION
        if version_id is None and len(self.versions) == 1:
            return next(iter(self.versions))
        known = ", ".join(sorted(self.versions))
        raise _refusal(f"the tape has answers of {known}; name one of these versions")

    def _nearest(self, wanted_version: str, wanted: bytes) -> str:
        rows: dict[str, int] = {}
        for (version, given), answers in self.answers.items():
            if version == wanted_version:
                rows[given.decode()] = answers[0].row
        (near,) = difflib.get_close_matches(wanted.decode(), rows, n=1, cutoff=0.0)
        row = rows[near]
        if len(near) > MAX_SHOWN:
            near = f"{near[:MAX_SHOWN]}… ({len(near)} characters)"
        return f"the nearest is row {row}: {near}"


def load_tapes(paths: Sequence[Path]) -> list[Scenario]:
    """Return a scenario for each workflow on these tapes.

    Raises ValueError for a file that is not a tape, and OSError.
    """
    tapes: dict[str, Tape] = {}  # by the workflow's id
    for path in paths:
        if not _load(path, tapes):
            raise ValueError(f"{path}: no row has an answer; run the batch first")
    return [_scenario(workflow_id, tape) for workflow_id, tape in tapes.items()]


def _load(path: Path, tapes: dict[str, Tape]) -> bool:
    """Add the answers of one file or directory; returns whether there was one."""
    version_id, version = _version_of(path)
    results = path / RESULTS if path.is_dir() else path
    found = False
    for place, line in _lines(results):
        try:
            answer = _answer(line, path)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{place}: not a row of a batch ({error!r}); {WHAT_TO_GIVE}") from None
        if answer is None:
            continue
        found = True
        run = line["result"]["run"]
        workflow_id = str(run.get("workflow_id") or "").lower()
        tape = tapes.setdefault(workflow_id, Tape())
        tape.add(version_id, version, answer)
        if not tape.name:
            tape.name = str(run.get("workflow_name") or path.stem)
    return found


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the lines in the order of rows and repetitions; of several for one, the last counts."""
    lines: dict[tuple[int, int], tuple[str, dict[str, Any]]] = {}
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            place = f"{path}: line {number}"
            try:
                line = decoded(text)
                lines[int(line["row"]), int(line.get("repetition") or 0)] = place, line
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                raise ValueError(f"{place}: not a row of a batch; {WHAT_TO_GIVE}") from None
    for key in sorted(lines):
        yield lines[key]


def _version_of(path: Path) -> tuple[str, str]:
    """Return the version that a batch's journal says, and the command line's name for it.

    Raises ValueError for a journal that is not one.
    """
    journal = path / JOURNAL
    if not journal.is_file():
        return ANY_VERSION, ""
    with journal.open(encoding="utf-8", errors="replace") as file:
        try:
            header = decoded(file.readline())
            command = [str(word) for word in header.get("command") or ()]
            version_id = str(header.get("version_id") or ANY_VERSION)
        except (ValueError, TypeError, AttributeError):
            raise ValueError(f"{journal}: line 1: not the header of a batch") from None
    words: list[str] = []
    for each in command:
        if each.startswith(f"{OPTION}="):
            words += each.split("=", 1)
        else:
            words.append(each)
    if OPTION in words[:-1]:
        return version_id, words[words.index(OPTION) + 1]
    return version_id, version_id


def _answer(line: dict[str, Any], tape: Path) -> Answer | None:
    """Return what a row's run ended with; None if it says nothing of the workflow.

    Raises KeyError, TypeError and AttributeError for a line of another form.
    """
    result = line["result"]
    given = line["input"]
    run = result.get("run") or {}
    if run.get("status") not in ENDINGS:
        return None
    if not isinstance(given, dict):
        raise TypeError("its `input` is not an object")
    output: dict[str, Any] = {}
    if run["status"] == "completed":
        if not isinstance(result.get("output"), dict) or not result.get("complete"):
            return None
        output = result["output"]
    digests = {}
    for file in result.get("files") or ():
        if file.get("path"):
            digests[file["path"]] = file.get("sha256")
    error = result.get("error") or {}
    reason = str(error.get("message") or "failed")
    values = {key: _value(value, digests, tape) for key, value in output.items()}
    return Answer(line["row"], given, run["status"], values, reason)


def _value(value: Any, digests: dict[str, Any], tape: Path) -> Any:
    """Return an output's value; one that was saved as a file is read again.

    Raises ValueError if it is another file by now.
    """
    if not (isinstance(value, dict) and set(value) == {"$file"}):
        return value
    saved = str(value["$file"])
    directory = tape if tape.is_dir() else tape.parent
    moved_along = directory / Path(saved).parent.name / Path(saved).name
    for path in (Path(saved), moved_along):
        if path.is_file():
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == digests.get(saved):
                return File(path.name, content)
    raise ValueError(
        f"{tape}: the file {saved} of an answer is missing, or is not what the batch saved"
    )


def _scenario(workflow_id: str, tape: Tape) -> Scenario:
    answers: list[Answer] = []
    for group in tape.answers.values():
        answers += group
    outputs: dict[str, Node] = {}
    for answer in answers:
        for label in answer.output:
            outputs[label] = output_node(label)
    versions = []
    for version_id, name in tape.versions.items():
        if version_id != ANY_VERSION:
            versions.append(Version(name, "Recorded by a batch.", id=version_id))
    plain = Scenario(
        tape.name,
        f"The stored answers of a batch, {len(answers)} runs.",
        nodes=[*_inputs(answers), Node(STEP), *outputs.values()],
        workflow_id=workflow_id,
        versions=versions,
    )

    def course(version_id: str | None, given: dict[str, Any]) -> Scenario:
        answer = tape.take(version_id, given)
        if answer.status == "failed":
            return replace(plain, script=node_fails(STEP, answer.reason), status="failed")
        return replace(plain, script=node_runs(STEP), output=answer.output)

    return replace(plain, course=course)


def _inputs(answers: Sequence[Answer]) -> list[Node]:
    """Inputs with the types of their values; one that some rows lack is not required."""
    values: dict[str, list[Any]] = {}
    for answer in answers:
        for key, value in answer.input.items():
            values.setdefault(key, []).append(value)
    nodes = []
    for key, some in values.items():
        types = {TYPES.get(type(value), "any") for value in some}
        only_type = types.pop() if len(types) == 1 else "any"
        default = None if len(some) == len(answers) else ""
        nodes.append(input_node(key, type=only_type, default=default))
    return nodes


def encoded_input(given: dict[str, Any]) -> bytes:
    """Return what equal inputs have in common, in any order of their keys."""
    return encoded(dict(sorted(given.items())))


def _refusal(reason: str) -> Invalid:
    return Invalid(["body", "input"], reason, "not_on_the_tape")
