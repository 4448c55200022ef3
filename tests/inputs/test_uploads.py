"""Uploads: `key@path` becomes a stored file, or nothing is started."""

import io
import os
from pathlib import Path
from typing import Any

import pytest

from noxcli.api.transport import FileBody
from noxcli.errors import UsageProblem
from noxcli.inputs.sources import Sources
from noxcli.inputs.uploads import Upload, parse_upload
from noxcli.sandbox.builtin import BUILT_IN
from noxcli.sandbox.faults import RATE_LIMITED, Answer, Drop
from noxcli.sandbox.scenario import Node
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, posts

DOC = Node("input Doc", "InputNode", {"label": "Doc", "type": "File"})
MORE = Node("input More", "FileInputNode", {"label": "More"})


def test_a_file_is_stored_and_its_address_is_the_input(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    (tmp_path / "q3 Grüße.pdf").write_bytes(content)
    workflow = plays(nodes=[DOC], output={"A": "x"})
    assert noxcli("run", workflow, "Doc@q3 Grüße.pdf").code == 0
    value = sandbox.runs(workflow)[0].input["Doc"]
    assert set(value) == {"uri", "name", "content_type", "id"}
    assert (value["uri"], value["name"]) == (f"spot://{value['id']}", "q3 Grüße.pdf")
    assert value["content_type"] == "application/pdf"
    stored = sandbox._workspace.files[value["id"]]
    assert stored.content.content == content


@pytest.mark.parametrize(
    ("options", "name", "content_type"),
    [
        ("", "a.txt", "text/plain"),
        (";name=b.csv", "b.csv", "text/csv"),
        (";type=text/x-log", "a.txt", "text/x-log"),
        (";name=b c;type=text/plain;charset=utf-8", "b c", "text/plain;charset=utf-8"),
        (";type=a/b;name=c.pdf", "c.pdf", "a/b"),
        (";name=plain", "plain", "text/plain"),
    ],
)
def test_type_and_name_can_be_given(
    tmp_path: Path, options: str, name: str, content_type: str
) -> None:
    (tmp_path / "a.txt").write_text("abc")
    assert parse_upload(f"a.txt{options}", "k", Sources()) == Upload("a.txt", name, content_type, 3)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no.txt", "can't read the file no.txt for 'k': no such file or directory"),
        (".", "it is a directory; pack it: tar c DIR"),
        ("", "'k@' names no file; write k@FILE, k@- for stdin"),
        ("~nobody-by-this-name/x", "can't read"),
        ("a.txt;type=pdf", "is not a valid media type"),
        ("a.txt;type=a/b\r\nX: y", "is not a valid media type"),
        ("a.txt;name=", "no usable name"),
        ("a.txt;name=a\r\nb", "no usable name"),
    ],
)
def test_what_cannot_be_uploaded_is_told_before_anything_is_sent(
    noxcli: Noxcli, sandbox: Sandbox, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "a.txt").write_text("abc")
    result = noxcli("run", "demo", "first@a.txt", f"k@{text}")
    assert (result.code, told in result.err, sandbox.requests) == (2, True, []), result.err
    assert len(result.err.splitlines()) == 1


def test_nothing_is_uploaded_where_an_input_is_wrong(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    Path("a.txt").write_text("abc")
    result = noxcli("run", plays(nodes=[DOC, MORE]), "Doc@a.txt")
    assert (result.code, posts(sandbox).count("/v1/file")) == (2, 0)
    assert "'More' is missing" in result.err
    text = plays(nodes=[Node("t", "InputNode", {"label": "T", "type": "str"})])
    assert "'T' takes text (T=TEXT)" in noxcli("run", text, "T@a.txt").err


def test_an_empty_file_is_a_file(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    Path("empty.txt").touch()
    workflow = plays(nodes=[DOC], output={"A": "x"})
    assert noxcli("run", workflow, "Doc@empty.txt").code == 0
    assert [file.content.content for file in sandbox._workspace.files.values()] == [b""]


def test_a_file_for_two_inputs_is_stored_once(noxcli: Noxcli, plays: Any, sandbox: Sandbox) -> None:
    Path("a.txt").write_text("abc")
    workflow = plays(nodes=[DOC, MORE], output={"A": "x"})
    assert noxcli("run", workflow, "Doc@a.txt", "More@a.txt", "--quiet").code == 0
    assert posts(sandbox).count("/v1/file") == 1
    given = sandbox.runs(workflow)[0].input
    assert given["Doc"] == given["More"]


def storage(*faults: Any) -> Sandbox:
    """A sandbox whose uploads fail as requested."""
    return Sandbox(BUILT_IN, speed=1000, faults={"upload": faults})


def with_file(noxcli: Noxcli, sandbox: Sandbox, *argv: str) -> Any:
    Path("a.txt").write_text("abc")
    return noxcli(
        "run", "qa", "Question@a.txt", "--no-check", "--json", "--base-url", sandbox.url, *argv
    )


def test_an_upload_is_tried_again(noxcli: Noxcli) -> None:
    with storage(RATE_LIMITED, Answer(500), Drop(), Answer(200, {"odd": 1})) as sandbox:
        assert with_file(noxcli, sandbox).code == 0
        assert (posts(sandbox).count("/v1/file"), len(posts(sandbox))) == (5, 6)
        assert [file.content.content for file in sandbox._workspace.files.values()] == [b"abc"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Answer(503, repeat=True), 75),
        (Answer(413, {"detail": "too large"}, repeat=True), 2),
        (Answer(403, repeat=True), 4),
    ],
)
def test_a_failed_upload_starts_nothing(noxcli: Noxcli, fault: Answer, code: int) -> None:
    with storage(fault) as sandbox:
        result = with_file(noxcli, sandbox)
        assert (result.code, {*posts(sandbox)}) == (code, {"/v1/file"})
    assert (result.json["error"]["phase"], result.json["retry_safe"]) == ("upload", True)
    assert "a.txt, for 'Question', was not uploaded, and nothing was started: " in result.err


def test_a_dry_run_shows_what_would_be_uploaded(
    noxcli: Noxcli, plays: Any, sandbox: Sandbox
) -> None:
    Path("a.txt").write_text("abc")
    result = noxcli("run", plays(nodes=[DOC]), "Doc@a.txt;name=b.md", "--dry-run")
    assert result.json == {
        "input": {
            "Doc": {"$upload": "a.txt", "name": "b.md", "content_type": "text/markdown", "bytes": 3}
        }
    }
    assert posts(sandbox).count("/v1/file") == 0


def test_a_large_upload_is_told(noxcli: Noxcli, plays: Any) -> None:
    Path("big.bin").write_bytes(bytes(6 << 20))
    Path("small.bin").write_bytes(bytes(1 << 20))
    workflow = plays(nodes=[DOC], output={"A": "x"})
    assert "uploading big.bin (6.0 MiB)\n" in noxcli("run", workflow, "Doc@big.bin").err
    assert "uploading" not in noxcli("run", workflow, "Doc@small.bin").err


def sent(size: int) -> bytes:
    content = io.BytesIO(b"x" * 100)
    return b"".join(iter(FileBody("x.bin", content, size, "text/plain", lambda: None).read, b""))


def test_a_file_keeps_to_the_length_that_was_announced() -> None:
    assert b"\r\n\r\nxxxxxxxxxx\r\n--" in sent(10)
    with pytest.raises(UsageProblem, match="became shorter"):
        sent(101)
