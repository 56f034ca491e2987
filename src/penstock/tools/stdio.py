"""A child process as an MCP transport: one JSON-RPC message a line, both ways.

The SDK has such a transport; this one differs where a platform that runs strangers' servers must: the child sees only
the environment it was given, its stderr is kept (the end of it) instead of mixed into ours, a line has a largest size,
what is no JSON-RPC is counted and shown, and the death of the child is an event, not something to poll for. The child
leads a process group of its own, and the whole group goes when the transport closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio

from .limits import TOO_LARGE

if TYPE_CHECKING:
    from .config import ServerConfig

GRACE_SECONDS = 1.0  # for a child to leave by itself once its stdin is closed, and again after SIGTERM
STDERR_KEPT = 8 << 10  # bytes
GARBAGE_LINES = 50  # this many lines that are no JSON-RPC, with no good one between, end the session
_BACKLOG = 4 << 20  # bytes waiting to be taken by the session before reading stops
_EDGE = 256
_ID = re.compile(rb'"id"\s*:\s*(\d+|"(?:[^"\\]|\\.)*")')


class Child(asyncio.SubprocessProtocol):
    """A running server: its lines out, its last words, and its end (`ended`)."""

    def __init__(self, longest: int) -> None:
        self._longest = longest  # bytes of a line
        self.ended = asyncio.Event()  # stdout is closed: nothing more will be said
        self.exited = asyncio.Event()
        self.returncode: int | None = None
        self.garbage: str | None = None  # the last line that was no JSON-RPC
        self._garbage_run = 0
        self._transport: asyncio.SubprocessTransport | None = None
        self.pid = 0
        self._stderr: deque[bytes] = deque()
        self._stderr_size = 0
        self._part = bytearray()
        self._dropping: tuple[bytes, int] | None = None  # start of a line too long to keep, and its length so far
        self._lines: deque[bytes | tuple[bytes, bytes]] = deque()
        self._waiting = 0
        self._paused = False
        self._more = asyncio.Event()

    @property
    def stderr(self) -> str:
        """The end of what the child wrote to stderr."""
        return b"".join(self._stderr)[-STDERR_KEPT:].decode("utf-8", "replace").strip()

    # ------------------------------------------------------------------ called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr.append(data)
            self._stderr_size += len(data)
            while self._stderr_size - len(self._stderr[0]) >= STDERR_KEPT:
                self._stderr_size -= len(self._stderr.popleft())
            return
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._piece(data[start:end])
            self._line_ends()
            start = end + 1
        self._piece(data[start:])
        if self._waiting > _BACKLOG and not self._paused and self._transport is not None:
            self._paused = True
            cast("asyncio.ReadTransport", self._transport.get_pipe_transport(1)).pause_reading()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self.ended.set()
            self._more.set()

    def process_exited(self) -> None:
        if self._transport is not None:
            self.returncode = self._transport.get_returncode()
        self.exited.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()
        self.exited.set()
        self._more.set()

    def _piece(self, data: bytes) -> None:
        if self._dropping is not None:
            self._part = (self._part + data[-_EDGE:])[-_EDGE:]
            self._dropping = (self._dropping[0], self._dropping[1] + len(data))
            return
        self._part += data
        if len(self._part) > self._longest:
            self._dropping = (bytes(self._part[:_EDGE]), len(self._part))
            self._part = self._part[-_EDGE:]

    def _line_ends(self) -> None:
        if self._dropping is not None:
            self._lines.append((self._dropping[0], bytes(self._part)))
            self._dropping = None
        else:
            self._lines.append(bytes(self._part))
            self._waiting += len(self._part)
        self._part = bytearray()
        self._more.set()

    # ---------------------------------------------------------------------- called by the transport

    async def next_line(self) -> bytes | tuple[bytes, bytes] | None:
        """A whole line; (start, end) of one that was too long to keep; None once the child has closed its stdout."""
        while not self._lines:
            if self.ended.is_set():
                return None
            self._more.clear()
            await self._more.wait()
        line = self._lines.popleft()
        if isinstance(line, bytes):
            self._waiting -= len(line)
        if self._paused and self._waiting <= _BACKLOG and self._transport is not None:
            self._paused = False
            pipe = self._transport.get_pipe_transport(1)
            if pipe is not None and not pipe.is_closing():
                cast("asyncio.ReadTransport", pipe).resume_reading()
        return line

    def write(self, data: bytes) -> None:
        pipe = self._transport.get_pipe_transport(0) if self._transport is not None else None
        if pipe is None or pipe.is_closing():
            raise anyio.BrokenResourceError
        cast("asyncio.WriteTransport", pipe).write(data)

    def is_garbage(self, line: bytes) -> bool:
        """Take note of a line that is no JSON-RPC; True when there have been too many."""
        self.garbage = line[:200].decode("utf-8", "replace")
        self._garbage_run += 1
        return self._garbage_run >= GARBAGE_LINES

    def is_sense(self) -> None:
        self._garbage_run = 0

    async def stop(self) -> None:
        """Close stdin, then SIGTERM, then SIGKILL, to the whole group; returns when the child is reaped."""
        transport = self._transport
        if transport is None:
            return
        stdin = transport.get_pipe_transport(0)
        if stdin is not None:
            stdin.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.exited.wait(), GRACE_SECONDS)
                break
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        await self.exited.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # what the child started and left behind
        transport.close()


async def start_child(config: ServerConfig) -> Child:
    """Start the server's process. Raises OSError when there is no such program, ValueError for a NUL in its words."""
    loop = asyncio.get_running_loop()
    _, child = await loop.subprocess_exec(
        lambda: Child(config.max_result_bytes),
        cast("str", config.command),
        *config.args,
        env=config.environment(),
        cwd=config.cwd,
        start_new_session=True,
    )
    return child


