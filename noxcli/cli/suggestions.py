"""What to type instead of an unknown verb or option: our word for another tool's, or the nearest name."""

from collections.abc import Iterable

from noxcli.errors import ALIKE, nearest

# Words and options of other tools, at most 40 in all, by ours, or by what to do. Only words that mean so lead to a verb
# that starts, stops or writes.
VERBS = {
    word: meant
    for meant, words in {
        "run": "start exec trigger submit",
        "rerun": "retry",
        "stream": "watch follow logs",
        "stop": "cancel kill",
        "inspect": "status show get describe",
        "fetch-output": "output download",
        "workflows": "list ls",
        "runs": "history ps",
        "compare": "diff",
        "export": "pull",
        "import": "push",
        "set NOXUS_API_KEY to your key, and check it with: noxcli doctor": "login",
        "see noxcli --version": "version",
    }.items()
    for word in words.split()
}
OPTIONS = {
    word: meant
    for meant, words in {
        "--detach": "--async --no-wait",
        "--max-parallel": "-j --jobs --workers --concurrency",
        "--limit": "-n --max",
        "--base-url": "--url",
        "--verbose": "--debug",
        "--quiet": "--silent",
        "--color never": "--no-color",
        "--output": "--out",
        "--output-dir": "--outdir",
        "put the key into NOXUS_API_KEY": "--api-key",
    }.items()
    for word in words.split()
}
# What a spelling alone never suggests.
ACTING = frozenset({"run", "rerun", "stop", "batch", "gate", "report", "import", "sandbox"})
ACTING_OPTIONS = frozenset({"--apply", "--activate", "--fresh", "--again", "--allow-changed-input"})


def verb_hint(word: str, verbs: Iterable[str]) -> str:
    """Return what to type instead of an unknown verb."""
    meant = VERBS.get(word.lower()) or nearest(
        word, [verb for verb in verbs if verb not in ACTING], ALIKE
    )
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
