"""What people type first, by what to type instead: words and options of other tools, and typing errors."""

import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from noxcli.errors import UsageProblem, from_a_chat, nearest
from noxcli.masking import looks_like_key
from noxcli.models import is_uuid

if TYPE_CHECKING:
    from noxcli.inputs.definition import InputNode

Fits = Callable[[str, Sequence[str]], bool]  # whether a verb takes these arguments
# What people type first, by the command that does it. Only words that mean so name one that starts, stops or writes.
WORDS = {
    "run WORKFLOW": ("run", "start", "exec", "execute", "trigger", "invoke", "launch", "submit"),
    "rerun RUN": ("rerun", "retry", "restart", "again"),
    "stream RUN": ("stream", "watch", "attach", "follow", "tail", "events"),
    "wait RUN": ("wait", "await", "join", "poll"),
    "fetch-output RUN": ("fetch-output", "output", "outputs", "result", "download", "fetch", "cat"),
    "stop RUN": ("stop", "cancel", "kill", "abort", "terminate"),
    "inspect RUN": ("inspect", "show", "status", "get", "view", "describe", "info", "logs", "log"),
    "report RUN": ("report", "page", "html"),
    "workflows": ("workflows", "list", "ls", "workflow"),
    "runs": ("runs", "history", "ps", "jobs"),
    "versions WORKFLOW": ("versions", "revisions", "tags"),
    "results DIR": ("results", "merge", "summary"),
    "compare BASE NEW": ("compare", "diff"),
    "import FILE --mode clone": ("import", "upload", "push", "deploy"),
    "export WORKFLOW": ("export", "pull", "dump"),
    "doctor": ("doctor", "check", "ping", "health", "whoami"),
    "sandbox": ("sandbox", "serve", "server", "mock"),
    "help": ("help", "man", "docs"),
    "inputs WORKFLOW": ("inputs", "params", "arguments"),
}
# Words for which there is nothing to call, by the answer.
ANSWERS = {
    "set NOXUS_API_KEY to your key; noxcli doctor checks it": ("login", "logout", "auth", "signin", "token", "config"),
    "did you mean: noxcli --version": ("version",),
    "for a workflow over a table of questions, see: noxcli help batch": ("test", "eval", "evaluate", "map"),
    "noxcli has no MCP server; how programs call it: noxcli help agents": ("mcp",),
}
# The lists of what people name first, as other tools want them to: `workflow list`, `get runs`, `run view ID`.
LISTS = {"workflow": "workflows", "run": "runs", "version": "versions WORKFLOW"}
LISTING = frozenset({"list", "ls", "all"})
SHOWING = frozenset({"get", "show", "view", "describe", "info"})
# What people type first, by what to type. Of several answers, the first whose option the verb has.
OPTIONS = {
    "--json | jq EXPR": ("--jq",),
    "--detach": ("--async", "--no-wait", "--nowait", "--background"),
    "--color never": ("--no-color", "--no-colour"),
    "--progress plain": ("--plain", "--no-live", "--no-tty"),
    "--limit N": ("-n", "--max", "--first", "--head"),
    "--max-parallel N": ("-j", "-P", "--jobs", "--parallel", "--workers", "--concurrency", "--threads"),
    "--json": ("-j", "--to-json", "--output-json"),
    "--inputs @FILE": ("-f", "-i", "-d", "-F", "--file", "--input", "--data", "--body", "--params", "--args"),
    "--version-id VERSION": ("--version", "--tag", "--revision"),
    "--base-url URL": ("--url", "--host", "--server", "--endpoint", "--api-url"),
    "--output-dir DIR": ("--outdir", "--out-dir", "--dir", "--save"),
    "--output FILE": ("--out", "--outfile", "--output-file"),
    "--timeout DUR": ("--max-time", "--deadline", "-t", "--wait-timeout"),
    "--verbose": ("--debug", "--trace"),
    "--quiet": ("--silent", "-s", "--no-progress"),
    "--raw KEY": ("-r", "--raw-output", "--only"),
    "--format ndjson": ("--ndjson", "--jsonl", "--events"),
    "--secret KEY=ENVNAME": ("--env", "-e"),
    "--callback-url URL": ("--webhook", "--callback", "--hook"),
    "--retry-for DUR": ("--retries", "--retry"),
}
# Options for which there is nothing to type, by the answer and by an option of the verbs that it is about.
OPTION_ANSWERS = {
    ("noxcli waits without it;", "--on-timeout"): ("--wait", "--watch", "--follow"),
    ("batch prints one JSON document a line without it;", "--max-parallel"): ("--json", "--jsonl", "--ndjson"),
    ("put the key into NOXUS_API_KEY, or into a file for --api-key-file FILE;", "--api-key-file"): (
        "--api-key",
        "--key",
        "--token",
        "-k",
    ),
    ("the newest come first: --limit N, or --json and jq by .created_at;", "--limit"): (
        "--since",
        "--until",
        "--after",
        "--before",
    ),
}
# Verbs and options that a spelling alone never suggests, and the shortest word that a spelling is compared for.
ACTING = frozenset({"run", "rerun", "stop", "batch", "report", "import"})
ACTING_OPTIONS = frozenset({"--apply", "--activate", "--fresh", "--again", "--allow-changed-input"})
SHORTEST = 4
PRIVATE = re.compile("key|token|secret|password", re.IGNORECASE)
RUN_NAMED = re.compile(r"@last|-|[^/]*/[^/]+")


