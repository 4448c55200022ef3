"""docs/batch.md: its lines run."""

import re
from pathlib import Path

from noxcli.sandbox.server import Sandbox
from tests.docs.test_readme import shell

PAGE = (Path(__file__).parent.parent.parent / "docs/batch.md").read_text()


def test_the_lines_of_the_page_run_one_after_the_other(lively: Sandbox, tmp_path: Path) -> None:
    lines = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL))
    out = shell(lines, lively, tmp_path)
    tabbed = [line.split("\t") for line in out.splitlines() if "\t" in line]
    assert sorted(cells[1] for cells in tabbed if cells[0].isdigit()) == ["lisbon", "porto"]
    assert [cells[:2] for cells in tabbed if cells[0] == "broken"] == [["broken", "open"]] * 2
    assert "exit 2: nothing was started" in out
