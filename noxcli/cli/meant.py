"""What a user probably meant by an unknown word or option: words of other tools, and typing errors."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from noxcli.errors import nearest

# What people type first, by the verb that does it.
WORDS = {
    "run": ("start", "exec", "execute", "trigger", "invoke", "launch", "submit", "create"),
    "rerun": ("retry", "restart", "again"),
    "stream": ("watch", "attach", "follow", "tail", "events"),
    "wait": ("await", "join", "poll"),
    "fetch-output": ("output", "outputs", "result", "download", "fetch", "cat"),
    "stop": ("cancel", "kill", "abort", "terminate"),
    "inspect": ("show", "status", "get", "view", "describe", "info", "logs", "log"),
    "report": ("open", "page", "html"),
    "workflows": ("list", "ls", "workflow"),
    "runs": ("history", "ps", "jobs"),
    "versions": ("revisions", "tags"),
    "batch": ("test", "eval", "evaluate", "map"),
    "results": ("merge", "summary"),
    "compare": ("diff",),
    "import": ("upload", "push", "deploy"),
    "export": ("pull", "dump"),
    "doctor": ("check", "ping", "health", "whoami"),
    "sandbox": ("serve", "server", "mock"),
    "help": ("man", "docs"),
}
# Words for which there is nothing to call, by the answer.
ANSWERS = {
    "set NOXUS_API_KEY to your key; noxcli doctor checks it": ("login", "logout", "auth", "signin", "token"),
    "there is nothing to set up but NOXUS_API_KEY; noxcli doctor checks it": (
        "init",
        "config",
        "configure",
        "setup",
        "set",
    ),
}
# What people type first, by what to type. Of several answers, the first whose option the verb has.
OPTIONS = {
    "--json | jq EXPR": ("--jq",),
    "--detach": ("--async", "--no-wait", "--nowait", "--background", "-d"),
    "--color never": ("--no-color", "--no-colour"),
    "--progress plain": ("--plain", "--no-live", "--no-tty"),
    "--limit N": ("-n", "--max", "--first", "--head"),
    "--max-parallel N": ("-j", "-P", "--jobs", "--parallel", "--workers", "--concurrency", "--threads"),
    "--json": ("-j", "--to-json", "--output-json"),
    "--inputs @FILE": ("-f", "-i", "-F", "--file", "--input", "--data", "--body", "--params", "--args"),
    "--again failed": ("--failed", "--retry-failed", "--rerun-failed"),
    "--version-id VERSION": ("--version", "--tag", "--revision"),
    "--api-key-file FILE": ("--api-key", "--key", "--token", "-k"),
    "--base-url URL": ("--url", "--host", "--server", "--endpoint", "--api-url"),
    "--output-dir DIR": ("--outdir", "--out-dir", "--dir", "--save"),
    "--output FILE": ("--out", "--outfile", "--output-file"),
    "--overwrite": ("--force", "--clobber"),
    "--timeout DUR": ("--max-time", "--deadline", "-t", "--wait-timeout"),
    "--verbose": ("--debug", "--trace"),
    "--quiet": ("--silent", "-s", "--no-progress"),
    "--raw KEY": ("-r", "--raw-output", "--only"),
    "--format ndjson": ("--ndjson", "--jsonl", "--events"),
    "--resume": ("--continue", "--restart"),
}
WITHOUT = {"noxcli waits without it;": ("--wait", "--watch", "--follow", "-w")}
PRIVATE = re.compile("key|token|secret|password", re.IGNORECASE)


def verb_for(word: str, verbs: Iterable[str], rest: Sequence[str]) -> str | None:
    """Return what to type instead of an unknown verb: the command line with its arguments `rest`, or an answer."""
    if answer := _listed(word, ANSWERS):
        return answer
    verb = _listed(word.lower(), WORDS) or name_meant(word, verbs)
    if verb is None:
        return None
    # An option with a key on the command line is a mistake of its own: none is repeated.
    rest = [] if any(PRIVATE.search(each) for each in rest) else rest
    return f"did you mean: noxcli {shlex.join([verb, *rest])}"


def option_for(option: str, offered: Iterable[str]) -> str | None:
    """Return what to type instead of an unknown option, of those that the verb offers."""
    known = [*offered]
    if answer := _listed(option, WITHOUT):
        return answer
    there = {usage: names for usage, names in OPTIONS.items() if usage.split()[0] in known}
    if usage := _listed(option, there):
        return f"did you mean {usage}?"
    # The dashes would make --foo look like --color.
    meant = name_meant(option.lstrip("-"), [name.lstrip("-") for name in known if name.startswith("--")])
    return meant and f"did you mean --{meant}?"


def name_meant(word: str, known: Iterable[str]) -> str | None:
    """Return the known name with this beginning, or else a similar one."""
    known = list(known)
    return next((name for name in known if word and name.startswith(word)), None) or nearest(word, known)


def _listed(word: str, table: Mapping[str, Sequence[str]]) -> str | None:
    return next((target for target, words in table.items() if word in words), None)
