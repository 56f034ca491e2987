"""Every stable error code, found in the source itself: who says it, with which HTTP status, in which words.

The source is read, not run. A code is text such as `run.not_found` where an error or a problem is made; `unexplained` has every
text of that form that was met elsewhere and is nothing else that is known, so that no code can hide from this page.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from penstock import errors as nouns
from penstock.api.problems import STATUS
from penstock.engine.events import FACTS
from penstock.errors import PenstockError

from .markdown import code, prose, table
from .source import reached

DOTTED = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
OTHER = re.compile(
    r".*\.(json|txt|md|db|key|html|py|ya?ml|sql|mod|sum)|http\.(disconnect|request|response\..*)|(penstock|os|mcp|cel)\..*"
    r"|run\.start|(model|tool)\.(call|result)"  # points of policies
    r"|chat\.completion(\.chunk)?|code\.(files|read|scan|graph|change|query)"
)
ROOTS: dict[str, type[PenstockError]] = {
    name: one for name, one in vars(nouns).items() if isinstance(one, type) and issubclass(one, PenstockError)
}
# Functions that make an error of the code they are given; all others that are given a code make a problem of it.
MAKERS = {"Fault": "ExpressionError", "_refuse": "Invalid", "read_id": "NotFound"}
# Codes that are put together: what stands in the source, and what becomes of it.
MADE = {
    "limit.{}": ("limit.tokens", "limit.usd", "limit.iterations", "limit.steps", "limit.seconds"),
    "{}.missing": ("body.missing", "parameter.missing"),
    "{}.unknown_key": ("body.unknown_key", "parameter.unknown_key"),
    "{}.invalid": ("body.invalid", "parameter.invalid"),
    "http.{}": (),  # statuses that only the web framework answers with
}
# What codes mean whose words are another's: of pydantic, of a tool, of the exception that was raised.
MEANINGS = {
    "not_found": "There is no such thing.",
    "too_large": "It is larger than is taken here.",
    "timed_out": "It took longer than it may.",
    "unauthenticated": "Who asks is not known.",
    "node.config": "What the kind says about a key of its `with`.",
    "expr.item_outside": "`item` and `index` exist only in the `with` of a node that has `for_each`.",
    "schema.default": "A default does not fit its own schema.",
    "schema.pattern": "A `pattern` is not a regular expression that can be matched in linear time.",
    "inputs.invalid": "What JSON Schema says about a value.",
    "inputs.unreadable": "The text given for an input is no value of its type.",
    "data.unwritable": "The data folder cannot be made or written.",
    "settings.invalid": "A setting of the environment is not what it must be.",
    "preflight.failed": "The first problem of the preflight; `errors[]` has all of them.",
    "limits.invalid": "The first problem of the limits.",
    "body.invalid": "The first problem of the body; `errors[]` has all of them.",
    "body.missing": "A key that is needed is not there; or there is no body.",
    "body.unknown_key": "A key that is not known, with the nearest one that is.",
    "parameter.invalid": "A parameter of the path, the query or a header is not right.",
    "parameter.missing": "A parameter that is needed is not there.",
    "parameter.unknown_key": "A parameter that is not known.",
    "run.cancelled": "The reason that was given, or `cancelled`.",
    "step.cancelled": "Why the step was stopped.",
    "step.lost": "Nobody runs the delivery any more, and why.",
    "step.crashed": "The kind raised what is no error of ours: its type and message. The log has the traceback.",
    "code.raised": "`main` let an exception out: its type, its message and its line.",
    "code.syntax": "The source is not Python, or not the part of it that the runtime knows.",
    "function.raised": "The function raised: the type and the message. The log has the traceback.",
    "http.status": "The server answered with a status that is not expected.",
    "approval.bad_fields": "What JSON Schema says about the fields of an answer; `errors[]` has all of it.",
    "agent.bad_schema": "The schema of the answer is no JSON Schema.",
    "tool.error": "The tool says that it failed.",
    "tool.schema": "The schema of the tool is not right.",
    "file.unreadable": "The file cannot be read, and why.",
    "out.unwritable": "The file cannot be written, and why.",
    "chat.unsupported": "The request asks for what no workflow does; `param` says where.",
    "etag.invalid": "`If-Match` is not one entity tag in double quotes, or `If-None-Match` is not `*`.",
    "method.not_allowed": "This method is not possible at this address.",
    "import.wrong": "The first error of an import that was to be saved; `errors[]` has all of them.",
    "policy.denied": "A policy said no, or a person whom it asked.",
    "policy.aborted": "A policy ended the run.",
    "policy.paused": "A policy paused the run: change the policy, then resume.",
    "route.not_found": "There is nothing at this address.",
}
FAMILIES = {
    "": "General",
    "document": "Documents",
    "node": "Documents: nodes",
    "edge": "Documents: edges",
    "graph": "Documents: the graph",
    "expr": "Expressions",
    "schema": "JSON Schemas, and the schema of the database",
    "workflow": "Workflows",
    "version": "Workflows: versions",
    "inputs": "Inputs",
    "preflight": "Preflight",
    "run": "Runs",
    "limit": "Limits",
    "limits": "Limits, as written",
    "spend": "Spending",
    "call": "Calls of tools and models",
    "chat": "Chats: from messages to inputs",
    "fork": "Forks",
    "approval": "Approvals",
    "dead_letter": "Dead letters",
    "letter": "Dead letters, on the command line",
    "step": "Steps",
    "for_each": "Steps: for_each",
    "loop": "Steps: loops",
    "kind": "Kinds of node",
    "code": "The kind code",
    "sandbox": "The kind code: the sandbox",
    "function": "The kind function",
    "http": "The kind http",
    "agent": "The kind agent",
    "crew": "The kind crew",
    "model": "Models",
    "provider": "Providers of models",
    "policy": "Policies",
    "human": "The kind human",
    "plan": "The kind plan",
    "render": "The kind render",
    "subflow": "The kind subflow",
    "tool": "The kind tool",
    "notify": "The kind notify",
    "task": "Tasks",
    "result": "Tasks: results",
    "server": "Servers",
    "envelope": "Remote workers: envelopes",
    "callback": "Remote workers: the way back",
    "upload": "Remote workers: large results",
    "worker": "Remote workers",
    "keys": "Remote workers: keys",
    "artifact": "Artifacts",
    "secret": "Secrets",
    "vault": "Secrets: the key file",
    "journal": "The journal",
    "data": "The data folder",
    "settings": "Settings",
    "auth": "HTTP: who asks",
    "body": "HTTP: bodies",
    "parameter": "HTTP: parameters",
    "cursor": "HTTP: lists",
    "filter": "HTTP: filters",
    "etag": "HTTP: entity tags",
    "idempotency": "HTTP: Idempotency-Key",
    "range": "HTTP: ranges",
    "method": "HTTP: methods",
    "route": "Ways on from a node, and HTTP: addresses",
    "file": "The command line: files",
    "import": "Imports",
    "out": "The command line: results",
    "plane": "The command line: planes",
}


@dataclass(slots=True)
class Code:
    """A code, the nouns it comes with, what it says, and the statuses it is answered with."""

    name: str
    nouns: set[str] = field(default_factory=set)
    says: list[str] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    again: bool = False

    def add(self, noun: str, says: str, status: int | None, again: bool) -> None:
        if noun:
            self.nouns.add(noun)
        if says and says not in self.says:
            self.says.append(says)
        if status is not None:
            self.statuses.add(status)
        self.again = self.again or again


def write(_: str) -> str:
    codes = found()
    families: dict[str, list[Code]] = {}
    for one in codes.values():
        families.setdefault(one.name.rpartition(".")[0].partition(".")[0], []).append(one)
    order = [*FAMILIES, *sorted(families.keys() - FAMILIES.keys())]
    parts: list[str] = []
    for family in order:
        if family in families:
            rows = [_row(one) for one in sorted(families[family], key=lambda one: one.name)]
            head = ("code", "noun", "HTTP", "again", "what it says")
            parts += [f"### {FAMILIES.get(family, family)}", "", table(head, rows)]
    return "\n".join(parts)


def _row(one: Code) -> tuple[str, ...]:
    says = " · ".join(prose(text) for text in one.says[:3]) + (" · …" if len(one.says) > 3 else "")
    statuses = ", ".join(map(str, sorted(one.statuses)))
    nouns = ", ".join(sorted(one.nouns - {"problem"})) or ("problem" if "problem" in one.nouns else "in the journal")
    return code(one.name), nouns, statuses, "yes" if one.again else "", says


@functools.cache
def found() -> dict[str, Code]:
    """Every code by its name."""
    trees = list(reached().values())
    nouns = _nouns(trees)
    codes: dict[str, Code] = {}
    for name, root in ROOTS.items():
        if "code" in vars(root) and "." not in root.code:
            made = codes.setdefault(root.code, Code(root.code))
            made.add(name, (root.__doc__ or "").partition("\n\n")[0], _status(root), root.retryable)
    codes["internal"].statuses = {500}
    for tree in trees:
        _Reader(codes, nouns).visit(tree)
    for name in [name for name in codes if OTHER.fullmatch(name)]:
        del codes[name]
    for one in codes.values():
        if one.name in MEANINGS:
            one.says = [MEANINGS[one.name]]
    return codes


def _nouns(trees: list[ast.Module]) -> dict[str, type[PenstockError]]:
    """Every class of error in the source, with the noun in `penstock.errors` that it is a kind of."""
    known = dict(ROOTS)
    for tree in trees:
        for one in ast.walk(tree):
            if isinstance(one, ast.ClassDef):
                bases = [base.id for base in one.bases if isinstance(base, ast.Name) and base.id in known]
                if bases:
                    known.setdefault(one.name, known[bases[0]])
    return known


def unexplained() -> list[str]:
    """Texts in the form of a code that no error was seen to carry, and that are nothing else known."""
    known = found().keys() | FACTS.keys() | {name.replace("inputs.", "value.", 1) for name in found()}
    seen: set[str] = set()
    for tree in reached().values():
        for one in ast.walk(tree):
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and DOTTED.fullmatch(one.value):
                seen.add(one.value)
    return sorted(name for name in seen - known if not OTHER.fullmatch(name))


def _status(noun: type[PenstockError]) -> int | None:
    """None for what a step says: that stands in the journal, and is never the answer to a request."""
    return next((STATUS[c] for c in noun.__mro__ if c in STATUS), None)


class _Reader(ast.NodeVisitor):
    """Notes the codes of one file. `texts` has what local names were last given, since messages are often made beforehand."""

    def __init__(self, codes: dict[str, Code], nouns: dict[str, type[PenstockError]]) -> None:
        self.codes = codes
        self.nouns = nouns
        self.texts: dict[str, str] | None = None

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer, self.texts = self.texts, {}
        self.generic_visit(node)
        self.texts = outer

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        root = self.nouns.get(node.name)
        for one in node.body:
            if root and isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "code":
                says = (ast.get_docstring(node) or "").partition("\n\n")[0]
                for name in _codes(one.value, bare=True):
                    self.note(name, node.name, says, _status(root), root.retryable)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        if self.texts is not None and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            self.texts[name] = self.text(node.value)
            if name == "code":
                for one in _codes(node.value):
                    self.note(one, "Invalid", "", STATUS[nouns.Invalid])

    def visit_Dict(self, node: ast.Dict) -> None:
        pairs = {k.value: v for k, v in zip(node.keys, node.values, strict=True) if isinstance(k, ast.Constant)}
        if "code" in pairs and "message" in pairs:
            again = isinstance(one := pairs.get("retryable"), ast.Constant) and bool(one.value)
            for name in _codes(pairs["code"]):
                self.note(name, "", self.text(pairs["message"]), None, again)
        for status, value in pairs.items():
            if type(status) is int:
                for name in _codes(value):
                    self.note(name, "HttpError", "", status)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        root = self.nouns.get(called)
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        says = next((text for one in node.args if " " in (text := self.text(one))), "")
        again = given.get("retryable")
        retries = bool(again.value) if isinstance(again, ast.Constant) else bool(root and root.retryable)
        if called == "HttpError":
            status = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            for name in _codes(node.args[1]) if len(node.args) > 1 else ():
                self.note(name, called, says, status, retries)
        elif root is not None:
            for name in _codes(given["code"]) if "code" in given else ():
                self.note(name, called, says, _status(root), retries)
        elif called == "failure" and node.args and isinstance(node.args[0], ast.Constant):
            kind = str(node.args[0].value)
            self.note(f"code.{kind}", "StepFailed", says, None, kind in ("crashed", "timeout"))
        else:
            noun = MAKERS.get(called, "problem")
            status = None if noun == "problem" else _status(self.nouns[noun])
            for one in (*node.args, *given.values()):
                for name in _codes(one) if not isinstance(one, ast.IfExp) else ():
                    if name not in FACTS:
                        self.note(name, noun, says, status)

    def text(self, value: ast.expr) -> str:
        """A message with `…` where a value is put in."""
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value.value
        if isinstance(value, ast.JoinedStr):
            made = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in value.values)
            return re.sub("…+", "…", made)
        if isinstance(value, ast.Name):
            return (self.texts or {}).get(value.id, "")
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
            return self.text(value.left) + self.text(value.right)
        return ""

    def note(self, name: str, noun: str, says: str, status: int | None, again: bool = False) -> None:
        name = name.replace("value.", "inputs.", 1) if name.startswith("value.") else name
        said = says if re.search(r"[a-z]{3}", says) else ""
        self.codes.setdefault(name, Code(name)).add(noun, said, status, again)


def _codes(value: ast.expr, bare: bool = False) -> Iterator[str]:
    """The codes an expression may give; with `bare`, of one word too."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        if bare or (DOTTED.fullmatch(value.value) and not OTHER.fullmatch(value.value)):
            yield value.value
    elif isinstance(value, ast.IfExp):
        yield from _codes(value.body)
        yield from _codes(value.orelse)
    elif isinstance(value, ast.JoinedStr):
        pattern = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in value.values)
        yield from MADE.get(pattern, ())
