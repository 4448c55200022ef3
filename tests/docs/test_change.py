"""docs/test-a-change.md: its lines run as a reader would run them, first to a red and then to a green ending."""

import re
from pathlib import Path
from xml.etree import ElementTree

from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.server import Sandbox
from tests.docs.test_readme import shell

PAGE = (Path(__file__).parents[2] / "docs/test-a-change.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
JOBS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CUT, SHOWN = re.findall(r"```console\n\$ (.*?)\n(.*?)```", PAGE, re.DOTALL)[0]


def failed(where: Path) -> list[str | None]:
    cases = ElementTree.parse(where / "report/comparison.xml").iter("testcase")
    return [case.get("name") for case in cases if case.find("failure") is not None]


def test_the_page_is_short() -> None:
    assert len(PAGE.splitlines()) <= 130
    assert [len(job.splitlines()) <= 20 for job in JOBS] == [True, True]
    assert len(BLOCKS[1].splitlines()) <= 12


def test_the_whole_loop_is_on_the_page(tmp_path: Path) -> None:
    files, script, green, merged, checker = BLOCKS
    with Sandbox(BUILT_IN, speed=2) as sandbox:
        assert shell(files + script, sandbox, tmp_path).splitlines()[-1] == "exit code 11"
        assert failed(tmp_path) == ["row 3 (norway)"]
        assert shell(CUT, sandbox, tmp_path) == SHOWN
        page = (tmp_path / "report/comparison.html").read_text()
        assert "<ins>30</ins> days" in page

        shell(green, sandbox, tmp_path)
        assert failed(tmp_path) == []
        assert len(sandbox.runs("review")) == 4 * 5 + 4 + 2 * 12, "the row that seemed broken"
        assert "noxcli gate" in (tmp_path / "report/comment.md").read_text()

        prompt = "noxcli export review | grep -c 'Answer the customer politely'"
        assert shell(f"{prompt} || true", sandbox, tmp_path) == "0\n", "an imported version is not in use yet"
        shell(merged, sandbox, tmp_path)
        answers = len(sandbox.runs("review"))
        assert shell(f"{checker}echo $?\n", sandbox, tmp_path) == "0\n"
        assert (len(sandbox.runs("review")), len(sandbox.runs("qa"))) == (answers, 10)
        assert shell(prompt, sandbox, tmp_path) == "1\n"
