"""Text -> plain JSON data, with the place of every part.

YAML and JSON are both read as a stream of events, and the data is built from events with a stack of its own, so nothing
recurses and nothing is built that is too deep, too large or refused. YAML is read by the rules of its version 1.2: `no`,
`12:30` and `2024-01-31` are text. An alias stands for its anchor's value, shared, and is charged as if it were written out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined] - the C scanner behind json.loads
from typing import Any

import yaml

from ..engine.expr import escape
from ..engine.fields import MAX_BYTES, MAX_DEPTH, MAX_PROBLEMS
from ..errors import Invalid, Problem

MAX_ALIASES = 100

Mark = tuple[int, int]  # line and column, from 1
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_JSON_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:(?P<punctuation>[{}\[\],:])
    |(?P<string>")
    |(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)
    |(?P<word>true|false|null|-?Infinity|NaN))""",
    re.VERBOSE,
)


class Rejected(Exception):
    """The text cannot be read on: one problem, at a place in the text."""

    def __init__(self, code: str, message: str, mark: Mark | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        line, column = mark or (None, None)
        self.problem = Problem(code, message, "", hint, line, column)


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is {, [, ] (the end of either), scalar or alias; `anchor` names the value that begins here."""

    kind: str
    mark: Mark
    value: Any = None
    anchor: str | None = None


@dataclass(slots=True)
class Source:
    """Data read from a text. `problems` are those that did not stop the reading."""

    data: Any
    problems: list[Problem] = field(default_factory=list)
    marks: dict[int, dict[Any, Mark]] = field(default_factory=dict)  # id of a container -> key -> place
    start: Mark = (1, 1)

    def position(self, pointer: str) -> Mark | None:
        """Line and column of a JSON pointer: of the key in a mapping, of the element in a list; of the nearest part there is
        when the pointer leads further than the data."""
        at, found = self.data, self.start
        for token in pointer.split("/")[1:]:
            key: Any = token.replace("~1", "/").replace("~0", "~")
            if isinstance(at, list):
                key = int(key) if key.isdecimal() and int(key) < len(at) else None
            elif not isinstance(at, dict):
                break
            mark = self.marks.get(id(at), {}).get(key)
            if mark is None:
                break
            found = mark
            at = at[key]
        return found


def read_text(data: bytes | str, filename: str = "", *, limit: int = MAX_BYTES, depth: int = MAX_DEPTH) -> Source:
    """Read YAML or JSON of at most `limit` bytes, nested at most `depth` levels; a name that ends in .json makes it JSON only.

    Raises Invalid, code `workflow.invalid`, with one problem: document.too_large, encoding, syntax, too_deep, type (a key
    that is not text), value (not a finite number), tag, alias, too_many_aliases, several. Doubled keys are problems of the
    result (document.duplicate_key).
    """
    try:
        if len(data) > limit:
            raise Rejected("document.too_large", f"the document has {len(data)} bytes; {limit} are allowed")
        text = _decode(data) if isinstance(data, bytes) else data.removeprefix("\ufeff")
        if filename.lower().endswith(".json"):
            return _Builder(limit, depth).build(_json_events(text))
        if not text.lstrip().startswith(("{", "[")):
            return _Builder(limit, depth).build(_yaml_events(text))
        try:
            return _Builder(limit, depth).build(_json_events(text))
        except Rejected as error:
            if error.problem.code != "document.syntax":
                raise
            try:  # YAML may also begin with a brace
                return _Builder(limit, depth).build(_yaml_events(text))
            except Rejected as other:
                raise (error if other.problem.code == "document.syntax" else other) from None
    except Rejected as error:
        what = f"{filename}: " if filename else ""
        raise Invalid(what + error.problem.message, code="workflow.invalid", problems=[error.problem]) from None


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        mark = (before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        hint = "save it as UTF-8"
        raise Rejected("document.encoding", f"byte {error.start} of the document is not UTF-8", mark, hint) from None


# ------------------------------------------------------------------------------------------------------ events -> data


class _Open:
    """A container that is being built."""

    __slots__ = ("anchor", "key", "last", "marks", "size", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.marks: dict[Any, Mark] = {}
        self.key: Any = _NO_KEY  # the key whose value comes next
        self.last: Any = None  # the key that came last
        self.size = 2


_NO_KEY = object()


class _Builder:
    def __init__(self, limit: int, depth: int) -> None:
        self.limit = limit
        self.depth = depth
        self.source = Source(None)
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.aliases = 0
        self.size = 0

    def build(self, events: Iterator[Event]) -> Source:
        for event in events:
            if event.kind in "{[":
                if len(self.stack) >= self.depth:
                    message = f"the document is nested over {self.depth} levels"
                    raise Rejected("document.too_deep", message, event.mark)
                opened = _Open({} if event.kind == "{" else [], event.anchor)
                self.place(opened.value, event, 0)
                self.source.marks[id(opened.value)] = opened.marks
                self.stack.append(opened)
            elif event.kind == "]":
                closed = self.stack.pop()
                if closed.anchor is not None:
                    self.anchors[closed.anchor] = (closed.value, closed.size)
                if self.stack:
                    self.stack[-1].size += closed.size
            elif event.kind == "alias":
                self.alias(event)
            else:
                size = 8 + (len(event.value) if isinstance(event.value, str) else 0)
                if event.anchor is not None:
                    self.anchors[event.anchor] = (event.value, size)
                self.place(event.value, event, size)
        return self.source

    def alias(self, event: Event) -> None:
        self.aliases += 1
        if self.aliases > MAX_ALIASES:
            raise Rejected("document.too_many_aliases", f"more than {MAX_ALIASES} aliases", event.mark)
        if event.value not in self.anchors:
            message = f"*{event.value} stands for nothing that is complete before it"
            raise Rejected("document.alias", message, event.mark)
        value, size = self.anchors[event.value]
        self.size += size
        if self.size > self.limit:
            message = "the document is too large once its aliases are written out"
            raise Rejected("document.too_large", message, event.mark)
        self.place(value, event, size)

    def place(self, value: Any, event: Event, size: int) -> None:
        """Put a value where the innermost open container expects one."""
        if not self.stack:
            self.source.data = value
            self.source.start = event.mark
            return
        top = self.stack[-1]
        top.size += size
        if isinstance(top.value, list):
            top.marks[len(top.value)] = event.mark
            top.value.append(value)
        elif top.key is _NO_KEY:
            self.take_key(top, value, event)
        else:
            top.value[top.key] = value
            top.key = _NO_KEY

    def take_key(self, top: _Open, key: Any, event: Event) -> None:
        if not isinstance(key, str):
            shown = "a list or mapping" if isinstance(key, (dict, list)) else json.dumps(key)
            raise Rejected("document.type", f"a key must be text, not {shown}", event.mark, "put it in quotes")
        if key == "<<":
            message = "merge keys (<<) are not read"
            raise Rejected("document.merge_key", message, event.mark, "write the keys out, or give an alias as a value")
        if key in top.value and len(self.source.problems) < MAX_PROBLEMS:
            line, column = top.marks[key]
            message = f"the key {key[:80]!r} is there twice, first at line {line}, column {column}"
            pointer = self.pointer(key)
            self.source.problems.append(Problem("document.duplicate_key", message, pointer, None, *event.mark))
        top.marks[key] = event.mark
        top.key = top.last = key

    def pointer(self, key: str) -> str:
        """The pointer of `key` in the innermost container."""
        parts: list[str] = []
        for outer in self.stack[:-1]:
            parts.append(escape(outer.last if isinstance(outer.value, dict) else len(outer.value) - 1))
        return "".join("/" + part for part in [*parts, escape(key)])


# -------------------------------------------------------------------------------------------------------------- YAML


def _yaml_events(text: str) -> Iterator[Event]:
    documents = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            mark = (event.start_mark.line + 1, event.start_mark.column + 1)
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Rejected("document.several", "the text holds more than one document (---)", mark)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                yield Event("]", mark)
            elif isinstance(event, yaml.AliasEvent):
                yield Event("alias", mark, event.anchor)
            elif isinstance(event, (yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                if event.tag is not None:
                    raise Rejected("document.tag", f"tags such as {event.tag[:80]} are not read", mark, "leave it out")
                if isinstance(event, yaml.ScalarEvent):
                    plain = event.implicit[0] and event.style in (None, "")
                    yield Event("scalar", mark, _resolve(event.value, mark) if plain else event.value, event.anchor)
                else:
                    kind = "{" if isinstance(event, yaml.MappingStartEvent) else "["
                    yield Event(kind, mark, None, event.anchor)
    except yaml.MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        place = (at.line + 1, at.column + 1) if at else None
        raise Rejected("document.syntax", f"this is not YAML: {error.problem or error.context}", place) from None
    except yaml.YAMLError as error:
        raise Rejected("document.syntax", f"this is not YAML: {str(error).splitlines()[0]}") from None
    except UnicodeEncodeError:
        raise Rejected("document.encoding", "the text is not Unicode: it holds half of a surrogate pair") from None
    if not documents:
        raise Rejected("document.syntax", "the document is empty")


def _resolve(value: str, mark: Mark) -> Any:
    """The value of a plain scalar, by the core schema of YAML 1.2."""
    if value in _NULL:
        return None
    if value in _BOOL:
        return _BOOL[value]
    if not (value[0].isdigit() or value[0] in "+-."):
        return value
    if _INT.fullmatch(value):
        if len(value) > 400:
            raise Rejected("document.value", f"a number of {len(value)} digits", mark, "put it in quotes")
        return int(value, 0) if value[:2] in ("0o", "0x") else int(value)
    if _FLOAT.fullmatch(value):
        return float(value)
    if _NOT_FINITE.fullmatch(value):
        raise Rejected(
            "document.value", f"a number must be finite, not {value}", mark, "put it in quotes if it is text"
        )
    return value


# -------------------------------------------------------------------------------------------------------------- JSON


def _json_events(text: str) -> Iterator[Event]:
    """RFC 8259. `expect` is what may come next: a value, a key, `:`, or `,` and the end of what is open."""
    at, size, line, line_start, counted = 0, len(text), 1, 0, 0
    open_: list[str] = []
    expect = "value"
    while True:
        found = _JSON_TOKEN.match(text, at)
        begin = found.start(found.lastgroup) if found and found.lastgroup else _skip(text, at)
        if lines := text.count("\n", counted, begin):
            line += lines
            line_start = text.rfind("\n", counted, begin) + 1
        counted = begin
        mark = (line, begin - line_start + 1)
        if found is None:
            if begin >= size and expect == "end":
                return
            what = "the text ends too early" if begin >= size else f"unexpected {text[begin : begin + 20]!r}"
            raise Rejected("document.syntax", f"this is not JSON: {what}", mark)
        kind, token, at = found.lastgroup, text[begin : found.end()], found.end()
        if kind == "punctuation":
            expect = _punctuation(token, expect, open_, mark)
            if token in "{[":
                yield Event(token, mark)
            elif token in "}]":
                yield Event("]", mark)
            continue
        if kind == "string":
            try:
                value, at = scanstring(text, at)
            except json.JSONDecodeError as error:
                raise Rejected("document.syntax", f"this is not JSON: {error.msg}", mark) from None
        else:
            value = _json_plain(token, mark)
        if expect in ("key", "first key"):
            if kind != "string":
                raise Rejected("document.type", f"a key must be text, not {token[:40]}", mark, "put it in quotes")
            expect = "colon"
        elif expect in ("value", "first value"):
            expect = "next" if open_ else "end"
        else:
            raise Rejected("document.syntax", f"this is not JSON: unexpected {token[:20]!r}", mark)
        yield Event("scalar", mark, value)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _punctuation(token: str, expect: str, open_: list[str], mark: Mark) -> str:
    """What may come after `token`."""
    if token in "{[" and expect in ("value", "first value"):
        open_.append("}" if token == "{" else "]")
        return "first key" if token == "{" else "first value"
    if token in "}]" and open_ and open_[-1] == token and expect in ("next", "first key", "first value"):
        open_.pop()
        return "next" if open_ else "end"
    if token == ":" and expect == "colon":
        return "value"
    if token == "," and expect == "next":
        return "key" if open_[-1] == "}" else "value"
    raise Rejected("document.syntax", f"this is not JSON: unexpected {token!r}", mark)


def _json_plain(token: str, mark: Mark) -> Any:
    if token in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[token]
    if token in ("NaN", "Infinity", "-Infinity"):
        raise Rejected("document.value", f"a number must be finite, not {token}", mark)
    if not re.search(r"[.eE]", token):
        if len(token) > 400:
            raise Rejected("document.value", f"a number of {len(token)} digits", mark, "put it in quotes")
        return int(token)
    return float(token)
