"""Built-in workflows for the situations that a pipeline must survive, one for each."""

from noxcli.sandbox.faults import BAD_GATEWAY, NO_EVENTS, RATE_LIMITED, Cut
from noxcli.sandbox.scenario import File, Node, Scenario, output_node
from noxcli.sandbox.steps import Emit, Step, node_fails, node_runs, words

_TEXT = (
    "Every piece of this text arrives once, in order, "
    "however often the line breaks on its way to you."
)
_TICKS = [f"tick {second} " for second in range(1, 61)]

FAILS = Scenario(
    "fails",
    "Its second node fails, with a reason.",
    nodes=[Node("Fetch"), Node("Summarise"), output_node("Answer")],
    script=[
        *node_runs("Fetch", seconds=0.5),
        *node_fails(
            "Summarise",
            "The model refused the text: 140,000 tokens, 128,000 are allowed",
            seconds=0.5,
        ),
    ],
    status="failed",
)

STOPPED = Scenario(
    "stopped",
    "Is stopped halfway; its stream closes without announcing that.",
    nodes=[Node("Fetch"), Node("Summarise"), output_node("Answer")],
    script=[
        *node_runs("Fetch", seconds=0.5),
        *node_runs("Summarise", words(_TEXT, 3), seconds=1.0)[:-3],
    ],
    status="stopped",
)

PAUSES = Scenario(
    "pauses",
    "Pauses for human input that never arrives.",
    nodes=[
        Node("Draft"),
        Node("Approve", "HumanInTheLoopNode"),
        Node("Send"),
        output_node("Answer"),
    ],
    script=[*node_runs("Draft", seconds=0.5), Emit("Approve")],
    status="awaiting_human_feedback",
)

SLOW = Scenario(
    "slow",
    "Streams one word a second for a minute.",
    script=node_runs("Think", _TICKS, seconds=60.0),
    output={"Answer": "".join(_TICKS).rstrip()},
)

CUT = Scenario(
    "cut",
    "Completes, but its stream breaks repeatedly, each time in a different way.",
    script=node_runs("Write", words(_TEXT, 1), seconds=3.0),
    output={"Answer": _TEXT},
    faults={
        "events": [
            Cut(3, "clean"),
            Cut(3, "torn"),
            BAD_GATEWAY,
            Cut(3, "abort"),
            Cut(0, "clean"),
            Cut(2, "torn"),
        ]
    },
)

SILENT = Scenario(
    "silent",
    "Completes, but its stream is silent after two events.",
    script=node_runs("Write", words(_TEXT, 4), seconds=2.0),
    output={"Answer": _TEXT},
    faults={"events": [Cut(2, "silent")]},
)

NO_SSE = Scenario(
    "no-sse",
    "Completes, but event streams are not available (501).",
    script=node_runs("Write", words(_TEXT, 4), seconds=2.0),
    output={"Answer": _TEXT},
    faults={"events": [NO_EVENTS]},
)

RATE_LIMITS = Scenario(
    "rate-limited",
    "Rejects the first requests of each kind (429 with Retry-After).",
    script=node_runs("Write", words(_TEXT, 4), seconds=1.0),
    output={"Answer": _TEXT},
    faults={
        "start": [RATE_LIMITED] * 2,
        "record": [RATE_LIMITED] * 2,
        "events": [RATE_LIMITED],
        "workflow": [RATE_LIMITED],
    },
)

BIG_FILE = Scenario(
    "big-file",
    "A file of 50 MiB and a text of 5,000,000 characters.",
    nodes=[Node("Export"), output_node("Archive", type="File"), output_node("Transcript")],
    script=node_runs("Export", seconds=1.0),
    # Created when a run ends, so that other sandboxes do not keep it in memory.
    output=lambda _: {
        "Archive": File(
            "archive.bin", bytes(range(256)), "application/octet-stream", size=50 * 1024 * 1024
        ),
        "Transcript": "Wort für Wort, ein ganzes Jahr. 一字一句. ".ljust(50, ".") * 100_000,
    },
)

_ODD_LABELS = [
    "Report/2026",
    "../../etc/passwd",
    "C:\\Windows\\system32",
    ".hidden",
    "..",
    "CON",
    "aux.txt",
    "invoice\u202efdp.exe",
    "bell\x07 tab\t newline\n",
    "\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "[bold red]markup[/bold red] [/nope]",
    "::error::not a command",
    "answer",
    "Answer",
    "ANSWER",
    "caf\u00e9",
    "cafe\u0301",
    "\N{ROCKET} launch \N{FAMILY}",
    " spaces around ",
    "a=b:=c@d",
    "x" * 300,
]


def _speaks(name: str) -> list[Step]:
    return node_runs(name, [f"said by {name}\n"], seconds=0.2)


ODD_NAMES = Scenario(
    "odd-names",
    "Labels that are dangerous in file names, terminals and logs.",
    script=[
        *_speaks("\x1b[2J\x1b[31mnode"),
        *_speaks("[link=https://example.com]node[/link]"),
        *_speaks("node\rhidden\u202eedon"),
    ],
    output={label: f"value of {label!r}" for label in _ODD_LABELS},
)

TROUBLE: list[Scenario] = [
    FAILS,
    STOPPED,
    PAUSES,
    SLOW,
    CUT,
    SILENT,
    NO_SSE,
    RATE_LIMITS,
    BIG_FILE,
    ODD_NAMES,
]
