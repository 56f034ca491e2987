"""From the name in an import to the file it means."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator

_WEB_SUFFIXES = (".ts", ".tsx", ".mts", ".cts", ".d.ts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte", ".json")
_WEB_IMPORT = re.compile(
    r"""(?:^|[;\s}])(?:import|export)\s+(?:type\s+)?(?:[\w*{][^'"`;]*?\bfrom\s*)?(['"])(?P<a>[^'"\n]+)\1
      | \b(?:require|import)\s*\(\s*(['"])(?P<b>[^'"\n]+)\3\s*[,)]""",
    re.VERBOSE,
)


class PythonNames:
    """The dotted names of Python files, counted from the folder above their outermost package; a file in no package
    also answers to its path from the top of the repository or of `src/`. `root_name` is what the top folder is called,
    for when it is a package itself."""

    def __init__(self, paths: list[str], root_name: str = "") -> None:
        self._paths = frozenset(paths)
        self.name_of: dict[str, str] = {}
        self._files: dict[str, list[str]] = {}
        top = root_name if "__init__.py" in self._paths else ""
        for path in paths:
            base = _source_root(path, self._paths)
            self.name_of[path] = _dotted(f"{top}/{path}" if top else path[len(base) :])
            for name in {self.name_of[path], _dotted(path), _dotted(path.removeprefix("src/"))}:
                self._files.setdefault(name, []).append(path)

    def resolve(self, importer: str, names: tuple[str, ...], level: int) -> str | None:
        """The file an import in `importer` means, or None. `level` counts the dots of a relative import."""
        if level:
            folder = posixpath.dirname(importer)
            for _ in range(level - 1):
                folder = posixpath.dirname(folder)
            for name in names:
                stem = posixpath.join(folder, *name.split(".")) if name else folder
                for candidate in (f"{stem}.py", f"{stem}/__init__.py", f"{stem}.pyi"):
                    if candidate.lstrip("/") in self._paths:
                        return candidate.lstrip("/")
            return None
        for name in names:
            found = self._files.get(name, [])
            if name.partition(".")[0] in sys.stdlib_module_names:  # shadowed only where Python would look first
                beside = posixpath.dirname(importer)
                found = [path for path in found if beside == _source_root(path, self._paths).rstrip("/") != ""]
            if found:
                return max(found, key=lambda path: (_shared(path, importer), -len(path)))
        return None


def _source_root(path: str, paths: frozenset[str]) -> str:
    """The folder (with a final slash, or empty) the dotted name of `path` starts after."""
    folder = root = posixpath.dirname(path)
    while folder:
        above = posixpath.dirname(folder)
        if f"{folder}/__init__.py" in paths:
            root = above
        folder = above
    return f"{root}/" if root else ""


def _dotted(path: str) -> str:
    stem = path.rpartition(".")[0]
    if stem.endswith("/__init__"):
        stem = stem.removesuffix("/__init__")
    return stem.replace("/", ".")


def _shared(one: str, other: str) -> int:
    return len(posixpath.commonprefix([one.split("/"), other.split("/")]))


class WebNames:
    """The files that JavaScript and TypeScript imports mean: relative ones, and `@/` or `~/` for a `src` above."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = frozenset(paths)

    def resolve(self, importer: str, target: str) -> str | None:
        target = target.partition("?")[0]
        if target.startswith("."):
            return self._file(posixpath.normpath(posixpath.join(posixpath.dirname(importer), target)))
        if target.startswith(("@/", "~/")):
            folder = posixpath.dirname(importer)
            while folder:
                if found := self._file(posixpath.join(folder, target[2:])):
                    return found
                folder = posixpath.dirname(folder)
            return self._file(posixpath.join("src", target[2:])) or self._file(target[2:])
        return None

    def _file(self, stem: str) -> str | None:
        bare = re.sub(r"\.[mc]?jsx?$", "", stem)  # TypeScript writes .js for a file that is .ts
        candidates = [stem, *(f"{bare}{s}" for s in _WEB_SUFFIXES), *(f"{stem}{s}" for s in _WEB_SUFFIXES)]
        candidates += [f"{stem}/index{suffix}" for suffix in _WEB_SUFFIXES]
        return next((candidate for candidate in candidates if candidate in self._paths), None)

    @staticmethod
    def package(target: str) -> str | None:
        """The package a bare import names; None for a path or an address."""
        if target.startswith((".", "/", "@/", "~/")) or "://" in target or not target.strip():
            return None
        parts = target.removeprefix("node:").split("/")
        return "/".join(parts[:2]) if target.startswith("@") and len(parts) > 1 else parts[0]


def web_imports(text: str) -> Iterator[tuple[str, int]]:
    """(what is imported, line) for each import, export-from, require and dynamic import in a JavaScript-like text."""
    for found in _WEB_IMPORT.finditer(text):
        group = "a" if found["a"] else "b"
        yield found[group], text.count("\n", 0, found.start(group)) + 1
