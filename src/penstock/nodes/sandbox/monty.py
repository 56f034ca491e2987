"""The Monty interpreter: a subset of Python in worker processes that know no file, no socket and no environment.

A worker starts in 20 ms and then takes a job in half a millisecond. What code may touch is handed in: folders as mounts,
variables through the handler of operating-system calls. Limits are kept inside the interpreter, where code cannot catch
them, and once more from outside: a job that is cancelled or overstays has its worker killed and replaced.
"""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from . import job as end
from .job import Job, Sink

if TYPE_CHECKING:
    from pydantic_monty import AsyncMonty, AsyncMontySession, MontyError

WORKERS = 2
FILE = "main.py"
TRACEBACK = 20
INPUT = "_penstock_input"
LIMIT_MEMORY = "memory limit exceeded"
LIMIT_TIME = "feed time limit exceeded"
CPYTHON = " — the runtime cpython knows all of Python."

# One feed with the source, so that both share one clock. The first line cannot continue an unfinished line of the source.
EPILOGUE = """
import json as _penstock_json
_penstock_result = main({input})
if type(_penstock_result).__name__ == 'coroutine':
    _penstock_result = await _penstock_result
try:
    _penstock_size = len(_penstock_json.dumps(_penstock_result, ensure_ascii=False, allow_nan=False))
    _penstock_answer = ['value', _penstock_result] if _penstock_size <= {limit} else ['large', _penstock_size]
except (TypeError, ValueError, RecursionError) as _penstock_error:
    _penstock_answer = ['odd', str(_penstock_error)]
_penstock_answer
"""


class Monty:
    """Runs jobs in a pool of `workers` processes, started with the first job; more jobs wait their turn."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._workers = workers
        self._pool: AsyncMonty | None = None
        self._opening = asyncio.Lock()

    async def run(self, job: Job, log: Sink) -> Any:
        """The result of `main(input)`. Raises the errors of `job.failure`; the time limit starts when a worker is free."""
        import pydantic_monty  # noqa: PLC0415  (40 MB that a process without code steps need not load)

        pool = await self._open()
        limits: pydantic_monty.ResourceLimits = {
            "max_memory": job.memory_mb * 1024 * 1024,
            "max_feed_duration_secs": job.cpu,
            # Each file read, sleep and look-up of a variable counts; the clock bounds them well enough.
            "max_suspensions": 1_000_000_000,
        }
        mounts = _mounts(job)
        try:
            async with pool.checkout(
                script_name=FILE, limits=limits, os_policy={"sleep_system_max": float("inf")}
            ) as session:
                return await self._feed(session, job, log, mounts)
        finally:
            for mount in mounts:
                mount.close()

    async def _feed(self, session: AsyncMontySession, job: Job, log: Sink, mounts: list[Any]) -> Any:
        import pydantic_monty as monty  # noqa: PLC0415

        def system(*, name: str, args: tuple[Any, ...], **_: Any) -> Any:
            if name == "os.environ":
                return dict(job.env)
            if name == "os.getenv":
                return job.env.get(args[0], args[1] if len(args) > 1 else None)
            return monty.NOT_HANDLED

        lines = job.source.count("\n") + 1
        try:
            async with asyncio.timeout(job.seconds):
                answer = await session.feed_run(
                    job.source + EPILOGUE.format(input=INPUT, limit=job.output_kb * 1024),
                    inputs={INPUT: job.input},
                    print_callback=lambda _stream, text: log.feed(text),
                    mount=mounts or None,
                    os=system,
                )
        except TimeoutError:
            raise end.timeout(job, cpu=False) from None
        except monty.MontyError as error:
            raise _error(job, log, error, lines) from None
        match answer:
            case ["value", value]:
                return end.bounded(job, value)
            case ["large", int(size)]:
                raise end.too_large(job, size)
            case _:
                raise end.not_json(
                    str(answer[1]) if isinstance(answer, list) and len(answer) == 2 else "it has no form"
                )

    async def _open(self) -> AsyncMonty:
        async with self._opening:
            if self._pool is None:
                from pydantic_monty import AsyncMonty  # noqa: PLC0415

                atexit.unregister(_let_threads_leave)
                atexit.register(_let_threads_leave)
                pool = AsyncMonty(min_processes=0, max_processes=self._workers)
                await pool.__aenter__()
                self._pool = pool
            return self._pool

    async def aclose(self) -> None:
        """End the workers. A later job starts new ones."""
        async with self._opening:
            pool, self._pool = self._pool, None
            if pool is not None:
                await pool.__aexit__(None, None, None)


def _let_threads_leave() -> None:
    """Wait, a second at most, until Monty's own threads are out of Python: one of them may be on its way back from waking
    the event loop, and a foreign thread that meets a finalising interpreter aborts the process."""
    ours = {thread.ident for thread in threading.enumerate() if not isinstance(thread, threading._DummyThread)}
    until = time.monotonic() + 1.0
    while set(sys._current_frames()) - ours and time.monotonic() < until:
        time.sleep(0.001)


def _mounts(job: Job) -> list[Any]:
    from pydantic_monty import MountDir  # noqa: PLC0415

    modes = dict.fromkeys(job.read, "read-only") | dict.fromkeys(job.write, "read-write")
    return [MountDir(host_path=path, virtual_path=path, mode=mode) for path, mode in modes.items()]  # type: ignore[arg-type]


def _error(job: Job, log: Sink, error: MontyError, lines: int) -> Exception:
    """The named error for one of Monty's. Its frames count our epilogue too, which begins after `lines`."""
    import pydantic_monty as monty  # noqa: PLC0415

    if isinstance(error, monty.MontyCrashedError):
        if error.timed_out:
            return end.timeout(job, cpu=True)
        return end.failure("crashed", "The interpreter's process died.", {"exit_status": error.exit_status})
    if isinstance(error, monty.MontySyntaxError):
        line = next((frame.line for frame in error.traceback()), None)
        return end.syntax(str(error), min(line, lines) if line else None)
    if not isinstance(error, monty.MontyRuntimeError):
        return end.failure("crashed", str(error))
    inner = error.exception()
    kind, message = type(inner).__name__, str(inner)
    frames = error.traceback()
    own = [frame.line for frame in frames if frame.line <= lines]
    line = own[-1] if own else None
    if kind == "MemoryError" and message.startswith(LIMIT_MEMORY):
        return end.memory(job)
    if kind == "TimeoutError" and message.startswith(LIMIT_TIME):
        return end.timeout(job, cpu=True)
    if kind == "NotImplementedError" and "monty syntax parser" in message:
        return end.syntax(message, line, CPYTHON)
    if kind == "NameError" and "'main'" in message and not own:
        return end.no_main()
    log.feed("Traceback (most recent call last):\n")
    for frame in [frame for frame in frames if frame.line <= lines][-TRACEBACK:]:
        log.feed(
            f'  File "{FILE}", line {frame.line}, in {frame.function_name or "<module>"}\n    {frame.source_line}\n'
        )
    log.feed(f"{kind}: {message}\n")
    hint = CPYTHON if kind in ("ModuleNotFoundError", "NotImplementedError") else ""
    return end.raised(kind, message + hint, line)
