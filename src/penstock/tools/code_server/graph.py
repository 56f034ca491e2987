"""The knowledge graph of a code base: its modules, who imports whom, what each defines, who calls what.

Python is read with `ast`; of JavaScript and TypeScript only the imports, by pattern. An import is resolved to a file of
the repository where one answers to the name (the nearest, if several do), and else to an external package. A node's id
is `module:<path>`, `class:<path>#<Name>`, `function:<path>#<Name>` or `package:<name>`.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .calls import Callees, Said
from .calls import read as read_names
from .fence import CallFailed, Fence, decode, is_binary, read_bytes
from .languages import language
from .resolve import PythonNames, WebNames, web_imports

FILE_LIMIT = 4 << 20  # bytes
HOT = 25
_BLOCKS = ("finalbody", "orelse", "handlers", "cases", "body")


@dataclass(slots=True)
class Graph:
    """Nodes by id, and edges (source, target, kind) with their attributes."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    left_out: int = 0

    def edge(self, source: str, target: str, kind: str, **attributes: Any) -> None:
        known = self.edges.setdefault((source, target, kind), attributes)
        if known.get("late") and not attributes.get("late"):
            known.pop("late")  # imported at the top as well: that is the import that counts

    def edge_rows(self) -> list[dict[str, Any]]:
        return [{"source": s, "target": t, "kind": k, **rest} for (s, t, k), rest in self.edges.items()]


@dataclass(slots=True)
class _Import:
    names: tuple[str, ...]  # the module, tried in order: `from a import b` may mean a.b or a
    level: int  # dots of a relative import
    line: int
    late: bool  # inside a function or under TYPE_CHECKING: no part of the import order


@dataclass(slots=True)
class _Module:
    path: str
    lines: int
    imports: list[_Import]
    defines: list[tuple[str, str, int, str | None]]  # kind, qualified name, line, first line of its docstring
    doc: str | None
    said: Said


def build(
    fence: Fence, root: Path, paths: list[str], *, definitions: bool, max_nodes: int, check: Callable[[], None]
) -> tuple[Graph, dict[str, Any]]:
    """(graph, summary). Files that cannot be read are named in summary["skipped"]; when there are more than `max_nodes`
    definitions, modules and imports stay and the rest is counted. Raises CallFailed `path.outside_root`.
    """
    skipped: list[dict[str, str]] = []
    modules: list[_Module] = []
    web: dict[str, tuple[str, int]] = {}
    for path in dict.fromkeys(paths):
        check()
        spoken = language(path)
        if spoken not in ("Python", "JavaScript", "TypeScript", "Vue", "Svelte"):
            continue
        try:
            data = read_bytes(fence.file(root, path), FILE_LIMIT + 1)
            if is_binary(data) or len(data) > FILE_LIMIT:
                raise CallFailed("file.binary" if is_binary(data) else "file.too_large", path)
            text = decode(data)[0]
            if spoken == "Python":
                modules.append(_parse(path, data, text))
            else:
                web[path] = (text, _lines(text))
        except CallFailed as error:
            if error.code == "path.outside_root":
                raise
            skipped.append({"path": path, "reason": error.code})
        except (SyntaxError, ValueError, RecursionError, MemoryError, OSError) as error:
            skipped.append({"path": path, "reason": f"{type(error).__name__}: {error}"})
    graph = Graph()
    names = PythonNames([module.path for module in modules], root.name)
    _add_python(graph, modules, names)
    _add_web(graph, web)
    if definitions:
        for module in modules:
            _add_definitions(graph, module, max_nodes)
        _add_calls(graph, modules, names, check)
    return graph, _summary(graph, skipped)


def _parse(path: str, data: bytes, text: str) -> _Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a file's invalid escapes are the scan's business
        try:
            tree = ast.parse(data, filename=path)  # bytes: a coding line is honoured
        except (SyntaxError, ValueError):
            tree = ast.parse(text, filename=path)
    imports: list[_Import] = []
    _collect_imports(tree.body, False, imports)
    defines = list(_definitions(tree.body, ""))
    return _Module(path, _lines(text), imports, defines, _first_line(tree), read_names(tree))


