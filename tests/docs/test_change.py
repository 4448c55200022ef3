"""docs/test-a-change.md: its lines run as a reader would run them, first to a red and then to a green ending."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from noxcli.sandbox.builtin import BUILT_IN, _is_new
from noxcli.sandbox.server import Sandbox
from noxcli.sandbox.steps import State
from tests.docs.test_readme import shell

PAGE = (Path(__file__).parents[2] / "docs/test-a-change.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
JOBS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CUT, SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)[0]


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) <= 140
    assert [len(job.splitlines()) <= 22 for job in JOBS] == [True, True]
    assert len(BLOCKS[1].splitlines()) <= 3


def test_the_whole_loop_is_on_the_page(tmp_path: Path) -> None:
    files, line, edit, merged, checker = BLOCKS
    with Sandbox(BUILT_IN, speed=2) as sandbox:
        assert shell(files + line, sandbox, tmp_path).splitlines()[-1] == "exit code 11"
        assert shell(CUT, sandbox, tmp_path) == SHOWN
        assert "<ins>30</ins> days" in (tmp_path / "report.html").read_text()

        assert "exit code" not in shell(edit + line, sandbox, tmp_path)
        assert "broken" not in (tmp_path / "differs.txt").read_text()
        assert len(sandbox.runs("review")) == 4 * 5 + 4 + 2 * 12, "the row that seemed broken"

        prompt = "noxcli export review | grep -c 'Answer the customer politely'"
        assert shell(f"{prompt} || true", sandbox, tmp_path) == "0\n", (
            "an imported version is not in use yet"
        )
        shell(merged, sandbox, tmp_path)
        answers = len(sandbox.runs("review"))
        assert shell(f"{checker}echo $?\n", sandbox, tmp_path) == "0\n"
        assert (len(sandbox.runs("review")), len(sandbox.runs("qa"))) == (answers, 10)
        assert shell(prompt, sandbox, tmp_path) == "1\n"


def test_a_run_that_failed_fails_the_judged_table(tmp_path: Path) -> None:
    def script(inputs: dict[str, Any]) -> list[State]:
        return (
            [State("failed")]
            if inputs["Question"] == "Do you ship to Norway?" and _is_new(inputs)
            else []
        )

    failing = [replace(each, script=script) if each.name == "review" else each for each in BUILT_IN]
    with Sandbox(failing, speed=100) as sandbox:
        shell(BLOCKS[0] + BLOCKS[1], sandbox, tmp_path)
        assert shell(f"{BLOCKS[-1].rstrip()} || echo $?\n", sandbox, tmp_path) == "11\n"
        judged = [json.loads(line) for line in (tmp_path / "judged.jsonl").read_text().splitlines()]
        assert {
            line["id"]: line["columns"]["code"] for line in judged if line["result"]["exit_code"]
        } == {"norway new": 1}
        assert len(judged) == 10
