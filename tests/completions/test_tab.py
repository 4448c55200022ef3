"""What Tab does in bash, zsh and fish, each as a real process."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import typer

from noxcli.app import app, verb_named
from noxcli.cli.verbs import VERBS as NAMES
from noxcli.models import KNOWN_STATUSES
from noxcli.schemas import schema_names
from tests.completions.tab import Typed, start

SHELLS = ["bash", "zsh", "fish"]
PROGRAM = typer.main.get_command(app)
CONTEXT = typer.Context(PROGRAM, **PROGRAM.context_settings)
VERBS = {name: typer.Context(verb_named(name), parent=CONTEXT) for name in NAMES}


@pytest.fixture(scope="module", params=SHELLS)
def shell(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Typed]:
    """A shell in a directory with some files."""
    home = tmp_path_factory.mktemp(request.param)
    with closing(start(request.param, home)) as started:
        furnish(home / "work")
        yield started


def furnish(work: Path) -> None:
    for directory in ["out", "run"]:
        (work / directory).mkdir()
    for file in ["outer.txt", "prompt file.txt"]:
        (work / file).touch()


def names(offers: dict[str, str]) -> set[str]:
    """Remove what differs between shells: what is before a name, and how it is written."""
    return {re.split("[=@]", word)[-1].rstrip("/").replace("\\", "") for word in offers}


def test_verbs(shell: Typed) -> None:
    assert set(shell.offers("noxcli ")) == VERBS.keys()
    assert set(shell.offers("noxcli fetch")) == {"fetch-output"}
    assert set(shell.offers("noxcli --version ru")) == {"run", "runs"}


def test_options_of_each_verb(shell: Typed) -> None:
    every = shell.offers_each([f"noxcli {name} -" for name in VERBS])
    for (name, verb), offered in zip(VERBS.items(), every, strict=True):
        shown = [
            param for param in verb.command.get_params(verb) if not getattr(param, "hidden", False)
        ]
        declared = {
            word
            for param in shown
            for word in (*param.opts, *param.secondary_opts)
            if word.startswith("-")
        }
        assert set(offered) == declared, name
    assert set(shell.offers("noxcli run --")) == {
        word for word in shell.offers("noxcli run -") if word[:2] == "--"
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("noxcli run --format ", {"text", "content", "json", "ndjson"}),
        ("noxcli run --format=", {"text", "content", "json", "ndjson"}),
        ("noxcli run --format js", {"json"}),
        ("noxcli run --format=js", {"json"}),
        ("noxcli wait --color ", {"auto", "always", "never"}),
        ("noxcli run --quiet --output-dir out WORKFLOW key=a --format n", {"ndjson"}),
        ("noxcli run --timeout ", set()),
        ("noxcli run --format=zzz", set()),
        ("noxcli schema resul", {name for name in schema_names() if name.startswith("resul")}),
        ("noxcli runs --status ", {*KNOWN_STATUSES, "paused"}),
        ("noxcli help s", {"schema", "sandbox", "stop", "stream", "switches", "skill"}),
        ("noxcli nonsense --", set()),
    ],
)
def test_fixed_words(shell: Typed, line: str, expected: set[str]) -> None:
    assert names(shell.offers(line)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("noxcli run --output-dir ", {"out", "run"}),
        ("noxcli run --api-key-file ", {"out", "run", "outer.txt", "prompt file.txt"}),
        ("noxcli run --api-key-file=o", {"out", "outer.txt"}),
        ("noxcli sandbox --scenario outer.txt --replay p", {"prompt file.txt"}),
        ("noxcli sandbox --port 9 -- sh p", {"prompt file.txt"}),
        ("noxcli run WORKFLOW key=@", {"out", "run", "outer.txt", "prompt file.txt"}),
        ("noxcli run WORKFLOW key:=@oute", {"outer.txt"}),
        ("noxcli run WORKFLOW key@p", {"prompt file.txt"}),
        ("noxcli run --format json WORKFLOW a=b key=@p", {"prompt file.txt"}),
        ("noxcli run WORKFLOW -- key=@p", {"prompt file.txt"}),
        ("noxcli run --inputs @p", {"prompt file.txt"}),
        ("noxcli run --inputs=@p", {"prompt file.txt"}),
        ("noxcli run key=@", set()),  # the workflow comes first
        ("noxcli run WORKFLOW key=", set()),
    ],
)
def test_files(shell: Typed, line: str, expected: set[str]) -> None:
    assert names(shell.offers(line)) == expected


def test_no_options_behind_two_dashes(shell: Typed) -> None:
    assert not shell.offers("noxcli run WORKFLOW -- --for")


@pytest.mark.parametrize(
    ("typed", "argv"),
    [
        ("noxcli str\tRUN --form\tjs\t", ["stream", "RUN", "--format json"]),
        (
            "noxcli run WORKFLOW --format=js\tkey=@pr\t",
            ["run", "WORKFLOW", "--format=json", "key=@prompt file.txt"],
        ),
        (
            "noxcli run WORKFLOW key:=@pr\t--qui\t",
            ["run", "WORKFLOW", "key:=@prompt file.txt", "--quiet"],
        ),
        ('noxcli run WORKFLOW "key=@pr\t', ["run", "WORKFLOW", "key=@prompt file.txt"]),
        ("noxcli run WORKFLOW key=@run\t/x", ["run", "WORKFLOW", "key=@run/x"]),
        ("noxcli run WORKFLOW --output-dir=ru\t/x", ["run", "WORKFLOW", "--output-dir=run/x"]),
        (
            "noxcli run WORKFLOW --api-key-file pr\t--js\t",
            ["run", "WORKFLOW", "--api-key-file prompt file.txt", "--json"],
        ),
    ],
)
def test_a_line_typed_with_tabs(shell: Typed, typed: str, argv: list[str]) -> None:
    # One shell writes `--format json` where another writes `--format=json`, or adds a slash.
    assert as_one(shell.becomes(typed)) == as_one(argv)


def test_a_directory_below_home_and_a_word_with_blanks_before_it(shell: Typed) -> None:
    argv = shell.becomes("noxcli run $(printf %s a b) --output-dir ~/wo\tx")
    assert argv[:3] == ["run", "ab", "--output-dir"]
    assert argv[3].endswith("/work/x")
    assert not argv[3].startswith("~")


def as_one(argv: list[str]) -> str:
    return re.sub(r"(--format|--api-key-file)=", r"\1 ", " ".join(argv)).replace("//", "/")


def test_zsh_reads_the_script_by_source_too(tmp_path: Path) -> None:
    first = 'autoload -Uz compinit; compinit -u -D; source "$SCRIPTS/_noxcli"\n'

    with closing(start("zsh", tmp_path, first=first)) as shell:
        assert "run" in shell.offers("noxcli ")
