"""Reading part of one text file, by lines, within a byte limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .fence import CallFailed, decode, is_binary, read_bytes
from .languages import language

LOOKED_AT = 64 << 20  # bytes of one file that are ever read: more is no source file


def read_file(
    file: Path, path: str, *, start_line: int, end_line: int | None, max_bytes: int, check: Callable[[], None]
) -> dict[str, Any]:
    """Lines `start_line` to `end_line` (1-based, both inclusive) of a file: {path, text, encoding, language, size,
    start_line, end_line, total_lines, truncated}. `truncated` says that `max_bytes` cut the text; a file beyond 64 MiB
    has no `total_lines`. Raises CallFailed `file.binary`, `file.unreadable`, `lines.invalid`.
    """
    if end_line is not None and end_line < start_line:
        raise CallFailed("lines.invalid", f"end_line {end_line} comes before start_line {start_line}")
    try:
        size = file.stat().st_size
        data = read_bytes(file, LOOKED_AT)
    except OSError as error:
        raise CallFailed("file.unreadable", f"{path}: {error.strerror or error}") from error
    if is_binary(data):
        raise CallFailed("file.binary", f"{path} is a binary file of {size} bytes")
    check()
    text, encoding = decode(data)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()  # the newline ends the last line, it does not begin another
    wanted = lines[start_line - 1 : end_line]
    out = "\n".join(wanted)
    if wanted and (start_line - 1 + len(wanted) < len(lines) or text.endswith("\n")):
        out += "\n"
    encoded = out.encode("utf-8", "surrogatepass")
    cut = len(encoded) > max_bytes
    if cut:
        out = encoded[:max_bytes].decode("utf-8", "ignore")
    shown = out.count("\n") + (1 if out and not out.endswith("\n") else 0)
    result: dict[str, Any] = {
        "path": path,
        "text": out,
        "encoding": encoding,
        "language": language(path, data),
        "size": size,
        "start_line": start_line,
        "end_line": start_line - 1 + shown,
        "truncated": cut,
    }
    if size <= LOOKED_AT:
        result["total_lines"] = len(lines)
    return result