def verb_for(words: Sequence[str], verbs: Iterable[str], fits: Fits) -> str | None:
    """Return what to type instead of a command line with an unknown verb, or an answer."""
    word, *rest = words
    if line := command_for(words, fits):
        return line
    if answer := _listed(word.lower(), ANSWERS) or from_a_chat(word):
        return answer
    verb = name_meant(word, [verb for verb in verbs if verb not in ACTING])
    if verb is not None:
        return _to_type(next((usage for usage in WORDS if usage.split()[0] == verb), verb), rest, fits)
    if rest and "=" in rest[0] and not rest[0].startswith("-") and not _holds_key(words):
        return f"to start a workflow: noxcli run {shlex.join(words)}"
    return None


def command_for(words: Sequence[str], fits: Fits) -> str | None:
    """Return the command that a line in the words of other tools means, such as `workflow list` or `cancel run ID`."""
    first, second = (word.lower() for word in [*words, "", ""][:2])
    if first in {"log", "logs"} and second in {"-f", "--follow"}:
        return _to_type("stream RUN", words[2:], fits)
    is_noun_first = first.removesuffix("s") in LISTS
    noun, does = (first, second) if is_noun_first else (second, first)
    if (one := noun.removesuffix("s")) in LISTS:
        if does in LISTING or (does in SHOWING and one != noun and not is_noun_first):
            return _to_type(LISTS[one], words[2:], fits)
        usage = "inputs WORKFLOW" if one == "workflow" and does in SHOWING else _listed(does, WORDS)
        if usage is not None:
            return _to_type(usage, words[2:], fits)
    usage = _listed(first, WORDS)
    return None if usage is None or usage.split()[0] == first else _to_type(usage, words[1:], fits)


def is_known_word(word: str) -> bool:
    """True for a word that other tools have for what noxcli does."""
    return word.lower() in LISTING | SHOWING or _listed(word.lower(), WORDS) is not None


def option_for(option: str, offered: Iterable[str], value: str = "") -> str | None:
    """Return what to type instead of an unknown option, of those that the verb offers; `value` is the word after it."""
    known = [*offered]
    for (answer, about), names in OPTION_ANSWERS.items():
        if option in names and about in known:
            return answer
    usage = _listed(option, {usage: names for usage, names in OPTIONS.items() if usage.split()[0] in known})
    if usage == "--inputs @FILE" and (better := _inputs_in(value)):
        return better
    if usage is not None:
        return f"did you mean {usage}?"
    # The dashes would make --foo look like --color.
    likely = [name.lstrip("-") for name in known if name.startswith("--") and name not in ACTING_OPTIONS]
    meant = name_meant(option.lstrip("-"), likely)
    return None if meant is None else f"did you mean --{meant}?"


