"""What Tab makes of names that noxcli knows, in bash, zsh and fish: they come from a server, and are only data."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from noxcli.inputs.definition import InputNode
from noxcli.inputs.parse import split_item
from noxcli.models import Run, Workflow
from noxcli.state.completion_cache import CompletionCache
from noxcli.state.known_names import server_key
from tests.completions.tab import Typed, start

SHELLS = ["bash", "zsh", "fish"]
PACKAGE = "/usr/share/bash-completion/bash_completion"
# If a shell took one of these for more than a name, it would create a file, or turn into something else.
HOSTILE = [
    "$(touch pwned)", "`touch pwned`", "a;touch pwned", "a|touch pwned&", "a && touch pwned", "<(touch pwned)",
    ">pwned", "a>pwned", "${x:=$(touch pwned)}", "(touch pwned)", "{touch,pwned}", "=(touch pwned)",
    "$'\\x24(touch pwned)'", "'$(touch pwned)'", "';touch pwned;'", '"$(touch pwned)"', '";touch pwned;"',
    "\\$(touch pwned)", "a\\", "*", "?x[ab]", "a=~", "#no comment", "a #b", "!!", "a!b", "%1", "^a^b", " in front",
    "behind ", "two  blanks", "a:b@c=d", "@last", "Zusammenfassung für Ägypten 🚀", "a\\tb", "(e:touch pwned:)",
    "name\\(Ne:touch pwned:)", "%F{red}%(?.a.b)", "a,b", "it's",
]  # fmt: skip


def known(home: Path, url: str = "", profile: str = "") -> CompletionCache:
    return CompletionCache(
        {"NOXCLI_CACHE_DIR": str(home / ".cache" / "noxcli")}, server_key(url, profile, {})
    )


def started(home: Path, run_id: str) -> None:
    known(home).save_run(
        Run(run_id, "w-1", "running", created_at="2026-01-01T00:00:00Z"), "daily report"
    )


def text_input(label: str, number: int = 1) -> InputNode:
    return InputNode(f"n-{number}", label, "text")


class Desk:
    """A shell, and the files that noxcli wrote in its user's directories."""

    def __init__(self, shell: Typed, home: Path) -> None:
        self.shell, self.home = shell, home

    def offers(self, line: str) -> set[str]:
        # zsh passes on words unquoted; the others have quoted them already.
        return {word.replace("\\", "") for word in self.shell.offers(line)}

    def knows(self, *names: str) -> None:
        known(self.home).save_workflows(
            [Workflow(f"w-{number}", name) for number, name in enumerate(names, 1)]
        )

    def takes(self, *nodes: InputNode) -> None:
        known(self.home).save_keys("w-1", nodes)

    def untouched(self) -> bool:
        return not list(self.home.rglob("pwned"))


@pytest.fixture(scope="module", params=SHELLS)
def desk(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    home = tmp_path_factory.mktemp(request.param)
    with closing(start(request.param, home)) as shell:
        yield Desk(shell, home)


@pytest.mark.parametrize(
    ("name", "quote"),
    [
        # In the plain run, each name is in one kind of quotes.
        pytest.param(
            name,
            quote,
            marks=() if (turn + place) % 3 == 0 else pytest.mark.wide,
            id=f"{name}-{kind}",
        )
        for turn, name in enumerate(HOSTILE)
        for place, (kind, quote) in enumerate({"bare": "", "single": "'", "double": '"'}.items())
    ],
)
def test_a_name_arrives_as_it_is_and_does_nothing(desk: Desk, name: str, quote: str) -> None:
    desk.knows(name)
    desk.takes(text_input(name))

    closing = "" if desk.shell.name == "bash" else quote  # bash has closed the quote after the key
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


def test_names_and_aliases(desk: Desk) -> None:
    desk.knows("demo", "daily report")
    known(desk.home).save_settings([], {"day": "daily report"})

    assert (
        desk.offers("noxcli run ")
        == desk.offers("noxcli inputs ")
        == {"demo", "daily report", "day"}
    )
    assert desk.shell.becomes("noxcli run --json dai\t") == ["run", "--json", "daily report"]
    known(desk.home).save_settings([], {})


def test_the_keys_of_the_workflow_on_the_line(desk: Desk) -> None:
    desk.knows("daily report")
    limit, document = InputNode("n-2", "User Limit", "int"), InputNode("n-3", "Document", "file")
    desk.takes(text_input("User Input"), limit, document, text_input("a:b@c=d", 4))

    everything = {"User Input=", "User Limit:=", "Document@", "a:b@c=d="}
    for named in ["daily\\ report", '"daily report"', "'daily report'", "w-1"]:
        assert desk.offers(f"noxcli run --raw x {named} --json ") == everything
    assert desk.offers("noxcli run daily\\ report User\\ ") == {"User Input=", "User Limit:="}
    assert desk.offers("noxcli run other ") == set()
    assert desk.shell.becomes("noxcli run daily\\ report User\\ L\t3") == [
        "run",
        "daily report",
        "User Limit:=3",
    ]
    assert desk.shell.becomes("noxcli run w-1 a\\\\:b\t1") == ["run", "w-1", "a\\:b\\@c\\=d=1"]


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("Document@", "two words.csv"),
        ("Document@", "it's (1);$(touch pwned).csv"),
        ("a\\:b\\@c=@", "two words.csv"),
        ("n:=@", "übung.csv"),
    ],
)
def test_a_file_after_a_key(desk: Desk, key: str, name: str) -> None:
    work = desk.home / "work"
    for old in work.iterdir():
        old.unlink()
    (work / name).touch()

    typed = key.replace("\\", "\\\\")
    assert desk.shell.becomes(f"noxcli run w-1 {typed}\t") == ["run", "w-1", f"{key}{name}"]
    assert desk.untouched()


