"""What the guide's blocks print, where that matters, and those that no shell with the sandbox alone can run."""

import json
import os
import re
import sys
import textwrap
from pathlib import Path

from noxcli.sandbox.server import Sandbox
from tests.docs.test_readme import shell
from tests.process import captured, environment, needs
from tests.rawserver import raw_server

DOCS = Path(__file__).parents[2] / "docs"


def run(page: str, sandbox: Sandbox, where: Path, **more: str) -> str:
    return shell(
        "".join(re.findall(r"```bash\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)),
        sandbox,
        where,
        **more,
    )


def test_a_batch_answers_each_row_and_refuses_a_wrong_table(
    lively: Sandbox, tmp_path: Path
) -> None:
    out = run("batch.md", lively, tmp_path)
    tabbed = [line.split("\t") for line in out.splitlines() if "\t" in line]
    assert sorted(cells[1] for cells in tabbed if cells[0].isdigit()) == ["lisbon", "porto"]
    assert "exit 2: nothing was started" in out


def test_a_comparison_names_the_row_that_broke(lively: Sandbox, tmp_path: Path) -> None:
    tabbed = [
        line.split("\t")
        for line in run("compare.md", lively, tmp_path).splitlines()
        if "\t" in line
    ]
    assert [cells[:2] for cells in tabbed if cells[0] == "broken"] == [["broken", "open"]]


def test_the_python_program_prints_the_answer(lively: Sandbox) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", (DOCS / "python.md").read_text(), re.DOTALL)
    done = captured([sys.executable, "-c", program], environment(lively.url, lively.key))
    assert (done.stderr, "You asked: hello" in done.stdout) == ("", True)


def test_a_webhook_gets_the_reason(lively: Sandbox, tmp_path: Path) -> None:
    needs("curl")
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") as webhook:
        run("slack.md", lively, tmp_path, SLACK_WEBHOOK_URL=webhook.url, NO_PROXY="127.0.0.1")
    (request,) = webhook.requests
    assert json.loads(request.body)["text"].startswith("noxcli exited with 1: noxcli: ")


# As much of gh as the job needs: it lists the comments that are stored, and stores what is posted.
GH = """#!/bin/sh
case "$*" in
*--paginate*) [ ! -e stored ] || jq -s '[.[] | {id: 7, body: .}]' stored | jq -r "$5" ;;
*) echo "$*" >> calls; jq -Rs . comment.md > stored ;;
esac
"""


def test_a_comment_is_posted_once_and_then_replaced(lively: Sandbox, tmp_path: Path) -> None:
    page = (DOCS / "pull-request.md").read_text()
    assert (
        "broke" in run("pull-request.md", lively, tmp_path) + (tmp_path / "comment.md").read_text()
    )
    script = textwrap.dedent(page.partition("        run: |\n")[2].partition("```")[0])
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    told = {"GITHUB_REPOSITORY": "o/r", "NUMBER": "3", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for _ in range(2):
        shell(script, lively, tmp_path, **told)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == [
        "api repos/o/r/issues/3/comments -F body=@comment.md",
        "api -X PATCH repos/o/r/issues/comments/7 -F body=@comment.md",
    ]
