"""The data of NDJSON events is what the server wrote, to the character, if that is one line of JSON."""

import json

import pytest

from tests.conftest import Noxcli
from tests.otherside import WORKFLOW, called, end, record, sends

LINE_UP_TO_DATA = '"type":"content","data":'


def shown(noxcli: Noxcli, frame: bytes, start: str = LINE_UP_TO_DATA) -> str:
    """Return the line of an event, from its type on."""
    reads = [record("running"), record("completed")]
    argv = ("run", WORKFLOW, "--no-check", "Q=x", "--format", "ndjson")
    result, _ = called(noxcli, *argv, reads=reads, events=sends([frame, end("2-0")]))
    assert result.code == 0, result.err
    line = next(one for one in result.out.decode().splitlines() if start in one)
    return line[line.index(start) :]


@pytest.mark.parametrize(
    "data",
    [
        '{"id": "A", "content": "ä"}',
        '{"id":"A","content":"\\u00e4\\ud83d \\/ \\b"}',
        '{"n":1.50,"m":1E3,"big":123456789012345678901234567890,"more":1e999}',
        '{"a":1,"a":2}',
        "[ 1, [ ] ]",
        "null",
    ],
)
def test_data_is_written_as_it_was_sent(noxcli: Noxcli, data: str) -> None:
    frame = f'event: message\ndata: {{"type":"content","data":{data},"redisId":"1-0"}}\n\n'.encode()
    assert shown(noxcli, frame) == f'{LINE_UP_TO_DATA}{data},"redis_id":"1-0","is_terminal":false}}'


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (b'data: {"type":"content",\ndata: "data":{"a":\ndata: 1}}\n\n', '{"a":1},"redis_id":null'),
        (
            b'data: {"redisId":"1\\"0","type":"content","data":{"a": NaN}}\n\n',
            '{"a":null},"redis_id":"1\\"0"',
        ),
        (
            b'data: {"type":"content","data":{"a":"\xff"},"redisId":"\\u0031-0"}\n\n',
            '{"a":"\ufffd"},"redis_id":"1-0"',
        ),
    ],
    ids=["several lines", "no JSON", "escaped position"],
)
def test_what_is_no_line_of_json_is_written_anew(noxcli: Noxcli, frame: bytes, told: str) -> None:
    line = shown(noxcli, frame)
    assert line.startswith(f"{LINE_UP_TO_DATA}{told}")
    json.loads(f"{{{line}")


def test_what_is_nested_too_deep_is_passed_on_as_text(noxcli: Noxcli) -> None:
    deep = '{"type":"content","data":' + "[" * 600 + "]" * 600 + "}"
    line = json.loads("{" + shown(noxcli, f"data: {deep}\n\n".encode(), '"type":"unknown"'))
    assert (line["data"], line["redis_id"]) == (deep, None)
