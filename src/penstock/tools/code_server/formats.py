"""The knowledge graph in the formats other tools read: JSON-LD 1.1, GraphML and Turtle."""

from __future__ import annotations

import io
import json
from typing import Any
from urllib.parse import quote

from .graph import Graph

VOCABULARY = "urn:penstock:code#"
CONTEXT = {
    "@version": 1.1,
    "code": VOCABULARY,
    "schema": "https://schema.org/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "module": "urn:penstock:module:",
    "class": "urn:penstock:class:",
    "function": "urn:penstock:function:",
    "package": "urn:penstock:package:",
    "name": "schema:name",
    "doc": "schema:description",
    "language": "schema:programmingLanguage",
    "path": "code:path",
    "origin": "code:origin",
    "line": {"@id": "code:line", "@type": "xsd:integer"},
    "lines": {"@id": "code:lines", "@type": "xsd:integer"},
    "imports": {"@id": "code:imports", "@type": "@id"},
    "defines": {"@id": "code:defines", "@type": "@id"},
    "calls": {"@id": "code:calls", "@type": "@id"},
    "inherits": {"@id": "code:inherits", "@type": "@id"},
}
_TYPES = {"module": "code:Module", "class": "code:Class", "function": "code:Function", "package": "code:Package"}


def _iri(node_id: str) -> str:
    kind, _, rest = node_id.partition(":")
    return f"{kind}:{quote(rest, safe='/._-~')}"


def _linked(graph: Graph) -> dict[str, dict[str, list[str]]]:
    links: dict[str, dict[str, list[str]]] = {}
    for source, target, kind in graph.edges:
        links.setdefault(source, {}).setdefault(kind, []).append(_iri(target))
    return links


def jsonld(graph: Graph) -> dict[str, Any]:
    """The graph as one JSON-LD document: `@context` and `@graph`, imports and definitions as links between ids."""
    links = _linked(graph)
    rows = []
    for node_id, node in graph.nodes.items():
        row: dict[str, Any] = {"@id": _iri(node_id), "@type": _TYPES[node["kind"]]}
        row |= {key: value for key, value in node.items() if key != "kind"}
        rows.append(row | links.get(node_id, {}))
    return {"@context": CONTEXT, "@graph": rows}


def graphml(graph: Graph) -> str:
    """The graph as GraphML (yEd, Gephi, networkx read it), every attribute a typed key."""
    from xml.etree import ElementTree  # noqa: PLC0415  (one format in four needs it)

    root = ElementTree.Element("graphml", xmlns="http://graphml.graphdrawing.org/xmlns")
    node_keys = {"kind": "string", "name": "string", "path": "string", "language": "string", "origin": "string"}
    node_keys |= {"doc": "string", "line": "int", "lines": "int"}
    for where, keys in (("node", node_keys), ("edge", {"kind": "string", "line": "int", "late": "boolean"})):
        for key, kind in keys.items():
            attributes = {"id": f"{where}.{key}", "for": where, "attr.name": key, "attr.type": kind}
            ElementTree.SubElement(root, "key", attributes)
    body = ElementTree.SubElement(root, "graph", id="code", edgedefault="directed")
    for node_id, node in graph.nodes.items():
        _graphml_data(ElementTree.SubElement(body, "node", id=_clean(node_id)), "node", node, ElementTree.SubElement)
    for (source, target, kind), rest in graph.edges.items():
        edge = ElementTree.SubElement(body, "edge", source=_clean(source), target=_clean(target))
        _graphml_data(edge, "edge", {"kind": kind, **rest}, ElementTree.SubElement)
    out = io.BytesIO()
    ElementTree.ElementTree(root).write(out, encoding="utf-8", xml_declaration=True)
    return out.getvalue().decode()


def _graphml_data(parent: Any, where: str, values: dict[str, Any], add: Any) -> None:
    for key, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else _clean(str(value))
        add(parent, "data", key=f"{where}.{key}").text = text


def _clean(text: str) -> str:
    """XML 1.0 has no way to write most control characters, not even as references."""
    return "".join(c if c in "\t\n\r" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in text)


def turtle(graph: Graph) -> str:
    """The graph as RDF 1.1 Turtle, with the names of the JSON-LD form."""
    lines = [f"@prefix {prefix}: <{CONTEXT[prefix]}> ." for prefix in ("code", "schema", "xsd")]
    predicates = {"name": "schema:name", "doc": "schema:description", "language": "schema:programmingLanguage"}
    links = _linked(graph)
    for node_id, node in graph.nodes.items():
        facts = [f"a {_TYPES[node['kind']]}"]
        for key, value in node.items():
            if key != "kind":
                literal = str(value) if isinstance(value, int) else _quoted(value)
                facts.append(f"{predicates.get(key, 'code:' + key)} {literal}")
        for kind, targets in links.get(node_id, {}).items():
            facts.append(f"code:{kind} " + ", ".join(_full(target) for target in targets))
        lines.append(f"{_full(_iri(node_id))} " + " ;\n    ".join(facts) + " .")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A Turtle string. JSON's escapes are Turtle's, but for characters beyond U+FFFF, which stand as they are."""
    return json.dumps(_clean(text), ensure_ascii=False)


def _full(iri: str) -> str:
    kind, _, rest = iri.partition(":")
    return f"<{CONTEXT[kind]}{rest}>"
