"""The grammar of expressions: tokens -> tree.

The language is the Common Expression Language (CEL, https://github.com/google/cel-spec), the part of it that speaks of
JSON: no bytes, unsigned integers, timestamps, durations or protocol messages. The tree is kept (rather than handing the
text to a library) because three things need it: which nodes an expression reads, the place of an error, and a price for
every step of its evaluation. Macros (`has`, `all`, `exists`, `exists_one`, `map`, `filter`) are told from calls here,
where their variable can be checked. Source length, nesting and the depth of the tree are bounded, so nothing that walks
a tree recurses further than `MAX_DEPTH`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .tokens import INT_MAX, Fault, Token, suggestion, tokenize

MAX_SOURCE = 2048
MAX_DEPTH = 100
MAX_NESTING = 32
MAX_MACRO_NESTING = 2

ROOTS = frozenset({"inputs", "nodes", "run", "item", "index"})
NODE_MEMBERS = ("output", "errors", "status")
MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})
RESERVED = frozenset(
    {"as", "break", "const", "continue", "else", "for", "function", "if", "import"}
    | {"let", "loop", "package", "namespace", "return", "var", "void", "while"}
)

_BINARY = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3),
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
    "%": 5,
}


Functions = Mapping[str, tuple[Any, int, int]]  # name -> function, fewest and most arguments


@dataclass(slots=True)
class Tree:
    """One node. `op` is the operator, or: literal, name, member, index, [], {}, call, has, neg, or a macro's name.

    `value` holds what is not a tree: the literal, the name, the macro's variable.
    """

    op: str
    position: int
    kids: tuple[Tree, ...] = ()
    value: Any = None
    depth: int = 1


class Parser:
    """Tokens -> Tree, by precedence climbing. Knows the variables in scope, so an unknown name is found here."""

    def __init__(self, tokens: list[Token], functions: Functions, roots: frozenset[str] = ROOTS) -> None:
        self.roots = roots
        self.tokens = tokens
        self.at = 0
        self.functions = functions
        self.variables: list[str] = []
        self.nesting = 0
        self.macros = 0

    def parse(self) -> Tree:
        if self.tokens[0].kind == "end":
            raise Fault("expr.syntax", "the expression is empty", 0)
        tree = self.ternary()
        token = self.tokens[self.at]
        if token.kind != "end":
            hint = "there is no power operator" if token.value == "*" else None
            raise Fault("expr.syntax", f"unexpected {_show(token)}", token.position, hint)
        return tree

    def make(self, op: str, position: int, kids: tuple[Tree, ...] = (), value: Any = None) -> Tree:
        depth = 1
        for kid in kids:
            if kid.depth >= depth:
                depth = kid.depth + 1
        if depth > MAX_DEPTH:
            raise Fault("expr.too_deep", f"the expression is nested over {MAX_DEPTH} levels", position)
        return Tree(op, position, kids, value, depth)

    def take(self, op: str) -> bool:
        token = self.tokens[self.at]
        if token.kind == "op" and token.value == op:
            self.at += 1
            return True
        return False

    def expect(self, op: str) -> None:
        if not self.take(op):
            token = self.tokens[self.at]
            raise Fault("expr.syntax", f"expected {op} but found {_show(token)}", token.position)

    def ternary(self) -> Tree:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            position = self.tokens[self.at].position
            raise Fault("expr.too_deep", f"the expression is nested over {MAX_NESTING} levels", position)
        tree = self.binary(1)
        position = self.tokens[self.at].position
        if self.take("?"):
            yes = self.binary(1)
            self.expect(":")
            tree = self.make("?:", position, (tree, yes, self.ternary()))
        self.nesting -= 1
        return tree

    def binary(self, least: int) -> Tree:
        left = self.unary()
        while True:
            token = self.tokens[self.at]
            level = _BINARY.get(token.value, 0) if token.kind == "op" or token.value == "in" else 0
            if token.kind == "string" or level < least:
                return left
            self.at += 1
            right = self.binary(level + 1)
            left = self.make(token.value, token.position, (left, right))

    def unary(self) -> Tree:
        token = self.tokens[self.at]
        if self.take("!"):
            return self.make("!", token.position, (self.deeper(token),))
        if self.take("-"):
            number = self.tokens[self.at]
            if number.kind == "number":
                number.value = -number.value
                return self.member()
            return self.make("neg", token.position, (self.deeper(token),))
        return self.member()

    def deeper(self, token: Token) -> Tree:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise Fault("expr.too_deep", f"the expression is nested over {MAX_NESTING} levels", token.position)
        tree = self.unary()
        self.nesting -= 1
        return tree

    def member(self) -> Tree:
        tree = self.primary()
        while True:
            token = self.tokens[self.at]
            if self.take("."):
                name = self.tokens[self.at]
                if name.kind != "name":
                    raise Fault("expr.syntax", f"expected a name after . but found {_show(name)}", name.position)
                self.at += 1
                called = self.take("(")
                tree = self.method(tree, name) if called else self.make("member", name.position, (tree,), name.value)
            elif self.take("["):
                key = self.ternary()
                self.expect("]")
                tree = self.make("index", token.position, (tree, key))
            else:
                return tree

    def primary(self) -> Tree:
        token = self.tokens[self.at]
        self.at += 1
        if token.kind in ("number", "string"):
            if token.value == INT_MAX + 1 and token.kind == "number" and isinstance(token.value, int):
                raise Fault("expr.syntax", f"{token.value} does not fit in 64 bits", token.position)
            return self.make("literal", token.position, value=token.value)
        if token.kind == "name":
            return self.named(token)
        if token.kind == "op":
            if token.value == "(":
                tree = self.ternary()
                self.expect(")")
                return tree
            if token.value == "[":
                return self.make("[]", token.position, self.items("]"))
            if token.value == "{":
                return self.make("{}", token.position, self.pairs())
        raise Fault("expr.syntax", f"unexpected {_show(token)}", token.position)

    def items(self, close: str) -> tuple[Tree, ...]:
        out: list[Tree] = []
        while not self.take(close):
            out.append(self.ternary())
            if not self.take(","):
                self.expect(close)
                break
        return tuple(out)

    def pairs(self) -> tuple[Tree, ...]:
        out: list[Tree] = []
        while not self.take("}"):
            out.append(self.ternary())
            self.expect(":")
            out.append(self.ternary())
            if not self.take(","):
                self.expect("}")
                break
        return tuple(out)

    def named(self, token: Token) -> Tree:
        name = token.value
        constants = {"true": True, "false": False, "null": None}
        if name in constants:
            return self.make("literal", token.position, value=constants[name])
        if self.take("("):
            if name in MACROS:
                raise Fault("expr.syntax", f"{name} is called on a list: list.{name}(x, ...)", token.position)
            if name == "has":
                return self.has(token)
            return self.call(token, self.items(")"))
        if name in self.variables or name in self.roots:
            return self.make("name", token.position, value=name)
        if name in RESERVED or name == "in":
            raise Fault("expr.syntax", f"{name} is a reserved word", token.position)
        known = [*self.roots, *self.variables]
        hint = suggestion(name, known) or f"known are {', '.join(sorted(known))}; text stands in quotes"
        raise Fault("expr.unknown_name", f"there is no {name!r}", token.position, hint)

    def has(self, token: Token) -> Tree:
        args = self.items(")")
        if len(args) != 1 or args[0].op != "member":
            raise Fault("expr.syntax", "has() takes one member, such as has(inputs.name)", token.position)
        return self.make("has", token.position, args[0].kids, args[0].value)

    def call(self, token: Token, args: tuple[Tree, ...]) -> Tree:
        if token.value not in self.functions:
            hint = suggestion(token.value, [*self.functions, *MACROS, "has"])
            raise Fault("expr.unknown_name", f"there is no function {token.value!r}", token.position, hint)
        _, least, most = self.functions[token.value]
        if not least <= len(args) <= most:
            takes = str(least) if least == most else f"{least} to {most}"
            raise Fault("expr.syntax", f"{token.value}() takes {takes} arguments, not {len(args)}", token.position)
        return self.make("call", token.position, args, token.value)

    def method(self, target: Tree, token: Token) -> Tree:
        if token.value not in MACROS:
            return self.call(token, (target, *self.items(")")))
        self.macros += 1
        if self.macros > MAX_MACRO_NESTING:
            message = f"{token.value}() is nested over {MAX_MACRO_NESTING} levels"
            raise Fault("expr.too_deep", message, token.position)
        variable = self.tokens[self.at]
        if variable.kind != "name" or variable.value in RESERVED or variable.value in ("true", "false", "null", "in"):
            message = f"the first argument of {token.value}() names the element, such as {token.value}(x, ...)"
            raise Fault("expr.syntax", message, variable.position)
        self.at += 1
        self.expect(",")
        self.variables.append(variable.value)
        args = self.items(")")
        self.variables.pop()
        self.macros -= 1
        if len(args) != 1 and not (token.value == "map" and len(args) == 2):
            raise Fault("expr.syntax", f"{token.value}(x, ...) takes one expression", token.position)
        return self.make(token.value, token.position, (target, *args), variable.value)


def _show(token: Token) -> str:
    if token.kind == "end":
        return "the end"
    return f"the string {token.value!r}" if token.kind == "string" else str(token.value)


def parse(source: str, functions: Functions, roots: frozenset[str] = ROOTS) -> Tree:
    """The tree of an expression over `roots`. Raises Fault (expr.syntax, expr.too_long, expr.too_deep, expr.unknown_name)."""
    if len(source) > MAX_SOURCE:
        raise Fault("expr.too_long", f"the expression has {len(source)} characters; {MAX_SOURCE} are allowed", 0)
    return Parser(tokenize(source)[0], functions, roots).parse()
