"""The part of the source that a user can reach: what the command and the library import, at once or when it is asked for.

What is written but wired to nothing yet is not described, and neither are programs that Penstock only starts.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import penstock

SOURCE = Path(penstock.__file__).parent
BEGIN = ("__init__.py", "cli/__init__.py", "cli/__main__.py")


@functools.cache
def reached() -> dict[Path, ast.Module]:
    """The files, parsed, in the order of their names."""
    found: dict[Path, ast.Module] = {}
    todo = [SOURCE / name for name in BEGIN]
    while todo:
        path = todo.pop()
        if path not in found:
            found[path] = ast.parse(path.read_text(encoding="utf-8"))
            todo += _imported(path, found[path])
    return dict(sorted(found.items()))


def _imported(path: Path, tree: ast.Module) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            folder = path.parents[node.level - 1]
            base = folder.joinpath(*(node.module or "").split("."))
            for place in (base, *(base / alias.name for alias in node.names)):
                for file in (place.with_suffix(".py"), place / "__init__.py"):
                    if file.is_file() and file.is_relative_to(SOURCE):
                        yield file
