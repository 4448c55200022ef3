"""Which server and which key: every source, their order, and the errors about bad ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from noxcli.config.config_files import Layer, Setting
from noxcli.config.settings import DEFAULT_SERVER, Settings, load_settings, read_configured
from noxcli.errors import ConfigProblem, ExitCode, NoxError, Phase, Unauthorized
from noxcli.state.known_names import server_key

KEY = {"NOXUS_API_KEY": "sdk-key"}
DEFAULT_URL = DEFAULT_SERVER.value


def settings(url: str | None, key_file: str | None, environ: dict[str, str]) -> Settings:
    """What these options and variables choose, without a config file."""
    return load_settings(read_configured(environ), url, key_file)


# The server.


@pytest.mark.parametrize(
    ("flag", "environ", "url"),
    [
        (None, {}, DEFAULT_URL),
        (None, {"NOXUS_BACKEND_URL": "https://sdk", "NOXCLI_BASE_URL": ""}, "https://sdk"),
        (None, {"NOXUS_BACKEND_URL": ""}, DEFAULT_URL),
        ("https://h/", {}, "https://h"),
        (" https://h/api// ", {}, "https://h/api"),
        ("https://[::1]:8443", {}, "https://[::1]:8443"),
        ("http://LOCALHOST:1", {}, "http://LOCALHOST:1"),
        ("http://127.255.255.254", {}, "http://127.255.255.254"),
    ],
)
def test_the_server_is_named_by_flag_variables_or_default(
    flag: str | None, environ: dict[str, str], url: str
) -> None:
    assert settings(flag, None, {**KEY, **environ}).url == url


def test_the_strongest_of_what_names_a_server_counts() -> None:
    names = ("--base-url", "--profile", "NOXCLI_BASE_URL", "NOXUS_BACKEND_URL", "NOXCLI_PROFILE")
    given = {name: f"https://{number}.example" for number, name in enumerate(names)}
    Path("key").write_text("key")  # an option's: it goes to any of them
    for name in names:
        flag, variables = (
            given.get("--base-url"),
            {key: value for key, value in given.items() if key.startswith("NO")},
        )
        for_tab = server_key(flag or "", given.get("--profile", ""), variables)
        assert for_tab == server_key(given[name], "", {})
        source = next(
            (source for source in ("--profile", "NOXCLI_PROFILE") if source in given), None
        )
        profile = Layer()
        chosen = None
        if source:
            profile = Layer({"base_url": Setting("base_url", given[source], "place")})
            chosen = Setting("profile", "work", source)
        without = read_configured(
            {**KEY, **{name: url for name, url in variables.items() if name != "NOXCLI_PROFILE"}}
        )
        configured = replace(without, profile=chosen, layers=(*without.layers[:-1], profile))
        assert load_settings(configured, flag, "key").url == given.pop(name)
    assert settings(None, None, KEY).url == DEFAULT_URL


@pytest.mark.parametrize(
    "url",
    [
        "backend.noxus.ai",
        "https://user:pass@host",
        "https://host?",
        "https://host?a=b",
        " ",
        "\udcff",
        "https://h\udcff",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        settings(url, None, KEY)
    assert (caught.value.exit_code, caught.value.phase) == (ExitCode.USAGE, Phase.CONFIG)
    assert "base URL" in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "http://127.0.0.1.h",
        "http://localhost.h",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://[::]",
    ],
)
@pytest.mark.parametrize("allowed", [True, False])
def test_plain_http_is_for_loopback_unless_allowed(url: str, allowed: bool) -> None:
    environ = {**KEY, "NOXCLI_ALLOW_HTTP": "1"} if allowed else KEY
    if allowed:
        assert settings(url, None, environ).url == url
        return
    with pytest.raises(ConfigProblem, match="plain http") as caught:
        settings(url, None, environ)
    assert "NOXCLI_ALLOW_HTTP=1" in str(caught.value.hint)


# The key.


def load_key(flag: str | None, environ: dict[str, str]) -> str:
    return settings(None, flag, environ).key


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "flag.key").write_text("flag-file-key")
    (tmp_path / "env.key").write_text("env-file-key")
    return tmp_path


EVERYWHERE = {"NOXCLI_API_KEY_FILE": "env.key", "NOXCLI_API_KEY": "own-key", **KEY}


@pytest.mark.parametrize(
    ("flag", "without", "key"),
    [
        ("flag.key", (), "flag-file-key"),
        (None, (), "env-file-key"),
        (None, ("NOXCLI_API_KEY_FILE",), "own-key"),
        (None, ("NOXCLI_API_KEY_FILE", "NOXCLI_API_KEY"), "sdk-key"),
    ],
)
@pytest.mark.usefixtures("files")
def test_the_key_is_named_by_flag_files_or_variables(
    flag: str | None, without: tuple[str, ...], key: str
) -> None:
    environ = {name: value for name, value in EVERYWHERE.items() if name not in without}
    assert settings(None, flag, environ).key == key


@pytest.mark.parametrize("text", ["k", "k\r\n", " \t k \n\n"])
def test_white_space_and_a_byte_order_mark_are_no_part_of_a_key(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"\ufeff{text}", newline="")
    assert load_key("key", {}) == "k"
    assert load_key(None, {"NOXUS_API_KEY": text}) == "k"


def refused(flag: str | None, environ: dict[str, str]) -> NoxError:
    with pytest.raises(Unauthorized) as caught:
        load_key(flag, environ)
    assert (caught.value.exit_code, caught.value.phase) == (ExitCode.AUTH, Phase.AUTH)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("flag", "environ", "told"),
    [
        ("no/such.key", KEY, "can't read the key file no/such.key: no such file"),
        (".", KEY, "is a directory"),
        ("utf-16.key", KEY, "can't read the key file utf-16.key: it is not text"),
        ("empty.key", KEY, "the key file empty.key is empty"),
        ("~nobody-by-this-name/key", KEY, "~nobody-by-this-name/key"),
        (None, {"NOXCLI_API_KEY_FILE": "no/such.key", **KEY}, "no/such.key"),
        # In CI this is a secret that is not passed on: it deserves more than "no API key".
        (None, {"NOXUS_API_KEY": ""}, "NOXUS_API_KEY is empty"),
        (None, {"NOXUS_API_KEY": "'sk_live'"}, "NOXUS_API_KEY has quotes around the key"),
        (None, {"NOXUS_API_KEY": "Bearer sk_live"}, "NOXUS_API_KEY begins with Bearer"),
        (None, {"NOXUS_API_KEY": "${NOXUS_KEY}"}, "NOXUS_API_KEY is the name of a variable"),
        (None, {"NOXCLI_API_KEY": " \n", **KEY}, "NOXCLI_API_KEY is empty"),
    ],
)
def test_a_source_without_a_key_is_named_and_not_passed_over(
    tmp_path: Path, flag: str | None, environ: dict[str, str], told: str
) -> None:
    (tmp_path / "utf-16.key").write_bytes("k".encode("utf-16"))
    (tmp_path / "empty.key").touch()
    assert told in refused(flag, environ).message


@pytest.mark.parametrize(
    "value", ["a\nb", "a\r\nX-Other: b", "a\x00b", "a\tb", "a\x7fb", "schlüssel", "a\u2028b", "“k”"]
)
def test_a_key_that_no_header_can_carry_is_refused_untold(value: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(value.encode())
    for error in (refused(None, {"NOXUS_API_KEY": value}), refused("key", {})):
        assert "contains a line break or another invalid character" in error.message
        assert value not in error.line()


def test_an_empty_variable_for_the_key_file_counts_as_none() -> None:
    assert load_key(None, {"NOXCLI_API_KEY_FILE": "", **KEY}) == "sdk-key"
