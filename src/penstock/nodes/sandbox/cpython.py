"""The real Python in a process of its own, confined before the first line of user code is compiled.

Job in on standard input, report out on a pipe of its own, prints on standard output. The report is written by the
process that ran the code, so it is read as the word of a stranger: bounded, and in one of a few forms. The wall is
chosen once, by running a real job behind it; where none holds, every job is refused. When a job ends, is cancelled or
overstays, its whole process group is killed and reaped before `run` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import signal
import tempfile
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ...errors import StepFailed, Unavailable
from . import job as end
from . import walls
from .job import Job, Sink

WALLS = ("bwrap", "landlock")
SCRATCH_MB = 64
CHUNK = 64 * 1024
REPORT_SLACK = 64 * 1024
READY = b"ready\n"
PROBE = Job("def main(input):\n    print('.')\n    return input + 1\n", input=1, seconds=20.0)
INSTALL = (
    "Install bubblewrap (apt install bubblewrap, dnf install bubblewrap), or use Linux 5.13 or later with Landlock and "
    "seccomp, on x86_64 or aarch64. The runtime monty needs neither."
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a guest ended: what it reported, its exit status or the signal that stopped it, and after how many seconds."""

    report: bytes
    status: int | None
    signal: int | None
    seconds: float


class CPython:
    """Runs at most `at_once` jobs at a time (by default two more than there are processors), each behind the first of
    `choices` that holds on this host."""

    def __init__(self, choices: Sequence[str] = WALLS, at_once: int | None = None) -> None:
        self._choices = tuple(choices)
        self._places = asyncio.Semaphore(at_once or (os.cpu_count() or 1) + 2)
        self._choosing = asyncio.Lock()
        self._chosen: tuple[str, walls.Interpreter] | None = None

    async def run(self, job: Job, log: Sink) -> Any:
        """The result of `main(input)`. Raises the errors of `job.failure`, and Unavailable `sandbox.unavailable`."""
        wall, interpreter = await self._choose()
        async with self._places:
            return _value(job, await _guest(wall, interpreter, job, log))

    async def wall(self) -> str:
        """The wall jobs run behind here: `bwrap` or `landlock`. Raises Unavailable, saying what was tried."""
        return (await self._choose())[0]

    async def _choose(self) -> tuple[str, walls.Interpreter]:
        async with self._choosing:
            if self._chosen is None:
                interpreter = await walls.find_interpreter()
                self._chosen = await _first_that_holds(self._choices, interpreter), interpreter
            return self._chosen


class _Words:
    """What a probe said, for the person who must find out why it failed."""

    def __init__(self) -> None:
        self.text = ""

    def feed(self, data: bytes | str) -> None:
        self.text = (self.text + (data if isinstance(data, str) else data.decode(errors="replace")))[:500]


async def _first_that_holds(choices: Sequence[str], interpreter: walls.Interpreter) -> str:
    tried: list[str] = []
    for wall in choices:
        said = _Words()
        try:
            if wall == "bwrap" and shutil.which("bwrap") is None:
                tried.append("bwrap: not installed")
                continue
            if _value(PROBE, await _guest(wall, interpreter, PROBE, said)) == 2:
                return wall
            tried.append(f"{wall}: the probe came back wrong")
        except (Unavailable, StepFailed) as error:
            tried.append(f"{wall}: {error.message} {said.text.strip()}".strip())
    message = f"This host can confine no Python process ({'; '.join(tried)}). {INSTALL}"
    raise Unavailable(message, code="sandbox.unavailable", retryable=False)


async def _guest(wall: str, interpreter: walls.Interpreter, job: Job, log: Sink) -> Ended:
    """Start the guest, give it the job, and read what it says until it ends. Raises StepFailed `code.timeout`."""
    with _scratch(wall) as scratch:
        request = _request(wall, interpreter, job, scratch)
        started = time.monotonic()
        async with _started(wall, interpreter, job) as (process, report):
            try:
                async with asyncio.timeout(job.seconds), asyncio.TaskGroup() as group:
                    group.create_task(_send(process, request))
                    group.create_task(_drain(process, log))
                    # Code may close every pipe and stay: only its end counts.
                    group.create_task(process.wait())
                    reading = group.create_task(_read(report, job.output_kb * 1024 + REPORT_SLACK))
            except TimeoutError:
                raise end.timeout(job, cpu=False) from None
    status, number = _status(process.returncode or 0, wall)
    return Ended(reading.result(), status, number, time.monotonic() - started)


@contextlib.asynccontextmanager
async def _started(
    wall: str, interpreter: walls.Interpreter, job: Job
) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """The guest's process, and the end of the pipe its report comes from. It is dead and reaped on leaving."""
    ours, theirs = os.pipe()
    reader = asyncio.StreamReader(limit=CHUNK)
    with os.fdopen(theirs, "wb", 0) as pipe:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", 0)
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *_line(wall, interpreter, job, theirs),
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT,
                pass_fds=(theirs,),
                env={},
                cwd="/",
                start_new_session=True,
            )
            pipe.close()
            try:
                yield process, reader
            finally:
                await _end(process)
                # Killing bubblewrap kills what is behind it a moment later: the pipe ends when its last holder does.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await _read(reader, 0)
        finally:
            transport.close()