def options_last(words: Sequence[str], verbs: Iterable[str], fits: Fits) -> str | None:
    """Return the command line with the options that stand before its verb behind it, if it is then one."""
    place = next((place for place, word in enumerate(words) if word in verbs), None)
    if place is None or "--" in words or _holds_key(words):
        return None
    verb, rest = words[place], [*words[place + 1 :]]
    for word in words[:place]:
        ours = _listed(word, OPTIONS) if word.startswith("--no-") else None
        rest += [word] if ours is None else ours.split()
    return f"noxcli {shlex.join([verb, *rest])}" if fits(verb, rest) else None


def name_meant(word: str, known: Iterable[str]) -> str | None:
    """Return the known name with this beginning, or else a similar one; none for a word of three letters or fewer."""
    known = list(known)
    if len(word) < SHORTEST:
        return None
    return next((name for name in known if name.startswith(word)), None) or nearest(word, known)


def words_for(item: str, items: Sequence[str], nodes: Sequence["InputNode"]) -> list[str] | None:
    """Return how to write an item without a key, where the workflow's inputs show what it is and take that."""
    from noxcli.inputs.parse import item_start, read_inputs  # the names of verbs and options need none of these
    from noxcli.inputs.preflight import check

    def are_taken(words: list[str], nodes: Sequence["InputNode"]) -> bool:
        try:
            check(read_inputs([], words[1]) if words[1:] else read_inputs(words), nodes, "it")
        except UsageProblem:
            return False
        return True

    whole = ["--inputs", f"@{item}"]
    if item.endswith(".json") and are_taken(whole, nodes):
        return whole
    node, value = _input_in(item, items, nodes)
    if node is None or not value:
        return None
    is_read = node.kind != "file" and os.path.isfile(value)  # noqa: PTH113 - it may be too long for pathlib
    words = [f"{item_start(node.label or node.id, node.kind)}{'@' * is_read}{value.strip()}"]
    return words if are_taken(words, [node]) else None


def _input_in(item: str, items: Sequence[str], nodes: Sequence["InputNode"]) -> tuple["InputNode | None", str]:
    """Return an input and its value: the item is its name before its value, both with a colon, or the only value."""
    named = {name.casefold(): node for node in nodes for name in (node.label, node.id) if name}
    asked = [node for node in nodes if not node.fixed]
    key, _, value = item.partition(":")
    if node := named.get(item.casefold()):
        return node, next((word for word in items[items.index(item) + 1 :] if word != "="), "")
    if node := named.get(key.casefold()):
        return node, value
    return asked[0] if len(asked) == 1 else None, item


def _to_type(usage: str, rest: Sequence[str], fits: Fits) -> str:
    """Return the command line with its arguments `rest` if the verb takes them, or else with what they stand for."""
    verb, *takes = usage.split()
    named = next((word for word in rest if not word.startswith("-") or word == "-"), "")
    enough = bool(named) and ("RUN" not in takes or bool(RUN_NAMED.fullmatch(named)) or is_uuid(named))
    if rest and not _holds_key(rest) and (enough or not takes) and fits(verb, rest):
        return f"did you mean: noxcli {shlex.join([verb, *rest])}"
    return f"did you mean: noxcli {usage}"


def _inputs_in(value: str) -> str | None:
    """Return how to write inputs that another tool takes as the value of an option."""
    if looks_like_key(value):
        return None
    if value.lstrip().startswith("{"):
        return f"did you mean --inputs {shlex.quote(value)}?"
    if "=" in value:
        return f"an input needs no option: {shlex.quote(value)};"
    return f"did you mean --inputs {shlex.quote(f'@{value}')}?" if value and os.path.isfile(value) else None  # noqa: PTH113


def _holds_key(words: Sequence[str]) -> bool:
    """True if a key may be among the words: that is a mistake of its own, and none is repeated."""
    return any(word.startswith("-") and PRIVATE.search(word) for word in words) or any(map(looks_like_key, words))


def _listed(word: str, table: Mapping[str, Sequence[str]]) -> str | None:
    return next((target for target, words in table.items() if word in words), None)
