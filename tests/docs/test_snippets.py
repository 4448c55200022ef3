"""What the guide's blocks print, where that matters, and those that no shell with the sandbox alone can run."""

import json
import os
import re
import sys
import textwrap
from pathlib import Path
from zipfile import ZipFile

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


# As much of a workbook as Excel writes for a sheet: texts in a table of their own, and numbers.
CONTENT_TYPES = """<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>
<Override PartName="/xl/sharedStrings.xml"
 ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>
</Types>"""
WORKBOOK = """<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
 xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">
<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"""
RELATIONS = """<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">
<Relationship Id="rId1" Target="worksheets/sheet1.xml"
 Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/>
</Relationships>"""
SHEET = """<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>
<row r="2"><c r="A2"><v>1</v></c><c r="B2" t="s"><v>2</v></c></row>
<row r="3"><c r="A3"><v>2</v></c><c r="B3" t="s"><v>3</v></c></row>
</sheetData></worksheet>"""
TEXTS = """<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">
<si><t>id</t></si><si><t>Question</t></si>
<si><t>Größe, "in Metern"?</t></si><si><t>two\nlines</t></si></sst>"""
# Runs what is installed, where uvx would install it first.
UVX = '#!/bin/sh\nname=$1\nshift\nexec "{0}/$name" "$@"\n'


def test_a_workbook_becomes_a_table(lively: Sandbox, tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    needs(str(programs / "xlsx2csv"))
    with ZipFile(tmp_path / "sheet.xlsx", "w") as workbook:
        workbook.writestr("[Content_Types].xml", CONTENT_TYPES)
        workbook.writestr("xl/workbook.xml", WORKBOOK)
        workbook.writestr("xl/_rels/workbook.xml.rels", RELATIONS)
        workbook.writestr("xl/worksheets/sheet1.xml", SHEET)
        workbook.writestr("xl/sharedStrings.xml", TEXTS)
    (tmp_path / "uvx").write_text(UVX.format(programs))
    (tmp_path / "uvx").chmod(0o755)
    (line,) = re.findall(r"`(uvx [^`]*)`", (DOCS / "rows.md").read_text())
    batch = "noxcli batch qa sheet.csv --id id --query '[id, input.Question]'"
    out = shell(f"PATH=.:$PATH\n{line}\n{batch}\n", lively, tmp_path)
    found = dict(json.loads(row) for row in out.splitlines())
    assert found == {"1": 'Größe, "in Metern"?', "2": "two\nlines"}


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
