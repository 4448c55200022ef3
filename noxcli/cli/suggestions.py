"""What to type instead of an unknown verb or option: our word for another tool's, or the nearest
name.
"""

from collections.abc import Iterable, Mapping

from noxcli.errors import ALIKE, nearest


def _by_word(meanings: Mapping[str, str]) -> dict[str, str]:
    """Return what each of the words means."""
    by_word = {}
    for meant, words in meanings.items():
        for word in words.split():
            by_word[word] = meant
    return by_word


# Words and options of other tools, at most 40 in all, by ours, or by what to do. Only words that
# mean so lead to a verb that starts, stops or writes.
VERBS = _by_word(
    {
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
    }
)
OPTIONS = _by_word(
    {
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
    }
)
# What a spelling alone never suggests.
ACTING = frozenset({"run", "rerun", "stop", "batch", "gate", "report", "import", "sandbox"})
ACTING_OPTIONS = frozenset({"--apply", "--activate", "--fresh", "--again"})


def verb_hint(word: str, verbs: Iterable[str]) -> str:
    """Return what to type instead of an unknown verb."""
    meant = VERBS.get(word.lower())
    if meant is None:
        meant = nearest(word, [verb for verb in verbs if verb not in ACTING], ALIKE)
    if meant is None:
        return "see noxcli --help"
    if " " in meant:
        return meant
    return f"did you mean {meant}? see noxcli {meant} --help"


def option_hint(option: str, offered: Iterable[str], page: str) -> str:
    """Return what to type instead of an unknown option of a verb that offers these.

    `page` has them all.
    """
    offered = [name for name in offered if name.startswith("--") and name not in ACTING_OPTIONS]
    meant = OPTIONS.get(option, "")
    if meant and not meant.startswith("-"):
        return meant
    if meant.partition(" ")[0] not in offered:
        # The dashes would make --foo look like --color.
        near = nearest(option.lstrip("-"), [name.lstrip("-") for name in offered], ALIKE)
        if near is None:
            return f"see {page}"
        meant = f"--{near}"
    return f"did you mean {meant}? see {page}"
