"""What Tab offers of what noxcli came across, in bash, zsh and fish: workflows, inputs, runs and profiles.

Their names come from a server. The shells read them from files that noxcli itself wrote, in the places where it does.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import pytest
import typer

from noxcli.config.settings import DEFAULT_URL
from noxcli.inputs.definition import InputNode
from noxcli.inputs.parse import split_item
from noxcli.models import Run, Workflow
from noxcli.state.completion_cache import CompletionCache
from noxcli.state.history import History
from tests.completions.tab import ROOT, Typed, start

sys.path.insert(0, str(ROOT / "scripts"))
import make_completions
from shells.vocabulary import read_program

SHELLS = ["bash", "zsh", "fish"]
PACKAGE = "/usr/share/bash-completion/bash_completion"
OTHER_URL = "https://noxus.example:8443/api"
# What each would do, if any shell took it for more than a name, is leave a file behind, or become something else.
HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "a;touch pwned",
    "a|touch pwned&",
    "a && touch pwned",
    "<(touch pwned)",
    ">pwned",
    "a>pwned",
    "${x:=$(touch pwned)}",
    "(touch pwned)",
    "{touch,pwned}",
    "=(touch pwned)",
    "$'\\x24(touch pwned)'",
    "'$(touch pwned)'",
    "';touch pwned;'",
    '"$(touch pwned)"',
    '";touch pwned;"',
    "\\$(touch pwned)",
    "a\\",
    "*",
    "?x[ab]",
    "a=~",
    "#no comment",
    "a #b",
    "!!",
    "a!b",
    "%1",
    "^a^b",
    " in front",
    "behind ",
    "two  blanks",
    "a:b@c=d",
    "@last",
    "Zusammenfassung für Ägypten 🚀",
    "a\\tb",
    "(e:touch pwned:)",
    "name\\(Ne:touch pwned:)",
    "%F{red}%(?.a.b)",
    "a,b",
    "it's",
]


def known(home: Path, url: str = DEFAULT_URL) -> CompletionCache:
    return CompletionCache({"NOXCLI_CACHE_DIR": str(home / ".cache" / "noxcli")}, url)


def started(home: Path, run_id: str, url: str = DEFAULT_URL, workflow_id: str = "w-1") -> None:
    run = Run(run_id, workflow_id, "running", created_at="2026-01-01T00:00:00Z")
    History({"NOXCLI_STATE_DIR": str(home / ".local" / "state" / "noxcli")}).begin(run, url, {})


def text_input(label: str, number: int = 1) -> InputNode:
    return InputNode(f"n-{number}", label, "text")


class Desk:
    """A shell, and what noxcli left in its user's directories."""

    def __init__(self, shell: Typed, home: Path) -> None:
        self.shell, self.home = shell, home

    def offers(self, line: str) -> set[str]:
        # zsh hands on words as they are; the others have quoted them already.
        return {word.replace("\\", "") for word in self.shell.offers(line)}

    def knows(self, *names: str) -> None:
        known(self.home).workflows([Workflow(f"w-{number}", name) for number, name in enumerate(names, 1)])

    def takes(self, *nodes: InputNode) -> None:
        known(self.home).inputs("w-1", nodes)

    def untouched(self) -> bool:
        return not list(self.home.rglob("pwned"))


@pytest.fixture(scope="module", params=SHELLS)
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp(request.param)
    with closing(start(request.param, home)) as shell:
        yield Desk(shell, home)