@asynccontextmanager
async def child_streams(child: Child) -> AsyncGenerator[tuple[Any, Any]]:
    """The child as the pair of streams an MCP session reads from and writes to; stops the child on the way out."""
    import mcp_types as types  # noqa: PLC0415  (a quarter of a second that only the first connection pays)
    from mcp.shared.message import SessionMessage  # noqa: PLC0415

    to_session, reader = anyio.create_memory_object_stream[SessionMessage | Exception](32)
    # Unbounded, so that a cancelled call can always leave its notice at once; calls in flight bound what waits here.
    writer, from_session = anyio.create_memory_object_stream[SessionMessage](float("inf"))

    def message(line: bytes | tuple[bytes, bytes]) -> SessionMessage | None:
        if isinstance(line, tuple):
            found = _ID.search(line[0]) or _ID.search(line[1])
            if found is None:
                return None
            told = found[1].decode()
            request_id = int(told) if told.isdecimal() else told[1:-1]
            error = types.ErrorData(code=TOO_LARGE, message="the answer is too large")
            return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error))
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))

    async def pump_in() -> None:
        async with to_session:
            while (line := await child.next_line()) is not None:
                if not line or line == b"\r":
                    continue
                try:
                    sense = message(line)
                except ValueError:
                    sense = None
                if sense is None:
                    if child.is_garbage(line if isinstance(line, bytes) else line[0]):
                        break
                    continue
                child.is_sense()
                with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                    await to_session.send(sense)

    async def pump_out() -> None:
        async with from_session:
            async for item in from_session:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    child.write(text.encode("utf-8", "replace") + b"\n")
                except anyio.BrokenResourceError:
                    return

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pump_in)
            tasks.start_soon(pump_out)
            try:
                yield reader, writer
            finally:
                tasks.cancel_scope.cancel()
    finally:
        reader.close()
        writer.close()
        with anyio.CancelScope(shield=True):
            await child.stop()
