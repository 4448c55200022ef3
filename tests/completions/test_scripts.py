"""The scripts as files, and the table that `noxcli __complete` reads, true to every character of a help text."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import pytest
import typer
from generated.completions import table

from tests import forks
from tests.completions.tab import SCRIPTS, Typed, start
from tests.conftest import Noxcli
from tests.process import captured, environment, needs

QUOTE = "\N{RIGHT SINGLE QUOTATION MARK}"
NASTY = rf"""It's "so" $HOME $(touch pwned) `touch pwned` [a] {{b}} c:d \e %F ~ *? {QUOTE}q{QUOTE}; #h & (i) <j> | !k"""


def nasty_app() -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)

    @app.callback()
    def root() -> None:
        """Does nothing."""

    @app.command(help=NASTY)
    def nasty(
        _word: Annotated[str, typer.Argument(metavar="A:B", help=NASTY)],
        _option: Annotated[str, typer.Option("--option", metavar="A:[B]", help=NASTY)] = "",
        _flag: Annotated[bool, typer.Option("--flag/--no-flag", help=NASTY)] = False,
    ) -> None: ...

    @app.command()
    def plain(
        _shell: Annotated[str, typer.Argument(metavar="bash|zsh")],
        _source: Annotated[str, typer.Argument(metavar="FILE|none")],
        _log: Annotated[str, typer.Option("--log", metavar="FILE|none")] = "",
    ) -> None:
        """Takes fixed words."""

    @app.command(hidden=True)
    def secret() -> None: ...

    return app


@pytest.fixture(scope="module", params=["bash", "zsh", "fish"])
def nasty(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Typed]:
    """A shell that completes that program, in a directory with one file."""
    home = tmp_path_factory.mktemp(request.param)
    path = home / "complete.tsv"
    path.write_text(table(nasty_app()), encoding="utf-8")
    with closing(start(request.param, home, table=path)) as shell:
        (home / "work" / "needed.txt").touch()
        yield shell


@pytest.mark.parametrize(
    ("shell", "script"), [("bash", "noxcli.bash"), ("zsh", "_noxcli"), ("fish", "noxcli.fish")]
)
def test_a_command_prints_them(noxcli: Noxcli, shell: str, script: str) -> None:
    assert noxcli("completion", shell).out == (SCRIPTS / script).read_bytes()


def test_a_shell_without_a_script_is_told_of_the_others(noxcli: Noxcli) -> None:
    result = noxcli("completion", "tcsh")

    assert result.code == 2
    assert all(shell in result.err for shell in ["bash", "zsh", "fish"])


def test_help_arrives_as_it_was_written(nasty: Typed) -> None:
    assert set(nasty.offers("noxcli ")) == {"nasty", "plain"}
    said = [nasty.offers("noxcli na")["nasty"]]
    said += [
        nasty.offers(f"noxcli nasty {option}")[option]
        for option in ["--option", "--flag", "--no-flag"]
    ]

    if nasty.name != "bash":  # which shows none
        assert [text.partition(" -- ")[2] or text for text in said] == [NASTY] * 4
    assert not list(nasty.screen.parent.rglob("pwned"))


def test_fixed_words_and_files_side_by_side(nasty: Typed) -> None:
    assert set(nasty.offers("noxcli plain ")) == {"bash", "zsh"}
    assert set(nasty.offers("noxcli plain bash n")) == {"needed.txt", "none"}
    assert {word.rpartition("=")[2] for word in nasty.offers("noxcli plain --log=n")} == {
        "needed.txt",
        "none",
    }


@pytest.mark.parametrize(
    ("shell", "asks", "told"),
    [
        (
            "bash",
            ["-c", ". ~/.local/share/bash-completion/completions/noxcli; complete -p noxcli"],
            "_noxcli",
        ),
        ("fish", ["-c", "complete -C 'noxcli fetch'"], "fetch-output"),
        ("zsh", ["-i", "-c", "print $_comps[noxcli]"], "_noxcli"),
    ],
)
def test_a_shell_finds_it_where_the_docs_write_it(
    tmp_path: Path, shell: str, asks: list[str], told: str
) -> None:
    needs(shell)
    page = (SCRIPTS.parent / "docs" / "completion.md").read_text()
    (block,) = [
        block
        for block in re.findall(r"```bash\n(.*?)```", page, re.S)
        if f"completion {shell} " in block
    ]
    (tmp_path / ".zshrc").write_text(re.findall("with `(fpath.*?)` in", page)[0])
    path = f"{forks.directory()}:{os.environ['PATH']}"  # fish completes only commands that exist
    env = {**environment("http://127.0.0.1:9"), "HOME": str(tmp_path), "PATH": path, "TERM": "dumb"}
    subprocess.run(["bash", "-euc", block], env=env, check=True)
    done = captured([shell, *asks], env)
    assert told in done.stdout, done.stderr
