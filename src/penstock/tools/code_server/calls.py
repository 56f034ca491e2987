"""Who calls what in Python, and which class stands on which: from the text alone, nothing is run.

A call is followed through names that say what they are: a function or class of the module, something imported (also through
packages that pass it on), a method of `self`, `cls` or `super()`, a method of a class by name. A call through a variable,
a parameter or the result of another call is not: its type is not in the text, and a wrong edge is worse than none.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .resolve import PythonNames

_HOPS = 8  # of a name that is passed on from module to module
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Binding:
    """What an import makes of a name: `from BASE import WHAT`, or `import BASE` when `what` is None. `whole` says that the name
    stands for the first part of BASE alone, as in `import a.b`."""

    base: str
    what: str | None
    level: int
    whole: bool = False


@dataclass(slots=True)
class Said:
    """What one module says. Callers and classes by their qualified name, the module itself as ''; callees and bases dotted."""

    bindings: dict[str, Binding] = field(default_factory=dict)
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    bases: dict[str, list[tuple[str, int]]] = field(default_factory=dict)


def read(tree: ast.Module) -> Said:
    """Every import, call and base class of a module."""
    said = Said()
    nobody: frozenset[str] = frozenset()
    stack: list[tuple[ast.AST, str, bool, frozenset[str]]] = [(tree, "", False, nobody)]
    while stack:
        node, owner, inside, own = stack.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            said.bindings.update(_bound(node))
            continue
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            stack.extend((child, owner, inside, own) for child in node.decorator_list)
            within = owner
            if not inside:
                within = f"{owner}.{node.name}" if owner else node.name
            if isinstance(node, ast.ClassDef):
                if not inside:
                    named = [(name, base.lineno) for base in node.bases if (name := _dotted(base))]
                    said.bases[within] = named
                stack.extend((child, within, inside, own) for child in reversed(node.body))
            else:
                local = own if inside else frozenset(_local(node))
                stack.extend((child, within, True, local) for child in reversed(node.body))
            continue
        if isinstance(node, ast.Call) and (name := _dotted(node.func)) and name.partition(".")[0] not in own:
            said.calls.append((owner, name, node.lineno))
        stack.extend((child, owner, inside, own) for child in ast.iter_child_nodes(node))
    return said


def _bound(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Binding]]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, Binding(node.module or "", alias.name, node.level)
        elif alias.asname:
            yield alias.asname, Binding(alias.name, None, 0)
        else:
            yield alias.name.partition(".")[0], Binding(alias.name, None, 0, whole=True)


def _local(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Names that are variables of a function: a call through one says nothing of what is called."""
    for node in ast.walk(function):
        if isinstance(node, ast.arg):
            if node.arg not in ("self", "cls"):
                yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.ExceptHandler, *_FUNCTIONS)) and node.name and node is not function:
            yield node.name


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super" and parts:
        parts.append("super()")
    else:
        return ""
    return ".".join(reversed(parts))


class Callees:
    """From a dotted name in a module to the node it means. `defined` has the kind of each definition by path and name."""

    def __init__(self, names: PythonNames, said: Mapping[str, Said], defined: Mapping[str, Mapping[str, str]]) -> None:
        self._names, self._said, self._defined = names, said, defined

    def callee(self, path: str, owner: str, name: str) -> str | None:
        """The id of the class or function that `owner` in the module at `path` calls by `name`, or None."""
        first, _, rest = name.partition(".")
        if first in ("self", "cls", "super()"):
            holder = owner.rpartition(".")[0]
            if not holder or not rest or "." in rest:
                return None
            return self._member(path, holder, rest, _HOPS, inherited=first == "super()")
        return self.find(path, name)

    def find(self, path: str, name: str, hops: int = _HOPS) -> str | None:
        """The id of the class or function a dotted name means in the module at `path`, or None."""
        if hops <= 0:
            return None
        defined = self._defined[path]
        if name in defined:
            return f"{defined[name]}:{path}#{name}"
        first, _, rest = name.partition(".")
        if first in defined:
            holder, _, last = name.rpartition(".")
            return self._member(path, holder, last, hops) if defined.get(holder) == "class" else None
        binding = self._said[path].bindings.get(first)
        return self._through(path, binding, rest, hops - 1) if binding else None

    def _through(self, path: str, binding: Binding, rest: str, hops: int) -> str | None:
        if binding.what is None:
            if not binding.whole:
                return self._inside(self._names.resolve(path, (binding.base,), 0), rest, hops)
            parts = [binding.base.partition(".")[0], *rest.split(".")]
            for length in range(len(parts) - 1, 0, -1):
                if found := self._names.resolve(path, (".".join(parts[:length]),), 0):
                    return self._inside(found, ".".join(parts[length:]), hops)
            return None
        deeper = f"{binding.base}.{binding.what}" if binding.base else binding.what
        if rest and (module := self._names.resolve(path, (deeper,), binding.level)) and module != path:
            return self._inside(module, rest, hops)
        where = self._names.resolve(path, (binding.base,), binding.level)
        return self._inside(where, f"{binding.what}.{rest}" if rest else binding.what, hops) if where != path else None

    def _inside(self, path: str | None, name: str, hops: int) -> str | None:
        return self.find(path, name, hops) if path in self._defined and path is not None and name else None

    def _member(self, path: str, holder: str, name: str, hops: int, inherited: bool = False) -> str | None:
        """The method `name` of the class `holder`, its own or the first one it inherits."""
        if not inherited and (kind := self._defined[path].get(f"{holder}.{name}")):
            return f"{kind}:{path}#{holder}.{name}"
        for base, _ in self._said[path].bases.get(holder, ()) if hops > 0 else ():
            if (found := self.find(path, base, hops - 1)) and found.startswith("class:"):
                there, _, above = found.removeprefix("class:").partition("#")
                if there in self._defined and (method := self._member(there, above, name, hops - 1)):
                    return method
        return None
