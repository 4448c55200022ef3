"""Switches from a file: a whole server's behavior, written down."""

from pathlib import Path

import pytest

from tests.conftest import Noxcli
from tests.process import forked

HEAD = 'format = "noxcli.switches/1"\n'


def test_the_sandbox_behaves_as_the_file_says(
    noxcli: Noxcli, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "switches.toml"
    path.write_text(
        HEAD + '[switches]\noutput_keys = "node_id"\ntimestamps = "offset"\nkeepalive_seconds = 2\n'
    )
    options = ["--speed", "100", "--switches", str(path), "--switch", "timestamps=naive"]
    assert (
        noxcli("sandbox", *options, "--", *forked(), "run", "qa", "Question=x", "--json").code == 0
    )

    told = capfd.readouterr().out
    assert '"output":{"Answer":' not in told
    assert "+00:00" not in told
    assert '"created_at":"' in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "begin it with format"),
        ('format = "noxcli.switches/2"', "begin it with format"),
        (HEAD + "cursor_inclusive = true", "put switches under [switches]"),
        (HEAD + "switches = 3", "put switches under [switches]"),
        (HEAD + "[switches]\nnope = 1", "no switch is called 'nope'"),
        (
            HEAD + "[switches]\nlook_up = 402",
            "switch 'look_up' cannot be 402; it takes served, 403, 404, 405",
        ),
        (HEAD + "[switches]\npage_size = true", "switch 'page_size' cannot be True"),
        ("a = " + "[" * 5000, "nested deeper than 500 levels"),
        ("a = " + "[" * 501 + "]" * 501, "nested deeper than 500 levels"),
        ("\udcff", "not a TOML file"),
        (None, "no such file"),
    ],
)
def test_a_bad_file_gets_one_line_and_exit_code_2(
    noxcli: Noxcli, tmp_path: Path, text: str | None, told: str
) -> None:
    path = tmp_path / "switches.toml"
    if text is not None:
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = noxcli("sandbox", "--switches", str(path), "--", "true")
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert told in done.err
