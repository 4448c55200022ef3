"""What is fuzzed: each target takes bytes and fails only if a promise is broken, not if input is rejected."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import requests
from urllib3.util import parse_url

from noxcli.api.parsing import run_from
from noxcli.api.sse import Framer, parse_events, parse_frames
from noxcli.batchdir.journal_state import JournalState
from noxcli.codec import decode_json, to_json
from noxcli.config.toml_table import read_table
from noxcli.errors import NoxError
from noxcli.inputs.parse import parse_json as parse_input
from noxcli.inputs.parse import split_item
from noxcli.outputs.values import find_remote, outermost, replaced
from noxcli.state.history import History
from noxcli.urls import to_url

SCRATCH = tempfile.TemporaryDirectory(prefix="noxcli-fuzz-")  # gone when the process ends


def stored(name: str, data: bytes) -> Path:
    """Return a file with these bytes."""
    path = Path(SCRATCH.name) / name
    path.write_bytes(data)
    return path


def event_stream(data: bytes) -> None:
    """Frames read the same however they are split; their first byte says where."""
    where, body = (data[0] if data else 0), data[1:]
    cut = where * len(body) // 255
    with suppress(NoxError):
        whole = [event for frames in [Framer().feed(body)] for event in parse_frames(frames)]
        framer = Framer()
        pieces = [framer.feed(body[:cut]), framer.feed(body[cut:])]
        assert [event for frames in pieces for event in parse_frames(frames)] == whole
        parse_events(Framer().feed(body))


def input_item(data: bytes) -> None:
    """An item is read or rejected; what was read can be written again."""
    text = data.decode("utf-8", "surrogateescape")
    with suppress(NoxError):
        key, operator, value = split_item(text)
        escaped = "".join(f"\\{mark}" if mark in "=:@\\" else mark for mark in key)
        if operator in {"=", ":="}:
            again = split_item(f"{escaped}{operator}\\{value}" if value.startswith("@") else f"{escaped}={value}")
            assert again[0] == key
    with suppress(NoxError):
        parse_input(text, "x")


def batch_journal(data: bytes) -> None:
    """A journal that anything may have written to is read, or refused."""
    with suppress(NoxError):
        JournalState.read(stored("batch.jsonl", data))


def state_files(data: bytes) -> None:
    """No content of the state directory fails a command."""
    stored("r.json", data)
    stored("r.cursor", data)
    history = History({"NOXCLI_STATE_DIR": SCRATCH.name})
    history.find_entry("r", "h")
    history.find_last("h")
    history.read_positions("r")


def config_file(data: bytes) -> None:
    """A config file is read or rejected."""
    path = stored("config.toml", data)
    with suppress(NoxError):
        table = read_table(path)
        assert table is not None
        for key in table.values:
            with suppress(NoxError):
                table.text(key)
                table.table(key)


def record(data: bytes) -> None:
    """A record is accepted or rejected, and its output can be walked and changed."""
    try:
        value = decode_json(data)
    except ValueError:
        return
    with suppress(NoxError):
        run_from(value)
    places = {remote.keys: "x" for remote in outermost(find_remote(value))}
    assert not any(remote.is_text for remote in outermost(find_remote(replaced(value, places))))
    to_json(value)


def address(data: bytes) -> None:
    """An accepted address means the same to every parser that will read it."""
    text = data.decode("utf-8", "replace")
    try:
        url = to_url(text)
    except ValueError:
        return
    prepared = requests.Request("GET", str(url)).prepare().url or ""
    for form in (text, str(url), prepared):
        theirs, pythons = parse_url(form), urlsplit(form)
        assert (theirs.scheme, pythons.scheme, theirs.auth) == (url.scheme, url.scheme, None)
        assert {to_url(f"{each.scheme}://{each.netloc}").origin for each in (theirs, pythons)} == {url.origin}


TARGETS: dict[str, Callable[[bytes], None]] = {
    "event_stream": event_stream,
    "input_item": input_item,
    "batch_journal": batch_journal,
    "state_files": state_files,
    "config_file": config_file,
    "record": record,
    "address": address,
}
