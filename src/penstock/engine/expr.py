"""The one expression language: of edges, of `with`, of outputs and of policies.

An `Expression` is CEL over `inputs`, `nodes`, `run`, and inside a `for_each` `item` and `index`. A `Template` is a JSON
tree in which some strings hold `${{ ... }}`. Both are compiled once and evaluated often; most of what people write is a
path or a constant, and costs what following the path costs. `syntax` has the grammar, `evaluate` the meaning,
`functions` the functions and the bounds. An expression that cannot be computed is an `ExpressionError` with its place,
never a silent false.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import Invalid, Problem
from .evaluate import Closure, build, constructs, path_of, weighed
from .functions import FUNCTIONS
from .syntax import MAX_SOURCE, NODE_MEMBERS, ROOTS, Parser, Tree, parse
from .tokens import ExpressionError, Fault, suggestion, tokenize
from .values import Account, Path, describe, text, walk

__all__ = ["Expression", "ExpressionError", "Template", "compile_expression", "compile_template"]

_OPEN = "${{"
_PLAIN_PATH = re.compile(r"(?:inputs|nodes|run|item|index)(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_MAX_TREE = 64


class Expression:
    """A compiled expression. `source` is its text without ${{ }}, `refs` the nodes it reads, `roots` what else it reads
    (inputs, nodes, run, item, index), `pointer` the JSON pointer of where it stands, if that is known."""

    __slots__ = ("_closure", "_keys", "_known", "_path", "pointer", "refs", "roots", "source")

    def __init__(self, source: str, tree: Tree, pointer: str = "", known: frozenset[str] = ROOTS) -> None:
        self.source = source
        self.pointer = pointer
        self._known = known
        self.refs, self.roots = _references(tree, known)
        self._path: Path | None = path_of(tree)
        self._closure: Closure | None = None
        # Only string keys: text[0] means a character to Python and nothing to CEL.
        keys = self._path[0] if self._path else ()
        self._keys = keys if keys and all(isinstance(key, str) for key in keys) else None

    @classmethod
    def simple(cls, source: str, pointer: str) -> Expression | None:
        """The expression if `source` is a plain path such as inputs.folder, which needs no parser; else None."""
        if _PLAIN_PATH.fullmatch(source) is None or len(source) > MAX_SOURCE:
            return None
        keys = tuple(source.split("."))
        if keys[0] == "nodes" and (len(keys) < 2 or (len(keys) > 2 and keys[2] not in NODE_MEMBERS)):
            return None
        made = cls.__new__(cls)
        made.source, made.pointer, made._known = source, pointer, ROOTS
        made.refs = frozenset(keys[1:2]) if keys[0] == "nodes" else frozenset()
        made.roots = frozenset(keys[:1])
        places = [0]
        for key in keys[:-1]:
            places.append(places[-1] + len(key) + 1)
        made._path, made._keys = (keys, tuple(places)), keys
        made._closure = None
        return made

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"

    def evaluate(self, scope: Mapping[str, Any], account: Account | None = None) -> Any:
        """The value in `scope`, a mapping of the roots. Parts of the scope come back as they are, not copied. `account` is
        what it may cost, where several expressions share that.

        Raises ExpressionError (expr.missing, type, range, value, arithmetic, overflow, too_costly, too_large).
        """
        keys = self._keys
        try:
            if keys is not None:
                value: Any = scope
                try:
                    for key in keys:
                        value = value[key]
                    return value
                except (KeyError, TypeError, IndexError):
                    return walk(self._path, scope)  # type: ignore[arg-type]
            closure = self._closure
            if closure is None:
                closure = self._build()
            return closure(account or Account(dict(scope)))
        except Fault as fault:
            raise self._error(fault) from None
        except RecursionError:
            fault = Fault("expr.too_deep", "the values compared are nested too deeply", 0)
            raise self._error(fault) from None

    def _build(self) -> Closure:
        # Parsed again rather than kept: most of the expressions in memory belong to nodes that are not running.
        tree = parse(self.source, FUNCTIONS, self._known)
        closure = build(tree)
        self._closure = weighed(closure) if constructs(tree) else closure
        return self._closure

    def test(self, scope: Mapping[str, Any]) -> bool:
        """The value, which must be true or false. Raises ExpressionError (expr.not_boolean for any other value)."""
        value = self.evaluate(scope)
        if value is True or value is False:
            return value
        hint = "compare it with something, such as size(x) > 0 or x != null"
        raise self._error(Fault("expr.not_boolean", f"this is {describe(value)}, not true or false", 0, hint))

    def _error(self, fault: Fault) -> ExpressionError:
        return _located(fault, self.source, self.pointer)


def _located(fault: Fault, source: str, pointer: str) -> ExpressionError:
    return ExpressionError(fault.code, fault.reason, source, fault.position or 0, pointer=pointer, hint=fault.hint)


def _references(tree: Tree, known: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
    refs: set[str] = set()
    roots: set[str] = set()

    def visit(tree: Tree, bound: frozenset[str]) -> None:
        if tree.op == "name" and tree.value in known and tree.value not in bound:
            roots.add(tree.value)
            if tree.value == "nodes":
                message = "nodes is followed by the name of a node, such as nodes.scan.output"
                raise Fault("expr.dynamic_node", message, tree.position)
            return
        step = _step(tree)
        if step is not None and "nodes" not in bound:
            inner, name = step
            if inner.op == "name" and inner.value == "nodes":
                roots.add("nodes")
                refs.add(name)
                return
            before = _step(inner)
            if before and before[0].op == "name" and before[0].value == "nodes" and name not in NODE_MEMBERS:
                message = f"nodes.{before[1]} has {', '.join(NODE_MEMBERS)}, not {name!r}"
                hint = suggestion(name, NODE_MEMBERS) or f"nodes.{before[1]}.output.{name}?"
                raise Fault("expr.unknown_name", message, tree.position, hint)
        if tree.op in ("all", "exists", "exists_one", "map", "filter"):
            visit(tree.kids[0], bound)
            for kid in tree.kids[1:]:
                visit(kid, bound | {tree.value})
            return
        for kid in tree.kids:
            visit(kid, bound)

    visit(tree, frozenset())
    return frozenset(refs), frozenset(roots)


def _step(tree: Tree) -> tuple[Tree, str] | None:
    """A member, or an index by a literal name: what it is taken of, and its name."""
    if tree.op in ("member", "has"):
        return tree.kids[0], tree.value
    if tree.op == "index" and tree.kids[1].op == "literal" and isinstance(tree.kids[1].value, str):
        return tree.kids[0], tree.kids[1].value
    return None


def compile_expression(source: str, pointer: str = "", roots: frozenset[str] = ROOTS) -> Expression:
    """Compile CEL text, with or without ${{ }} round it. `pointer` goes into errors. `roots` are the variables there are: those
    of a workflow, or of another place, whose text then stands without ${{ }}.

    Raises ExpressionError: expr.syntax, expr.too_long, expr.too_deep, expr.unknown_name (with the nearest known one),
    expr.dynamic_node.
    """
    try:
        stripped = source.strip()
        if roots is not ROOTS:
            return Expression(source, parse(source, FUNCTIONS, roots), pointer, roots)
        if stripped.startswith(_OPEN):
            expression, end = _embedded(stripped, 0, pointer)
            if end != len(stripped):
                message = "there is text behind the expression; a condition is one expression"
                raise Fault("expr.syntax", message, end)
            return expression
        return Expression.simple(stripped, pointer) or Expression(source, parse(source, FUNCTIONS), pointer)
    except Fault as fault:
        raise _located(fault, source, pointer) from None


def _embedded(whole: str, start: int, pointer: str) -> tuple[Expression, int]:
    """The expression whose ${{ stands at `start`, and the offset behind its }}."""
    begin = start + len(_OPEN)
    close = whole.find("}}", begin)
    if close > 0 and (plain := Expression.simple(whole[begin:close].strip(), pointer)) is not None:
        return plain, close + 2
    try:
        tokens, end = tokenize(whole, begin, embedded=True)
        source = whole[begin : end - 2]
        if len(source) > MAX_SOURCE:
            raise Fault("expr.too_long", f"the expression has {len(source)} characters; {MAX_SOURCE} are allowed", 0)
        return Expression(source.strip(), Parser(_trimmed(tokens), FUNCTIONS).parse(), pointer), end
    except Fault as fault:
        source = whole[begin : begin + MAX_SOURCE].partition("}}")[0]
        raise _located(fault, source, pointer) from None


def _trimmed(tokens: list[Any]) -> list[Any]:
    """Positions counted from the first token, as `source` is kept without the blanks before it."""
    first = tokens[0].position
    for token in tokens:
        token.position -= first
    return tokens


class Template:
    """A JSON tree in which some strings hold ${{ }}. `constant` when none does; `refs` and `roots` are those of all
    its expressions, `places` the JSON pointers of the strings that hold them."""

    __slots__ = ("_make", "constant", "expressions", "places", "refs", "roots", "value")

    def __init__(self, value: Any, expressions: list[Expression], make: Maker | None):
        self.value = value
        self.expressions = tuple(expressions)
        self.places = frozenset(expression.pointer for expression in expressions)
        self.refs = frozenset[str]().union(*(expression.refs for expression in expressions))
        self.roots = frozenset[str]().union(*(expression.roots for expression in expressions))
        self.constant = make is None
        self._make = make

    def __repr__(self) -> str:
        return f"Template({self.value!r})"

    def evaluate(self, scope: Mapping[str, Any]) -> Any:
        """The tree with its expressions replaced. A string that is one expression becomes its value; inside a longer
        string, strings are put in as they are and other values as JSON. Constant parts are shared, not copied.

        Raises ExpressionError, with the pointer of the place."""
        return self.value if self._make is None else self._make(scope, Account(dict(scope)))


Maker = Callable[[Mapping[str, Any], Account], Any]  # the account is shared by all expressions of a template


def compile_template(value: Any, pointer: str = "") -> Template:
    """Compile a JSON value. `pointer` is its place in the document.

    Raises Invalid with one Problem per bad expression, each with its JSON pointer.
    """
    problems: list[Problem] = []
    expressions: list[Expression] = []
    make = _compile(value, (None, pointer), expressions, problems)
    if problems:
        raise Invalid(problems[0].message, code=problems[0].code, problems=problems)
    return Template(value, expressions, make)


Place = tuple["Place | None", Any]  # where a value stands: what holds it, and its key there


def pointer_to(place: Place) -> str:
    """The JSON pointer of a place."""
    parts: list[str] = []
    while place[0] is not None:
        parts.append("/" + escape(place[1]))
        place = place[0]
    return place[1] + "".join(reversed(parts))


def _compile(value: Any, at: Place, found: list[Expression], problems: list[Problem], depth: int = 0) -> Maker | None:
    """The maker of a value, or None when it is constant."""
    if isinstance(value, str):
        if _OPEN not in value:
            return None
        try:
            return _text(value, pointer_to(at), found)
        except ExpressionError as error:
            problems.extend(error.problems)
            return None
    if not isinstance(value, (dict, list)):
        return None
    if depth > _MAX_TREE:
        problems.append(Problem("document.too_deep", f"nested over {_MAX_TREE} levels", pointer_to(at)))
        return None
    if isinstance(value, dict):
        made: list[tuple[Any, Maker]] = []
        for key, part in value.items():
            if isinstance(key, str) and _OPEN in key:
                message = "an expression may stand in a value, not in a key"
                problems.append(Problem("expr.in_key", message, pointer_to((at, key))))
            make = _compile(part, (at, key), found, problems, depth + 1)
            if make is not None:
                made.append((key, make))
        return (lambda scope, account: {**value, **{key: make(scope, account) for key, make in made}}) if made else None
    parts = [_compile(part, (at, index), found, problems, depth + 1) for index, part in enumerate(value)]
    if not any(parts):
        return None
    pairs = list(zip(parts, value, strict=True))
    return lambda scope, account: [part if make is None else make(scope, account) for make, part in pairs]


def escape(key: Any) -> str:
    """A key as a token of a JSON pointer (RFC 6901)."""
    return str(key).replace("~", "~0").replace("/", "~1")


def _text(value: str, at: str, found: list[Expression]) -> Maker | None:
    parts: list[str | Expression] = []
    cursor = 0
    while (start := value.find(_OPEN, cursor)) >= 0:
        if start > cursor and value[start - 1] == "$":  # $${{ is a literal ${{
            parts.append(value[cursor : start - 1] + _OPEN)
            cursor = start + len(_OPEN)
            continue
        if start > cursor:
            parts.append(value[cursor:start])
        expression, cursor = _embedded(value, start, at)
        parts.append(expression)
        found.append(expression)
    if cursor < len(value):
        parts.append(value[cursor:])
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return parts[0].evaluate
    if len(parts) == 3 and _blank(parts[0]) and isinstance(parts[1], Expression) and _blank(parts[2]):
        return parts[1].evaluate
    pieces = [(part, None) if isinstance(part, str) else ("", part) for part in parts]

    def make(scope: Mapping[str, Any], account: Account) -> str:
        return "".join([literal if part is None else _inserted(part, scope, account) for literal, part in pieces])

    return make


def _blank(part: str | Expression) -> bool:
    return isinstance(part, str) and not part.strip()


def _inserted(expression: Expression, scope: Mapping[str, Any], account: Account) -> str:
    value = expression.evaluate(scope, account)
    try:
        account.weigh(value)
    except Fault as fault:
        raise _located(fault, expression.source, expression.pointer) from None
    return text(value)
