"""The tree of the source, the journey of a run through it, and the layers its imports keep to."""

from __future__ import annotations

import ast
import configparser
from pathlib import Path

import penstock

from .markdown import code, prose, table

SOURCE = Path(penstock.__file__).parent
ROOT = Path(__file__).parents[2]
JOURNEY = (
    ("api/runs.py", "the request: parse, call one function, answer"),
    ("gate.py", "what is meant: a version, inputs that fit, a preflight"),
    ("control.py", "`start` and `advance`: news in, one transaction out"),
    ("engine/decide.py", "`settle`: what follows, asked until it says nothing"),
    ("stores/journal_sqlite.py", "the commit, guarded by the journal's head"),
    ("bus/embedded.py", "the hint that there is work"),
    ("executor.py", "the step: its context, its time limit, its news"),
    ("nodes/tool.py", "the kind: here one MCP call"),
)


def lines(path: Path) -> int:
    """Lines of one file, or of every Python file in a folder."""
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def _about(count: int) -> str:
    """To the nearest ten: what a reader wants to know, and what does not change with every commit."""
    return f"{round(count, -1):,}".replace(",", " ")


def write_journey(_: str) -> str:
    rows = [(str(at), code(name), _about(lines(SOURCE / name)), what) for at, (name, what) in enumerate(JOURNEY, 1)]
    total = sum(lines(SOURCE / name) for name, _ in JOURNEY)
    return table(("stop", "file", "lines", "what happens there"), [*rows, ("", "all of them", _about(total), "")])


def write_tree(_: str) -> str:
    rows = []
    for path in sorted(SOURCE.iterdir(), key=lambda p: (p.is_file(), p.name)):
        if path.name.startswith("__") or (path.is_file() and path.suffix != ".py"):
            continue
        name = path.name + ("/" if path.is_dir() else "")
        rows.append((code(name), _about(lines(path)) if lines(path) else "", _says(path)))
    return table(("where", "lines", "what"), rows)


FOLDERS = {
    "bus": "What carries work to executors. Embedded, for now.",
    "engine": "Pure: the document, the events, the fold, the decision, expressions. No clock, no I/O, no logging.",
    "imports": "A text in, a workflow with diagnostics out.",
    "models": "Models of providers behind one port, the scripted model, prices.",
    "stores": "The journal on SQLite and Postgres, the catalog, artifacts, the vault, migrations.",
    "testing": "Shipped to users: conformance suites, the seeded simulation.",
    "workflows": "The workflows that come with Penstock.",
}


def _says(path: Path) -> str:
    """The first sentence of what it says of itself."""
    if path.name in FOLDERS:
        return FOLDERS[path.name]
    file = path / "__init__.py" if path.is_dir() else path
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = prose(text.partition("\n\n")[0])
    head, dot, _ = first.partition(". ")
    return head + ("." if dot else "")


def write_layers(_: str) -> str:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    layers = [line for line in parser["importlinter:contract:layers"]["layers"].splitlines() if line]
    return "\n".join(["```text", *layers, "```"])
