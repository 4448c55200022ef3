"""A headless Chromium, controlled over its debugging pipe: without a driver, a port or a library in between."""

import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generated.report_pictures import FLAGS

PATIENCE = 60  # seconds for one answer
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39, "ArrowLeft": 37, "/": 191}


@dataclass
class Chromium:
    """One process, which speaks JSON with a null byte after each message (Chrome DevTools Protocol)."""

    to: int
    come: int
    events: list[dict[str, Any]] = field(default_factory=list)
    _left: bytearray = field(default_factory=bytearray)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send a command and return its result; events that arrive before it are kept."""
        number = next(self._numbers)
        message = {
            "id": number,
            "method": method,
            "params": params,
            **({"sessionId": session} if session else {}),
        }
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data) :]
        while True:
            said = self.next_message()
            if said.get("id") == number:
                assert "error" not in said, f"{method}: {said}"
                return dict(said["result"])
            self.events.append(said)

    def next_message(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while b"\0" not in self._left:
            assert select.select([self.come], [], [], max(0.0, end - time.monotonic()))[0], (
                "Chromium does not answer"
            )
            piece = os.read(self.come, 1 << 20)
            assert piece, "Chromium is gone"
            self._left += piece
        message, _, rest = bytes(self._left).partition(b"\0")
        self._left = bytearray(rest)
        return dict(json.loads(message))

    def open(self, path: Path, width: int = 1100, height: int = 900, **media: str) -> "Tab":
        """Open a file in its own tab; `media` are features such as `prefers_color_scheme`."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        tab = Tab(
            self,
            self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"],
            path.as_uri(),
        )
        for domain in ("Page", "Runtime", "Log", "Network"):
            tab.call(f"{domain}.enable")
        tab.resize(width, height)
        tab.media(**media)
        tab.call("Page.navigate", url=tab.url)
        while not any(event.get("method") == "Page.loadEventFired" for event in tab.events()):
            self.events.append(self.next_message())
        return tab


@dataclass
class Tab:
    """A page, as a user with a keyboard has it."""

    chromium: Chromium
    session: str
    url: str

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.chromium.call(method, self.session, **params)

    def events(self) -> list[dict[str, Any]]:
        """Return what the browser has reported about this page so far."""
        return [event for event in self.chromium.events if event.get("sessionId") == self.session]

    def evaluate(self, script: str) -> Any:
        """Return the value of an expression in the page."""
        done = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key: str, modifiers: int = 0) -> None:
        code = KEYS[key]
        about = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        text = {"Enter": "\r", " ": " ", "/": "/"}.get(key)
        self.call(
            "Input.dispatchKeyEvent", type="keyDown", **about, **({"text": text} if text else {})
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def write(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def media(self, media: str = "", **features: str) -> None:
        listed = [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()
        ]
        self.call("Emulation.setEmulatedMedia", media=media, features=listed)

    def requests(self) -> list[str]:
        """Return what the page requested, including the page itself."""
        self.evaluate("new Promise(done => setTimeout(done, 50))")
        sent = [
            event["params"]
            for event in self.events()
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [one["request"]["url"] for one in sent]

    def complaints(self) -> list[Mapping[str, Any]]:
        """Return console output, uncaught exceptions, and dialogs."""
        kinds = {
            "Runtime.consoleAPICalled",
            "Runtime.exceptionThrown",
            "Log.entryAdded",
            "Page.javascriptDialogOpening",
        }
        return [event["params"] for event in self.events() if event["method"] in kinds]


@contextmanager
def chromium() -> Iterator[Chromium]:
    """Start a Chromium with its own profile; it exits with the block."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The pipe's ends must be descriptors 3 and 4.
        line = f'exec "$@" 3<&{to_read} 4>&{from_write}'
        argv = ["bash", "-c", line, "bash", "chromium", *FLAGS, "--remote-debugging-pipe"]
        argv += [f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            argv,
            pass_fds=(to_read, from_write),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_read)
        os.close(from_write)
        browser = Chromium(to_write, from_read)
        try:
            yield browser
            browser.call("Browser.close")
        finally:
            os.close(to_write)
            os.close(from_read)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
