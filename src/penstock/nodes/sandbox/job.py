"""What both runtimes take, the errors they end with, and the log they write to."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson

from ...errors import StepFailed
from ...ports import StepContext

LOG_LINES = 1_000
LOG_BYTES = 256 * 1024
LINE_LENGTH = 4_000
RETRYABLE = frozenset({"crashed", "timeout"})


@dataclass(frozen=True, slots=True)
class Job:
    """Code to run and what it may use. Memory in MiB, time in seconds (`seconds` by the wall clock), output in KiB of JSON;
    `read` and `write` are absolute paths that exist."""

    source: str
    input: Any = None
    memory_mb: int = 256
    seconds: float = 30.0
    cpu_seconds: float | None = None
    output_kb: int = 1024
    network: bool = False
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    @property
    def cpu(self) -> float:
        return self.seconds if self.cpu_seconds is None else min(self.cpu_seconds, self.seconds)


def failure(kind: str, message: str, detail: dict[str, Any] | None = None) -> StepFailed:
    """`code.<kind>`. Only a crash and a time-out may be retried: anything else fails the same way again.

    syntax: the source is not Python (or, for Monty, not its subset) · no_main: it defines no `main` · raised: `main` let
    an exception out · memory, timeout, output_too_large: a limit was met · not_json: the result is no JSON value ·
    crashed: the process died.
    """
    known = {name: value for name, value in (detail or {}).items() if value is not None}
    return StepFailed(message, code=f"code.{kind}", retryable=kind in RETRYABLE, detail=known or None)


def raised(kind: str, message: str, line: int | None) -> StepFailed:
    """`code.raised` for an exception of type `kind` that left `main`."""
    place = f" (line {line})" if line else ""
    text = f"{kind}: {message}{place}" if message else f"{kind}{place}"
    return failure("raised", text, {"type": kind, "message": message, "line": line})


def syntax(message: str, line: int | None, hint: str = "") -> StepFailed:
    place = f" (line {line})" if line else ""
    return failure("syntax", f"{message}{place}{hint}", {"line": line})


def no_main() -> StepFailed:
    return failure("no_main", "The source defines no function main(input).")


def memory(job: Job) -> StepFailed:
    return failure(
        "memory", f"The code needs more than its {job.memory_mb} MiB of memory.", {"memory_mb": job.memory_mb}
    )


def timeout(job: Job, cpu: bool) -> StepFailed:
    limit, what = (job.cpu, "CPU time") if cpu else (job.seconds, "time")
    return failure("timeout", f"The code took longer than its {limit:g} s of {what}.", {"seconds": limit})


def too_large(job: Job, size: int | None = None) -> StepFailed:
    return failure("output_too_large", f"The result is larger than {job.output_kb} KiB of JSON.", {"size": size})


def not_json(why: str) -> StepFailed:
    return failure("not_json", f"The result is not JSON: {why}.")


def bounded(job: Job, value: Any) -> Any:
    """The value in plain JSON, if it is that and small enough. Raises StepFailed."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME)
    except (TypeError, RecursionError) as error:
        raise not_json(str(error)) from None
    if len(text) > job.output_kb * 1024:
        raise too_large(job, len(text))
    return orjson.loads(text)


class Sink(Protocol):
    """Where prints go."""

    def feed(self, data: bytes | str) -> None: ...


class Log:
    """Turns what code prints into notes of the step, line by line as it comes, bounded in lines, bytes and line length.

    Whatever comes after the bound is dropped, and one last line says so. `feed` may be called from any thread.

        async with Log(step) as log:
            log.feed("hello\\n")
    """

    def __init__(self, step: StepContext) -> None:
        self._step = step
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lock = threading.Lock()
        self._lines: deque[str] = deque()
        self._partial = ""
        self._cut = False  # the rest of the current line is dropped
        self._count = 0
        self._size = 0
        self._full = False
        self._closed = False
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Log:
        self._writer = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        writer = self._writer
        assert writer is not None
        if kind is not None and issubclass(kind, asyncio.CancelledError):  # type: ignore[arg-type]
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            return
        with self._lock:
            if self._partial:
                self._take(self._partial)
            self._closed = True
        self._wake.set()
        await writer

    def feed(self, data: bytes | str) -> None:
        if self._full:
            return
        with self._lock:
            text = self._decoder.decode(data) if isinstance(data, bytes) else data
            *whole, rest = text.split("\n")
            for piece in whole:
                self._piece(piece)
                if not self._cut:
                    self._take(self._partial)
                self._partial, self._cut = "", False
                if self._full:
                    break
            self._piece(rest)
            wake = bool(self._lines)
        if wake and not self._wake.is_set():
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever would read this
                self._loop.call_soon_threadsafe(self._wake.set)

    def _piece(self, text: str) -> None:
        if self._cut:
            return
        self._partial += text[: LINE_LENGTH + 1]
        if len(self._partial) > LINE_LENGTH:
            self._take(self._partial[:LINE_LENGTH] + "… (line cut)")
            self._partial, self._cut = "", True

    def _take(self, line: str) -> None:
        if self._full:
            return
        self._count += 1
        self._size += len(line)
        if self._count > LOG_LINES or self._size > LOG_BYTES:
            self._full = True
            line = f"… (output cut: {LOG_LINES} lines or {LOG_BYTES // 1024} KiB are kept)"
        self._lines.append(line)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._lines:
                await self._step.note(self._lines.popleft())
            if self._closed:
                return
