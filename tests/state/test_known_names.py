"""What noxcli answers for Tab, from the files that its commands wrote."""

from pathlib import Path
from typing import Any

import pytest

from noxcli.inputs.definition import InputNode, OutputNode
from noxcli.models import Run, Workflow
from noxcli.sandbox.scenario import input_node
from noxcli.sandbox.server import Sandbox
from noxcli.state.completion_cache import CompletionCache
from noxcli.state.known_names import KnownNames, cache_directory, server_key
from tests.conftest import Noxcli

OTHER_URL = "https://noxus.example:8443/api"
LAST = "@last"


def known(cache: Path, url: str = "", profile: str = "") -> CompletionCache:
    return CompletionCache({"NOXCLI_CACHE_DIR": str(cache)}, server_key(url, profile, {}))


def started(cache: Path, *run_ids: str, workflow_id: str = "w-1", url: str = "") -> None:
    for run_id in run_ids:
        known(cache, url).save_run(
            Run(run_id, workflow_id, "running", created_at="2026-01-01T00:00:00Z"), "daily report"
        )


def offered(cache: Path, kind: str, *words: str, **environ: str) -> list[str]:
    names = KnownNames(list(words), {"NOXCLI_CACHE_DIR": str(cache), **environ})
    return [word for word, _, _ in names.offered(kind)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of three workflows, the keys of one, and its aliases."""
    known(tmp_path).save_workflows(
        [Workflow("w-1", "daily report"), Workflow("w-2", "demo"), Workflow("22", "two\nlines")]
    )
    known(tmp_path).save_settings([], {"day": "daily report", "direct": "w-1"})
    inputs = [InputNode("n-1", "Question", "str"), InputNode("n-2", "Limit", "int")]
    known(tmp_path).save_keys("w-1", inputs, [OutputNode("n-8", "Answer"), OutputNode("n-9", None)])
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["run", "daily report"],
        ["run", "w-1", "Limit:=1"],
        ["run", "--raw", "x", "day", "--json"],
        ["fetch-output", "direct"],
        ["stream", "r-1"],
        ["stream", "@last"],
    ],
)
def test_keys_are_those_of_the_workflow_on_the_line(cache: Path, words: list[str]) -> None:
    started(cache, "r-0", workflow_id="w-2")
    started(cache, "r-1")
    assert offered(cache, "input", *words, "") == ["Question=", "Limit:="]
    assert offered(cache, "output", *words, "--raw", "") == ["Answer", "n-9"]


@pytest.mark.parametrize(
    "words", [["run"], ["run", "demo"], ["stream", "r-0"], ["run", "other"], ["run", "../w-1"]]
)
def test_no_keys_are_offered_of_what_has_none(cache: Path, words: list[str]) -> None:
    started(cache, "r-0", workflow_id="w-2")
    assert offered(cache, "input", *words, "") == offered(cache, "output", *words, "") == []


@pytest.mark.parametrize(
    ("words", "environ", "server"),
    [
        ([], {}, "default"),
        (["--base-url", OTHER_URL], {}, "other"),
        ([f"--base-url={OTHER_URL}//"], {"NOXUS_BACKEND_URL": "http://x"}, "other"),
        (
            [],
            {
                "NOXCLI_BASE_URL": OTHER_URL,
                "NOXUS_BACKEND_URL": "http://x",
                "NOXCLI_PROFILE": "mine",
            },
            "other",
        ),
        (["--profile", "mine"], {"NOXUS_BACKEND_URL": OTHER_URL}, "mine"),
        (["--profile", "mine"], {}, "mine"),
        ([], {"NOXCLI_PROFILE": "mine"}, "mine"),
        (["--profile=unknown"], {}, None),
    ],
)
def test_names_are_of_the_server_that_the_command_would_ask(
    tmp_path: Path, words: list[str], environ: dict[str, str], server: str | None
) -> None:
    known(tmp_path).save_workflows([Workflow("w-1", "default")])
    known(tmp_path, OTHER_URL).save_workflows([Workflow("w-1", "other")])
    known(tmp_path, profile="mine").save_workflows([Workflow("w-1", "mine")])

    assert offered(tmp_path, "workflow", "run", *words, "d", **environ)[:1] == (
        [server] if server else []
    )


def test_profiles_are_those_of_the_config_file(
    noxcli: Noxcli, tmp_path: Path, plays: Any, sandbox: Sandbox
) -> None:
    environ = {
        "NOXCLI_CONFIG": str(tmp_path / "config.toml"),
        "NOXUS_BACKEND_URL": "",
        "NOXUS_API_KEY": sandbox.key,
    }
    Path(environ["NOXCLI_CONFIG"]).write_text(
        f'default_profile = "a"\n[profile.a]\nbase_url = "{sandbox.url}"\n[profile."--b"]\n[profile.c]\nbase_url = 3\n'
    )
    workflow, cache = plays(nodes=[input_node("Q")]), Path(noxcli.environ["NOXCLI_CACHE_DIR"])

    for options in ([], ["--profile", "a"]):
        assert noxcli("inputs", workflow, *options, environ=environ).code == 0
        assert offered(cache, "input", "run", *options, workflow, "") == ["Q="]
    assert offered(cache, "profile", "run", "--profile", "") == ["a", "c"]


def test_a_file_that_noxcli_did_not_write_is_only_words(tmp_path: Path) -> None:
    run = b" run"
    lines = [
        b"profile",
        b"profile\tp",
        b"no tab",
        b"",
        run + b"\tr\x1b[31m\tw",
        run + b"\t\t",
        b"\xff\xfe",
    ]
    (tmp_path / "names").write_bytes(b"\n".join(lines))

    assert (
        offered(tmp_path, "workflow", "run", "")
        == offered(tmp_path, "workflow", "run", "--profile", "p", "")
        == []
    )
    assert offered(tmp_path, "profile", "run", "") == ["p"]
    assert offered(tmp_path, "run", "wait", "") == [LAST]


@pytest.mark.parametrize(
    ("environ", "system", "directory"),
    [
        ({"NOXCLI_CACHE_DIR": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, "linux", "/c"),
        ({"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "linux", "/x/noxcli"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "linux", "/h/.cache/noxcli"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Caches/noxcli"),
    ],
)
def test_the_users_own_directory(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], system: str, directory: str
) -> None:
    monkeypatch.setattr("sys.platform", system)
    assert cache_directory(environ) == directory


def test_a_user_without_a_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as for a uid that nobody has
    assert cache_directory({}) is None
    assert [word for word, _, _ in KnownNames([""], {}).offered("run")] == [LAST]
    CompletionCache({}, "").save_workflows([Workflow("w-1", "demo")])
