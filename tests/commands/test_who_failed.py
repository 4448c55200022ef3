"""Which machine failed, and which setting is about it, in one line: proxy, resolver, TLS, gateway; never the API."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from noxcli.timing import Clock
from tests.conftest import Noxcli, QuickClock, self_signed, write_rows
from tests.rawserver import Request, Turn, answer, json_answer, raw_server
from tests.sample import one_in

HOST = "api.example.com"
RUN = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
VERBS = [
    ("run", "demo", "--no-check"),
    ("run", RUN),
    ("batch", "demo", "rows.jsonl"),
    ("wait", RUN),
    ("stream", f"{RUN}/{RUN}"),
    ("fetch-output", RUN),
    ("stop", RUN),
    ("workflows",),
    ("runs",),
    ("doctor",),
    ("import", "bundle.json", "--mode", "clone"),
]
REFUSALS = [
    (407, "put user and password into https_proxy"),
    (403, "ask who runs the proxy for access, or add"),
]


@pytest.fixture(autouse=True)
def _outside(noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API is on another machine, which no test reaches."""
    write_rows("1")
    Path("bundle.json").write_text("{}")
    noxcli.environ |= {
        "NOXUS_BACKEND_URL": f"https://{HOST}",
        "NOXUS_API_KEY": "key-of-a-test",
        "NOXCLI_ALLOW_HTTP": "1",
    }
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    resolve = socket.getaddrinfo

    def local(host: Any, *rest: Any, **more: Any) -> Any:
        assert str(host).startswith("127."), f"{host} must not be looked up"
        return resolve(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", local)


def assert_told(noxcli: Noxcli, verb: tuple[str, ...], code: int, *told: str) -> None:
    clock = noxcli.clock = QuickClock()
    result = noxcli(*verb)
    text = " ".join((result.err + result.out.decode()).split())
    assert result.code == code, text
    for words in told:
        assert words in text, text
    assert clock.slept == [], "what does not pass is not repeated"
    assert "Traceback" not in text


@pytest.mark.parametrize(("verb", "refusal"), one_in(2, VERBS, REFUSALS))
def test_a_proxy_that_refuses_is_named(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...], refusal: tuple[int, str]
) -> None:
    status, do = refusal
    with raw_server(*[answer(status, Connection="close")] * 9) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        said = f"the proxy {proxy.url} answered {status} to CONNECT {HOST};"
        assert_told(noxcli, verb, 2, said, do)


@pytest.mark.parametrize("verb", VERBS[::3])
def test_no_proxy_is_told_at_once(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    said = "no answer from the proxy http://127.0.0.1:9: connection refused"
    assert_told(noxcli, verb, 75, said, f"correct HTTPS_PROXY, or add {HOST} to NO_PROXY")


def resolving(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(number, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fails)


@pytest.mark.parametrize("verb", VERBS[1::3])
def test_an_unknown_proxy_is_told_at_once(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    resolving(monkeypatch, socket.EAI_NONAME)
    said = "no answer from the proxy http://proxy.example:3128: the host name is unknown"
    assert_told(noxcli, verb, 75, said, "correct ALL_PROXY, or add")


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (socket.EAI_NONAME, "the host name is unknown; is the base URL right?"),
        (socket.EAI_AGAIN, "the resolver does not answer; is the network up, and its DNS server?"),
    ],
)
def test_a_resolver_that_fails_is_no_failure_of_the_api(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    resolving(monkeypatch, number)
    result = noxcli("workflows", "--retry-for", "0")
    assert (result.code, f"noxcli: can't look up {HOST}: {said}" in result.err) == (75, True), (
        result.err
    )


def test_a_resolver_that_hangs_is_left_at_the_limit(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = threading.Event()

    def hangs(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, f"left: {left.wait(20)}")

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    noxcli.clock, began = Clock(), time.monotonic()
    assert noxcli("workflows", "--timeout", "200ms").code == 75
    assert time.monotonic() - began < 20
    left.set()


def test_a_proxy_of_plain_http_asks_for_a_password(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server(*[answer(407)] * 2) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        noxcli.environ["NOXUS_BACKEND_URL"] = f"http://{HOST}"
        said = f"the proxy {proxy.url} answered 407; put user and password into http_proxy"
        assert_told(noxcli, ("workflows",), 2, said)


@contextmanager
def with_certificate(path: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with raw_server(*[json_answer({})] * 9, tls=context) as server:
        yield f"https://127.0.0.1:{server.port}"


@pytest.mark.parametrize("verb", VERBS[2::3])
def test_an_expired_certificate_is_not_the_clients(
    noxcli: Noxcli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: tuple[str, ...]
) -> None:
    path = self_signed(
        tmp_path / "made.pem", "-not_before", "20200101000000Z", "-not_after", "20200102000000Z"
    )
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with with_certificate(path) as url:
        noxcli.environ["NOXUS_BACKEND_URL"] = url
        assert_told(
            noxcli,
            verb,
            2,
            "is not trusted: certificate has expired; is this machine's clock right?",
        )


@pytest.mark.parametrize("variable", [None, "CURL_CA_BUNDLE"])
def test_an_unknown_certificate_names_what_trusts_it(
    noxcli: Noxcli,
    tmp_path: Path,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str | None,
) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, str(certificate))
    with with_certificate(self_signed(tmp_path / "made.pem")) as url:
        noxcli.environ["NOXUS_BACKEND_URL"] = url
        named = "REQUESTS_CA_BUNDLE" if variable is None else "the file that CURL_CA_BUNDLE names"
        assert_told(noxcli, ("workflows",), 2, f"A private CA belongs in {named}")


def test_a_gateway_is_not_the_api(noxcli: Noxcli) -> None:
    page = answer(502, b"<html>bad gateway</html>", content_type="text/html")
    with raw_server(*[page] * 3) as server:
        noxcli.environ["NOXUS_BACKEND_URL"] = server.url
        result = noxcli("workflows", "--retry-for", "0")
    assert (result.code, "answered 502: a web page; this was not the API" in result.err) == (
        75,
        True,
    ), result.err


def test_once_a_run_was_read_the_network_may_recover(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = {
        "id": RUN,
        "workflow_id": RUN,
        "status": "running",
        "created_at": "2026-01-01T00:00:00Z",
    }

    def once(_: Request) -> Turn:
        proxy.listener.close()
        return json_answer(record, Connection="close")

    with raw_server(by_request=once) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        noxcli.environ["NOXUS_BACKEND_URL"] = f"http://{HOST}"
        noxcli.clock = QuickClock()
        result = noxcli("wait", f"{RUN}/{RUN}", "--retry-for", "3s", "--poll-interval", "100ms")
    assert (result.code, "no answer from the proxy" in result.err) == (6, True), result.err
    assert f"continue with: noxcli wait {RUN}" in result.err
    assert noxcli.clock.slept