@pytest.mark.parametrize("quote", ["", "'", '"'], ids=["bare", "single", "double"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_arrives_as_it_is_and_does_nothing(desk: Desk, name: str, quote: str) -> None:
    desk.knows(name)
    desk.takes(text_input(name))

    closing = "" if desk.shell.name == "bash" else quote  # bash has closed it behind the key
    verb, workflow, item = desk.shell.becomes(f"noxcli run {quote}\t{quote}\tvalue{closing}")

    assert (verb, workflow, split_item(item)) == ("run", name, (name, "=", "value"))
    assert desk.untouched()


def test_hostile_names_are_only_shown(desk: Desk) -> None:
    desk.knows(*HOSTILE)
    desk.takes(*(text_input(name, number) for number, name in enumerate(HOSTILE)))

    assert len(desk.shell.offers("noxcli run ")) == len(HOSTILE)
    assert len(desk.shell.offers("noxcli run w-1 ")) == len(HOSTILE)
    for begun in ["a", "\\$", "'", '"', "\\`", "$", "~", "w-1 '", 'w-1 "$']:
        desk.shell.offers(f"noxcli run {begun}")
    assert desk.untouched()


def test_workflows_are_offered_by_name_and_where_none_begins_so_by_id(desk: Desk) -> None:
    known(desk.home).workflows(
        [
            Workflow("11-1", "demo"),
            Workflow("22-2", "daily report"),
            Workflow("22-3", "same"),
            Workflow("33-3", "same"),
            Workflow("44-4", "two\nlines\x1b[31m"),
            Workflow("55-5", "--help"),
        ]
    )

    odd = {"22-3", "33-3", "44-4", "55-5"}
    assert desk.offers("noxcli run ") == desk.offers("noxcli inputs ") == {"demo", "daily report", *odd}
    assert desk.offers("noxcli run d") == {"demo", "daily report"}
    assert desk.offers("noxcli run 1") == {"11-1"}
    assert desk.shell.becomes("noxcli run --json da\t") == ["run", "--json", "daily report"]


def test_the_keys_of_the_workflow_on_the_line(desk: Desk) -> None:
    desk.knows("daily report")
    desk.takes(
        text_input("User Input"),
        InputNode("n-2", "User Limit", "int"),
        InputNode("n-3", "Document", "file"),
        text_input("a:b@c=d", 4),
    )

    everything = {"User Input=", "User Limit:=", "Document@", "a:b@c=d="}
    for named in ["daily\\ report", '"daily report"', "w-1"]:
        assert desk.offers(f"noxcli run --raw x {named} --json ") == everything
    assert desk.offers("noxcli run daily\\ report Document@x ") == everything
    assert desk.offers("noxcli run daily\\ report User\\ ") == {"User Input=", "User Limit:="}
    assert desk.offers("noxcli run other ") == set()
    assert not [word for word in desk.offers("noxcli inputs daily\\ report ") if not word.startswith("-")]
    assert desk.shell.becomes("noxcli run daily\\ report User\\ L\t3") == ["run", "daily report", "User Limit:=3"]
    assert desk.shell.becomes("noxcli run w-1 a\\\\:b\t1") == ["run", "w-1", "a\\:b\\@c\\=d=1"]


@pytest.mark.parametrize("name", ["two words.csv", "it's (1);$(touch pwned).csv", "übung.csv"])
@pytest.mark.parametrize("key", ["Document@", "a\\:b\\@c=@", "n:=@"])
def test_a_file_behind_a_key(desk: Desk, name: str, key: str) -> None:
    work = desk.home / "work"
    for old in work.iterdir():
        old.unlink()
    (work / name).touch()

    typed = key.replace("\\", "\\\\")
    assert desk.shell.becomes(f"noxcli run w-1 {typed}\t") == ["run", "w-1", f"{key}{name}"]
    assert desk.untouched()


def test_runs_are_those_of_the_server_newest_first(desk: Desk) -> None:
    state = desk.home / ".local" / "state" / "noxcli"
    desk.knows("daily report")
    for number in range(1, 31):
        started(desk.home, f"r-{number:02}")
        os.utime(state / f"r-{number:02}.json", (number, number))
    started(desk.home, "r-elsewhere", url=OTHER_URL)
    (state / "r-odd.json").mkdir()
    (state / "r $(touch pwned).json").touch()

    recent = [f"r-{number:02}" for number in range(30, 10, -1)]
    for verb in ["wait", "stop", "stream", "fetch-output", "wait r-01"]:
        assert list(desk.shell.offers(f"noxcli {verb} ")) == ["@last", *recent]
    assert len(desk.shell.offers("noxcli wait r-")) == 30
    if desk.shell.name == "zsh":  # where a second Tab takes the first
        assert desk.shell.becomes("noxcli wait r-\t\t") == ["wait", "r-30"]
    assert desk.shell.becomes("noxcli wait @\t") == ["wait", "@last"]
    assert desk.shell.becomes("noxcli wait r-0\t7") == ["wait", "r-07"]
    assert list(desk.shell.offers(f"noxcli wait --base-url {OTHER_URL}/ ")) == ["@last", "r-elsewhere"]
    assert desk.untouched()


@pytest.mark.parametrize("desk", ["zsh", "fish"], indirect=True, scope="module")  # bash shows words alone
def test_runs_are_told_apart(desk: Desk) -> None:
    desk.knows("daily report")
    started(desk.home, "r-99")

    assert "daily report, 2026-01-01T00:00:00Z" in desk.shell.offers("noxcli wait r-9")["r-99"]


@pytest.mark.parametrize("option", [f"--base-url {OTHER_URL}", f"--base-url={OTHER_URL}/"])
def test_names_are_those_of_the_server_on_the_line(desk: Desk, option: str) -> None:
    desk.knows("here")
    known(desk.home, OTHER_URL).workflows([Workflow("w-1", "there")])

    assert desk.offers(f"noxcli run {option} ") == {"there"}
    assert desk.offers("noxcli run ") == {"here"}


CONFIG = f"""\
default_profile = "$(touch pwned)"
[profile.staging]
api_key_file = "x"
[profile."my own".defaults]
timeout = "5m"
[profile . "my own"]  # with a comment
base_url = "{OTHER_URL}"
[profile.'$(touch pwned)']
base_url = "https://default.example"
[other]
base_url = "https://wrong.example"
"""


@pytest.mark.parametrize("name", SHELLS)
def test_profiles_are_those_of_the_config_file(name: str, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for path, text in make_completions.stale(read_program(app_with_profiles()), scripts):
        path.write_bytes(text)
    (tmp_path / ".config" / "noxcli").mkdir(parents=True)
    (tmp_path / ".config" / "noxcli" / "config.toml").write_text(CONFIG)
    known(tmp_path).workflows([Workflow("w-1", "nowhere")])
    known(tmp_path, "https://default.example").workflows([Workflow("w-1", "by default")])
    known(tmp_path, OTHER_URL).workflows([Workflow("w-1", "there")])

    with closing(start(name, tmp_path, scripts=scripts)) as shell:
        desk = Desk(shell, tmp_path)

        assert desk.offers("noxcli run --profile ") == {"staging", "my own", "$(touch pwned)"}
        assert shell.becomes("noxcli run --profile m\t") == ["run", "--profile", "my own"]
        assert shell.becomes("noxcli run --profile \\$\t") == ["run", "--profile", "$(touch pwned)"]
        assert desk.offers("noxcli run --profile 'my own' ") == {"there"}
        assert desk.offers("noxcli run --profile=staging ") == {"nowhere"}
        assert desk.offers("noxcli run ") == {"by default"}
        assert desk.untouched()


def app_with_profiles() -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)

    @app.callback()
    def root() -> None: ...

    @app.command()
    def run(
        _workflow: Annotated[str, typer.Argument(metavar="WORKFLOW")],
        _profile: Annotated[str, typer.Option("--profile", metavar="PROFILE")] = "",
    ) -> None: ...

    return app


@pytest.mark.parametrize(
    ("first", "plain_only"),
    [
        ("COMP_WORDBREAKS=$' \\t\\n'", False),
        ("set -u", False),
        ("set -o posix", False),
        ("set -f; IFS=:; shopt -s nocasematch extglob; alias ls='ls -lF'", False),
        ("[[ ! -r $PACKAGE ]] || source $PACKAGE".replace("$PACKAGE", PACKAGE), False),
        ("enable -n compopt", True),
    ],
    ids=["no = : @ in COMP_WORDBREAKS", "nounset", "posix", "odd options", "bash-completion", "no compopt, as in 3.2"],
)
def test_bash_in_other_moods(tmp_path: Path, first: str, plain_only: bool) -> None:
    name = "$(touch pwned) a:b"
    with closing(start("bash", tmp_path, first=f"{first}\n")) as shell:
        desk = Desk(shell, tmp_path)
        desk.knows(name)
        desk.takes(text_input(name), text_input("Question", 2))
        started(tmp_path, "r-1")

        expected = "$" if plain_only else name
        assert shell.becomes("noxcli run \\$\t") == ["run", expected]
        assert "".join(shell.becomes("noxcli run w-1 Que\tx")[2:]) == "Question=x"  # in 3.2 with a space between
        assert shell.becomes("noxcli wait r\t") == ["wait", "r-1"]
        assert desk.untouched()


def test_tab_alone_leaves_no_trace(desk: Desk) -> None:
    desk.knows("demo")
    before = {path: path.stat().st_mtime_ns for path in desk.home.rglob("*") if ".cache/noxcli" in str(path)}

    desk.offers("noxcli run ")

    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert not desk.shell.started.exists()


@pytest.mark.parametrize("name", SHELLS)
def test_where_nothing_is_known_nothing_is_offered(name: str, tmp_path: Path) -> None:
    with closing(start(name, tmp_path)) as shell:
        for line in ["run ", "run demo ", "inputs d"]:
            assert shell.offers(f"noxcli {line}") == {}
        assert list(shell.offers("noxcli wait ")) == ["@last"]
