"""Which server and which key: every source, their order, and the errors about bad ones."""

from pathlib import Path

import pytest

from noxcli.config.preferences import Sourced
from noxcli.config.profiles import Profile
from noxcli.config.settings import DEFAULT_URL, find_key, find_url, load_settings
from noxcli.errors import ConfigProblem, ExitCode, NoxError, Phase, Unauthorized
from noxcli.state.known_names import SERVER_NAMES
from noxcli.urls import check_url, is_loopback

KEY = {"NOXUS_API_KEY": "sdk-key"}


# The server.


@pytest.mark.parametrize(
    ("flag", "environ", "url"),
    [
        (None, {}, DEFAULT_URL),
        (None, {"NOXUS_BACKEND_URL": "https://sdk"}, "https://sdk"),
        (None, {"NOXUS_BACKEND_URL": "https://sdk", "NOXCLI_BASE_URL": "https://own"}, "https://own"),
        ("https://flag", {"NOXUS_BACKEND_URL": "https://sdk", "NOXCLI_BASE_URL": "https://own"}, "https://flag"),
        (None, {"NOXUS_BACKEND_URL": "https://sdk", "NOXCLI_BASE_URL": ""}, "https://sdk"),
        (None, {"NOXUS_BACKEND_URL": ""}, DEFAULT_URL),
        ("https://h/", {}, "https://h"),
        (" https://h/api// ", {}, "https://h/api"),
        ("https://h:8443/api/v", {}, "https://h:8443/api/v"),
        ("https://[::1]:8443", {}, "https://[::1]:8443"),
    ],
)
def test_the_server_is_named_by_flag_variables_or_default(flag: str | None, environ: dict[str, str], url: str) -> None:
    assert load_settings(flag, environ={**KEY, **environ}).url == url


def test_what_may_name_a_server_is_listed_strongest_first() -> None:
    """Completion looks for the server in the order of the list."""
    given = {name: f"https://{number}.example" for number, name in enumerate(SERVER_NAMES)}
    for name in SERVER_NAMES:
        flag, variables = given.get("--base-url"), {key: value for key, value in given.items() if key.startswith("NO")}
        source = next((source for source in ("--profile", "NOXCLI_PROFILE") if source in given), None)
        profile = Profile(Sourced("p", source), "place", Path(), given[source]) if source else None
        assert find_url(flag, variables, profile).value == given.pop(name)
    assert find_url(None, {}, None).value == DEFAULT_URL


