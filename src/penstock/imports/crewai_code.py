"""What a crew's `crew.py` says, as far as it can be read without running it.

The Python beside CrewAI's files may hold the process, who does a task, and tools, models and guardrails given in code. The
first two are taken over where they are written out plainly; of the rest each keyword is named, with its line, so that nobody
believes it was.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import Problem
from .imported import Diagnostic

CONFIG = {"Agent": "agents_config", "Task": "tasks_config"}
QUIET = {"Crew": {"agents", "tasks", "verbose", "name"}, "Agent": {"config", "verbose"}, "Task": {"config", "agent"}}
PROCESSES = ("sequential", "hierarchical")


@dataclass(slots=True)
class Code:
    """`process`, "" when it is not written there; `agents`: task -> agent; `rest`: what is decided in code besides."""

    process: str = ""
    agents: dict[str, str] = field(default_factory=dict)
    rest: list[Diagnostic] = field(default_factory=list)


def read_code(data: bytes, name: str, found: list[Diagnostic]) -> Code:
    """What the file says. Python that cannot be parsed is a diagnostic of its own, `import.code`."""
    code = Code()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        problem = Problem(
            "import.code", "this is not Python, so nothing is known of it", "", None, line, severity="warning"
        )
        found.append(Diagnostic(name, problem))
        return code
    for call, kind in _calls(tree):
        of = _config_of(call, CONFIG[kind]) if kind in CONFIG else None
        for keyword in call.keywords:
            if keyword.arg == "process" and kind == "Crew":
                code.process = _process(keyword.value)
            elif keyword.arg == "agent" and kind == "Task" and of is not None:
                if (agent := _method(keyword.value)) is not None:
                    code.agents[of] = agent
            elif keyword.arg is not None and keyword.arg not in QUIET[kind]:
                whose = f"{kind}({of})" if of else kind
                message = f"{keyword.arg} of {whose} is given in Python and not carried over"
                problem = Problem(
                    "import.code", message, "", None, keyword.value.lineno, keyword.value.col_offset + 1, "warning"
                )
                code.rest.append(Diagnostic(name, problem))
    return code


def _calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in QUIET:
            yield node, node.func.id


def _config_of(call: ast.Call, attribute: str) -> str | None:
    """NAME of config=self.tasks_config["NAME"]."""
    for keyword in call.keywords:
        value = keyword.value
        if keyword.arg == "config" and isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Constant):
            held = value.value
            if isinstance(held, ast.Attribute) and held.attr == attribute and isinstance(value.slice.value, str):
                return value.slice.value
    return None


def _process(value: ast.expr) -> str:
    return value.attr if isinstance(value, ast.Attribute) and value.attr in PROCESSES else ""


def _method(value: ast.expr) -> str | None:
    """NAME of self.NAME()."""
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        return value.func.attr
    return None
