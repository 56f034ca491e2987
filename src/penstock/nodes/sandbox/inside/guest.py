"""The program of the sandboxed process: read the job, lock the doors, run `main(input)`, report.

The job comes as one JSON object on standard input, the report leaves on a pipe of its own (its descriptor is the second
argument): a line "ready" once the process is confined, then one JSON object. Standard output and error are the user's.
The report is the word of the code under test: whoever reads it must treat it as untrusted.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import sys
import traceback
from typing import Any

# Imported now because their files may be out of reach once the doors are locked.
from .confine import confine

FILE = "main.py"
MESSAGE = 2_000
NO_MEMORY = b'{"failed":"memory","message":""}'


def main() -> None:
    report = int(sys.argv[2])
    with os.fdopen(0, "rb", closefd=False) as stream:
        job = json.loads(stream.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.environ.clear()
    os.environ.update(job["env"])
    sys.stdout = sys.stderr = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    try:
        confine(job["policy"])
    except Exception as error:
        os.write(report, f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
    # The code finds the standard library and the site-packages it was allowed to read, not this package.
    sys.path[:] = [*sys.path[1:], *job["path"]]
    sys.argv[:] = [FILE]
    os.write(report, b"ready\n")
    try:
        answer = _encode(_run(job), job["output_bytes"])
    except MemoryError:
        answer = NO_MEMORY
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    _write(report, answer)
    os._exit(0)


def _run(job: dict[str, Any]) -> dict[str, Any]:
    source: str = job["source"]
    # The length differs from the file's, so linecache never looks for one.
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    try:
        code = compile(source, FILE, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, SyntaxError) else None
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        return {"failed": "syntax", "type": "SyntaxError", "message": message, "line": line}
    scope: dict[str, Any] = {"__name__": "__penstock__", "__file__": FILE, "__builtins__": __builtins__}
    try:
        exec(code, scope)
        entry = scope.get("main")
        if not callable(entry):
            return {"failed": "no_main", "message": ""}
        value = entry(job["input"])
        if hasattr(value, "__await__"):
            value = _await(value)
        return {"value": value}
    except MemoryError:
        return {"failed": "memory", "message": ""}
    except BaseException as error:
        return _raised(error)


def _await(value: Any) -> Any:
    import asyncio  # noqa: PLC0415  (costs 40 ms, which plain functions need not pay)

    async def outer() -> Any:
        return await value

    return asyncio.run(outer())


def _raised(error: BaseException) -> dict[str, Any]:
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    try:
        message = str(error)[:MESSAGE]
    except Exception:
        message = ""
    with contextlib.suppress(Exception):
        below = error.__traceback__.tb_next if error.__traceback__ else None
        traceback.print_exception(type(error), error, below, limit=-20)
    return {
        "failed": "raised",
        "type": type(error).__name__[:200],
        "message": message,
        "line": lines[-1] if lines else None,
    }


def _encode(answer: dict[str, Any], limit: int) -> bytes:
    try:
        if "value" in answer:
            _check(answer["value"])
        text = json.dumps(answer, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except MemoryError:
        return NO_MEMORY
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"failed": "not_json", "message": str(error)[:MESSAGE]}).encode()
    size = len(text) - len('{"value":}')
    if "value" in answer and size > limit:
        return json.dumps({"failed": "output_too_large", "message": "", "size": size}).encode()
    return text


def _check(value: Any) -> None:
    """Refuse what JSON would quietly change: keys that are no strings, and integers beyond 64 bits."""
    waiting = [value]
    seen: set[int] = set()
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict | list | tuple):
            if id(item) in seen:
                continue
            seen.add(id(item))
            if isinstance(item, dict):
                for key in item:
                    if type(key) is not str:
                        raise TypeError(f"keys must be strings, not {type(key).__name__}")
                waiting.extend(item.values())
            else:
                waiting.extend(item)
        elif isinstance(item, int) and not -(2**63) <= item < 2**64:
            raise ValueError("integers must fit 64 bits")


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
