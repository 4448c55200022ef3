"""A tape: the stored answers of a batch, served by their input, for pipelines that have neither key nor server.

Each line is an object with `row`, `input` and `result`, as `noxcli batch` and `noxcli results` print it, and as a
batch keeps it in its directory in `results.jsonl`, next to a journal whose first line names the version.
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

JOURNAL, RESULTS = "batch.jsonl", "results.jsonl"
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
    """The answers of one workflow, by version and input: those of its repetitions, each to be served once."""

    name: str = ""  # of the workflow
    versions: dict[str, str] = field(default_factory=dict)  # names, by id
    answers: dict[tuple[str, bytes], list[Answer]] = field(default_factory=dict)
    _turns: Counter[tuple[str, bytes]] = field(default_factory=Counter)

    def add(self, version_id: str, version: str, answer: Answer) -> None:
        """Add the answer of one more row or repetition, of a version with this name."""
        self.versions[version_id] = version
        self.answers.setdefault((version_id, encoded_input(answer.input)), []).append(answer)

    def take(self, version_id: str | None, given: dict[str, Any]) -> Answer:
        """Return the next answer to this input. Raises Invalid (422) if there is none, or no further one."""
        key = self._version(version_id), encoded_input(given)
        answers = self.answers.get(key)
        if answers is None:
            raise _refusal(f"this input is not on the tape; {self._nearest(*key)}")
        turn = self._turns[key]
        if turn == len(answers):
            raise _refusal(f"the tape has no further answer to this input; it had {turn}")
        self._turns[key] += 1
        return answers[turn]

    def _version(self, version_id: str | None) -> str:
        for version in (version_id, ANY_VERSION):
            if version is not None and version in self.versions:
                return version
        if version_id is None and len(self.versions) == 1:
            return next(iter(self.versions))
        raise _refusal(
            f"the tape has answers of {', '.join(sorted(self.versions))}; name one of these versions"
        )

    def _nearest(self, version: str, key: bytes) -> str:
        rows = {
            given.decode(): each[0].row
            for (of, given), each in self.answers.items()
            if of == version
        }
        near = difflib.get_close_matches(key.decode(), rows, 1, 0.0)[0]
        shown = near if len(near) <= MAX_SHOWN else f"{near[:MAX_SHOWN]}… ({len(near)} characters)"
        return f"the nearest is row {rows[near]}: {shown}"


def load_tapes(paths: Sequence[Path]) -> list[Scenario]:
    """Return a scenario for each workflow on these tapes. Raises ValueError for a file that is not a tape, OSError."""
    tapes = dict[str, Tape]()  # by the workflow's id
    for path in paths:
        version, found = _version_of(path), False
        for place, line in _lines(path / RESULTS if path.is_dir() else path):
            try:
                answer = _answer(line, path)
            except (KeyError, TypeError, AttributeError) as error:
                raise ValueError(
                    f"{place}: not a row of a batch ({error!r}); {WHAT_TO_GIVE}"
                ) from None
            if answer is not None:
                found, run = True, line["result"]["run"]
                workflow_id = str(run.get("workflow_id") or "").lower()
                tape = tapes.setdefault(workflow_id, Tape())
                tape.add(*version, answer)
                tape.name = tape.name or str(run.get("workflow_name") or path.stem)
        if not found:
            raise ValueError(f"{path}: no row has an answer; run the batch first")
    return [_scenario(workflow_id, tape) for workflow_id, tape in tapes.items()]


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the lines in the order of rows and repetitions; of several for one of these, the last one counts."""
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
    yield from (lines[key] for key in sorted(lines))


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
    words = [
        word
        for each in command
        for word in (each.split("=", 1) if each.startswith(f"{OPTION}=") else [each])
    ]
    return version_id, words[words.index(OPTION) + 1] if OPTION in words[:-1] else version_id


def _answer(line: dict[str, Any], tape: Path) -> Answer | None:
    """Return what a row's run ended with; None if it says nothing of the workflow. Raises KeyError, TypeError."""
    result, given = line["result"], line["input"]
    run = result.get("run") or {}
    if run.get("status") not in ENDINGS:
        return None
    if not isinstance(given, dict):
        raise TypeError("its `input` is not an object")
    completed = run["status"] == "completed"
    output = result.get("output") if completed else {}
    if completed and (not isinstance(output, dict) or not result.get("complete")):
        return None
    digests = {
        each["path"]: each.get("sha256") for each in result.get("files") or () if each.get("path")
    }
    reason = str((result.get("error") or {}).get("message") or "failed")
    values = {key: _value(value, digests, tape) for key, value in output.items()}
    return Answer(line["row"], given, run["status"], values, reason)


def _value(value: Any, digests: dict[str, Any], tape: Path) -> Any:
    """Return an output's value; one that was saved as a file is read again. Raises ValueError if it is another file."""
    if not (isinstance(value, dict) and set(value) == {"$file"}):
        return value
    saved = str(value["$file"])
    for path in (
        Path(saved),
        (tape if tape.is_dir() else tape.parent) / Path(saved).parent.name / Path(saved).name,
    ):
        if path.is_file():
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() == digests.get(saved):
                return File(path.name, content)
    raise ValueError(
        f"{tape}: the file {saved} of an answer is missing, or is not what the batch saved"
    )


def _scenario(workflow_id: str, tape: Tape) -> Scenario:
    answers = [each for group in tape.answers.values() for each in group]
    outputs = dict.fromkeys(key for answer in answers for key in answer.output)
    plain = Scenario(
        tape.name,
        f"The stored answers of a batch, {len(answers)} runs.",
        nodes=[*_inputs(answers), Node(STEP), *map(output_node, outputs)],
        workflow_id=workflow_id,
        versions=[
            Version(name, "Recorded by a batch.", id=version_id)
            for version_id, name in tape.versions.items()
            if version_id != ANY_VERSION
        ],
    )

    def course(version_id: str | None, given: dict[str, Any]) -> Scenario:
        answer = tape.take(version_id, given)
        if answer.status == "failed":
            return replace(plain, script=node_fails(STEP, answer.reason), status="failed")
        return replace(plain, script=node_runs(STEP), output=answer.output)

    return replace(plain, course=course)


def _inputs(answers: Sequence[Answer]) -> list[Node]:
    """Inputs with the types of their values; one that some rows lack has a default, so that it is not required."""
    keys = dict.fromkeys(key for answer in answers for key in answer.input)
    nodes = []
    for key in keys:
        types = {
            TYPES.get(type(answer.input[key]), "any") for answer in answers if key in answer.input
        }
        required = all(key in answer.input for answer in answers)
        nodes.append(
            input_node(
                key,
                type=types.pop() if len(types) == 1 else "any",
                default=None if required else "",
            )
        )
    return nodes


def encoded_input(given: dict[str, Any]) -> bytes:
    """Return what equal inputs have in common, in any order of their keys."""
    return encoded(dict(sorted(given.items())))


def _refusal(reason: str) -> Invalid:
    return Invalid(["body", "input"], reason, "not_on_the_tape")
