"""The formats of others that become workflows, each a pure function from files to a document and diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..engine.tokens import suggestion
from ..errors import NotFound
from .crewai import NAMES, read_crewai
from .imported import Imported


@dataclass(frozen=True, slots=True)
class Format:
    """`files`: the names of files that are looked at, wherever in a folder. `read` takes files by their path (with /), the slug
    of the workflow, and the process of a crew; empty for what the files say."""

    name: str
    title: str
    files: frozenset[str]
    read: Callable[[Mapping[str, bytes], str, str], Imported]


FORMATS = {
    "crewai": Format("crewai", "CrewAI: agents.yaml and tasks.yaml", NAMES, read_crewai),
}


def format_of(name: str) -> Format:
    """Raises NotFound, code `import.unknown_format`."""
    if name in FORMATS:
        return FORMATS[name]
    hint = suggestion(name, FORMATS) or f"known: {', '.join(FORMATS)}"
    raise NotFound(f"there is no format {name[:80]!r}", code="import.unknown_format", detail={"hint": hint})
