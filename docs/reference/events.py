"""Everything a journal can say: the facts of engine/events, with their fields and what the code says about each."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from penstock.engine import events

from .markdown import code, prose, shown, table

FAMILIES = {
    "run": "Runs",
    "node": "Nodes",
    "step": "Steps",
    "steps": "Several steps at once",
    "spend": "Spending",
    "said": "What a step says of what it does",
}
_FIELD = re.compile(r"^    (?P<name>\w+): (?P<type>[^=#]+?)(?: = (?P<default>[^#]*?))?(?:\s+#\s*(?P<about>.*))?$")


def write(_: str) -> str:
    families: dict[str, list[type[events.Fact]]] = {name: [] for name in FAMILIES}
    for kind, fact in events.FACTS.items():
        families["said" if fact in events.SAID else kind.partition(".")[0]].append(fact)
    parts: list[str] = []
    for family, facts in families.items():
        parts += [f"## {FAMILIES[family]}", ""]
        for fact in facts:
            parts += _fact(fact)
    return "\n".join(parts)


def _fact(fact: type[events.Fact]) -> list[str]:
    out = [f"### {fact.kind}", ""]
    if text := _docstring(fact):
        out += [prose(text), ""]
    comments = _comments(fact)
    rows = []
    for field in dataclasses.fields(fact):
        default = "needed" if field.default is dataclasses.MISSING else _default(field.default)
        rows.append((code(field.name), _type(str(field.type)), default, prose(comments.get(field.name, ""))))
    return [*out, table(("field", "type", "when absent", "meaning"), rows)] if rows else [*out, "It has no fields.", ""]


def _docstring(fact: type) -> str:
    text = fact.__doc__ or ""
    return "" if text.startswith(f"{fact.__name__}(") else text  # what dataclasses write of themselves says nothing


def _default(value: Any) -> str:
    return "" if value is None else shown(value)


def _comments(fact: type) -> dict[str, str]:
    """The comment of each field, on its line or on the continued line below it."""
    found, open_field = {}, ""
    for line in inspect.getsource(fact).splitlines():
        if open_field and line.strip().startswith("None  #"):
            found[open_field] = line.partition("#")[2].strip()
        match = _FIELD.match(line)
        open_field = ""
        if match and match["about"]:
            found[match["name"]] = match["about"]
        elif match and (match["default"] or "").strip() == "(":
            open_field = match["name"]
    return found


def _type(text: str) -> str:
    words = {
        "str": "text",
        "int": "whole number",
        "float": "number",
        "bool": "true or false",
        "Any": "any value",
        "dict[str, Any]": "object",
        "list[str]": "list of text",
        "list[dict[str, Any]]": "list of objects",
        "list[list[Any]]": "list of pairs",
    }
    plain = text.removesuffix(" | None")
    return words.get(plain, code(plain))
