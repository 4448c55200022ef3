"""The whole stack on loopback: two Redis servers and a replica, a pod, a worker, and nginx in front."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.forks import ROOT
from tests.process import call, until
from tests.research.stack import KEY, WORKFLOW

# What a gateway says itself while a page of this name is in its directory.
NGINX = """
USER daemon off; pid pid; error_log error.log; worker_processes 1; events { worker_connections 256; }
http {
  access_log off; client_body_temp_path body; proxy_temp_path proxy;
  fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  server {
    listen 127.0.0.1:PORT; default_type text/plain;
    if (-f HOME/404) { return 404 "404 page not found\\n"; }
    if (-f HOME/403) { return 403; }
    location / { proxy_pass http://127.0.0.1:POD; proxy_buffering off; proxy_http_version 1.1; proxy_read_timeout 60s; }
  }
}
"""


PARTS = ("store", "replica", "queue", "worker", "pod", "nginx")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Stack:
    """The running parts, which a play kills, starts again and looks into."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.ports = {name: free_port() for name in PARTS if name != "worker"}
        self.url = f"http://127.0.0.1:{self.ports['nginx']}"
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        redis = {name: f"redis://127.0.0.1:{self.ports[name]}" for name in ("store", "replica", "queue")}
        self._env = {**os.environ, **{name.upper(): url for name, url in redis.items()}, "PYTHONPATH": str(ROOT)}
        text = NGINX.replace("PORT", str(self.ports["nginx"])).replace("POD", str(self.ports["pod"]))
        user = "" if os.geteuid() else "user root;"  # its workers could not look into the directory
        (home / "nginx.conf").write_text(text.replace("HOME", str(home)).replace("USER", user))

    def start(self, name: str, *, ready: bool = True) -> None:
        """Start a part, and wait until it listens."""
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._command(name), cwd=self.home, env=self._env, stdout=log, stderr=subprocess.STDOUT
            )
        if ready:
            self.wait_for(name)

    def wait_for(self, name: str) -> None:
        """Wait until a part listens."""
        if name in self.ports:
            until(lambda: self._listens(name), self._log(name).read_text)

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        process = self._running.pop(name)
        process.send_signal(number)
        process.wait()

    def reset(self) -> None:
        """Start again what a play has left dead, and forget all runs."""
        for name in PARTS:
            if name not in self._running:
                self.start(name)
        for name in ("store", "queue"):
            self.redis(name, "FLUSHALL")
        self.follow()
        until(lambda: "master_link_status:up" in self.redis("replica", "INFO", "replication"))
        until(lambda: _answers(self))

    def end(self) -> None:
        for name in [*self._running]:
            self.kill(name, signal.SIGTERM if name == "nginx" else signal.SIGKILL)

    def _log(self, name: str) -> Path:
        return self.home / f"{name}.log"

    def _command(self, name: str) -> Sequence[str]:
        module = f"tests.research.stack.{'worker' if name == 'worker' else 'service'}"
        match name:
            case "nginx":
                return ["nginx", "-p", str(self.home), "-e", "error.log", "-c", "nginx.conf"]
            case "pod":
                return [sys.executable, "-m", module, str(self.ports["pod"])]
            case "worker":
                return [sys.executable, "-m", module]
        memory = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"]
        follows = ["--replicaof", "127.0.0.1", str(self.ports["store"])] if name == "replica" else []
        return ["redis-server", "--port", str(self.ports[name]), *memory, *follows]

    def _listens(self, name: str) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.ports[name])).close()
        except OSError:
            return False
        return True

    def restart_after(self, name: str, seconds: float, number: int = signal.SIGKILL) -> None:
        """Let a part be gone for so long, and then come back."""
        self.kill(name, number)
        time.sleep(seconds)
        self.start(name)

    @contextmanager
    def page(self, name: str) -> Iterator[None]:
        """Let the gateway answer with a page of its own: `404` as Traefik does without a pod, `403` as a firewall."""
        (self.home / name).touch()
        try:
            yield
        finally:
            (self.home / name).unlink()

    def lag(self) -> None:
        """Cut the replica off from the store, until `follow`."""
        self.redis("replica", "REPLICAOF", "NO", "ONE")

    def follow(self) -> None:
        """Let the replica catch up with the store."""
        self.redis("replica", "REPLICAOF", "127.0.0.1", str(self.ports["store"]))

    def redis(self, name: str, *command: str) -> str:
        """Return what a Redis server answers."""
        line = ["redis-cli", "-p", str(self.ports[name]), *command]
        return subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()

    def runs(self) -> list[dict[str, Any]]:
        """Return the rows that the store has: the runs that really exist."""
        headers = {"X-API-Key": KEY}
        url = f"http://127.0.0.1:{self.ports['pod']}/v1/runs"
        items: list[dict[str, Any]] = requests.get(url, {"size": 100}, headers=headers, timeout=10).json()["items"]
        return items

    def env(self, state: Path) -> Mapping[str, str]:
        """Return the environment of a noxcli in a process of its own."""
        return {
            "NOXUS_BACKEND_URL": self.url,
            "NOXUS_API_KEY": KEY,
            "NOXCLI_STATE_DIR": str(state),
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
        }

    def noxcli(self, *argv: str, state: str = "state") -> subprocess.CompletedProcess[bytes]:
        return call(*argv, env=self.env(self.home / state), limit=60)


@contextmanager
def stacked(home: Path) -> Iterator[Stack]:
    """Run the stack with its files in `home`; call `reset` before each play."""
    stack = Stack(home)
    try:
        for name in PARTS:
            stack.start(name, ready=False)
        for name in PARTS:
            stack.wait_for(name)
        yield stack
    finally:
        stack.end()


def _answers(stack: Stack) -> bool:
    try:
        url = f"{stack.url}/v1/workflows/{WORKFLOW}"
        return requests.get(url, headers={"X-API-Key": KEY}, timeout=1).ok
    except requests.RequestException:
        return False
