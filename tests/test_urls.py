"""One way to read a URL: every parser reads an accepted URL alike, and the key goes where the check said."""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from itertools import islice, product
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url

from noxcli.api import Http, NoxusApi
from noxcli.config.settings import Settings
from noxcli.errors import ConfigProblem, NoxError
from noxcli.urls import check_url, follow, is_loopback, to_url
from tests.conftest import Noxcli
from tests.process import captured, forked
from tests.rawserver import RawServer, accepting, answer, json_answer, raw_server

KEY = "noxus_do-not-tell"
NASTY_PARTS = 3  # of the addresses, the plain run tries one part
HOME = to_url("http://127.0.0.1:8000/v1/file/f")
ODD = [
    "http://evil\\@good/",
    "http://evil\\.good/",
    "http:\\\\evil/",
    "http:/evil",
    "http:evil",
    "http://user@good/",
    "http://user:password@good/",
    "http://a@b@good/",
    "http://@good/",
    "http://good:/",
    "http://good:0/",
    "http://good:080/",
    "http://good:65536/",
    "http://good:+80/",
    "http://good:8\u0660/",
    "http://good:80:80/",
    "http://127.1/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://2130706433/",
    "http://0177.0.0.1/",
    "http://127.0.0.01/",
    "http://127.0.0.1./",
    "http://1.2.3/",
    "http://0/",
    "http://g%6fod/",
    "http://good%00.evil/",
    "http://b\u00fccher.example/",
    "http://good\u3002evil/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://good\u2100evil/",
    "http://[::1/",
    "http://::1/",
    "http://[::1]evil/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[v1.a]/",
    "http://[127.0.0.1]/",
    "http://good evil/",
    "http://good\tevil/",
    "http://good\n/",
    " http://good/",
    "http://good/ ",
    "http://good/a b",
    "http://good/\x00",
    "http://good/\x7f",
    "http://good/#fragment",
    "http:///path",
    "http://",
    "http://..",
    "http://a..b/",
    "http://.good/",
    "http://*/",
    "http://" + "a" * 64 + ".example/",
    "http://" + "a." * 130 + "example/",
    "//good/",
    "good",
    "ftp://good/",
    "javascript:1",
    "",
]


@pytest.mark.parametrize("url", ODD)
def test_what_parsers_may_read_differently_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        to_url(url)
    if url.strip() == url and not url.endswith("#fragment"):
        with pytest.raises(ConfigProblem) as caught:
            check_url(url, allow_http=True)
        assert "\n" not in caught.value.line()


PARTS = st.sampled_from(
    [
        *(
            "http://",
            "https://",
            "HTTP:",
            "//",
            "/",
            "\\",
            "@",
            ":",
            ".",
            "-",
            "_",
            "%",
            "%2f",
            "%5c",
            "[",
            "]",
            "::1",
        ),
        *(
            "good",
            "evil",
            "xn--a",
            "127.0.0.1",
            "127.1",
            "0x7f",
            "localhost",
            "80",
            "8000",
            "?",
            "#",
            "&",
            "a",
            " ",
        ),
        *(
            "\t",
            "\n",
            "\x00",
            "\x7f",
            "\xa0",
            "\u3002",
            "\xfc",
            "\U0001f331",
            ";",
            "|",
            "^",
            '"',
            "<",
            "{",
        ),
    ]
)


@settings(max_examples=3 * settings().max_examples)
@given(st.lists(PARTS, max_size=9).map("".join), st.sampled_from(["", "http://", "https://good"]))
def test_every_parser_agrees_about_what_is_accepted(text: str, lead: str) -> None:
    try:
        url = to_url(lead + text)
    except ValueError:
        return
    for form in (lead + text, str(url)):
        ours, theirs, pythons = to_url(form), parse_url(form), urlsplit(form)
        assert ours.origin == url.origin
        assert (theirs.scheme, theirs.auth) == (pythons.scheme, None) == (url.scheme, None)
        assert to_url(f"{theirs.scheme}://{theirs.netloc}").origin == url.origin
        assert to_url(f"{pythons.scheme}://{pythons.netloc}").origin == url.origin


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/v2/x?y=1", "http://127.0.0.1:8000/v2/x?y=1"),
        ("other", "http://127.0.0.1:8000/v1/file/other"),
        ("../g", "http://127.0.0.1:8000/v1/g"),
        ("?again", "http://127.0.0.1:8000/v1/file/f?again"),
        ("//storage.example/f", "http://storage.example/f"),
        ("HTTPS://Storage.Example:443/f#top", "https://storage.example/f"),
        ("https://h/f\xc3\xbc.txt", "https://h/f%C3%BC.txt"),
        ("https://h/a@b:c/d;e='f'", "https://h/a@b:c/d;e='f'"),
        ("https://[2001:DB8:0::1]:8443/f", "https://[2001:db8::1]:8443/f"),
    ],
)
def test_a_redirect_is_resolved(location: str, target: str) -> None:
    assert str(follow(HOME, location)) == target


