"""The user's config file and a project's: which profile is used, what each may set, and the errors in a bad one."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noxcli.config.settings import read_configured
from noxcli.sandbox.server import Sandbox
from tests.conftest import Noxcli, Result
from tests.rawserver import Request, json_answer, raw_server

ALIASED = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def bare(sandbox: Sandbox, tmp_path: Path) -> Noxcli:
    """noxcli with nothing in its environment that says where to connect or with which key."""
    assert sandbox.url
    return Noxcli({"NOXCLI_STATE_DIR": str(tmp_path / "state")})


def user_file(text: str) -> Path:
    path = Path.home() / ".config" / "noxcli" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def profile(sandbox: Sandbox, rest: str = "", name: str = "work") -> str:
    return f'[profile.{name}]\nbase_url = "{sandbox.url}"\napi_key_command = "echo {sandbox.key}"\n{rest}\n'


def asks(noxcli: Noxcli, *more: str, environ: dict[str, str] | None = None) -> Result:
    return noxcli("inputs", "demo", "--retry-for", "0", *more, environ=environ)


# Which profile.


@pytest.mark.parametrize(
    ("flag", "variable", "default", "chosen"),
    [("a", "b", "c", "a"), (None, "b", "c", "b"), (None, None, "c", "c"), (None, "", "c", "c")],
)
def test_flag_then_variable_then_file_choose_the_profile(
    bare: Noxcli,
    sandbox: Sandbox,
    flag: str | None,
    variable: str | None,
    default: str,
    chosen: str,
) -> None:
    others = "".join(
        f'[profile.{name}]\nbase_url = "https://{name}"\n' for name in "abc" if name != chosen
    )
    user_file(f'default_profile = "{default}"\n{profile(sandbox, name=chosen)}{others}')
    environ = {} if variable is None else {"NOXCLI_PROFILE": variable}
    assert asks(bare, *([] if flag is None else ["--profile", flag]), environ=environ).code == 0


def test_without_a_choice_no_profile_counts(bare: Noxcli, sandbox: Sandbox) -> None:
    user_file(profile(sandbox))
    result = asks(bare)
    assert (result.code, "no API key" in result.err) == (4, True)


def test_another_file_may_be_named(bare: Noxcli, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(profile(sandbox))
    assert asks(bare, "--profile", "work", environ={"NOXCLI_CONFIG": "other.toml"}).code == 0


def test_a_named_file_that_is_missing_is_told(noxcli: Noxcli) -> None:
    result = asks(noxcli, environ={"NOXCLI_CONFIG": "no/such.toml"})
    assert result.code == 2
    assert "no/such.toml; check NOXCLI_CONFIG" in result.err


def test_a_profile_that_is_missing_is_told_with_those_there_are(
    bare: Noxcli, sandbox: Sandbox
) -> None:
    user_file(profile(sandbox) + profile(sandbox, name="home"))
    result = asks(bare, "--profile", "wrok")
    assert result.code == 2
    assert "no profile 'wrok' (--profile); there are: home, work" in result.err


OWN_ALIAS = "99999999-2222-4333-8444-555555555555"
# What says which profile counts.
WAYS = ["none", "default", "variable", "option"]


@contextmanager
def noting_server(seen: list[tuple[str, str | None, str]], name: str) -> Iterator[str]:
    """Serve any workflow; note in `seen` the server, key and path of each request."""

    def by_request(request: Request) -> bytes:
        path = request.target.partition("?")[0]
        seen.append((name, request.headers.get("x-api-key"), path))
        if path.endswith("/workflows"):
            return json_answer({"items": [], "total": 0})
        return json_answer({"id": path[-36:], "name": "n", "definition": {"nodes": []}})

    with raw_server(by_request=by_request) as server:
        yield server.url


def server_of(way: str, flags: int, variables: set[str]) -> str:
    """Return whose address counts."""
    if flags:
        return "flag"
    if way == "option":
        return "work"
    if "url" in variables:
        return "env"
    if way == "none":
        return "default"
    return "work"


def key_of(way: str, flags: int, variables: set[str], *, has_key: bool) -> str | None:
    """Return whose key counts, None if there is none."""
    if flags == 2:
        return "flag"
    if way == "option" and has_key:
        return "work"
    if "key" in variables:
        return "env"
    if way != "none" and has_key:
        return "work"
    return None


@pytest.mark.parametrize("has_alias", [True, False], ids=["project", "no-project"])
@pytest.mark.parametrize("has_key", [True, False], ids=["with-key", "address-only"])
@pytest.mark.parametrize("flags", [0, 1, 2], ids=["no-flag", "url", "url-and-key"])
@pytest.mark.parametrize("way", WAYS)
def test_each_request_has_its_server_key_and_alias(
    bare: Noxcli, tmp_path: Path, way: str, flags: int, *, has_key: bool, has_alias: bool
) -> None:
    seen: list[tuple[str, str | None, str]] = []
    with (
        noting_server(seen, "env") as env,
        noting_server(seen, "work") as work,
        noting_server(seen, "flag") as flag,
    ):
        own = 'api_key_command = "echo work-key"\n' if has_key else ""
        default = 'default_profile = "p"\n' if way == "default" else ""
        aliases = f'[profile.p.aliases]\na = "{ALIASED}"\n'
        user_file(f'{default}[profile.p]\nbase_url = "{work}"\n{own}{aliases}')
        if has_alias:
            project(f'[aliases]\na = "{OWN_ALIAS}"\n', tmp_path)
        Path("key").write_text("flag-key")
        argv = ["--base-url", flag, "--api-key-file", "key"][: 2 * flags]
        if way == "option":
            argv += ["--profile", "p"]
        for variables in (set[str](), {"url"}, {"key"}, {"url", "key"}):
            server = server_of(way, flags, variables)
            if server == "default":
                continue  # it is on no loopback
            key = key_of(way, flags, variables, has_key=has_key)
            environ = {"NOXUS_BACKEND_URL": env} if "url" in variables else {}
            if "key" in variables:
                environ["NOXUS_API_KEY"] = "env-key"
            if way == "variable":
                environ["NOXCLI_PROFILE"] = "p"
            path = "/v1/workflows"
            if has_alias:
                path = f"/v1/workflows/{OWN_ALIAS}"
            elif way != "none":
                path = f"/v1/workflows/{ALIASED}"
            code = 5 if path == "/v1/workflows" else 0
            is_of_another = key == "work" or (key == "env" and "url" in variables)
            if key is None:
                code = 4
            elif is_of_another and key != server:
                code = 2
            seen.clear()
            result = bare("inputs", "a", "--retry-for", "0", *argv, environ=environ)
            assert result.code == code, (variables, result.err)
            expected = {(server, f"{key}-key", path)} if code in {0, 5} else set()
            assert set(seen) == expected, variables


def test_a_path_below_the_environments_server_is_its_own(bare: Noxcli) -> None:
    seen: list[tuple[str, str | None, str]] = []
    with noting_server(seen, "env") as env:
        environ = {"NOXUS_BACKEND_URL": env, "NOXUS_API_KEY": "env-key"}
        assert asks(bare, "--base-url", f"{env}/v2", environ=environ).code == 5
    assert set(seen) == {("env", "env-key", "/v2/v1/workflows")}


def test_help_reads_no_file(noxcli: Noxcli) -> None:
    user_file("this is not valid TOML")
    assert noxcli("run", "--help").code == 0
    assert noxcli("help").code == 0
    assert asks(noxcli).code == 2


def test_a_line_to_paste_says_where_to_connect(bare: Noxcli, sandbox: Sandbox) -> None:
    user_file(profile(sandbox, name="'my work'"))
    detached = bare("run", "pauses", "--detach", "--profile", "my work")
    run = detached.text.strip()
    assert f"follow it with: noxcli stream --profile 'my work' {run}\n" in detached.err
    paused = bare("wait", run, "--on-pause", "exit", "--profile", "my work", "--json")
    assert (
        paused.json["error"]["hint"]
        == f"give it in Noxus, then continue with: noxcli wait --profile 'my work' {run}"
    )
    elsewhere = bare("wait", run, "--base-url", sandbox.url, environ={"NOXUS_API_KEY": sandbox.key})
    assert f"noxcli wait --base-url {sandbox.url} {run}\n" in elsewhere.err


def test_a_line_to_paste_works_without_its_variable(bare: Noxcli, sandbox: Sandbox) -> None:
    user_file(profile(sandbox, name="lab"))
    named = {"NOXCLI_PROFILE": "lab"}
    run = bare("run", "pauses", "--detach", environ=named).text.strip()
    line = f"noxcli wait --profile lab {run}\n"
    assert line in bare("wait", run, environ=named).err
    assert bare(*line.split()[1:]).code == 10
    # In this shell, the variables choose another server and key: the option would override them.
    variables = {"NOXUS_BACKEND_URL": sandbox.url, "NOXUS_API_KEY": sandbox.key}
    assert f"noxcli wait {run}\n" in bare("wait", run, environ={**named, **variables}).err


# A key goes to its own server only.


def test_a_profiles_key_does_not_go_to_another_server(bare: Noxcli, sandbox: Sandbox) -> None:
    server = 'base_url = "https://work.example/api"\napi_key_command = "echo work-key"'
    user_file(f'default_profile = "work"\n[profile.work]\n{server}\n')
    for elsewhere in (
        asks(bare, "--base-url", sandbox.url),
        asks(bare, environ={"NOXUS_BACKEND_URL": sandbox.url}),
        asks(bare, environ={"NOXCLI_BASE_URL": "https://work.example:444/api"}),
    ):
        assert elsewhere.code == 2
        assert "is for work.example, and is not sent to " in elsewhere.err
        assert "work-key" not in elsewhere.err


def test_a_profile_without_a_server_means_the_default_one(bare: Noxcli, sandbox: Sandbox) -> None:
    user_file('default_profile = "p"\n[profile.p]\napi_key_command = "echo k"\n')
    assert "is for backend.noxus.ai" in asks(bare, "--base-url", sandbox.url).err


def test_another_path_on_the_same_server_is_the_same_server(bare: Noxcli, sandbox: Sandbox) -> None:
    user_file(f'default_profile = "work"\n{profile(sandbox)}')
    assert asks(bare, "--base-url", f"{sandbox.url}/elsewhere").code == 5  # it was asked


def test_a_key_from_the_environment_may_go_to_a_profiles_server(
    bare: Noxcli, sandbox: Sandbox
) -> None:
    user_file(f'default_profile = "p"\n[profile.p]\nbase_url = "{sandbox.url}"\n')
    assert asks(bare, environ={"NOXUS_API_KEY": sandbox.key}).code == 0


# What is wrong in the user's file.


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = ", "is not valid TOML: "),
        ("profile = 1", "config.toml:profile must be a table; begin it with [profile]"),
        (
            "default_profle = 'p'",
            "config.toml:default_profle: there is no such setting; did you mean default_profile?",
        ),
        (
            "default_profile = 1",
            'config.toml:default_profile must be a non-empty string; write it like default_profile = "..."',
        ),
        ("default_profile = 'q'", "has no profile 'q' ("),
        (
            "[profile.p]\nbase_ulr = 'https://h'",
            "config.toml:profile.p.base_ulr: there is no such setting; did you",
        ),
        ("[profile.p]\nbase_url = 7", "config.toml:profile.p.base_url must be a non-empty string"),
        (
            "[profile.p]\napi_key = 'S3CRET'",
            "config.toml:profile.p.api_key: API keys do not belong in config files; use api",
        ),
        (
            "[profile.p]\napi_key_command = []",
            "config.toml:profile.p.api_key_command is not a valid command",
        ),
        (
            "[profile.p]\napi_key_command = [1]",
            "config.toml:profile.p.api_key_command is not a valid command",
        ),
        (
            "[profile.p]\napi_key_command = 'a \"S3CRET'",
            "config.toml:profile.p.api_key_command is not a valid command",
        ),
        (
            "[profile.p]\napi_key_file = 'k'",
            "config.toml:profile.p.api_key_file: there is no such setting",
        ),
        (
            "[profile.p.defaults]\ntimeuot = '5'",
            "config.toml:profile.p.defaults.timeuot: there is no such setting",
        ),
        (
            "[profile.p.defaults]\nformat = 'json'",
            "defaults.format: there is no such setting; these may have defaults",
        ),
        (
            "[profile.p.defaults]\ntimeout = true",
            "config.toml:profile.p.defaults.timeout must be a string or a number",
        ),
        (
            "[profile.p.defaults]\ntimeout = 'S3CRE'",
            "config.toml:profile.p.defaults.timeout, for --timeout: ",
        ),
        (
            "[profile.p.defaults]\nidle_timeout = 'S3CRE'",
            "config.toml:profile.p.defaults.idle_timeout, for idle_timeout: ",
        ),
        (
            "[profile.p.defaults]\nconnect_timeout = 0",
            "for connect_timeout: must be more than zero; write 10s",
        ),
        (
            "[profile.p.aliases]\na = ''",
            "config.toml:profile.p.aliases.a must be a non-empty string",
        ),
        ("[profile.p]\nbase_url = 'http://h'\napi_key_command = 'a'", "plain http to h"),
        (
            "[profile.p]\nbase_url = 'h'\napi_key_command = 'a'",
            "base URL 'h' is not a valid http(s) address",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(bare: Noxcli, text: str, told: str) -> None:
    user_file(text)
    result = asks(bare, *(["--profile", "p"] if "[profile.p" in text else []))
    assert (result.code, result.out) == (2, b"")
    assert told in result.err
    assert result.err.count("\n") == 1
    assert "S3CRET" not in result.err


def test_a_file_that_is_no_text_or_a_directory_is_told(bare: Noxcli, tmp_path: Path) -> None:
    user_file("").write_bytes(b"\xff\xfe")
    assert "it is not UTF-8 text" in asks(bare).err
    assert "is a directory" in asks(bare, environ={"NOXCLI_CONFIG": str(tmp_path)}).err


def test_a_mistake_in_another_profile_harms_nobody(bare: Noxcli, sandbox: Sandbox) -> None:
    user_file(profile(sandbox) + "[profile.other]\nnope = 1\n")
    assert asks(bare, "--profile", "work").code == 0


# The project's file.


def project(text: str, directory: Path) -> None:
    (directory / ".noxcli.toml").write_text(text)


@pytest.mark.parametrize("marker", ["directory", "file"])
def test_the_nearest_file_up_to_the_repositorys_root_counts(
    noxcli: Noxcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str
) -> None:
    root, below = tmp_path / "root", tmp_path / "root" / "a" / "b"
    below.mkdir(parents=True)
    (root / ".git").mkdir() if marker == "directory" else (root / ".git").write_text(
        "gitdir: elsewhere"
    )
    monkeypatch.chdir(below)
    project('[aliases]\nd = "demo"', tmp_path)
    assert noxcli("inputs", "d").code == 5, "above the root nothing is looked for"
    project('[aliases]\nd = "demo"', root)
    assert noxcli("inputs", "d").code == 0
    project('[aliases]\nd = "nothing"', root / "a")
    assert noxcli("inputs", "d").code == 5


@pytest.mark.parametrize(
    ("here", "file", "counts"),
    [
        ("home/a", ".", False),
        ("home/a", "home", True),
        ("shared/a", "shared", False),
        ("shared", "shared", True),
    ],
)
def test_without_a_repository_the_search_ends_at_home_or_here(
    noxcli: Noxcli,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    here: str,
    file: str,
    counts: bool,
) -> None:
    for directory in ("home/a", "shared/a"):
        (tmp_path / directory).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    project('[aliases]\nd = "demo"', tmp_path / file)
    monkeypatch.chdir(tmp_path / here)
    assert noxcli("inputs", "d").code == (0 if counts else 5)


def test_a_directory_that_is_gone_has_no_project(
    noxcli: Noxcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert asks(noxcli).code == 0


@pytest.mark.parametrize(
    "text",
    [
        'base_url = "https://elsewhere"',
        'api_key_command = "curl https://elsewhere"',
        'api_key_file = "/etc/passwd"',
        'NOXUS_API_KEY = "S3CRET"',
        'secret = "S3CRET"',
        'default_profile = "other"',
        "[profile.work]\nbase_url = 'https://elsewhere'",
    ],
)
def test_a_project_has_no_say_in_where_keys_go(
    noxcli: Noxcli, sandbox: Sandbox, tmp_path: Path, text: str
) -> None:
    project(text, tmp_path)
    result = asks(noxcli)
    assert (result.code, result.out) == (2, b"")
    assert ".noxcli.toml:" in result.err
    assert "a project file cannot set keys or servers" in result.err
    assert "S3CRET" not in result.err
    assert not sandbox.requests


def test_other_mistakes_in_a_projects_file_are_told(noxcli: Noxcli, tmp_path: Path) -> None:
    project('[alias]\nd = "demo"', tmp_path)
    assert ".noxcli.toml:alias: there is no such setting; did you mean aliases?" in asks(noxcli).err


# Aliases.


def workflow_id(noxcli: Noxcli, name: str) -> str:
    return str(noxcli("run", name, "User Input=x", "--json").json["run"]["workflow_id"])


def test_an_alias_stands_for_an_id_or_a_name(noxcli: Noxcli, tmp_path: Path) -> None:
    demo = workflow_id(noxcli, "demo")
    project(f'[aliases]\nby-id = "{demo}"\n"by name" = "demo"\n', tmp_path)
    assert workflow_id(noxcli, "by-id") == workflow_id(noxcli, "by name") == demo


def test_an_id_that_is_gone_is_named_with_its_alias(noxcli: Noxcli, tmp_path: Path) -> None:
    gone = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
    project(f'[aliases]\nold = "{gone}"\n', tmp_path)
    for argv in (
        ["run", "old"],
        ["run", "old", "--no-check"],
        ["inputs", "old"],
        ["versions", "old"],
    ):
        result = noxcli(*argv)
        assert (
            result.code,
            f"; check the id {gone!r} of the alias 'old' and the key's" in result.err,
        ) == (5, True)


def test_an_id_wins_over_an_alias_and_an_alias_over_a_name(noxcli: Noxcli, tmp_path: Path) -> None:
    demo = workflow_id(noxcli, "demo")
    project('[aliases]\nfails = "demo"\n', tmp_path)
    assert workflow_id(noxcli, "fails") == demo
    project(f'[aliases]\n{demo} = "fails"\n', tmp_path)
    assert "an alias must not look like an id" in asks(noxcli).err


def test_a_projects_alias_wins_over_the_profiles(noxcli: Noxcli, tmp_path: Path) -> None:
    user_file('default_profile = "p"\n[profile.p.aliases]\nd = "nothing"\ne = "demo"\n')
    project('[aliases]\nd = "demo"\n', tmp_path)
    assert noxcli("inputs", "d").code == noxcli("inputs", "e").code == 0


# Defaults.

LAYERS = ["flag", "variable", "project", "profile"]


@pytest.mark.parametrize("strongest", LAYERS)
def test_flag_then_variable_then_project_then_profile(
    noxcli: Noxcli, tmp_path: Path, strongest: str
) -> None:
    # The strongest says to exit at a pause, all weaker ones to wait for its end.
    says = dict.fromkeys(LAYERS[LAYERS.index(strongest) :], "wait") | {strongest: "exit"}
    user_file(f"default_profile = 'p'\n[profile.p.defaults]\non_pause = '{says['profile']}'\n")
    if "project" in says:
        project(f"[defaults]\non_pause = '{says['project']}'\n", tmp_path)
    environ = {"NOXCLI_ON_PAUSE": says["variable"]} if "variable" in says else {}
    flag = ["--on-pause", says["flag"]] if "flag" in says else []
    assert noxcli("run", "pauses", "--timeout", "20", *flag, environ=environ).code == 10


def test_how_long_to_follow_is_not_how_long_to_wait_for_a_stop(noxcli: Noxcli) -> None:
    started = noxcli.start("slow")
    result = noxcli("stop", started, environ={"NOXCLI_TIMEOUT": "1ms"})
    assert result.code == 0


def test_a_bad_default_in_the_environment_is_told(noxcli: Noxcli) -> None:
    result = noxcli("run", "demo", environ={"NOXCLI_ON_PAUSE": "perhaps"})
    assert result.code == 2
    assert "NOXCLI_ON_PAUSE, for --on-pause: 'perhaps' is not one of" in result.err


def test_limits_that_are_no_options_are_settings(noxcli: Noxcli, sandbox: Sandbox) -> None:
    result = noxcli("run", "demo", "User Input=x", environ={"NOXCLI_IDLE_TIMEOUT": "-5"})
    assert (result.code, sandbox.requests) == (2, [])
    assert (
        "NOXCLI_IDLE_TIMEOUT, for idle_timeout: '-5' is not a valid duration; write 90, 30s"
        in result.err
    )
    assert noxcli("run", "demo", "User Input=x", environ={"NOXCLI_IDLE_TIMEOUT": "50ms"}).code == 0
    assert noxcli("run", "demo", "--idle-timeout", "5").code == 2


# The documentation.

DOCS = Path(__file__).parents[2]
EXAMPLES = re.findall(r"```toml\n(.*?)```", (DOCS / "docs/configuration.md").read_text(), re.DOTALL)


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_is_a_file_that_counts(tmp_path: Path, text: str) -> None:
    if "profile" in text:
        user_file(text)
    else:
        project(text, tmp_path)
    configured = read_configured(os.environ)
    assert configured.layers[-1 if "profile" in text else -2].values["timeout"].value in {
        "10m",
        "30m",
    }


def test_an_empty_file_switches_profiles_off(noxcli: Noxcli) -> None:
    user_file("default_profile = 'nope'")
    assert asks(noxcli, environ={"NOXCLI_CONFIG": "/dev/null"}).code == 0
