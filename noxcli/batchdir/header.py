"""What makes calls and shards one batch: the header of its journal, and the command that continues
it.
"""

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from types import UnionType
from typing import Any, get_args, get_origin

from noxcli.api.parsing import node_names
from noxcli.codec import to_json
from noxcli.errors import CommandLine, ExitCode
from noxcli.inputs.definition import definition_text, inputs_of, tidy
from noxcli.inputs.parse import Inputs
from noxcli.inputs.uploads import Upload
from noxcli.render.text import in_prose, with_id
from noxcli.rows.columns import digest_of, without_repetition
from noxcli.rows.content import hash_file

# Of a gate: who answered, then who judged these answers.
SIDES = ("base", "new", "judge_of_base", "judge_of_new")
PLACES = 21  # for the answers to a row on each of these sides
MAX_CONSTANT = 60  # characters of a value in the journal and in a message
MAX_HASH = 32  # digits of a file's hash
MAX_NODES = 5  # that are named
NOT_SAVED = ""  # the id of a version that a gate saves once it has begun
NAMES = {"workflow_id": "workflow", "host": "server", "repeat": "repeat"}
NodeDigests = Mapping[str, list[str]]  # by the node's id: its name and digest
AGAIN = {
    "failed": ExitCode.RUN_FAILED,
    "stopped": ExitCode.RUN_STOPPED,
}  # the rows that --again names by their code
RESUME = ("--resume",)
SERVER_OPTIONS = frozenset({"--profile", "--base-url", "--api-key-file"})


def command_to_continue(
    argv: Sequence[str], codes: Mapping[int, int], remaining: int
) -> CommandLine | None:
    """Return the command for the incomplete rows, `remaining` of which can still be finished.

    None if there are none.

    `argv` is the command line of this call.
    """
    if remaining:
        return line_with(argv, RESUME)
    again = [("--again", name) for name, code in AGAIN.items() if codes.get(code)]
    if not again:
        return None
    return line_with(argv, *again)


def line_with(argv: Sequence[str], *flags: tuple[str, ...]) -> CommandLine:
    """Return a command line that continues with these flags, without what starts finished rows or a
    row in doubt.
    """
    words: list[str] = []
    for word in argv:
        if word == "doubtful" and words[-1] == "--again":
            words.pop()
        elif word not in {"--fresh", "--again=doubtful"}:
            words.append(word)
    begun = f" {shlex.join(words)} "
    for flag in flags:
        if f" {shlex.join(flag)} " not in begun:
            words += flag
    return CommandLine(*words, typed=True)


def route_of(argv: Sequence[str]) -> str:
    """Return the options of a command line that select its server, for another line to paste."""
    route = ""
    takes_value = False
    for word in argv:
        name, equals, _ = word.partition("=")
        is_option = not takes_value and name in SERVER_OPTIONS
        if is_option or takes_value:
            route += f" {shlex.quote(word)}"
        takes_value = is_option and not equals
    return route