def _lines(text: str) -> int:
    return text.count("\n") + (1 if text and not text.endswith("\n") else 0)


def _first_line(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str | None:
    doc = (ast.get_docstring(node, clean=True) or "").strip().partition("\n")[0][:200]
    # An escape in the text may make what no encoding has a word for, such as half of a surrogate pair.
    return "".join(c if c.isprintable() else "\ufffd" for c in doc) or None


def _collect_imports(body: list[ast.stmt], late: bool, out: list[_Import]) -> None:
    stack: list[tuple[ast.AST, bool]] = [(node, late) for node in reversed(body)]
    while stack:
        node, late = stack.pop()
        if isinstance(node, ast.Import):
            out.extend(_Import((alias.name,), 0, node.lineno, late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for alias in node.names:
                deeper = f"{base}.{alias.name}" if base else alias.name
                names = (base,) if alias.name == "*" else (deeper, base)
                out.append(_Import(names, node.level, node.lineno, late))
        elif isinstance(node, ast.If) and _for_types_only(node.test):
            stack.extend((child, late) for child in reversed(node.orelse))
            stack.extend((child, True) for child in reversed(node.body))
        else:
            inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for block in _BLOCKS:  # no statement hides in an expression
                stack.extend((child, inside) for child in reversed(getattr(node, block, ())))


def _for_types_only(test: ast.expr) -> bool:
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _definitions(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str, int, str | None]]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            name = f"{prefix}{node.name}"
            yield "class", name, node.lineno, _first_line(node)
            yield from _definitions(node.body, f"{name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield "function", f"{prefix}{node.name}", node.lineno, _first_line(node)
        elif isinstance(node, ast.If | ast.Try):
            blocks = [node.body, node.orelse, *([h.body for h in node.handlers] if isinstance(node, ast.Try) else [])]
            for block in blocks:
                yield from _definitions(block, prefix)


def _add_python(graph: Graph, modules: list[_Module], names: PythonNames) -> None:
    for module in modules:
        node = {"kind": "module", "name": names.name_of[module.path], "path": module.path, "lines": module.lines}
        node |= {"language": "Python"} | ({"doc": module.doc} if module.doc else {})
        graph.nodes[f"module:{module.path}"] = node
    for module in modules:
        source = f"module:{module.path}"
        for item in module.imports:
            found = names.resolve(module.path, item.names, item.level)
            extra = {"line": item.line} | ({"late": True} if item.late else {})
            if found is not None:
                if found != module.path:
                    graph.edge(source, f"module:{found}", "imports", **extra)
            elif item.level == 0 and (top := item.names[-1].partition(".")[0]):
                origin = "standard library" if top in sys.stdlib_module_names else "package"
                graph.nodes.setdefault(f"package:{top}", {"kind": "package", "name": top, "origin": origin})
                graph.edge(source, f"package:{top}", "imports", **extra)


def _add_web(graph: Graph, files: dict[str, tuple[str, int]]) -> None:
    names = WebNames(list(files))
    for path, (_, lines) in files.items():
        node = {"kind": "module", "name": path, "path": path, "lines": lines, "language": language(path)}
        graph.nodes[f"module:{path}"] = node
    for path, (text, _) in files.items():
        for target, line in web_imports(text):
            found = names.resolve(path, target)
            if found is not None:
                graph.edge(f"module:{path}", f"module:{found}", "imports", line=line)
            elif (package := names.package(target)) is not None:
                origin = "standard library" if target.startswith("node:") else "package"
                graph.nodes.setdefault(f"package:{package}", {"kind": "package", "name": package, "origin": origin})
                graph.edge(f"module:{path}", f"package:{package}", "imports", line=line)


def _add_definitions(graph: Graph, module: _Module, max_nodes: int) -> None:
    for kind, name, line, doc in module.defines:
        if len(graph.nodes) >= max_nodes:
            graph.left_out += 1
            continue
        owner = name.rpartition(".")[0]
        node_id = f"{kind}:{module.path}#{name}"
        node = {"kind": kind, "name": name, "path": module.path, "line": line}
        graph.nodes.setdefault(node_id, node | ({"doc": doc} if doc else {}))
        source = f"class:{module.path}#{owner}" if owner else f"module:{module.path}"
        graph.edge(source, node_id, "defines")


def _add_calls(graph: Graph, modules: list[_Module], names: PythonNames, check: Callable[[], None]) -> None:
    defined = {module.path: {name: kind for kind, name, _, _ in module.defines} for module in modules}
    callees = Callees(names, {module.path: module.said for module in modules}, defined)
    for module in modules:
        check()
        path = module.path

        def node(owner: str, path: str = path) -> str:
            return f"{defined[path].get(owner)}:{path}#{owner}" if owner else f"module:{path}"

        for holder, bases in module.said.bases.items():
            for base, line in bases:
                found = callees.find(path, base)
                if found in graph.nodes and node(holder) in graph.nodes:
                    graph.edge(node(holder), found, "inherits", line=line)
        for owner, name, line in module.said.calls:
            found = callees.callee(path, owner, name)
            if found in graph.nodes and node(owner) in graph.nodes:
                graph.edge(node(owner), found, "calls", line=line)


def _summary(graph: Graph, skipped: list[dict[str, str]]) -> dict[str, Any]:
    kinds = Counter(node["kind"] for node in graph.nodes.values())
    links = Counter(edge[2] for edge in graph.edges)
    inward: Counter[str] = Counter()
    outward: Counter[str] = Counter()
    for source, target, kind in graph.edges:
        if kind == "imports":
            inward[target] += 1
            outward[source] += 1
    order = sorted(inward.items(), key=lambda item: (-item[1], item[0]))
    modules = [(node_id, count) for node_id, count in order if graph.nodes[node_id]["kind"] == "module"]
    packages = [
        {"name": graph.nodes[node_id]["name"], "imported_by": count}
        for node_id, count in order
        if graph.nodes[node_id].get("origin") == "package"
    ]
    return {
        "counts": {
            "modules": kinds["module"],
            "classes": kinds["class"],
            "functions": kinds["function"],
            "packages": kinds["package"],
            "imports": links["imports"],
            "calls": links["calls"],
            "inherits": links["inherits"],
        },
        "hot": [_hot(graph.nodes[node_id], count, outward[node_id]) for node_id, count in modules[:HOT]],
        "packages": packages[:HOT],
        "cycles": cycles(graph),
        "skipped": skipped,
        "left_out": graph.left_out,
    }


def _hot(node: dict[str, Any], inward: int, outward: int) -> dict[str, Any]:
    row = {"module": node["name"], "path": node["path"], "lines": node["lines"]}
    return row | {"imported_by": inward, "imports": outward} | ({"doc": node["doc"]} if "doc" in node else {})


def cycles(graph: Graph, limit: int = 20) -> list[list[str]]:
    """Groups of modules that import each other at the top level (Tarjan's strongly connected components), as paths."""
    after: dict[str, list[str]] = {node_id: [] for node_id in graph.nodes}
    for (source, target, kind), rest in graph.edges.items():
        if kind == "imports" and not rest.get("late") and target.startswith("module:"):
            after[source].append(target)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for start in after:
        if start in index:
            continue
        work: list[tuple[str, Iterator[str]]] = []

        def enter(node: str, work: list[tuple[str, Iterator[str]]] = work) -> None:
            index[node] = low[node] = len(index)
            stack.append(node)
            on_stack.add(node)
            work.append((node, iter(after[node])))

        enter(start)
        while work:
            node, rest_of = work[-1]
            step = next(rest_of, None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group: list[str] = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        group.append(member)
                        if member == node:
                            break
                    if len(group) > 1:
                        found.append(sorted(member.removeprefix("module:") for member in group))
            elif step not in index:
                enter(step)
            elif step in on_stack:
                low[node] = min(low[node], index[step])
    return sorted(found, key=lambda group: (-len(group), group))[:limit]
