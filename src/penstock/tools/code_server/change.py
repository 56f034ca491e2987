"""A change that is proposed: what it would do to a folder, as a unified diff, and which defects it would bring.

Nothing in the folder is touched. The texts are written to a place of their own and scanned there, next to the present
versions of the same files, so that what was wrong before is told from what the change adds.
"""

from __future__ import annotations

import difflib
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .fence import CallFailed, Fence, is_binary, read_bytes
from .scanning import FILE_LIMIT, scan_files

CONTEXT = 3  # unchanged lines round a change


def check_change(
    fence: Fence,
    root: Path,
    changes: Sequence[tuple[str, str | None]],
    *,
    level: str,
    max_findings: int,
    check: Callable[[], None],
) -> dict[str, Any]:
    """{diff, files, findings, before, counts, truncated} for new texts by path (None removes the file). `findings` are those
    the change brings, `before` counts those that were there. The diff is git's; `git apply` and `patch -p1` take it.

    Raises CallFailed `path.invalid`, `path.outside_root`, `path.not_a_file`, `path.not_found` (a file to remove that is not
    there), `path.twice`, `file.binary`, `file.too_large`.
    """
    old: dict[str, str] = {}
    new: dict[str, str] = {}
    files: list[dict[str, Any]] = []
    pieces: list[str] = []
    for given, text in changes:
        check()
        path = _path(given)
        if any(file["path"] == path for file in files):
            raise CallFailed("path.twice", f"{path} is changed twice")
        before = _present(fence, root, path)
        if before is None and text is None:
            raise CallFailed("path.not_found", f"there is no file {path} to remove")
        if before is not None:
            old[path] = before
        if text is not None:
            new[path] = text
        piece, row = _diff(path, before, text)
        pieces.append(piece)
        files.append(row)
    found, known = _scan(new, level, check), _scan(old, level, check)
    brought = _brought(known["findings"], found["findings"])
    weights = Counter(finding["severity"] for finding in brought)
    return {
        "diff": "".join(pieces),
        "files": files,
        "findings": brought[:max_findings],
        "before": known["counts"]["findings"],
        "counts": {
            "files": len(files),
            "added": sum(row["added"] for row in files),
            "removed": sum(row["removed"] for row in files),
            "high": weights["high"],
            "medium": weights["medium"],
            "low": weights["low"],
        },
        "truncated": len(brought) > max_findings or found["truncated"],
    }


def _path(given: str) -> str:
    parts = [part for part in given.split("/") if part not in ("", ".")]
    if given.startswith(("/", "~")) or any(ord(c) < 32 or c in '"\\' for c in given) or not parts:
        raise CallFailed("path.invalid", f"{given!r} is not a path within the folder")
    if ".git" in parts:
        raise CallFailed("path.invalid", f"{given} belongs to git")
    return "/".join(parts)


def _present(fence: Fence, root: Path, path: str) -> str | None:
    try:
        data = read_bytes(fence.file(root, path), FILE_LIMIT + 1)
    except CallFailed as error:
        if error.code == "path.not_found":
            return None
        raise
    except OSError as error:
        raise CallFailed("file.unreadable", f"{path}: {error.strerror}") from error
    if len(data) > FILE_LIMIT:
        raise CallFailed("file.too_large", f"{path} is larger than {FILE_LIMIT} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise CallFailed("file.binary", f"{path} is not UTF-8: it cannot be changed as text") from None
    if is_binary(data):
        raise CallFailed("file.binary", f"{path} is a binary file")
    return text


def _diff(path: str, before: str | None, after: str | None) -> tuple[str, dict[str, Any]]:
    row: dict[str, Any] = {"path": path, "added": 0, "removed": 0}
    row["status"] = "added" if before is None else "removed" if after is None else "changed"
    if before == after:
        return "", row | {"status": "unchanged"}
    odd = "\t" if " " in path else ""  # so that patch knows where the name ends
    names = [
        f"a/{path}{odd}" if before is not None else "/dev/null",
        f"b/{path}{odd}" if after is not None else "/dev/null",
    ]
    out = [f"diff --git a/{path} b/{path}\n"]
    out += ["new file mode 100644\n"] if before is None else ["deleted file mode 100644\n"] if after is None else []
    for number, line in enumerate(
        difflib.unified_diff(_lines(before or ""), _lines(after or ""), *names, n=CONTEXT, lineterm="\n")
    ):
        if number > 1 and line[0] in "+-":
            row["added" if line[0] == "+" else "removed"] += 1
        out.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(out), row


def _lines(text: str) -> list[str]:
    """Lines with their newlines; only a newline ends one, whatever else Unicode calls a line."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _scan(texts: dict[str, str], level: str, check: Callable[[], None]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="penstock-change-") as made:
        root = Path(made).resolve()
        for path, text in texts.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", errors="replace", newline="")
        return scan_files(Fence([root]), root, list(texts), level=level, max_findings=20_000, check=check)


def _brought(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of `after` that were not there before, wherever in the file they stand now."""
    known = Counter((f["path"], f["rule"], f["message"]) for f in before)
    out = []
    for finding in after:
        key = (finding["path"], finding["rule"], finding["message"])
        if known[key]:
            known[key] -= 1
        else:
            out.append(finding)
    return out
