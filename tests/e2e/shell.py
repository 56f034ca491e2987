"""Real processes: the command itself, started as a shell starts it, and a gate that holds a step for as long as a test needs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

COMMAND = (sys.executable, "-m", "penstock.cli")
SOURCE = Path(__file__).parents[2] / "src"
PATIENCE = 60.0  # seconds a process may take before the test gives up on it


@dataclass(slots=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout, which must be one JSON value on one line and nothing else."""
        assert self.out.count("\n") == 1, self
        return json.loads(self.out)


class Running:
    """A command that goes on."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.process.kill()

    def wait_for(self, text: str) -> str:
        """The first line on stderr that holds `text`."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was never said: {''.join(seen)}")

    def ended(self) -> Ended:
        try:
            out, err = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return Ended(self.process.returncode, out, err)


@dataclass(slots=True)
class Shell:
    """Where commands are typed: a data folder of their own, and a clean environment."""

    data: Path
    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PENSTOCK_", "PYTHON"))}
        kept.update(HOME=str(self.folder), PYTHONPATH=str(SOURCE), PENSTOCK_DATA=str(self.data), NO_COLOR="1")
        return kept

    def start(self, *arguments: str, stdin: Any = subprocess.DEVNULL, **more: Any) -> Running:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=stdin,
            stdout=more.pop("stdout", subprocess.PIPE),
            stderr=more.pop("stderr", subprocess.PIPE),
            text=True,
            cwd=self.folder,
            env={**self.environment, **more.pop("env", {})},
            **more,
        )
        self.started.append(process)
        return Running(process)

    def __call__(self, *arguments: str, input: str | None = None, **more: Any) -> Ended:
        running = self.start(*arguments, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE, **more)
        try:
            out, err = running.process.communicate(input, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            running.process.kill()
            raise
        return Ended(running.process.returncode, out, err)

    def write(self, name: str, document: dict[str, Any] | str) -> str:
        path = self.folder / name
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return str(path)

    def up(self, *arguments: str, **more: Any) -> tuple[Running, str]:
        """A server on the data folder, and its URL with the token."""
        running = self.start("up", "--port", "0", *arguments, **more)
        assert running.process.stdout is not None
        url = running.process.stdout.readline().strip()
        assert url, running.ended().err
        return running, url


class Gate:
    """An HTTP server whose answer waits until the gate is opened: a step that runs for exactly as long as a test wants."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._arrived = threading.Semaphore(0)
        self.visits = 0  # requests that came
        gate = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gate.visits += 1
                gate._arrived.release()
                gate._open.wait(PATIENCE)
                body = b'{"open": true}'
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    return  # whoever asked is gone

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def arrived(self) -> None:
        """Wait until a step stands at the gate."""
        assert self._arrived.acquire(timeout=PATIENCE), "no step came to the gate"

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.set()
        self._server.shutdown()
        self._server.server_close()


def workflow(name: str, nodes: dict[str, Any], edges: Sequence[tuple[str, str]] = (), **more: Any) -> dict[str, Any]:
    edge_list = [{"from": a, "to": b} for a, b in edges]
    return {"penstock": 1, "name": name, "nodes": nodes, "edges": edge_list, **more}


def code(source: str, **more: Any) -> dict[str, Any]:
    return {"kind": "code", "with": {"source": source, **more}}


def gated(gate: Gate) -> dict[str, Any]:
    """before -> gate -> after: a run that stands at the gate."""
    nodes = {
        "before": code("def main(input):\n    return 1\n"),
        "gate": {"kind": "http", "with": {"method": "GET", "url": gate.url, "private": True}},
        "after": code("def main(input):\n    return input['open']\n", input="${{ nodes.gate.output.json }}"),
    }
    return workflow(
        "gated", nodes, [("before", "gate"), ("gate", "after")], outputs={"open": "${{ nodes.after.output }}"}
    )


def asking(**more: Any) -> dict[str, Any]:
    """A run that asks a person, and says what was decided."""
    nodes = {"review": {"kind": "human", "with": {"title": "Ship it?", **more}}}
    return workflow("asking", nodes, outputs={"decision": "${{ nodes.review.output.decision }}"})


HELLO = workflow(
    "hello",
    {
        "greet": code("def main(input):\n    return 'hello ' + input\n", input="${{ inputs.who }}"),
        "page": {"kind": "render", "with": {"name": "page.md", "template": "# ${{ nodes.greet.output }}\n"}},
    },
    [("greet", "page")],
    inputs={"type": "object", "properties": {"who": {"type": "string", "default": "world"}}},
    outputs={"greeting": "${{ nodes.greet.output }}", "page": "${{ nodes.page.output }}"},
)


def api(url: str, path: str) -> Any:
    """An answer of the API, with the token of the URL that `up` printed."""
    base, _, token = url.partition("/?token=")
    answer = httpx2.get(f"{base}/api/v1{path}", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    answer.raise_for_status()
    return answer.json()
