"""`penstock import`: files of another product as a workflow, printed, or saved as a draft."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ..errors import Problem
from . import failures
from .documents import read_file
from .link import Link, Text
from .terminal import console, out, out_json, printable, say

NATIVE = "native"
DEEP = 6  # folders below the one that is named
PASSED = frozenset({"node_modules", "__pycache__", "site-packages", "venv"})
LARGEST = 1 << 20
SHOWN = {"error": "bold red", "warning": "yellow", "info": "dim"}


def known() -> list[str]:
    """The formats there are."""
    from ..imports.formats import FORMATS  # noqa: PLC0415 - not for --help

    return [NATIVE, *FORMATS]


def convert(format: str, source: str, name: str, process: str, json: bool) -> tuple[int, Text | None]:
    """Read files of a format, say what is to be known about them, and print the document; the exit code, and the document as
    text when there is no error in it."""
    from ..imports.formats import FORMATS  # noqa: PLC0415

    if format not in FORMATS:
        message = f"there is no format {format!r}; known: {', '.join(known())}"
        raise failures.UsageError(message, code="import.unknown_format")
    made = FORMATS[format].read(collect(Path(source), FORMATS[format].files), name or slug_of(source), process)
    if json:
        out_json({"document": made.document, "diagnostics": [one.to_dict() for one in made.diagnostics]})
    else:
        _show(source, made.diagnostics)
    if made.document is None or made.errors:
        if made.document is not None and not json:
            out(_yaml(made.document))
        return failures.USAGE, None
    return failures.COMPLETED, Text(f"{made.document['name']}.yaml", _yaml(made.document).encode())


def show(text: Text) -> None:
    """The document that was made."""
    out(text.content.decode())


async def save(link: Link, text: Text) -> int | None:
    draft = await link.apply(text)
    say(f"{draft['slug']}: saved as the draft")
    return None


async def save_file(link: Link, file: str) -> int | None:
    return await save(link, read_file(file))


def collect(folder: Path, names: frozenset[str]) -> dict[str, bytes]:
    """The files of these names in a folder and below it, by their paths from there. Raises UsageError, `file.unreadable`."""
    folder = folder.expanduser()
    if not folder.is_dir():
        raise failures.UsageError(f"{folder}: this is no folder", code="file.unreadable")
    found: dict[str, bytes] = {}
    for here, below, files in os.walk(folder):
        depth = len(Path(here).relative_to(folder).parts)
        below[:] = [one for one in below if depth < DEEP and not one.startswith(".") and one not in PASSED]
        for one in sorted(set(files) & names):
            path = Path(here, one)
            try:
                with path.open("rb") as file:
                    data = file.read(LARGEST + 1)
            except OSError as error:
                raise failures.UsageError(
                    f"{path}: {(error.strerror or str(error)).lower()}", code="file.unreadable"
                ) from None
            found[path.relative_to(folder).as_posix()] = data
    return found


def slug_of(source: str) -> str:
    """A workflow's name, of the folder's."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(source).expanduser().resolve().name.lower())
    return "-".join(part for part in plain.split("-") if part)[:63].strip("-")


def _show(source: str, diagnostics: list[Any]) -> None:
    from rich.text import Text as Styled  # noqa: PLC0415 - only where there is something to say

    screen = console(sys.stderr)
    for one in diagnostics:
        problem: Problem = one.problem
        place = f"{Path(source) / one.file}" + (f":{problem.line}:{problem.column}" if problem.line else "")
        line = Styled.assemble(
            (f"{problem.severity}[{problem.code}]", SHOWN.get(problem.severity, "")),
            f" {printable(place)}  {printable(problem.message)}",
        )
        if problem.hint:
            line.append(f"\n    {printable(problem.hint)}", "cyan")
        screen.print(line, soft_wrap=True)


def _yaml(document: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 - only here

    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
