"""Where the key goes, and where it never goes: other origins, proxies, messages, logs."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requests.utils import get_netrc_auth

from noxcli.api import Http, NoxusApi
from noxcli.config.settings import Settings
from noxcli.errors import ConfigProblem, NoxError, RequestRejected, Unauthorized, Unavailable
from noxcli.urls import check_url, to_url
from tests.conftest import Noxcli
from tests.rawserver import RawServer, answer, hang_up, json_answer, raw_server, redirect

KEY = "noxus_do-not-tell"
RECORD = {"id": "r", "workflow_id": "w", "status": "completed", "output": {"A": "x"}}
OK = json_answer(RECORD)
UNUSED = "http://example.invalid"


def connect(url: str) -> NoxusApi:
    return NoxusApi(Http(Settings(check_url(url, allow_http=True), KEY)))


def find(url: str) -> Any:
    with connect(url) as api:
        return api.find_run("r")


def read_file(url: str) -> bytes:
    with connect(url) as api, api.download("f") as opened:
        return b"".join(opened.pieces())


def start(api: NoxusApi) -> Any:
    return api.create_run("w", {"q": "private-value"})


def failure(url: str, call: Callable[[NoxusApi], Any] = start) -> NoxError:
    """Return the error that the call raises."""
    with connect(url) as api, pytest.raises(NoxError) as caught:
        call(api)
    return caught.value


def keys(server: RawServer) -> list[str | None]:
    return [request.headers.get("x-api-key") for request in server.requests]


# Other origins.


def test_the_key_stays_home_when_another_host_is_redirected_to() -> None:
    with raw_server(OK) as server:
        server.turns.insert(0, redirect(f"http://localhost:{server.port}/elsewhere"))
        assert read_file(server.url)
    assert keys(server) == [KEY, None]
    assert server.requests[1].headers["host"] == f"localhost:{server.port}"


def test_a_redirect_back_home_has_the_key_again() -> None:
    with raw_server(OK) as home, raw_server(redirect(f"{home.url}/back")) as foreign:
        home.turns.insert(0, redirect(foreign.url))
        assert read_file(home.url)
    assert (keys(home), keys(foreign)) == ([KEY, KEY], [None])


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_from_elsewhere_is_not_blamed_on_the_key(status: int) -> None:
    with raw_server(answer(status)) as foreign, raw_server(redirect(foreign.url)) as home:
        error = failure(home.url, lambda api: api.download("f"))
    assert not isinstance(error, Unauthorized)
    assert f"127.0.0.1:{foreign.port} answered {status}" in error.message


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.find_run("r"),
        lambda api: api.get_run("w", "r"),
        lambda api: list(api.list_runs()),
        lambda api: api.open_events("r").next_events(5),
    ],
    ids=["look-up", "record", "list", "stream"],
)
def test_nothing_but_a_file_is_taken_from_another_server(call: Callable[[NoxusApi], Any]) -> None:
    with raw_server(OK) as foreign, raw_server(redirect(foreign.url)) as home:
        error = failure(home.url, call)
    assert (type(error), error.http_status) == (RequestRejected, 302)
    assert f"GET was redirected to http://127.0.0.1:{foreign.port}" in error.message
    assert foreign.requests == []


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://h", "https://h/path?q", True),
        ("https://h", "https://h:443", True),
        ("https://H", "HTTPS://h", True),
        ("http://h:80", "http://h", True),
        ("https://h", "http://h", False),
        ("https://h", "https://h:8443", False),
        ("https://h", "https://h.evil", False),
        ("https://h:443", "http://h:443", False),
        ("http://127.0.0.1", "http://localhost", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(one: str, other: str, same: bool) -> None:
    assert (to_url(one).origin == to_url(other).origin) is same


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
def test_https_is_not_left_for_plain_http(
    tls: ssl.SSLContext, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy would see the forbidden request, which keeps it on this machine.
    with raw_server(OK) as proxy, raw_server(redirect(f"{UNUSED}/x"), tls=tls) as home:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(RequestRejected, match=r"was redirected to http://example\.invalid"):
            find(home.url.replace("https", scheme))
    assert proxy.requests == []


# .netrc


def test_a_netrc_is_never_used(tmp_path: Path) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text(
        "machine 127.0.0.1 login u password netrc-secret\ndefault login u password netrc-secret\n"
    )
    netrc.chmod(0o600)
    with raw_server(OK) as foreign, raw_server(redirect(foreign.url), hang_up) as home:
        assert get_netrc_auth(home.url), "the file is where requests would find it"
        read_file(home.url)
        failure(home.url)
    requests = [*home.requests, *foreign.requests]
    assert len(requests) == 3
    assert all("authorization" not in request.headers for request in requests)


# Certificates and proxies.


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_from_the_environment_is_used(
    variable: str, noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server(OK) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        result = noxcli(
            "fetch-output", "w/r", "--base-url", UNUSED, environ={"NOXCLI_ALLOW_HTTP": "1"}
        )
    assert (result.code, result.out) == (0, b"x\n")
    assert [request.target for request in proxy.requests] == [f"{UNUSED}/v1/workflows/w/runs/r"]


def test_requests_to_this_machine_use_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    # Plain http is allowed only to loopback; a proxy is another machine, and would see the key.
    with raw_server(OK) as proxy, raw_server(OK) as server:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("all_proxy", proxy.url)
        find(server.url)
        find(server.url.replace("127.0.0.1", "localhost"))
    assert (len(proxy.requests), len(server.requests)) == (0, 2)


def test_a_proxy_for_https_sees_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with raw_server(answer(403, Connection="close")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        error = failure("https://example.invalid")
    (request,) = proxy.requests
    assert (request.method, request.target) == ("CONNECT", "example.invalid:443")
    assert "x-api-key" not in request.headers
    assert isinstance(error, Unavailable)
    assert error.sent is False


def test_a_proxys_password_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:proxy-secret@127.0.0.1:9")
    assert "proxy-secret" not in failure(UNUSED).line()


@pytest.mark.parametrize("met", [False, True], ids=["first", "later"])
def test_a_proxy_that_quotes_its_password_is_not_repeated(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, met: bool
) -> None:
    page = b"<html>user 'bot' gave 'p@ss word-1' (bot:p@ss word-1, Ym90OnBAc3Mgd29yZC0x, p%40ss%20word-1)</html>"
    for kind, body in (
        ("text/html", page),
        ("text/plain", page[6:-7]),
        ("application/json", b'{"error": "p@ss word-1"}'),
    ):
        refusal = answer(407, body, Content_Type=kind)
        with raw_server(*([json_answer({"items": []})] if met else []), refusal) as proxy:
            monkeypatch.setenv("http_proxy", f"http://bot:p%40ss%20word-1@127.0.0.1:{proxy.port}")
            argv = (
                "run",
                "w" if met else "3c90c3cc-0d44-4b50-8888-8dd25736052a",
                "--verbose",
                "--json",
            )
            result = noxcli(*argv, "--base-url", UNUSED, environ={"NOXCLI_ALLOW_HTTP": "1"})
        assert result.code != 0
        for told in ("ss word", "ss%20word", "Ym90OnBAc3"):
            assert told not in result.err + result.text


# Plain http.


@pytest.mark.parametrize("value", [None, "", "0", "true", " 1"])
def test_plain_http_gets_no_key(
    noxcli: Noxcli, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server(OK) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        environ = {} if value is None else {"NOXCLI_ALLOW_HTTP": value}
        result = noxcli("fetch-output", "w/r", "--json", "--base-url", UNUSED, environ=environ)
    assert (result.code, result.json["error"]["phase"], result.json["retry_safe"]) == (
        2,
        "config",
        True,
    )
    assert "plain http to example.invalid" in result.err
    assert "NOXCLI_ALLOW_HTTP=1" in result.err
    assert proxy.requests == []


# Messages.


def test_settings_do_not_show_the_key() -> None:
    settings = Settings("https://h", KEY)
    assert KEY not in f"{settings!r} {settings}"


@pytest.mark.parametrize(
    "url",
    [
        "https://user:url-secret@host",
        "ftp://user:url-secret@host",
        "https://user:url-secret@host:99999",
    ],
)
def test_a_password_in_a_url_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigProblem) as caught:
        check_url(url)
    assert "url-secret" not in caught.value.line()
