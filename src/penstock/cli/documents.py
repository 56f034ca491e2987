"""Which workflow a command means: a file, a slug of the catalog, or one of those that come with Penstock.

A file is the truth about itself: running or applying it saves it as the draft of its slug first. Those that come with Penstock
are put into the catalog when they are first run; the catalog's copy is then the user's to change.
"""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import Any

from ..errors import NotFound
from .failures import UsageError
from .link import Link, Text

SUFFIXES = (".yaml", ".yml", ".json")


def read_file(name: str) -> Text:
    """`-` is stdin. Raises UsageError, code `file.unreadable`."""
    if name == "-":
        return Text("-", sys.stdin.buffer.read())
    try:
        return Text(name, Path(name).expanduser().read_bytes())
    except OSError as error:
        raise UsageError(f"{name}: {(error.strerror or str(error)).lower()}", code="file.unreadable") from None


def means_file(name: str) -> bool:
    """Whether the user speaks of a file: it looks like a path, or like a document."""
    return name == "-" or "/" in name or name.endswith(SUFFIXES)


async def find(link: Link, name: str) -> dict[str, Any]:
    """The document that `name` means; it is in the catalog then. Raises NotFound, code `workflow.not_found`; Invalid."""
    if means_file(name):
        return (await link.apply(read_file(name)))["document"]
    try:
        return (await link.draft(name))["document"]
    except NotFound:
        shipped = packaged()
    if name in shipped:
        return (await link.apply(shipped[name]))["document"]
    listed = await link.call("GET", "/workflows", limit=200)
    raise _unknown(name, sorted({*shipped, *(one["slug"] for one in listed["items"])}))


def _unknown(name: str, known: list[str]) -> NotFound:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
    if Path(name).is_file():
        hint = f"for the file of this name write ./{name}"
    return NotFound(f"there is no workflow {name!r}", code="workflow.not_found", detail={"hint": hint})


def packaged() -> dict[str, Text]:
    from ..app import packaged_workflows  # noqa: PLC0415 - asked only for a name the catalog does not have

    return {slug: Text(f"{slug}.yaml", text.encode()) for slug, text in packaged_workflows().items()}
