"""`--install`: the files are where real shells find them, and nothing else is touched."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.completions.tab import SCRIPTS, pretend_programs
from tests.conftest import Noxcli, Result
from tests.process import needs

PLACES = {
    "bash": ".local/share/bash-completion/completions/noxcli",
    "zsh": ".local/share/zsh/site-functions/_noxcli",
    "fish": ".config/fish/completions/noxcli.fish",
}
SOURCES = {"bash": "noxcli.bash", "zsh": "_noxcli", "fish": "noxcli.fish"}
PACKAGE = "/usr/share/bash-completion/bash_completion"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "my home").mkdir()
    return tmp_path / "my home"


def install(noxcli: Noxcli, home: Path, *argv: str, **environ: str) -> Result:
    return noxcli(*argv, "--install", environ={"HOME": str(home), **environ})


def said_by(argv: list[str], home: Path, **environ: str) -> str:
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb", "LC_ALL": "C.UTF-8", **environ}
    return subprocess.run(argv, env=environ, capture_output=True, text=True, check=True, cwd=home).stdout


@pytest.mark.parametrize("shell", PLACES)
def test_it_is_written_once_and_kept_up_to_date(noxcli: Noxcli, home: Path, shell: str) -> None:
    place = home / PLACES[shell]

    first = install(noxcli, home, "completion", shell)
    assert (first.code, first.err) == (0, "")
    assert first.text.splitlines()[0] == f"wrote {place}"
    assert place.read_bytes() == (SCRIPTS / SOURCES[shell]).read_bytes()
    (home.parent / "made").touch()
    assert place.stat().st_mode == (home.parent / "made").stat().st_mode, "as the umask says"
    assert [path for path in home.rglob("*") if path.is_file()] == [place]

    os.utime(place, (1, 1))
    assert install(noxcli, home, "completion", shell).text.splitlines()[0] == f"up to date: {place}"
    assert place.stat().st_mtime == 1

    place.write_text("of an older version")
    assert install(noxcli, home, "completion", shell).text.splitlines()[0] == f"wrote {place}"
    assert place.read_bytes() == (SCRIPTS / SOURCES[shell]).read_bytes()


def test_the_users_own_directories_count(noxcli: Noxcli, home: Path) -> None:
    data, config = {"XDG_DATA_HOME": str(home / "data")}, {"XDG_CONFIG_HOME": str(home / "config")}

    install(noxcli, home, "completion", "bash", BASH_COMPLETION_USER_DIR=str(home / "own"))
    install(noxcli, home, "completion", "bash", **data)
    install(noxcli, home, "completion", "zsh", **data)
    install(noxcli, home, "completion", "fish", **config)
    install(noxcli, home, "completion", "zsh", XDG_DATA_HOME="not/absolute")

    assert {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()} == {
        "own/completions/noxcli",
        "data/bash-completion/completions/noxcli",
        "data/zsh/site-functions/_noxcli",
        "config/fish/completions/noxcli.fish",
        ".local/share/zsh/site-functions/_noxcli",
    }


def test_bash_loads_it_with_its_package_or_by_the_line(noxcli: Noxcli, home: Path) -> None:
    line = install(noxcli, home, "completion", "bash").text.splitlines()[1].partition(".bashrc: ")[2]

    assert "_noxcli" in said_by(["bash", "--noprofile", "--norc", "-c", f"{line}\ncomplete -p noxcli"], home)
    if Path(PACKAGE).exists():
        loading = f". {PACKAGE}; _comp_load noxcli 2>/dev/null || _completion_loader noxcli || :; complete -p noxcli"
        assert "_noxcli" in said_by(["bash", "--noprofile", "--norc", "-c", loading], home)


def test_zsh_loads_it_by_the_line_that_is_named_once(noxcli: Noxcli, home: Path) -> None:
    needs("zsh")
    line = install(noxcli, home, "completion", "zsh").text.splitlines()[1].partition("add to ~/.zshrc: ")[2]
    (home / ".zshrc").write_text(f"{line}\n")

    assert said_by(["zsh", "-i", "-c", "print $_comps[noxcli]"], home).strip() == "_noxcli"
    assert install(noxcli, home, "completion", "zsh", ZDOTDIR=str(home)).text.splitlines()[1] == "new shells load it"


def test_fish_loads_it_by_itself(noxcli: Noxcli, home: Path) -> None:
    needs("fish")
    assert install(noxcli, home, "completion", "fish").text.splitlines()[1] == "new shells load it"

    path = f"{pretend_programs(home / 'bin')}:{os.environ['PATH']}"  # fish completes only commands that exist
    assert "fetch-output" in said_by(["fish", "-c", "complete -C 'noxcli fetch'"], home, PATH=path)


def test_a_link_in_its_place_is_replaced(noxcli: Noxcli, home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    place = home / PLACES["fish"]
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "mine")
    assert install(noxcli, home, "completion", "fish").code == 0
    assert not place.is_symlink()
    assert (tmp_path / "mine").read_text() == "keep"


def test_a_directory_in_its_place_is_told(noxcli: Noxcli, home: Path) -> None:
    (home / PLACES["fish"]).mkdir(parents=True)
    result = install(noxcli, home, "completion", "fish")
    assert (result.code, result.err.count("\n")) == (9, 1)
    assert result.err.startswith(f"noxcli: can't write {home / PLACES['fish']}: ")