def test_runs_in_the_order_in_which_noxcli_tells_them(desk: Desk) -> None:
    for number in range(9, 0, -1):
        started(desk.home, f"r-{number}")

    for verb in ["wait", "stop", "stream", "fetch-output", "wait r-1"]:
        assert list(desk.shell.offers(f"noxcli {verb} ")) == [
            "@last",
            *(f"r-{number}" for number in range(1, 10)),
        ]
    if desk.shell.name == "zsh":  # where a second Tab takes the first
        assert desk.shell.becomes("noxcli wait r-\t\t") == ["wait", "r-1"]
    if desk.shell.name != "bash":  # which shows only words
        assert "daily report, 2026-01-01T00:00:00Z" in desk.shell.offers("noxcli wait r-9")["r-9"]
    assert desk.shell.becomes("noxcli wait @\t") == ["wait", "@last"]
    assert desk.shell.becomes("noxcli wait r-\t7") == ["wait", "r-7"]


MOODS = {
    "no = : @ in COMP_WORDBREAKS": "COMP_WORDBREAKS=$' \\t\\n'",
    "no host names": "shopt -u hostcomplete",
    "nounset": "set -u",
    "posix": "set -o posix",
    "odd options": "set -f; IFS=:; shopt -s nocasematch extglob; alias ls='ls -lF'",
    "bash-completion": f"[[ ! -r {PACKAGE} ]] || source {PACKAGE}",
}


@pytest.mark.parametrize("mood", MOODS)
def test_bash_in_other_moods(tmp_path: Path, mood: str) -> None:
    name = "$(touch pwned) a:b"
    with closing(start("bash", tmp_path, first=f"{MOODS[mood]}\n")) as shell:
        (tmp_path / "work" / "prompt file.txt").touch()
        (tmp_path / "work" / "run").mkdir()
        desk = Desk(shell, tmp_path)
        desk.knows(name)
        desk.takes(text_input(name), text_input("Question", 2))
        started(tmp_path, "r-1")

        assert shell.becomes("noxcli run \\$\t") == ["run", name]
        assert shell.becomes("noxcli run w-1 Que\tx") == ["run", "w-1", "Question=x"]
        assert shell.becomes("noxcli wait r\t") == ["wait", "r-1"]
        typed = shell.becomes("noxcli run w --format=js\tkey=@pr\t")
        assert typed == ["run", "w", "--format=json", "key=@prompt file.txt"]
        assert shell.becomes("noxcli run w --output-dir ru\tx") == [
            "run",
            "w",
            "--output-dir",
            "run/x",
        ]
        assert desk.untouched()


@pytest.mark.parametrize("name", SHELLS)
def test_where_nothing_is_known_nothing_is_offered(name: str, tmp_path: Path) -> None:
    with closing(start(name, tmp_path)) as shell:
        for line in ["run ", "run demo ", "inputs d"]:
            assert shell.offers(f"noxcli {line}") == {}
        assert list(shell.offers("noxcli wait ")) == ["@last"]


@pytest.mark.parametrize("name", SHELLS)
def test_where_noxcli_is_not_found_nothing_is_said(name: str, tmp_path: Path) -> None:
    with closing(start(name, tmp_path)) as shell:
        (tmp_path / "bin" / "noxcli").unlink()
        said = shell.screen.read_text()
        assert shell.offers("noxcli wait ") == {}
        assert "not found" not in shell.screen.read_text().removeprefix(said)
