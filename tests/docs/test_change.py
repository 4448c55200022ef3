"""docs/test-a-change.md: its lines run as a reader would run them, first to a red and then to a green ending."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.docs.test_readme import shell

PAGE = (Path(__file__).parents[2] / "docs/test-a-change.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
JOBS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CUT, SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)[0]


def options_on_github() -> Sequence[str]:
    steps = yaml.safe_load(JOBS[0])["jobs"]["test-change"]["steps"]
    options: str = steps[-1]["with"]["options"]
    return options.splitlines()


def options_on_gitlab() -> Sequence[str]:
    options: str = yaml.safe_load(JOBS[1])["noxcli"]["variables"]["NOXCLI_JOB_OPTIONS"]["value"]
    return options.splitlines()


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) <= 140
    assert [len(job.splitlines()) <= 22 for job in JOBS] == [True, True]
    assert len(BLOCKS[1].splitlines()) <= 3


def test_the_whole_loop_is_on_the_page(tmp_path: Path) -> None:
    files, line, edit, merged = BLOCKS
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
        assert len(sandbox.runs("review")) == len(sandbox.runs("grade"))
        assert shell(prompt, sandbox, tmp_path) == "1\n"


@pytest.mark.parametrize("options", [options_on_github(), options_on_gitlab()])
def test_the_options_of_a_job_judge_the_same_change(options: Sequence[str], tmp_path: Path) -> None:
    """As action and component call it, whose own lines are tested on their engines."""
    line = ["noxcli", "gate", "--base-file", "base.json", "--new-file", "review.json"]
    line += [*options, "--", "review", "questions.csv"]
    with Sandbox(BUILT_IN, speed=10) as sandbox:
        shown = shell(f"{BLOCKS[0]}\n{shlex.join(line)} || echo $?", sandbox, tmp_path)
        assert shown.startswith("broken\tnorway\t")
        assert shown.splitlines()[-1] == "11"
        assert len(sandbox.runs("review")) == len(sandbox.runs("grade")) == 2 * 5 + 4 + 2 * 12
