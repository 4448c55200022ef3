"""Watch runs of one workflow on a real server, and print what it answers in a form that can be published.

It starts two runs, which cost what they cost: one is watched to its end, replayed, and followed from a middle position;
the other is stopped. Then it requests a run that does not exist. It prints names of fields, types, lengths, times,
statuses and some headers: no values, no names of inputs and outputs, no ids as sent, no address and no key.

    NOXUS_API_KEY=... python scripts/transcript.py WORKFLOW_ID 'User Input=hello'
"""

import argparse
import json
import os
import re
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import requests
from urllib3.exceptions import HTTPError

FINAL, FIELDS = {"completed", "failed", "stopped"}, {"event", "data", "id", "retry"}
WORDS = {"status", "workflow_status", "type", "event"}  # fields whose words are the server's own
# Below these is what users have written: there, names are also values.
THEIRS = re.compile(
    "input|output|content|workflow|definitions?|per_.*|run_logs|subflow_executions|meta|settings|value"
)
SHOWN_HEADERS = re.compile(
    "cache-control|connection|content-(type|length)|retry-after|.*-encoding|x-accel-.*", re.I
)
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
NUMBERS = re.compile(r"(?<=\()\d+(?=\))|(?<=\bp)\d+|(?<=\[)\d+")  # lengths, positions and counts
SILENCE, LOOK_EVERY, STOP_AFTER = 5.0, 0.5, 1.0  # seconds