def with_shard(argv: Sequence[str], shard: str) -> list[str]:
    """Return a command line with this shard, for a shell without the variables that named it."""
    words: list[str] = []
    for word in argv:
        if words and words[-1] == "--shard":
            words.pop()
        elif not word.startswith("--shard="):
            words.append(word)
    return [*words, "--shard", shard]


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """The identity of a batch. `columns` is None if its rows are JSON."""

    workflow_id: str
    version_id: str | None
    host: str
    source: str
    shard: str
    constants: Mapping[str, str]  # inputs of all rows, in short
    secrets: list[str]  # the names of those that are secret
    columns: list[str] | None  # that are sent
    rows: int = 0
    digest: str = ""
    kept: list[str] = field(default_factory=list)  # other columns
    repeat: int = 1
    limit: int | None = None  # of rows that were selected
    separator: str = ","  # of the cells of a table
    only: list[int] | None = None  # the rows of the file that --only selects
    outputs: list[str] | None = None  # of the workflow, if its definition was read
    command: list[str] = field(default_factory=list)  # the last one that ran it, without `noxcli`
    definition: str | None = None  # its digest, if it was read
    nodes: NodeDigests | None = None  # of it
    # What NEW has of its own; all else is about BASE and the table.
    gate: Mapping[str, Any] | None = None
    workflow_name: str = ""
    version_name: str = ""  # or when it was saved
    table_rows: int = 0  # of the whole FILE, if --limit or --only selects some of them

    def printed(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a line as it is printed: by the row of the file, with its repetition, or with its
        side and place.
        """
        if self.repeat == 1:
            return line
        row, repetition = divmod(line["row"] - 1, self.repeat)
        line = {**line, "row": row + 1, "id": without_repetition(line["id"])}
        if self.gate is None:
            return {**line, "repetition": repetition + 1}
        side, place = divmod(repetition, PLACES)
        return {**line, "side": SIDES[side], "place": place + 1}

    @property
    def workflow(self) -> str:
        """The workflow by its name, then its id."""
        return with_id(self.workflow_name, self.workflow_id)

    @property
    def version(self) -> str | None:
        """The version by its name, then its id; None for the current one."""
        return None if self.version_id is None else with_id(self.version_name, self.version_id)

    def omitted_rows(self, rows: int) -> str:
        """Return how many of how many rows of the table there are, empty for all of them."""
        options = []
        if self.limit is not None:
            options.append(f"--limit {self.limit}")
        if self.only is not None:
            options.append("--only")
        if self.shard != "1/1":
            options.append(f"--shard {self.shard}")
        if not options:
            return ""
        part = "a part"
        if self.table_rows:
            part = f"{rows:,} of the {self.table_rows:,} rows"
        return f"only {part} of {self.source}: {', '.join(options)}"

    def words_after(self, option: str) -> Iterator[str]:
        """Yield the values that the command line gives an option."""
        for word, following in pairwise([*self.command, ""]):
            name, equals, value = word.partition("=")
            if name == option:
                yield value if equals else following


def _types_in_json(annotation: Any) -> tuple[type, ...]:
    options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    types = []
    for each in options:
        origin = get_origin(each)
        if origin is None:
            types.append(each)
        elif origin is Mapping:
            types.append(dict)
        else:
            types.append(origin)
    return tuple(types)


HEADER = {each.name: _types_in_json(each.type) for each in fields(BatchHeader)}


@dataclass(frozen=True, slots=True)
class Difference:
    """What two headers do not share."""

    what: str
    was: str
    now: str


def digests_of(definition: Mapping[str, Any]) -> tuple[str | None, NodeDigests | None]:
    """Return the digest of a definition as `export --definition` prints it, and those of its nodes.

    None for one that could not be read.
    """
    if inputs_of(definition) is None:
        return None, None
    whole = definition_text(definition).encode("utf-8", "surrogatepass")
    names = node_names(definition)
    nodes = tidy(definition).get("nodes")
    parts: dict[str, list[str]] = {}
    for place, node in enumerate(nodes if isinstance(nodes, list) else ()):
        node_id = f"#{place + 1}"
        if isinstance(node, dict) and isinstance(node.get("id"), str):
            node_id = node["id"]
        parts[node_id] = [names.get(node_id, node_id), f"{digest_of(to_json(node)):016x}"]
    return hashlib.sha256(whole).hexdigest(), parts


def differences(then: BatchHeader, now: BatchHeader) -> Iterator[Difference]:
    """Yield what makes them two batches, apart from their rows."""
    for what in ("workflow_id", "host", "repeat"):
        was = str(getattr(then, what))
        is_now = str(getattr(now, what))
        if was != is_now:
            yield Difference(NAMES[what], was, is_now)
    asked = _difference_asked(then, now)
    if asked is not None:
        yield asked
    for key in dict.fromkeys([*then.constants, *now.constants]):
        was = then.constants.get(key, "not given")
        is_now = now.constants.get(key, "not given")
        if was != is_now:
            yield Difference(repr(key), was, is_now)
    if sorted(then.columns or ()) != sorted(now.columns or ()):
        yield Difference("columns", to_json(then.columns), to_json(now.columns))
    if then.secrets != now.secrets:
        yield Difference("secrets", to_json(then.secrets), to_json(now.secrets))


def _difference_asked(then: BatchHeader, now: BatchHeader) -> Difference | None:
    """Return how the definitions differ, or else the versions."""
    are_known = then.definition is not None and now.definition is not None
    if are_known and then.definition != now.definition:
        return Difference("definition", "", changed_nodes(then.nodes, now.nodes))
    if then.version_id == now.version_id:
        return None
    # A saved version may have the definition that was current in the other call.
    if are_known and (now.version_id is None or then.version_id in {None, NOT_SAVED}):
        return None
    return Difference(
        "version", then.version_id or "the current one", now.version_id or "the current one"
    )


def constants_of(common: Inputs) -> dict[str, str]:
    """Return the inputs that all rows share in short, without secrets."""
    constants: dict[str, str] = {}
    for key, value in sorted(common.shown().items()):
        if key in common.secret:
            continue
        given = common.values[key]
        if isinstance(given, Upload) and given.size is not None:
            value = {"$sha256": hash_file(given.path)[:MAX_HASH]}  # wherever the file is
        constants[key] = _short(to_json(value))
    return constants


def changed_nodes(then: NodeDigests | None, now: NodeDigests | None) -> str:
    """Return the names of the nodes that differ, for a message."""
    old = then or {}
    new = now or {}
    names = []
    for node_id, known in {**old, **new}.items():
        if old.get(node_id) != new.get(node_id):
            names.append(repr(known[0]))
    if not names:
        return "its edges or settings"
    if len(names) > MAX_NODES:
        more = f"{len(names) - MAX_NODES} more nodes"
        names = [*names[:MAX_NODES], more]
    return in_prose(names)


def _short(text: str) -> str:
    if len(text) <= MAX_CONSTANT:
        return text
    return f"{text[:MAX_CONSTANT]}… ({digest_of(text):016x})"
