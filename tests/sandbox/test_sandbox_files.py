"""Uploads and downloads: lengths, chunks, ranges, redirects to another origin."""

from typing import Any

import pytest

from noxcli.sandbox.scenario import File
from tests.process import HUNG

from .api import Api

TEN = b"0123456789"


def _stored(api: Api, file: File, **switches: Any) -> str:
    record = api.completed(api.plays(output={"F": file}, switches=switches))
    return f"/v1/file/{record['output']['F']['id']}"


def test_an_upload_without_a_file_is_invalid(api: Api) -> None:
    assert api.post("/v1/file", files={"other": b"x"}).json()["detail"][0]["loc"] == [
        "body",
        "file",
    ]
    broken = {"Content-Type": "multipart/form-data"}
    assert (
        api.session.post(
            f"{api.sandbox.url}/v1/file", data=b"x", headers=broken, timeout=HUNG
        ).status_code
        == 400
    )


def test_a_download_tells_length_type_and_name(api: Api) -> None:
    answer = api.get(_stored(api, File("a/é.csv", TEN, "text/csv")))

    assert answer.content == TEN
    assert answer.headers["content-length"] == "10"
    assert answer.headers["content-type"] == "text/csv"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''a%2F%C3%A9.csv"


@pytest.mark.parametrize(
    ("wanted", "expected", "content_range"),
    [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=0-99", TEN, "bytes 0-9/10"),
    ],
)
def test_ranges(api: Api, wanted: str, expected: bytes, content_range: str) -> None:
    answer = api.get(_stored(api, File("a", TEN), ranges="honoured"), headers={"Range": wanted})

    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == content_range


def test_ranges_outside_the_file(api: Api) -> None:
    path = _stored(api, File("a", TEN), ranges="honoured")

    for wanted in ("bytes=10-", "bytes=-", "lines=1-2"):
        answer = api.get(path, headers={"Range": wanted})
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10")
    stale = {"Range": "bytes=2-4", "If-Range": '"another"'}
    assert api.get(path, headers=stale).content == TEN


def test_a_redirect_leads_to_another_origin_that_needs_no_key(api: Api) -> None:
    path = _stored(api, File("a", TEN), download="redirect")
    redirect = api.get(path, allow_redirects=False)
    target = redirect.headers["location"]

    assert redirect.status_code == 307
    assert target.startswith(f"{api.sandbox.other_url}/storage/")
    del api.session.headers["X-API-Key"]
    local = target.replace("localhost", "127.0.0.1")
    assert api.session.get(local, timeout=HUNG).content == TEN
    assert api.session.get(local.split("?")[0], timeout=HUNG).status_code == 403
