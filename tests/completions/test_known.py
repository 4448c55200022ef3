"""What Tab offers from noxcli's cache in bash, zsh and fish: workflows, inputs, runs and profiles.

Their names come from a server. The shells read them from files that noxcli itself wrote, in their real places.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from noxcli.config.settings import DEFAULT_URL
from noxcli.inputs.definition import InputNode, OutputNode
from noxcli.inputs.parse import split_item
from noxcli.models import KNOWN_STATUSES, Run, Workflow
from noxcli.state.completion_cache import CompletionCache
from tests.completions.tab import Typed, start
from tests.conftest import Noxcli

SHELLS = ["bash", "zsh", "fish"]
PACKAGE = "/usr/share/bash-completion/bash_completion"
OTHER_URL = "https://noxus.example:8443/api"
# If a shell took one of these for more than a name, it would create a file, or turn into something else.
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
    known(home, url).run(run, "daily report")


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


@pytest.mark.parametrize(
    ("name", "quote"),
    [
        # In the plain run, each name is in one kind of quotes.
        pytest.param(name, quote, marks=() if (turn + place) % 3 == 0 else pytest.mark.wide, id=f"{name}-{kind}")
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
    noted_runs(desk.home).unlink(missing_ok=True)
    for number in range(1, 31):
        started(desk.home, f"r-{number:02}")
    started(desk.home, "r-elsewhere", url=OTHER_URL)
    with noted_runs(desk.home).open("a") as file:
        file.write("r $(touch pwned)\tw-1\t$(touch pwned)\n\t\n\nr-`touch pwned`\n../r\tw\n")

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


def noted_runs(home: Path) -> Path:
    return home / ".cache" / "noxcli" / "https___backend.noxus.ai.runs"


@pytest.mark.parametrize("desk", ["zsh", "fish"], indirect=True, scope="module")  # bash shows only words
def test_runs_are_told_apart(desk: Desk) -> None:
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
base_url = "https://default.example/"
"""


@pytest.mark.parametrize("name", SHELLS)
def test_profiles_are_those_that_a_command_found_in_the_config_file(name: str, tmp_path: Path, noxcli: Noxcli) -> None:
    config = tmp_path / ".config" / "noxcli" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(CONFIG)
    environ = {"NOXCLI_CONFIG": str(config), "NOXCLI_CACHE_DIR": str(tmp_path / ".cache" / "noxcli")}
    assert noxcli("config", environ=environ).code == 0
    known(tmp_path).workflows([Workflow("w-1", "nowhere")])
    known(tmp_path, "https://default.example").workflows([Workflow("w-1", "by default")])
    known(tmp_path, OTHER_URL).workflows([Workflow("w-1", "there")])

    with closing(start(name, tmp_path)) as shell:
        desk = Desk(shell, tmp_path)

        assert desk.offers("noxcli run --profile ") == {"staging", "my own", "$(touch pwned)"}
        assert shell.becomes("noxcli run --profile m\t") == ["run", "--profile", "my own"]
        assert shell.becomes("noxcli run --profile \\$\t") == ["run", "--profile", "$(touch pwned)"]
        assert desk.offers("noxcli run --profile 'my own' ") == {"there"}
        assert desk.offers("noxcli run --profile=staging ") == {"nowhere"}
        assert desk.offers("noxcli run --profile unknown ") == set()
        assert desk.offers(f"noxcli run --profile staging --base-url {OTHER_URL} ") == {"there"}
        assert desk.offers("noxcli run ") == {"by default"}
        assert desk.untouched()


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize(
    ("variables", "offered"),
    [
        ({"NOXCLI_BASE_URL": OTHER_URL, "NOXUS_BACKEND_URL": DEFAULT_URL, "NOXCLI_PROFILE": "mine"}, "other"),
        ({"NOXUS_BACKEND_URL": f"{OTHER_URL}//", "NOXCLI_PROFILE": "mine"}, "other"),
        ({"NOXCLI_PROFILE": "mine"}, "mine"),
    ],
    ids=["our variable", "the SDK's variable", "the profile's variable"],
)
def test_variables_name_the_server(name: str, variables: dict[str, str], offered: str, tmp_path: Path) -> None:
    known(tmp_path).servers({"": DEFAULT_URL, "mine": "https://mine.example"})
    known(tmp_path).workflows([Workflow("w-1", "default")])
    known(tmp_path, "https://mine.example").workflows([Workflow("w-1", "mine")])
    known(tmp_path, OTHER_URL).workflows([Workflow("w-1", "other")])

    with closing(start(name, tmp_path, environ=variables)) as shell:
        assert Desk(shell, tmp_path).offers("noxcli run ") == {offered}


