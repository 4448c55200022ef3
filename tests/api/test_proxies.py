"""Which addresses are called directly, and what a proxy that wants to know its user is told."""

import pytest

from noxcli.api.proxies import proxy_for
from noxcli.urls import to_url
from tests.conftest import Noxcli
from tests.rawserver import answer, raw_server

PROXY = "http://proxy.example:3128"
# What curl takes, and ports, brackets and networks of IPv6 as other clients take them.
DIRECT = [
    ("api.noxus.example", "https://api.noxus.example"),
    ("noxus.example", "https://api.noxus.example"),
    (".noxus.example", "https://api.noxus.example"),
    (".noxus.example", "https://noxus.example"),
    ("NOXUS.example.", "https://api.noxus.EXAMPLE"),
    ("other.example, noxus.example", "https://api.noxus.example"),
    ("other.example noxus.example", "https://api.noxus.example"),
    ("*", "https://api.noxus.example"),
    ("api.noxus.example:443", "https://api.noxus.example"),
    ("api.noxus.example:8443", "https://api.noxus.example:8443"),
    ("10.1.2.3", "https://10.1.2.3"),
    ("10.1.2.3:8443", "https://10.1.2.3:8443"),
    ("10.0.0.0/8", "https://10.1.2.3"),
    ("10.1.2.3/8", "https://10.200.2.3"),
    ("fd00::1", "https://[fd00::1]"),
    ("[fd00::1]", "https://[fd00:0::1]"),
    ("[fd00::1]:8443", "https://[fd00::1]:8443"),
    ("fd00::/8", "https://[fd12::1]:8443"),
]
THROUGH_THE_PROXY = [
    ("", "https://api.noxus.example"),
    (",", "https://api.noxus.example"),
    ("xus.example", "https://api.noxus.example"),
    ("api.noxus.example", "https://noxus.example"),
    ("api.noxus.example:8443", "https://api.noxus.example"),
    ("10.0.0.0/8", "https://11.1.2.3"),
    ("2.3", "https://10.1.2.3"),
    ("fd00::/8", "https://10.1.2.3"),
    ("10.0.0.0/99", "https://10.1.2.3"),
    ("[fd00::1]:8443", "https://[fd00::1]"),
]


@pytest.mark.parametrize(("listed", "url"), DIRECT)
@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_what_no_proxy_lists_is_called_directly(
    monkeypatch: pytest.MonkeyPatch, variable: str, listed: str, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv(variable, listed)
    assert proxy_for(to_url(url)) is None


@pytest.mark.parametrize(("listed", "url"), THROUGH_THE_PROXY)
def test_all_else_goes_through_the_proxy(
    monkeypatch: pytest.MonkeyPatch, listed: str, url: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", listed)
    assert proxy_for(to_url(url)) == PROXY


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("user", "do"),
    [("", "put user and password into"), ("ci:S3CRET@", "correct user and password in")],
)
def test_a_proxy_that_rejects_a_password_does_not_ask_for_one(
    noxcli: Noxcli, monkeypatch: pytest.MonkeyPatch, scheme: str, user: str, do: str
) -> None:
    with raw_server(answer(407, Connection="close")) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://{user}127.0.0.1:{proxy.port}")
        environ = {"NOXUS_BACKEND_URL": f"{scheme}://api.example", "NOXCLI_ALLOW_HTTP": "1"}
        result = noxcli("workflows", environ=environ)
    assert f"the proxy {proxy.url} answered 407" in result.err
    assert f"; {do} {scheme}_proxy" in result.err
    assert "S3CRET" not in result.err