@pytest.mark.parametrize(
    "location", [*ODD[:2], "\\\\evil/", "/\\evil", "///evil", "//evil\\@good", "/a\tb", "#"]
)
def test_an_odd_redirect_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        follow(HOME, location)


# Where the bytes are really sent.


def listener(host: str, port: int, turn: bytes) -> AbstractContextManager[RawServer]:
    """A server at an address of its own choice."""
    return accepting(RawServer([turn], socket.create_server((host, port))))


def nasty(port: int) -> Iterator[str]:
    """Yield redirects that some parsers read as the good server at 127.0.0.1, others as the evil one at 127.0.0.2."""
    good, evil = "127.0.0.1", "127.0.0.2"
    joints = [
        *("\\@", "@", "/@", "?@", "#@", "%40", "%5c@", "\\\\@"),
        *("\t@", ";@", "&@", ":@", "\x0b@", "\xa0@", "@@", "."),
    ]
    schemes = [
        "http://",
        "http:\\\\",
        "http:",
        "//",
        "\\\\",
        "/\\",
        "HTTP://",
        "http:///",
        "https://",
    ]
    for scheme, joint, (one, other) in product(schemes, joints, [(good, evil), (evil, good)]):
        yield f"{scheme}{one}:{port}{joint}{other}:{port}/x"
        yield f"{scheme}{one}{joint}{other}:{port}/x"
    for host in (
        "127.2",
        "0x7f.2",
        "2130706434",
        "0177.0.0.2",
        "127.0.0.2.",
        "[::ffff:127.0.0.2]",
        "127.0.0.2%00",
    ):
        yield f"http://{host}:{port}/x"
    yield f"http://{evil}:{port}/x"


@pytest.mark.long(8)
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.wide) for part in range(1, NASTY_PARTS))]
)
def test_the_key_is_never_seen_at_another_address(part: int) -> None:
    record = json_answer({"id": "r", "workflow_id": "w", "status": "completed"})
    tried = 0
    with raw_server(answer(200)) as good, listener("127.0.0.2", good.port, record) as evil:
        for location in islice(nasty(good.port), part, None, NASTY_PARTS):
            good.turns[:] = [
                f"HTTP/1.1 302 On\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode(
                    "latin-1"
                )
            ]
            good.turns.append(record)
            with NoxusApi(Http(Settings(good.url, KEY), connect_timeout=1)) as api:
                before = len(evil.requests)
                for call in (api.find_run, lambda run: api.open_events(run).next_events(5)):
                    good.requests.clear()
                    with suppress(NoxError):
                        call("f")
                assert len(evil.requests) == before, f"a record was taken from {location!r}"
                good.requests.clear()
                with suppress(NoxError), api.download("f"):
                    pass
            tried += 1
    assert tried > 250 // NASTY_PARTS
    assert evil.requests, "a file may come from another server"
    assert all("x-api-key" not in request.headers for request in evil.requests)


def test_localhost_is_an_address_and_not_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = "127.0.0.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # which sends nothing
        ours = probe.getsockname()[0]
    if is_loopback(ours):
        pytest.skip("this machine has no address but loopback")
    resolve = socket.getaddrinfo
    with listener(ours, 0, json_answer({})) as elsewhere:
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda _, *rest, **more: resolve(ours, *rest, **more)
        )
        with (
            NoxusApi(Http(Settings(f"http://localhost:{elsewhere.port}", KEY))) as api,
            pytest.raises(ConfigProblem) as caught,
        ):
            api.find_run("r")
    assert re.search(
        rf"localhost resolves to {re.escape(ours)}, which is not this machine", caught.value.message
    )
    assert elsewhere.requests == []


# Proxies.


@pytest.mark.parametrize("proxy", ["socks5h://127.0.0.1:9", "SOCKS4://user:S3CRET@127.0.0.1:9"])
def test_a_socks_proxy_is_not_used_and_nothing_is_retried(noxcli: Noxcli, proxy: str) -> None:
    environ = {"https_proxy": proxy, "NOXUS_BACKEND_URL": "https://noxus.example"}
    done = captured([*forked(), "run", "x"], {**os.environ, **noxcli.environ, **environ})
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "127.0.0.1:9' can't be used; correct" in done.stderr
    assert "noxcli uses no SOCKS proxies" in done.stderr
    assert "S3CRET" not in done.stderr


@pytest.mark.parametrize(
    "proxy",
    ["http://user:S3CRET@proxy:99999", "http://", "http://user:S3CRET@", "ftp://user:S3CRET@proxy"],
)
def test_an_odd_proxy_is_refused_in_one_line(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    with (
        NoxusApi(Http(Settings("https://example.invalid", KEY))) as api,
        pytest.raises(ConfigProblem) as caught,
    ):
        api.find_run("r")
    assert re.fullmatch(r"the proxy '.*' can't be used", caught.value.message)
    assert "S3CRET" not in str(caught.value)