@pytest.mark.parametrize(
    "url",
    [
        "backend.noxus.ai",
        "backend.noxus.ai:443",
        "//backend.noxus.ai",
        "ftp://host",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://:443",
        "https://host:port",
        "https://host:99999",
        "https://user@host",
        "https://user:pass@host",
        "https://:pass@host",
        "https://host?",
        "https://host?a=b",
        "https://host/#",
        "https://host#fragment",
        "https://[host",
        "https://[::1",
        "https://ho st",
        "https://ho\tst",
        "https://ho\nst",
        "https://a..b",
        "http://local\thost",
        " ",
        "\udcff",
        "https://h\udcff",
    ],
)
def test_an_address_that_cannot_be_used_is_refused(url: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        load_settings(url, environ=KEY)
    assert (caught.value.exit_code, caught.value.phase) == (ExitCode.USAGE, Phase.CONFIG)
    assert "base URL" in caught.value.message


@pytest.mark.parametrize("url", ["http://h", "http://127.0.0.1.h", "http://localhost.h", "http://10.0.0.1"])
@pytest.mark.parametrize("allowed", [True, False])
def test_plain_http_is_for_loopback_unless_allowed(url: str, allowed: bool) -> None:
    environ = {**KEY, "NOXCLI_ALLOW_HTTP": "1"} if allowed else KEY
    if allowed:
        assert load_settings(url, environ=environ).url == url
        return
    with pytest.raises(ConfigProblem, match="plain http") as caught:
        load_settings(url, environ=environ)
    assert "NOXCLI_ALLOW_HTTP=1" in (caught.value.hint or "")


@pytest.mark.parametrize("value", ["", "0", "true", "yes", "1 "])
def test_only_1_allows_plain_http(value: str) -> None:
    with pytest.raises(ConfigProblem):
        load_settings("http://h", environ={**KEY, "NOXCLI_ALLOW_HTTP": value})


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "http://localhost", "http://LOCALHOST:1", "http://[::1]:8000"])
def test_plain_http_to_loopback_is_fine(url: str) -> None:
    assert check_url(url) == url


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.255.255.254", True),
        ("::1", True),
        ("0:0:0:0:0:0:0:1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("128.0.0.1", False),
        ("10.0.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("::2", False),
        ("fe80::1", False),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("127.1", False),
        ("2130706433", False),
        ("0x7f000001", False),
        ("127.0.0.01", False),
        ("localhos", False),
        ("example", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_and_nothing_that_looks_like_it(host: str, ours: bool) -> None:
    assert is_loopback(host) is ours


# The key.


def load_key(flag: str | None, environ: dict[str, str]) -> str:
    """The key, without a profile."""
    return find_key(flag, environ, None).read(print)


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
def test_the_key_is_named_by_flag_files_or_variables(flag: str | None, without: tuple[str, ...], key: str) -> None:
    environ = {name: value for name, value in EVERYWHERE.items() if name not in without}
    assert load_settings(None, flag, environ).key == key


@pytest.mark.parametrize("text", ["k", "k\n", "k\r\n", " \t k \n\n"])
def test_white_space_around_a_key_is_no_part_of_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(text.encode())
    assert load_key("key", {}) == "k"
    assert load_key(None, {"NOXUS_API_KEY": text}) == "k"


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfk\r\n")
    assert load_key("key", {}) == "k"


@pytest.mark.parametrize("key", ["noxus_123", "sk-x", "a b", "{}!~\"'\\", "x" * 5000])
def test_a_key_may_have_any_form(key: str) -> None:
    assert load_key(None, {"NOXUS_API_KEY": key}) == key


def refused(flag: str | None, environ: dict[str, str]) -> NoxError:
    with pytest.raises(Unauthorized) as caught:
        load_key(flag, environ)
    assert (caught.value.exit_code, caught.value.phase) == (ExitCode.AUTH, Phase.AUTH)
    assert caught.value.hint
    return caught.value


def test_no_key_says_where_one_would_be_found() -> None:
    error = refused(None, {})
    assert error.message == "no API key"
    assert "NOXUS_API_KEY" in error.line()
    assert "--api-key-file" in error.line()


@pytest.mark.parametrize("name", ["NOXUS_API_KEY", "NOXCLI_API_KEY"])
@pytest.mark.parametrize("value", ["", " ", "\n"])
def test_an_empty_key_is_named(name: str, value: str) -> None:
    # In CI this is a secret that is not passed on: it deserves more than "no API key".
    assert refused(None, {name: value}).message == f"{name} is empty"


@pytest.mark.parametrize(
    "value", ["a\nb", "a\r\nX-Other: b", "a\x00b", "a\tb", "a\x7fb", "schlüssel", "a\u2028b", "“k”"]
)
def test_a_key_that_no_header_can_carry_is_refused_untold(value: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(value.encode())
    for error in (refused(None, {"NOXUS_API_KEY": value}), refused("key", {})):
        assert "contains a line break or another invalid character" in error.message
        assert value not in error.line()


def test_a_key_file_that_is_missing_is_named() -> None:
    error = refused("no/such.key", KEY)
    assert "no/such.key" in error.message
    assert "no such file" in error.message.lower()


def test_a_key_file_that_is_a_directory_is_told(tmp_path: Path) -> None:
    assert "is a directory" in refused(str(tmp_path), {}).message.lower()


def test_a_key_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes("k".encode("utf-16"))
    assert "can't read the key file key: " in refused("key", {}).message
    assert "text" in refused("key", {}).message


def test_an_empty_key_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    assert refused("key", KEY).message == "the key file key is empty"


def test_a_key_file_in_the_home_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k")
    assert load_key("~/key", {}) == "k"


def test_a_key_file_in_an_unknown_home_is_told() -> None:
    assert "~nobody-by-this-name/key" in refused("~nobody-by-this-name/key", {}).message


def test_a_named_key_file_is_not_silently_passed_over() -> None:
    refused(None, {"NOXCLI_API_KEY_FILE": "no/such.key", **KEY})


def test_an_empty_variable_for_the_key_file_counts_as_none() -> None:
    assert load_key(None, {"NOXCLI_API_KEY_FILE": "", **KEY}) == "sdk-key"