def test_a_profile_file_that_was_tampered_with_leads_nowhere(desk: Desk) -> None:
    (desk.home / "elsewhere.workflows").write_text("stolen\tw-1\n")
    servers = desk.home / ".cache" / "noxcli" / "servers"
    servers.write_text("../../elsewhere\t\n../../elsewhere\tp\n$(touch pwned)\tq\nno tab\n\n")
    desk.knows("here")

    try:
        for profile in ["", "--profile p", "--profile q", "--profile 'no tab'"]:
            assert "stolen" not in desk.offers(f"noxcli run {profile} ")
        desk.offers("noxcli run --profile ")
        assert desk.untouched()
    finally:
        servers.unlink()


def test_aliases_beside_names(desk: Desk) -> None:
    desk.knows("daily report", "$(touch pwned)")
    known(desk.home).aliases({"daily": "daily report", "touchy": "$(touch pwned)", "direct": "w-1", "--x": "w-1"})
    desk.takes(text_input("Question"))
    try:
        assert desk.offers("noxcli run d") == {"daily report", "daily", "direct"}
        assert desk.offers("noxcli run to") == {"touchy"}
        for named in ["daily", "direct", "'daily report'"]:
            assert desk.offers(f"noxcli run {named} ") == {"Question="}
        assert desk.offers("noxcli run touchy ") == set()
        assert desk.untouched()
    finally:
        known(desk.home).aliases({})


def test_the_outputs_of_the_workflow_or_of_the_runs_workflow(desk: Desk) -> None:
    desk.knows("daily report")
    known(desk.home).outputs(
        "w-1", [OutputNode("n-8", "Full Answer"), OutputNode("n-9", None), OutputNode("n-7", "$(touch pwned)")]
    )
    started(desk.home, "r-50", workflow_id="w-2")
    started(desk.home, "r-51")

    everything = {"Full Answer", "n-9", "$(touch pwned)"}
    for line in ["run w-1", "run 'daily report' --json", "fetch-output r-51", "fetch-output @last", "stream r-51"]:
        assert desk.offers(f"noxcli {line} --raw ") == everything
    assert desk.offers("noxcli fetch-output r-50 --raw ") == desk.offers("noxcli run --raw ") == set()
    assert desk.shell.becomes("noxcli run w-1 --raw F\t") == ["run", "w-1", "--raw", "Full Answer"]
    assert desk.untouched()


def test_statuses_are_those_that_noxcli_knows(desk: Desk) -> None:
    assert desk.offers("noxcli runs --status ") == {*KNOWN_STATUSES, "paused"}
    assert desk.offers("noxcli runs --status f") == {"failed"}


@pytest.mark.parametrize(
    ("first", "plain_only"),
    [
        ("COMP_WORDBREAKS=$' \\t\\n'", False),
        ("set -u", False),
        ("set -o posix", False),
        ("set -f; IFS=:; shopt -s nocasematch extglob; alias ls='ls -lF'", False),
        ("[[ ! -r $PACKAGE ]] || source $PACKAGE".replace("$PACKAGE", PACKAGE), False),
        ("enable -n compopt mapfile", True),
    ],
    ids=[
        "no = : @ in COMP_WORDBREAKS",
        "nounset",
        "posix",
        "odd options",
        "bash-completion",
        "no compopt and no mapfile, as in 3.2",
    ],
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
        assert "".join(shell.becomes("noxcli run w-1 Que\tx")[2:]) == "Question=x"  # in 3.2 with a space in between
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
