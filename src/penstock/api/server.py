"""Serving: uvicorn inside our own loop, beside everything else that runs there.

SIGTERM and SIGINT stop it gently: no new connections, streams and waits end (their clients come back with the seq they have
come to), answers under way are given, and `serve` returns; the rest of the process then closes in its own order. A second
SIGINT does not wait for anyone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import Unavailable
from .application import create_app
from .core import Core
from .stream import Streams

BACKLOG = 2048
KEEP_ALIVE = 75  # seconds an idle connection is kept
HEAD_BYTES = 64 * 1024  # of a request line and its headers


async def serve(
    core: Core,
    host: str | None = None,
    port: int | None = None,
    sockets: Sequence[socket.socket] | None = None,
    *,
    ready: Callable[[str], None] | None = None,
    signals: bool = True,
) -> None:
    """Serve the API until the process is told to stop, or this task is cancelled.

    `host` and `port` are those of the settings by default; port 0 is any free one; `sockets` that listen already replace both.
    `ready` is called with the URL once connections are accepted. Raises Unavailable, code `server.address`, when the address
    cannot be had. `signals` False leaves SIGTERM and SIGINT to the caller.
    """
    host = core.settings.host if host is None else host
    listening = list(sockets) if sockets else [listen(host, core.settings.port if port is None else port)]
    url = url_of(listening[0])
    app = create_app(core)
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(core.settings.stop_grace)),
    )
    server = _Server(config, app.state.streams, lambda: ready(url) if ready is not None else None)
    with server.signals(signals), _announced(core.settings.data / "server.json", url):
        try:
            await server.serve(sockets=listening)
        except asyncio.CancelledError:
            await server.stop(listening)
            raise
        finally:
            app.state.metrics.stop()
            for one in listening:
                one.close()


@contextlib.asynccontextmanager
async def serving(core: Core, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve while the block runs; its URL. Signals are left alone. Raises as `serve` does."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(core, host, port, ready=url.set_result, signals=False), name="penstock-server")
    try:
        await asyncio.wait([url, task], return_when=asyncio.FIRST_COMPLETED)
        if not url.done():
            await task
        yield await url
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound; `[host]:0` is any free port. Raises Unavailable, code `server.address`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Unavailable(f"{host!r} is no address: {error.strerror}", code="server.address", retryable=False) from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        message = f"port {port} of {host} cannot be had: {error.strerror}"
        raise Unavailable(message, code="server.address", retryable=False) from None
    return made


def url_of(listening: socket.socket) -> str:
    """Where a browser on this machine finds it."""
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    if address.is_unspecified:
        return f"http://127.0.0.1:{port}"
    return f"http://[{address}]:{port}" if address.version == 6 else f"http://{address}:{port}"


class _Protocol(HttpToolsProtocol):
    """HTTP/1.1, with an end to a request's headers: they are held before anyone knows who asks."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._head: int | None = None  # bytes of headers so far, None between them

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head is not None:
            self._head += len(data)
            if self._head > HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
                self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals of the process to us and ends our streams before it waits for their connections."""

    def __init__(self, config: uvicorn.Config, streams: Streams, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._streams = streams
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._streams.close()
        await super().shutdown(sockets)

    async def stop(self, sockets: list[socket.socket]) -> None:
        """What is left to do when the task that serves was cancelled."""
        if self.started:
            self.config.timeout_graceful_shutdown = 1
            await self.shutdown(sockets)

    @contextlib.contextmanager
    def signals(self, wanted: bool) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        taken = []
        for number in (signal.SIGTERM, signal.SIGINT) if wanted else ():
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not the main thread
                loop.add_signal_handler(number, self.handle_exit, number, None)
                taken.append(number)
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)


@contextlib.contextmanager
def _announced(path: Path, url: str) -> Iterator[None]:
    """While it serves, the data folder says where: the CLI finds the server there."""
    beside = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"url": url, "pid": os.getpid()}, file)
    beside.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
