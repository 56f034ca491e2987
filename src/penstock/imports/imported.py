"""What an import gives: a document as far as one could be made, and everything that is to be known about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import Problem
from .text import Source


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing about one place of one file. Severities: `error`, what is there cannot be right or is not understood;
    `warning`, it means something that the document does not say; `info`, it is not needed."""

    file: str
    problem: Problem

    def to_dict(self) -> dict[str, Any]:
        return {"file": self.file, "severity": self.problem.severity, **self.problem.to_dict()}


@dataclass(slots=True)
class Imported:
    document: dict[str, Any] | None
    diagnostics: list[Diagnostic] = field(default_factory=list)

    @property
    def errors(self) -> list[Diagnostic]:
        return [one for one in self.diagnostics if one.problem.severity == "error"]


@dataclass(slots=True)
class File:
    """A file that is read, and where its diagnostics go."""

    name: str
    source: Source
    found: list[Diagnostic]

    def add(self, code: str, pointer: str, message: str, hint: str | None = None, severity: str = "error") -> None:
        line, column = self.source.position(pointer) or (None, None)
        self.found.append(Diagnostic(self.name, Problem(code, message, pointer, hint, line, column, severity)))
