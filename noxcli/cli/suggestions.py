"""What to type instead of an unknown verb or option: our word for another tool's, or the nearest name."""

from collections.abc import Iterable

from noxcli.errors import ALIKE, nearest

# Words and options of other tools, at most 40 in all, by ours, or by what to do. Only words that mean so lead to a verb
# that starts, stops or writes.
VERBS = {
    "start": "run",
    "exec": "run",
    "trigger": "run",
    "submit": "run",
    "retry": "rerun",
    "watch": "stream",
    "follow": "stream",
    "logs": "stream",
    "cancel": "stop",
    "kill": "stop",
    "status": "inspect",
    "show": "inspect",
    "get": "inspect",
    "describe": "inspect",
    "output": "fetch-output",
    "download": "fetch-output",
    "list": "workflows",
    "ls": "workflows",
    "history": "runs",
    "ps": "runs",
    "diff": "compare",
    "pull": "export",
    "push": "import",
    "login": "set NOXUS_API_KEY to your key, and check it with: noxcli doctor",
    "version": "see noxcli --version",
}
OPTIONS = {
    "--async": "--detach",
    "--no-wait": "--detach",
    "-j": "--max-parallel",
    "--jobs": "--max-parallel",
    "--workers": "--max-parallel",
    "--concurrency": "--max-parallel",
    "-n": "--limit",
    "--max": "--limit",
    "--url": "--base-url",
    "--debug": "--verbose",
    "--silent": "--quiet",
    "--no-color": "--color never",
    "--out": "--output",
    "--outdir": "--output-dir",
    "--api-key": "put the key into NOXUS_API_KEY",
}
# What a spelling alone never suggests.
ACTING = frozenset({"run", "rerun", "stop", "batch", "gate", "report", "import", "sandbox"})
ACTING_OPTIONS = frozenset({"--apply", "--activate", "--fresh", "--again", "--allow-changed-input"})


def verb_hint(word: str, verbs: Iterable[str]) -> str:
    """Return what to type instead of an unknown verb."""
    meant = VERBS.get(word.lower()) or nearest(word, [verb for verb in verbs if verb not in ACTING], ALIKE)
    if meant is None or " " in meant:
        return meant or "see noxcli --help"
    return f"did you mean {meant}? see noxcli {meant} --help"


def option_hint(option: str, offered: Iterable[str], page: str) -> str:
    """Return what to type instead of an unknown option of a verb that has those which are offered; `page` has them."""
    offered = [name for name in offered if name.startswith("--") and name not in ACTING_OPTIONS]
    meant = OPTIONS.get(option, "")
    if meant and not meant.startswith("-"):
        return meant
    if meant.partition(" ")[0] not in offered:
        # The dashes would make --foo look like --color.
        near = nearest(option.lstrip("-"), [name.lstrip("-") for name in offered], ALIKE)
        meant = f"--{near}" if near else ""
    return f"did you mean {meant}? see {page}" if meant else f"see {page}"
