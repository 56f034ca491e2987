"""Each kind of node: what its class says of itself, and the keys of its `with`."""

from __future__ import annotations

import functools
import inspect
import re
from typing import Any

from penstock.app import load_kinds
from penstock.ports import NodeKind
from penstock.tools.registry import Servers

from .markdown import code, keys, prose, table

Kinds = dict[str, NodeKind]


@functools.cache
def installed() -> Kinds:
    """The kinds that come with Penstock, as an installation without further ones has them."""
    return {name: kind for name, kind in load_kinds(Servers()).items() if type(kind).__module__.startswith("penstock.")}


def write_list(_: str) -> str:
    """All kinds, with the first sentence of each."""
    rows = [(f"[{code(name)}](#{name})", _first_sentence(kind)) for name, kind in sorted(installed().items())]
    return table(("kind", "what it does"), rows)


def write(of: str) -> str:
    """One kind: its description, the keys of `with` (in bold those that must be there), and what is inside them."""
    kind = installed()[of]
    schema = kind.Config.model_json_schema()
    parts = [_description(kind), "", keys(schema)]
    for name, inner in schema.get("$defs", {}).items():
        where = _where(schema, name)
        parts += [f"In {where}:", "", keys(inner, schema)]
    if kind.literal:
        names = " and ".join(code(key) for key in sorted(kind.literal))
        parts += [f"Expressions are refused in {names}: the text is taken as it stands.", ""]
    return "\n".join(parts)


def _description(kind: NodeKind) -> str:
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(_said(kind)))
    return "\n\n".join(prose(one) for one in paragraphs)


def _said(kind: NodeKind) -> str:
    """What the class says of itself, without its own name at the beginning; where it has little to say, after its module."""
    own, module = type(kind).__doc__ or "", (inspect.getmodule(type(kind)) or type(kind)).__doc__ or ""
    named = re.compile(rf"^(The kind )?`{kind.name}`: ")
    parts = [inspect.cleandoc(one) for one in ([own] if own and not named.match(own) else [module, own]) if one]
    texts = [named.sub("", part) for part in parts]
    return "\n\n".join(text[:1].upper() + text[1:] for text in texts)


def _first_sentence(kind: NodeKind) -> str:
    return re.split(r"(?<=[.:;]) ", prose(_said(kind)))[0].rstrip(":;.") + "."


def _where(schema: dict[str, Any], definition: str) -> str:
    ref = f"#/$defs/{definition}"
    for name, one in schema["properties"].items():
        if one.get("$ref") == ref or ref in str(one.get("allOf", "")):
            return code(name)
        if one.get("items", {}).get("$ref") == ref:
            return f"each of {code(name)}"
    return code(definition)
