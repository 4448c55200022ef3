"""The pictures of HTML reports in docs: of a run, a batch and a comparison, in Chromium, light and dark."""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from noxcli.sandbox.faults import Cut
from noxcli.sandbox.scenario import Node, Scenario, input_node, output_node
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import State, Step, alongside, node_fails, node_runs, node_skipped, words

NOXCLI = [sys.executable, "-m", "noxcli"]
FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
    ),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
)
SCHEMES = {"light": 1, "dark": 0}  # Chromium's preferredColorScheme
REFUSED = "The model refused the text: 140,000 tokens, 128,000 are allowed"
SPEED = 4
CHANGE = Path(__file__).parents[2] / "docs" / "test-a-change.md"
BRIEFING = Scenario(
    "morning briefing",
    nodes=[
        input_node("Topic"),
        *map(
            Node,
            (
                "Plan",
                "Search the web",
                "Read the archive",
                "Check facts",
                "Ask an expert",
                "Summarise",
                "Send",
            ),
        ),
    ],
    script=[
        *node_runs("Plan", seconds=0.8),
        *alongside(
            node_runs("Search the web", words("one two three four five six", 2), seconds=3.2),
            node_runs("Read the archive", seconds=1.4),
        ),
        *node_runs("Check facts", seconds=1.9),
        *node_skipped("Ask an expert"),
        *node_fails("Summarise", REFUSED, seconds=2.6),
    ],
    status="failed",
    faults={"events": [Cut(10, "abort")]},
)


def _review(inputs: dict[str, Any]) -> list[Step]:
    chance = random.Random(inputs["Ticket"])  # the same picture every time
    seconds, fate = chance.lognormvariate(0.6, 0.5), chance.random()
    if fate < 0.06:
        return [
            *node_runs("Fetch", seconds=0.2),
            *node_fails("Review", REFUSED, seconds=seconds),
            State("failed"),
        ]
    if fate < 0.1:
        return [
            *node_fails("Fetch", f"timeout after {chance.randint(20, 40)} s", seconds=seconds),
            State("failed"),
        ]
    return [*node_runs("Fetch", seconds=0.2), *node_runs("Review", seconds=seconds)]


REVIEW = Scenario(
    "review",
    nodes=[input_node("Ticket"), Node("Fetch"), Node("Review"), output_node("Answer")],
    script=_review,
    output=lambda inputs: {"Answer": f"{inputs['Ticket']} is on its way, and arrives tomorrow."},
)


def _row(number: int) -> dict[str, Any]:
    when = "tomorrow" if number % 29 else "on Monday"
    ticket = f"Parcel {number}"
    return {
        "$id": f"ticket-{number}",
        "Ticket": ticket,
        "$expect": f"{ticket} is on its way, and arrives {when}.",
    }


def call(*argv: str, env: Mapping[str, str]) -> None:
    """Run noxcli, and ignore its exit code."""
    subprocess.run(
        [*NOXCLI, *argv],
        env=dict(env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )


def shoot(page: Path, name: str, height: int) -> Iterator[tuple[str, bytes]]:
    """Yield a screenshot of a page in each color scheme."""
    for scheme, number in SCHEMES.items():
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            target = Path(profile) / "page.png"
            look = f"--blink-settings=preferredColorScheme={number}"
            where = [
                f"--user-data-dir={profile}",
                f"--window-size=1000,{height}",
                f"--screenshot={target}",
            ]
            command = ["chromium", *FLAGS, look, *where, page.as_uri()]
            subprocess.run(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
            )
            yield f"docs/{name}-{scheme}.png", target.read_bytes()


def environment(sandbox: Sandbox, directory: str) -> dict[str, str]:
    env = {**os.environ, "NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key}
    return {**env, "NOXCLI_STATE_DIR": directory, "NOXCLI_CACHE_DIR": directory}


def compared(directory: Path) -> Path:
    """Return the page of the comparison in docs/test-a-change.md, made by the first two blocks there."""
    blocks = re.findall(r"```bash\n(.*?)```", CHANGE.read_text(encoding="utf-8"), re.DOTALL)[:2]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(
        [*NOXCLI, "sandbox", "--", "bash", "-c", "".join(blocks)],
        cwd=directory,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return directory / "report.html"


def files(_root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each picture."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Sandbox([BRIEFING, REVIEW], speed=SPEED) as sandbox,
    ):
        env = environment(sandbox, directory)
        run, batch, table = (
            Path(directory) / name for name in ("run.html", "batch.html", "tickets.jsonl")
        )
        call("run", "morning briefing", "Topic=the price of copper", "--report", str(run), env=env)
        table.write_text("\n".join(json.dumps(_row(number)) for number in range(1000, 1200)))
        call("batch", "review", str(table), "--max-parallel", "32", "--report", str(batch), env=env)
        yield from shoot(run, "report-run", 760)
        yield from shoot(batch, "report-batch", 1000)
        yield from shoot(compared(Path(directory)), "report-comparison", 1020)
