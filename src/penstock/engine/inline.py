"""Named schemas, put where `with` refers to them: `{$ref: "#/schemas/Verdict"}` stands for the schema of that name.

Only a mapping with that one key is a reference. A schema may refer to others; one that comes back to itself is refused,
because a step is given its configuration whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .fields import Reader

PREFIX = "#/schemas/"
LARGEST = 100_000  # places in a `with` whose references are put in: schemas that double one another stay small


def inline(reader: Reader, value: Any, schemas: Mapping[str, Any], at: str) -> Any:
    """`value` with its references replaced. Notes `document.recursive_schema` and `document.too_large`; a reference to a schema
    that is not there stays."""
    return _Inliner(reader, schemas).put(value, at, ())


class _Inliner:
    def __init__(self, reader: Reader, schemas: Mapping[str, Any]) -> None:
        self._reader = reader
        self._schemas = schemas
        self._left = LARGEST

    def put(self, value: Any, at: str, within: tuple[str, ...]) -> Any:
        """`within` names the schemas that are being put in; a problem there is the problem of the reference at `at`."""
        self._left -= 1
        if self._left < 0:
            if self._left == -1:
                self._reader.add("document.too_large", at, "the schemas referred to here are too large put together")
            return None
        if isinstance(value, list):
            return [self.put(one, at if within else f"{at}/{index}", within) for index, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        name = _reference(value)
        if name is None:
            return {key: self.put(one, at if within else f"{at}/{key}", within) for key, one in value.items()}
        if name not in self._schemas:  # `imports.schemas` names it, together with those in `inputs` and `schemas`
            return value
        if name in within:
            self._reader.add("document.recursive_schema", at, f"the schema {name!r} refers to itself")
            return None
        return self.put(self._schemas[name], at, (*within, name))


def _reference(value: Mapping[str, Any]) -> str | None:
    target = value.get("$ref") if len(value) == 1 else None
    return target.removeprefix(PREFIX) if isinstance(target, str) and target.startswith(PREFIX) else None
