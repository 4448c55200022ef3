"""File outputs on a terminal: told in words with the command that saves them, and never as binary data."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from noxcli.sandbox.scenario import File
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli
from tests.process import environment, forked, watched
from tests.sample import one_in

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 100
PICTURE = File("chart 1.png", PNG, "image/png")
TABLE = File("cities.csv", b"city\nOslo\n", "text/csv")
ODD = File("blob", PNG, "application/octet-stream")
WESTERN = File("menu.txt", "Crème brûlée\n".encode("cp1252"), "text/plain")
SAVES = re.compile(r"save (?:it|all outputs) with:\s+(noxcli .*)")


def screen(sandbox: Sandbox, *argv: str, columns: int = 80) -> tuple[int, str]:
    """Return the code, and all that a terminal gets."""
    seen = watched([*forked(), *argv], {**environment(sandbox.url), "NO_COLOR": "1"}, columns)
    return seen.process.wait(), bytes(seen.raw).decode("utf-8", "replace").replace("\r\n", "\n")


def saved(noxcli: Noxcli, shown: str, name: str = "Report") -> bytes:
    """Save the outputs as the screen says, and return the content of the file named after this output."""
    (line,) = SAVES.findall(shown)
    assert noxcli(*shlex.split(line)[1:]).code == 0
    (file,) = Path("out").glob(f"{name}*")
    return file.read_bytes()


@pytest.mark.parametrize(("columns", "file"), one_in(3, [40, 80, 200], [PICTURE, TABLE, ODD]))
def test_a_file_is_told_with_the_line_that_saves_it(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, file: File, columns: int
) -> None:
    run = noxcli.ended(plays(output={"Report": file}))
    code, shown = screen(sandbox, "fetch-output", run, columns=columns)
    assert (code, "uri" in shown) == (0, False)
    assert f"── Report ── {file.name} ({file.content_type}" in shown
    assert not [request for request in sandbox.requests if "/file" in request.path], (
        "only saving it reads it"
    )
    assert saved(noxcli, shown) == file.content


def test_a_file_among_outputs_is_told_too(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    run = noxcli.ended(plays(output={"Answer": "yes", "Picture": PICTURE}))
    for form in ([], ["--format", "text"]):
        code, shown = screen(sandbox, "fetch-output", run, *form)
        assert code == 0
        assert "── Answer ── yes\n" in shown
        assert saved(noxcli, shown, "Picture") == PNG
    piped = noxcli("fetch-output", run)
    assert '"uri"' in piped.text, "a pipe gets what it always got"


@pytest.mark.parametrize("file", [PICTURE, ODD, WESTERN], ids=lambda file: file.name)
def test_no_binary_data_reaches_a_terminal(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, file: File
) -> None:
    workflow = plays(output={"Report": file})
    code, shown = screen(sandbox, "run", workflow, "--raw", "Report", "--quiet")
    assert (code, "a terminal can't show it" in " ".join(shown.split())) == (9, True), shown
    assert "\\u0000" not in shown
    assert len(shown) < 1000
    assert ("iconv" in shown) == (file is WESTERN)
    assert saved(noxcli, shown) == file.content
    assert noxcli("run", workflow, "--raw", "Report").out == file.content, "a pipe gets the bytes"


def test_a_text_file_is_shown(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    run = noxcli.ended(plays(output={"Report": TABLE}))
    code, shown = screen(sandbox, "fetch-output", run, "--raw", "Report")
    assert (code, shown.startswith("city\nOslo\n")) == (0, True), shown
