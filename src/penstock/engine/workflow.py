"""The document of a workflow: what it says, once it is known to be right.

`parse` takes plain JSON (from wherever) and returns a `Workflow` with its expressions compiled and its graph understood,
or raises Invalid with every problem found: it goes on after each one, and only leaves out checks whose ground is
missing. `document` has the values, `fields`, `parts` and `edges` read them, `graph` knows the shape, `schema` describes the
document to editors, and `compare` tells two apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import Invalid
from .compare import compare
from .document import (
    DIFFICULTIES,
    Edge,
    Limits,
    Node,
    Retry,
    Workflow,
    canonical,
    digest,
    fingerprint,
    input_defaults,
    read_limits,
)
from .edges import Edges, Way, pointer_of
from .expr import Expression, Template, escape
from .fields import MAX_BYTES, MAX_NODES, SLUG, Position, Reader, nowhere
from .graph import Before, Reach, Shape, shape_of
from .parts import read_node
from .schema import document_schema
from .tokens import nearest
from .values import show

__all__ = [
    "Edge",
    "Limits",
    "Node",
    "Retry",
    "Workflow",
    "compare",
    "document_schema",
    "fingerprint",
    "input_defaults",
    "parse",
]

KEYS = (
    "penstock",
    "name",
    "title",
    "description",
    "persona",
    "tags",
    "difficulty",
    "minutes",
    "inputs",
    "limits",
    "nodes",
    "edges",
    "outputs",
    "schemas",
    "layout",
)


def parse(document: Any, position: Position = nowhere) -> Workflow:
    """The workflow a document describes. `position` tells the line and column of a JSON pointer, where there is a text.

    Raises Invalid, code `workflow.invalid`, whose problems are all that is wrong: document.* (keys, types, values, size,
    depth), node.*, edge.*, graph.* and expr.*, each with its pointer and, where known, line and column.
    """
    reader = Reader(position)
    workflow = None
    if not isinstance(document, dict):
        reader.wrong(document, "", "the document", "a mapping with penstock: 1, name and nodes")
    elif reader.plain(document):
        text = canonical(document)
        size = len(text.encode())
        if size > MAX_BYTES:
            reader.add("document.too_large", "", f"the document has {size} bytes; {MAX_BYTES} are allowed")
        else:
            workflow = _Parser(reader, document).workflow(
                digest(text) if "layout" not in document else fingerprint(document)
            )
    errors = reader.errors
    if errors or workflow is None:
        name = document.get("name") if isinstance(document, dict) else None
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        what = f"workflow {name!r}" if isinstance(name, str) and SLUG.fullmatch(name) else "the workflow"
        raise Invalid(
            f"{what} is not right: {errors[0].message}{more}", code="workflow.invalid", problems=reader.problems
        )
    return workflow


class _Parser:
    """One pass over one document. Methods note problems in `reader` and go on with what is right."""

    def __init__(self, reader: Reader, document: dict[str, Any]) -> None:
        self.reader = reader
        self.document = document
        self.nodes: dict[str, Node] = {}
        self.sound = True  # whether every node and edge could be read, so that the graph means something

    def workflow(self, fingerprint: str) -> Workflow:
        document, reader = self.document, self.reader
        reader.unknown(document, KEYS, "", "the document")
        self.version()
        name = self.required("name")
        if isinstance(name, str) and not SLUG.fullmatch(name):
            hint = "lower-case letters, digits and dashes, at most 63, such as review-folder"
            reader.add("document.value", "/name", f"{show(name)} is not a name for a workflow", hint)
        elif name is not None and not isinstance(name, str):
            reader.wrong(name, "/name", "name", "text")
        texts = {key: self.text(key) for key in ("title", "description", "persona")}
        difficulty = document.get("difficulty", "")
        if "difficulty" in document:
            difficulty = reader.choice(difficulty, "/difficulty", "difficulty", DIFFICULTIES) or ""
        minutes = None
        if "minutes" in document:
            minutes = reader.amount(document["minutes"], "/minutes", "minutes", 0, 100_000)
        inputs = self.inputs()
        limits = read_limits(reader, document["limits"], "/limits") if "limits" in document else Limits()
        self.read_nodes()
        edges = self.read_edges()
        outputs = reader.template(document.get("outputs", {}), "/outputs")
        if "outputs" in document:
            reader.mapping(document["outputs"], "/outputs", "outputs")
        schemas, layout = self.schemas(), self.layout()
        heads = frozenset(node.name for node in self.nodes.values() if node.max_visits > 1)
        shape = shape_of(list(self.nodes), [(way.source, way.target) for way in edges], heads)
        linked = self.link(edges, shape)
        self.check_cycles(edges, shape)
        if self.sound:
            self.check_shape(shape)
        self.check_references(linked, shape, outputs)
        return Workflow(
            name=name if isinstance(name, str) else "",
            **texts,
            tags=self.tags(),
            difficulty=difficulty,
            minutes=minutes,
            inputs=inputs,
            nodes=self.nodes,
            edges=linked,
            outputs=outputs,
            limits=limits,
            schemas=schemas,
            layout=layout,
            document=document,
            fingerprint=fingerprint,
            roots=tuple(node.name for node in self.nodes.values() if not node.incoming),
            after=Reach({n.name: [e.target for e in n.outgoing if not e.back] for n in self.nodes.values()}),
            warnings=tuple(reader.warnings),
        )

    # ------------------------------------------------------------------------------------------- the top level

    def required(self, key: str) -> Any:
        if key not in self.document:
            self.reader.add("document.missing", "", f"the document has no {key}")
        elif self.document[key] is None:
            self.reader.wrong(None, f"/{key}", key, "given")
        else:
            return self.document[key]
        return None

    def version(self) -> None:
        if "penstock" not in self.document:
            hint = "the first line of a document is penstock: 1"
            self.reader.add(
                "document.missing", "", "the document does not say which version of the format it is in", hint
            )
        elif self.document["penstock"] != 1 or isinstance(self.document["penstock"], bool):
            message = f"penstock is 1, the version of the format, not {show(self.document['penstock'])}"
            self.reader.add("document.value", "/penstock", message)

    def text(self, key: str) -> str:
        return self.reader.text(self.document[key], f"/{key}", key) if key in self.document else ""

    def tags(self) -> tuple[str, ...]:
        tags = self.document.get("tags", [])
        if not isinstance(tags, list):
            self.reader.wrong(tags, "/tags", "tags", "a list of texts")
            return ()
        return tuple(self.reader.text(tag, f"/tags/{at}", "a tag", 100) for at, tag in enumerate(tags))

    def inputs(self) -> dict[str, Any]:
        if "inputs" not in self.document:
            return {"type": "object", "properties": {}}
        schema = self.reader.mapping(self.document["inputs"], "/inputs", "inputs")
        if schema is None:
            return {}
        if schema.get("type") != "object":
            hint = "write type: object, and the inputs under properties"
            place = "/inputs/type" if "type" in schema else "/inputs"
            self.reader.add("document.value", place, "inputs is a JSON Schema with type: object", hint)
        return schema

    def schemas(self) -> dict[str, Any]:
        schemas = self.reader.mapping(self.document.get("schemas", {}), "/schemas", "schemas")
        for name, schema in (schemas or {}).items():
            if not isinstance(schema, (dict, bool)):
                self.reader.wrong(schema, f"/schemas/{escape(name)}", "a schema", "a mapping")
        return schemas or {}

    def layout(self) -> dict[str, Any]:
        return self.reader.mapping(self.document.get("layout", {}), "/layout", "layout") or {}

    # ------------------------------------------------------------------------------------------------- nodes

    def read_nodes(self) -> None:
        nodes = self.required("nodes")
        if nodes is None or (nodes := self.reader.mapping(nodes, "/nodes", "nodes")) is None:
            self.sound = False
        elif not nodes:
            self.sound = False
            self.reader.add("document.value", "/nodes", "a workflow has at least one node")
        elif len(nodes) > MAX_NODES:
            self.sound = False
            self.reader.add("document.too_large", "/nodes", f"{len(nodes)} nodes; {MAX_NODES} are allowed")
        else:
            given = self.document.get("schemas")
            schemas = given if isinstance(given, dict) else {}
            for name, value in nodes.items():
                self.nodes[name] = read_node(self.reader, name, value, f"/nodes/{escape(name)}", schemas)

    # ------------------------------------------------------------------------------------------------- edges

    def read_edges(self) -> list[Way]:
        edges = Edges(self.reader, self.nodes)
        ways = edges.read(self.document.get("edges", []))
        self.sound = self.sound and edges.sound
        return ways

    def link(self, edges: list[Way], shape: Shape) -> tuple[Edge, ...]:
        """Make the edges and hang them on their nodes."""
        linked = tuple(
            Edge(index, way.source, way.target, way.when, index in shape.back, way.default, way.to)
            for index, way in enumerate(edges)
        )
        incoming: dict[str, list[Edge]] = {name: [] for name in self.nodes}
        outgoing: dict[str, list[Edge]] = {name: [] for name in self.nodes}
        for edge in linked:
            incoming[edge.target].append(edge)
            outgoing[edge.source].append(edge)
        for name, node in self.nodes.items():
            node.incoming = tuple(edge for edge in incoming[name] if not edge.back)
            node.back_in = tuple(edge for edge in incoming[name] if edge.back)
            node.outgoing = tuple(outgoing[name])
            node.plain = all(edge.when is None and not edge.back for edge in node.outgoing)
        return linked

    # ------------------------------------------------------------------------------------ what only the whole shows

    def check_cycles(self, edges: list[Way], shape: Shape) -> None:
        add = self.reader.add
        for index in sorted(shape.back):
            source, target, when, number = (way := edges[index]).source, way.target, way.when, way.number
            cycle = " -> ".join(
                [*shape.cycles[index][:12], *(["..."] if len(shape.cycles[index]) > 12 else []), target]
            )
            if self.nodes[target].max_visits == 1:
                hint = f"give {target} max_visits: the most times it may run"
                add("graph.unbounded_cycle", f"/edges/{number}", f"nothing bounds the cycle {cycle}", hint)
            elif when is None and len(self.nodes[source].outgoing) == 1:
                message = f"{source} always goes back to {target}, so the cycle {cycle} ends only by failing"
                add("graph.endless_cycle", f"/edges/{number}", message, "give the edge a when", "warning")

    def check_shape(self, shape: Shape) -> None:
        add = self.reader.add
        for name in shape.unreachable:
            starts = ", ".join(shape.starts[:5])
            message = f"no path leads to {name} from where a run starts ({starts})"
            add("graph.unreachable", pointer_of(self.nodes[name]), message, "add an edge to it")
        for name, node in self.nodes.items():
            at = pointer_of(node)
            if isinstance(node.join, int) and node.join > len(node.incoming):
                message = f"{name} waits for {node.join} edges, and {len(node.incoming)} lead to it"
                add("node.join_unreachable", f"{at}/join", message)
            conditional = bool(node.outgoing) and all(edge.when is not None or edge.back for edge in node.outgoing)
            if node.on_error == "continue" and node.for_each is None and conditional:
                message = f"every edge from {name} has a condition, so on_error: continue goes nowhere after a failure"
                add("node.no_way_on", f"{at}/on_error", message, "add an edge without when", "warning")
            if node.max_visits > 1 and not node.back_in:
                message = f"no edge goes back to {name}, so it runs once whatever max_visits says"
                add("node.no_cycle", f"{at}/max_visits", message, severity="warning")

    def check_references(self, edges: tuple[Edge, ...], shape: Shape, outputs: Template) -> None:
        before = Before(shape, [(edge.source, edge.target) for edge in edges]) if self.sound else None
        for name, node in self.nodes.items():
            if node.for_each is not None:
                self.check([node.for_each], name, before, item=False)
            given = self.document["nodes"].get(name)  # none for a gate
            self.check(node.config.expressions, name, before, item=isinstance(given, dict) and "for_each" in given)
        for edge in edges:
            if edge.when is not None:
                self.check([edge.when], edge.source, before, item=False, itself=True)
        self.check(outputs.expressions, None, None, item=False)

    def check(
        self,
        expressions: Iterable[Expression],
        node: str | None,
        before: Before | None,
        *,
        item: bool,
        itself: bool = False,
    ) -> None:
        """Whether what the expressions of `node` read can be there when they are evaluated."""
        for expression in expressions:
            if not item and (names := expression.roots & {"item", "index"}):
                message = f"{' and '.join(sorted(names))} exist only in the with of a node that has for_each"
                self.reader.add(
                    "expr.item_outside", expression.pointer, f"{message} (in ${{{{ {expression.source} }}}})"
                )
            for name in sorted(expression.refs):
                where = f"(in ${{{{ {expression.source} }}}})"
                if name not in self.nodes:
                    close = nearest(name, self.nodes)
                    hint = f"did you mean {close!r}?" if close else None
                    self.reader.add("expr.unknown_node", expression.pointer, f"there is no node {name!r} {where}", hint)
                elif node is None or before is None or (itself and name == node) or before(name, node):
                    continue
                else:
                    message = f"{name} cannot have run before {node}: no path leads from it {where}"
                    self.reader.add("expr.node_not_before", expression.pointer, message, "add an edge")
