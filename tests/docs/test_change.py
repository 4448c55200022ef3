"""docs/test-a-change.md: its lines run as a reader would run them, first to a red and then to a green ending."""

import re
from pathlib import Path

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
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