def _line(wall: str, interpreter: walls.Interpreter, job: Job, report: int) -> list[str]:
    if wall == "bwrap":
        return walls.bubblewrap(shutil.which("bwrap") or "bwrap", interpreter, job, report, SCRATCH_MB)
    return walls.command(interpreter, report)


async def _end(process: Process) -> None:
    if process.returncode is None:
        # Not process.kill(), which would reap the process under the eyes of the loop's own watcher.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    # Pipes that were not read to their end stay open otherwise.
    process._transport.close()  # type: ignore[attr-defined]


async def _send(process: Process, request: bytes) -> None:
    stdin = process.stdin
    assert stdin is not None
    # A guest that dies early breaks the pipe; its report, or the lack of one, says more than this would.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stdin.write(request)
        await stdin.drain()
    stdin.close()


async def _drain(process: Process, log: Sink) -> None:
    assert process.stdout is not None
    while data := await process.stdout.read(CHUNK):
        log.feed(data)


async def _read(report: asyncio.StreamReader, limit: int) -> bytes:
    """All of the report, or just more than `limit` bytes of it; the rest is read and dropped, so that its writer ends."""
    kept = bytearray()
    while data := await report.read(CHUNK):
        kept += data[: max(0, limit + 1 - len(kept))]
    return bytes(kept)


@contextlib.contextmanager
def _scratch(wall: str) -> Iterator[str | None]:
    """An empty folder on which the guest mounts its own; what it writes there is never seen here."""
    if wall == "bwrap":
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="penstock-", ignore_cleanup_errors=True) as folder:
        yield folder


def _request(wall: str, interpreter: walls.Interpreter, job: Job, scratch: str | None) -> bytes:
    policy: dict[str, Any] = {
        "memory_mb": job.memory_mb,
        "cpu_seconds": max(1, math.ceil(job.cpu)),
        "file_mb": SCRATCH_MB,
        "network": job.network,
    }
    if wall == "landlock":
        policy |= {"files": walls.landlock(interpreter, job, scratch), "parent": os.getpid()}
    request = {
        "source": job.source,
        "input": job.input,
        "env": job.env,
        "path": [path for path in job.read if path.rstrip("/").rpartition("/")[2] in walls.PACKAGES],
        "output_bytes": job.output_kb * 1024,
        "policy": policy,
    }
    return orjson.dumps(request)


def _status(code: int, wall: str) -> tuple[int | None, int | None]:
    """(exit status, signal): bubblewrap tells of a signal as a shell does, by 128 more than its number."""
    if code < 0:
        return None, -code
    if wall == "bwrap" and code > 128:
        return None, code - 128
    return code, None


def _value(job: Job, ended: Ended) -> Any:
    """The result in a guest's report. Raises what the report, or its absence, stands for."""
    ready, _, text = ended.report.partition(b"\n")
    if ready + b"\n" != READY:
        why = ready.decode(errors="replace")[:500] or f"exit status {ended.status}, signal {ended.signal}"
        message = f"The sandbox could not be set up: {why}"
        raise Unavailable(message, code="sandbox.unavailable", retryable=False)
    if len(text) > job.output_kb * 1024 + REPORT_SLACK - len(READY):
        raise end.too_large(job)
    try:
        answer = orjson.loads(text)
    except ValueError:
        raise _died(job, ended) from None
    match answer:
        case {"value": value}:
            return end.bounded(job, value)
        case {"failed": "memory"}:
            raise end.memory(job)
        case {"failed": "no_main"}:
            raise end.no_main()
        case {"failed": "syntax", "message": str(message), "line": int() | None as line}:
            raise end.syntax(message, line)
        case {"failed": "raised", "type": str(kind), "message": str(message), "line": int() | None as line}:
            raise end.raised(kind, message, line)
        case {"failed": "not_json", "message": str(message)}:
            raise end.not_json(message)
        case {"failed": "output_too_large", "size": int(size)}:
            raise end.too_large(job, size)
        case _:
            raise _died(job, ended)


def _died(job: Job, ended: Ended) -> StepFailed:
    # Beyond the soft limit comes SIGXCPU; code that blocks that is killed a second later.
    overtime = ended.signal == signal.SIGKILL and ended.seconds > job.cpu
    if ended.signal == signal.SIGXCPU or overtime:
        return end.timeout(job, cpu=True)
    if ended.signal is None:
        return end.failure("crashed", f"The process ended without a result (exit status {ended.status}).")
    name = signal.Signals(ended.signal).name if ended.signal in set(signal.Signals) else str(ended.signal)
    return end.failure("crashed", f"The process was stopped by {name} before it had a result.", {"signal": name})