class Hidden:
    """What is printed for values: equal ids and equal positions have equal names."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def shape(self, value: Any, field: str = "", *, theirs: bool = False) -> str:
        """Return what kind of value this is."""
        if isinstance(value, dict):
            keys = [key if PLAIN.fullmatch(key) and not theirs else self.text(key) for key in value]
            below = [theirs or THEIRS.fullmatch(key) is not None for key in value]
            shapes = map(lambda key, hide: self.shape(value[key], key, theirs=hide), value, below)
            return f"{{{', '.join(f'{key}: {shape}' for key, shape in zip(keys, shapes, strict=True))}}}"
        if isinstance(value, list):
            kinds = sorted({re.sub(r"\d+", "", self.shape(each, theirs=theirs)) for each in value})
            return f"[{len(value)} x {' or '.join(kinds)}]" if value else "[]"
        if isinstance(value, str):
            return self.text(value, "" if theirs else field)
        return (
            json.dumps(value) if value is None or isinstance(value, bool) else type(value).__name__
        )

    def text(self, text: str, field: str = "") -> str:
        """Return what kind of text this is; the text itself only if it is one of the server's words."""
        if field in WORDS and PLAIN.fullmatch(text):
            return text
        if field == "redisId":
            form = re.sub("[0-9]+", "9", text) if re.fullmatch("[0-9-]+", text) else "text"
            return f"{self._named('p', text)}<{form}>"
        if UUID.fullmatch(text):
            return self._named("id", text.lower())
        with suppress(ValueError):
            moment = datetime.fromisoformat(text)
            zone = "no zone" if moment.tzinfo is None else "Z" if text.endswith("Z") else "offset"
            age = (
                datetime.now(UTC) - (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
            ).total_seconds()
            return (
                f"time, {zone}, {age:.0f} s ago if in UTC" if abs(age) < 86_400 else f"time, {zone}"
            )
        return f"text({len(text)})"

    def _named(self, kind: str, text: str) -> str:
        count = sum(name.startswith(kind) for name in self._names.values())
        return self._names.setdefault(text, f"{kind}{count + 1}")


class Frame(NamedTuple):
    at: float
    text: str  # without values
    position: str | None  # as sent


class Server:
    """The API, and the transcript of what it answers; times count from the beginning of each part."""

    def __init__(self, url: str, key: str, workflow: str) -> None:
        self.url, self.key, self.runs = url.rstrip("/"), key, f"/v1/workflows/{workflow}/runs"
        self.hidden = Hidden()
        self.running = set[str]()  # runs that this script has started
        self._began = time.monotonic()
        self._writing = threading.Lock()  # a text stream is not safe with two threads

    def part(self, title: str) -> None:
        with self._writing:
            sys.stdout.write(f"\n== {title}\n")
            self._began = time.monotonic()

    def say(self, line: str, at: float | None = None) -> None:
        with self._writing:
            sys.stdout.write(
                f"{(time.monotonic() if at is None else at) - self._began:8.2f} s  {line}\n"
            )

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        options = {
            "headers": {"X-API-Key": self.key},
            "timeout": 60,
            "allow_redirects": False,
            **options,
        }
        options["auth"] = lambda request: request  # otherwise a .netrc file would be read
        return requests.request(method, f"{self.url}{path}", **options)

    def ask(self, method: str, path: str, shown: str, body: Any = None) -> Any:
        """Return the JSON of an answer, None if it is none; print the answer as `shown`."""
        value = json_of(answer := self.send(method, path, json=body))
        told = (
            f"not JSON, {len(answer.content)} bytes" if value is None else self.hidden.shape(value)
        )
        self.say(f"{shown}: {answer.status_code} {told}, headers: {headers_of(answer)}")
        return value

    def start(self, given: dict[str, str]) -> str:
        """Start a run, and return its id. Ends the script if there is none."""
        answer = self.ask("POST", self.runs, "start", {"input": given})
        if not isinstance(answer, dict) or not isinstance(answer.get("id"), str):
            raise SystemExit("no run was started that can be followed; look at the list of runs")
        self.running.add(answer["id"])
        return str(answer["id"])

    def status(self, run: str) -> str:
        """Return a run's status by its record, or the HTTP status without one."""
        value = json_of(answer := self.send("GET", f"{self.runs}/{run}"))
        status = str(
            value.get("status", answer.status_code)
            if isinstance(value, dict)
            else answer.status_code
        )
        self.running -= {run} if status in FINAL else set()
        return status

    def watch(
        self, run: str, limit: float, etag: str | None = None, *, stop: bool = False
    ) -> list[str]:
        """Print a stream, and each change of the record's status meanwhile; return the positions."""
        frames, gone = list[Frame](), threading.Event()
        reader = threading.Thread(target=self._listen, args=(run, etag, frames, gone), daemon=True)
        reader.start()
        seen, heard = "", (begun := time.monotonic())
        while (now := time.monotonic()) - begun < limit and (
            reader.is_alive() or seen not in FINAL
        ):
            status = self.status(run)
            if status != seen:
                self.say(f"the record says {self.hidden.text(status, 'status')}")
                seen, heard = status, now
            if stop and now - begun > STOP_AFTER:
                self.ask("POST", f"/v1/runs/{run}/stop", "stop")
                stop = False
            heard = max([heard, *(frame.at for frame in frames[-1:])])
            if seen in FINAL and now - heard > SILENCE:
                break
            reader.join(LOOK_EVERY) if reader.is_alive() else time.sleep(LOOK_EVERY)
        reader.join(LOOK_EVERY)
        if reader.is_alive():
            gone.set()
            self.say("left the stream, which was open")
        self._show(list(frames))
        return [frame.position for frame in frames if frame.position]

    def _show(self, frames: list[Frame]) -> None:
        """Print frames; one line for those in a row that differ only in lengths, positions and counts."""
        for _, same in groupby(frames, lambda frame: NUMBERS.sub("", frame.text)):
            first, *more = same
            self.say(first.text, first.at)
            if more:
                lengths = "; ".join(
                    " ".join(re.findall(r"text\((\d+)\)", each.text)) for each in more[:12]
                )
                last = (
                    self.hidden.text(more[-1].position, "redisId")
                    if more[-1].position
                    else "no position"
                )
                self.say(
                    f"  and {len(more)} like it, up to {last}; lengths of texts: {lengths or 'none'}",
                    more[-1].at,
                )

    def _listen(
        self, run: str, etag: str | None, frames: list[Frame], gone: threading.Event
    ) -> None:
        """Read a stream, frame by frame, as it arrives."""
        rest, end = b"", "the server closed the stream"
        try:
            params = {} if etag is None else {"etag": etag}
            with self.send("GET", f"/v1/runs/{run}/events", params=params, stream=True) as answer:
                self.say(f"events: {answer.status_code}, headers: {headers_of(answer)}")
                while piece := answer.raw.read1(65536, decode_content=True):
                    *whole, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n\n")
                    frames += [self._frame(each.decode("utf-8", "replace")) for each in whole]
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            end = f"the stream broke: {type(error).__name__}"
        if not gone.is_set():
            self.say(f"{end}, {len(rest)} bytes after its last frame")

    def _frame(self, text: str) -> Frame:
        told, position = list[str](), None
        for line in text.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            shown = self.hidden.text(value, name)
            if name == "data":
                with suppress(ValueError):
                    event = json.loads(value)
                    shown = self.hidden.shape(event)
                    position = event.get("redisId") if isinstance(event, dict) else None
            told.append(f"{name if name in FIELDS else 'text' if name else 'comment'}: {shown}")
        return Frame(
            time.monotonic(), ", ".join(told), position if isinstance(position, str) else None
        )


def json_of(answer: requests.Response) -> Any:
    with suppress(ValueError):
        return answer.json()


def headers_of(answer: requests.Response) -> str:
    """Return the names of the headers, and the values of those that say nothing about a user."""
    named = answer.headers.items()
    return ", ".join(
        f"{name}: {value}" if SHOWN_HEADERS.fullmatch(name) else name for name, value in named
    )


def record(server: Server, given: dict[str, str], limit: float) -> None:
    """Go through all parts."""
    server.part("a run, from its start to its end")
    run = server.start(given)
    server.ask("GET", f"{server.runs}/{run}", "its record immediately")
    positions = server.watch(run, limit)
    server.ask("GET", f"{server.runs}/{run}", "its record at the end")
    server.part("its stream again, from the beginning")
    server.watch(run, limit)
    for middle in positions[len(positions) // 2 :][:1]:
        server.part(f"its stream again, with {server.hidden.text(middle, 'redisId')} as etag")
        server.watch(run, limit, middle)
    server.part("a second run, which is stopped")
    run = server.start(given)
    server.watch(run, limit, stop=True)
    server.ask("GET", f"{server.runs}/{run}", "its record at the end")
    server.part("a run that does not exist")
    absent = str(uuid.uuid4())
    server.ask("GET", f"{server.runs}/{absent}", "its record")
    server.ask("GET", f"/v1/runs/{absent}", "its record, by its id alone")
    server.watch(absent, LOOK_EVERY)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workflow", metavar="WORKFLOW_ID")
    parser.add_argument("inputs", nargs="*", metavar="LABEL=TEXT")
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds for one run [default: 300]"
    )
    wanted = parser.parse_args(argv)
    key, url = (
        os.environ.get("NOXUS_API_KEY"),
        os.environ.get("NOXUS_BACKEND_URL", "https://backend.noxus.ai"),
    )
    if not key or not all("=" in item for item in wanted.inputs):
        parser.error("put the key into NOXUS_API_KEY, and write inputs as LABEL=TEXT")
    server = Server(url, key, wanted.workflow)
    sys.stdout.write(f"scripts/transcript.py, {datetime.now(UTC):%Y-%m-%d}\n")
    try:
        record(server, dict(item.split("=", 1) for item in wanted.inputs), wanted.limit)
    except requests.RequestException as error:
        raise SystemExit(
            f"no answer: {type(error).__name__}; is NOXUS_BACKEND_URL right?"
        ) from None
    finally:
        for run in server.running:
            with suppress(requests.RequestException):
                server.send("POST", f"/v1/runs/{run}/stop")
                sys.stderr.write("stopped a run that was still running\n")


if __name__ == "__main__":
    main()
