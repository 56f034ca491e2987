"""YAML and JSON into a workflow: every mistake with its line, and nothing that a text can do to the reader."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from penstock.engine.workflow import parse
from penstock.errors import Invalid
from penstock.imports.native import accept, check, read, validate_inputs
from penstock.imports.text import read_text

ENDS = 5  # seconds of CPU: tenths are usual; this only tells an end from none, whatever else the machine does

YAML = """\
penstock: 1
name: review-folder
inputs:
  type: object
  required: [folder]
  properties: {folder: {type: string, title: Folder}, deep: {type: boolean, default: false}}
limits: {usd: 0.50, seconds: 600, parallel: 8}
nodes:
  list:   {kind: tool, with: {capabilities: [code.files], arguments: {path: "${{ inputs.folder }}"}}}
  scan:
    kind: tool
    for_each: "${{ nodes.list.output.files }}"
    with: {capabilities: [code.scan], arguments: {path: "${{ item.path }}"}}
    retry: {attempts: 3, backoff: 2s}
    timeout: 60s
    on_error: continue
  notes:  {kind: render, join: any, with: {name: notes.md, template: "# ${{ inputs.folder }}\\n…"}}
edges:
  - {from: list, to: scan}
  - {from: scan, to: notes, when: "${{ !inputs.deep }}"}
outputs: {notes: "${{ nodes.notes.output }}"}
schemas: {Verdict: {type: object, required: [ok], properties: {ok: {type: boolean}, why: {type: string}}}}
"""


class RenderConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1)
    template: str | None = None
    code: str | None = None
    data: Any = None

    @model_validator(mode="after")
    def _one(self) -> "RenderConfig":
        if (self.template is None) == (self.code is None):
            raise ValueError("give either template or code")
        if self.code is not None and not isinstance(self.data, dict):
            raise ValueError("code needs data")
        return self


class Choice(BaseModel):
    model_config = ConfigDict(extra="forbid")
    when: bool
    next: list[str]


class ToolConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")
    capabilities: list[str]
    arguments: dict[str, Any] = {}
    mode: Literal["fast", "slow"] = "fast"
    count: int = 1
    either: int | Choice | None = None
    choices: list[Choice] = []


class Render:
    name: ClassVar[str] = "render"
    Config: ClassVar[type[BaseModel]] = RenderConfig
    literal: ClassVar[frozenset[str]] = frozenset({"code"})

    async def run(self, step: Any, config: Any) -> Any:
        return config.name


class Tool:
    name: ClassVar[str] = "tool"
    Config: ClassVar[type[BaseModel]] = ToolConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    async def run(self, step: Any, config: Any) -> Any:
        return config.capabilities


KINDS = {"render": Render(), "tool": Tool()}


def found(data: bytes | str, filename: str = "") -> list[tuple[str, str, int | None]]:
    """(code, pointer, line) of every problem."""
    try:
        workflow = read(data, KINDS, filename)
    except Invalid as error:
        assert error.code == "workflow.invalid"
        return [(p.code, p.pointer, p.line) for p in error.problems]
    return [(p.code, p.pointer, p.line) for p in workflow.warnings]


def test_yaml_and_json_of_one_document_are_one_workflow() -> None:
    workflow = read(YAML, KINDS)
    text = json.dumps(workflow.document, indent="\t")
    assert read(text.encode(), KINDS, "x.json").fingerprint == workflow.fingerprint
    assert read("\ufeff" + text, KINDS).fingerprint == workflow.fingerprint
    assert accept(workflow.document, KINDS).fingerprint == workflow.fingerprint
    assert check(workflow, KINDS) == []


# --------------------------------------------------------------------------------------------------------- texts

HEAD = "penstock: 1\nname: x\nnodes: {a: {kind: tool, with: {capabilities: [x]}}}\n"
JSON_HEAD = '{"penstock": 1, "name": "x",\n "nodes": {"a": {"kind": "tool", "with": {"capabilities": ["x"]}}}'
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{two}: &{two} [{', '.join(f'*{one}' for _ in range(9))}]\n"
    for one, two in zip("abcdefgh", "bcdefghi", strict=True)
)
THREE_MISSING: list[tuple[str, str, int | None]] = [("document.missing", "", 1)] * 3
TEXTS: list[tuple[str, bytes | str, list[tuple[str, str, int | None]]]] = [
    ("empty", "", [("document.syntax", "", None)]),
    ("only a comment", "# x\n", [("document.syntax", "", None)]),
    ("a word", "hello", [("document.type", "", 1)]),
    ("malformed YAML", "penstock: 1\nnodes: {a: [}\n", [("document.syntax", "", 2)]),
    ("a tab", "nodes:\n\ta: 1\n", [("document.syntax", "", 2)]),
    ("not UTF-8", b"penstock: 1\nname: \xff\n", [("document.encoding", "", 2)]),
    ("UTF-16", "penstock: 1".encode("utf-16"), [("document.encoding", "", 1)]),
    ("half a surrogate", "name: \ud800", [("document.encoding", "", None)]),
    ("doubled key", HEAD + "title: a\ntitle: b\n", [("document.duplicate_key", "/title", 5)]),
    ("doubled key deep", HEAD + "layout:\n  x:\n    - {q: 1, q: 2}\n",
     [("document.duplicate_key", "/layout/x/0/q", 6)]),
    ("doubled key in JSON", JSON_HEAD + ',\n"name": "y"}', [("document.duplicate_key", "/name", 3)]),
    ("100 levels", "x: " + "[" * 100 + "]" * 100, [("document.too_deep", "", 1)]),
    ("100 levels of blocks", "".join("  " * at + "a:\n" for at in range(100)), [("document.too_deep", "", 33)]),
    ("a million brackets", "[" * 1_000_000, [("document.too_deep", "", 1)]),
    ("a million dashes", "- " * 500_000, [("document.too_deep", "", 1)]),
    ("JSON 100 levels", '{"a":' * 100 + "1" + "}" * 100, [("document.too_deep", "", 1)]),
    ("billion laughs", LAUGHS, [("document.too_large", "", 6)]),
    ("101 aliases", "a: &a 1\nb: [" + "*a, " * 101 + "]", [("document.too_many_aliases", "", 2)]),
    ("alias of itself", "a: &a [*a]", [("document.alias", "", 1)]),
    ("alias of nothing", "a: *b", [("document.alias", "", 1)]),
    ("a tag", "a: !!python/object:os.system x", [("document.tag", "", 1)]),
    ("a harmless tag", "a: 1\nb: !!str 1", [("document.tag", "", 2)]),
    ("merge key", "a: &a {b: 1}\nc: {<<: *a}", [("document.merge_key", "", 2)]),
    ("a number as key", "a: {1: 2}", [("document.type", "", 1)]),
    ("null as key", "a: {~: 2}", [("document.type", "", 1)]),
    ("a list as key", "? [a]\n: 2", [("document.type", "", 1)]),
    ("two documents", HEAD + "---\na: 1\n", [("document.several", "", 4)]),
    ("NaN", HEAD + "minutes: .nan\n", [("document.value", "", 4)]),
    ("infinity", HEAD + "minutes: -.inf\n", [("document.value", "", 4)]),
    ("overflow", HEAD + "minutes: 1e999\n", [("document.value", "/minutes", 4)]),
    ("NaN in JSON", JSON_HEAD + ', "minutes": NaN}', [("document.value", "", 2)]),
    ("a number of 5,000 digits", HEAD + "minutes: " + "9" * 5_000, [("document.value", "", 4)]),
    ("a number of 65 bits", HEAD + "minutes: 9223372036854775808", [("document.value", "/minutes", 4)]),
    ("over a mebibyte", HEAD + "#" * (1 << 20), [("document.too_large", "", None)]),
    ("JSON without a comma", '{"a": 1\n "b": 2}', [("document.syntax", "", 2)]),
    ("JSON with a comma too many", '{"a": 1,}',
     [*THREE_MISSING, ("document.unknown_key", "/a", 1)]),
    ("the same, and JSON asked for", '{"a": 1,}', [("document.syntax", "", 1)]),
    ("JSON cut short", '{"a": [1', [("document.syntax", "", 1)]),
    ("JSON and more", '{"a": 1} {', [("document.syntax", "", 1)]),
    ("JSON with a raw line break", '{"a": "x\ny"', [("document.syntax", "", 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected", "name"), [(t, e, n) for n, t, e in TEXTS], ids=[n for n, _, _ in TEXTS])
def test_what_a_text_gets_wrong(text: bytes | str, expected: list[tuple[str, str, int | None]], name: str) -> None:
    started = time.process_time()
    assert sorted(found(text, "x.json" if "asked for" in name else "")) == sorted(expected)
    assert time.process_time() - started < ENDS


def test_yaml_is_read_by_its_version_1_2() -> None:
    text = "a: [no, on, 12:30, 2024-01-31, 012, 0o17, 0x1F, 1_000, 1e3, .5, ~, '1', TRUE]"
    assert read_text(text).data == {
        "a": ["no", "on", "12:30", "2024-01-31", 12, 15, 31, "1_000", 1000.0, 0.5, None, "1", True]
    }


def test_json_keeps_what_yaml_would_not() -> None:
    value = {"a\tb": "\U0001f600\\/\u2028", "n": [1e-7, -0.0, 12345678901234567890, True, None, [], {}]}
    for text in (
        json.dumps(value),
        json.dumps(value, ensure_ascii=False, indent="\t"),
        json.dumps(value, separators=(",", ":")),
    ):
        assert read_text(text).data == value


def test_other_texts_may_have_other_bounds() -> None:
    deep = "[" * 60 + "]" * 60
    assert read_text(deep, "x.json", depth=64).data
    with pytest.raises(Invalid):
        read_text("a: 1", limit=3)


def test_an_alias_is_its_anchor_and_has_a_place() -> None:
    source = read_text("a: &x {b: [1, 2]}\nc: *x\n")
    assert source.data == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
    assert source.position("/c") == (2, 1)


def test_places_are_those_of_keys_and_elements() -> None:
    source = read_text("a:\n  b: [x,\n    y]\n'c/d': {e~: 1}\n")
    places = {
        "": (1, 1),
        "/a": (1, 1),
        "/a/b": (2, 3),
        "/a/b/1": (3, 5),
        "/c~1d/e~0": (4, 9),
        "/a/b/7/z": (2, 3),
        "/q": (1, 1),
    }
    assert {pointer: source.position(pointer) for pointer in places} == places


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | words,
        lambda part: (
            st.lists(part, max_size=3)
            | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), part, max_size=3)
        ),
        max_leaves=10,
    ),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
)
def test_json_is_read_as_json_is(value: Any, indent: Any, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert read_text(text, "x.json").data == value


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-{}[],\"'&*!|>#%@ \n\t?~<0.1\\\x00é", max_size=40), st.sampled_from(["", "x.json"]))
def test_no_text_breaks_the_reader(text: str, filename: str) -> None:
    try:
        read(text, KINDS, filename)
    except Invalid as error:
        assert error.problems


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        read(data, KINDS)
    except Invalid as error:
        assert error.problems


def test_bombs_end_within_a_second_and_64_mebibytes(tmp_path: Path) -> None:
    """In a process of its own, which may have 64 MiB more than it needs to start."""
    texts = [
        LAUGHS,
        "[" * 1_000_000,
        '{"a":' * 200_000,
        "a: &a " + "x" * 500_000 + "\nb: [" + "*a, " * 99 + "]",
        "x: 1\n" * 200_000,
    ]
    paths = []
    for at, text in enumerate(texts):
        path = tmp_path / str(at)
        path.write_text(text)
        paths.append(str(path))
    code = """
import resource, sys, time
from penstock.errors import Invalid
from penstock.imports.native import read
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    text = open(path).read()
    started = time.process_time()
    try:
        read(text)
        raise SystemExit("it was taken")
    except Invalid:
        pass
    print(time.process_time() - started, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        seconds, mebibytes = map(float, line.split())
        assert seconds < ENDS
        assert mebibytes < 64


# ---------------------------------------------------------------------------------------- schemas, kinds, everything

MORE = "penstock: 1\nname: x\n"
NODE = "nodes: {a: {kind: tool, with: {capabilities: [x]}}}\n"


def with_(config: str, kind: str = "tool") -> str:
    return f"{MORE}nodes:\n  a:\n    kind: {kind}\n    with:\n" + "".join(
        f"      {line}\n" for line in config.split("\n")
    )


def inputs(properties: str) -> str:
    return f"{MORE}{NODE}inputs:\n  type: object\n  properties:\n    p: {properties}\n"


CAPS = "capabilities: [x]\n"
CHECKS: list[tuple[str, str, list[tuple[str, str, int | None]]]] = [
    ("unknown kind", with_(CAPS, "tol"), [("kind.unknown", "/nodes/a/kind", 5)]),
    ("missing", with_("arguments: {}"), [("document.missing", "/nodes/a/with", 6)]),
    ("no with", f"{MORE}nodes: {{a: {{kind: tool}}}}", [("document.missing", "/nodes/a/with", 3)]),
    ("unknown key", with_(CAPS + "argments: {}"), [("document.unknown_key", "/nodes/a/with/argments", 8)]),
    ("unknown key with an expression", with_(CAPS + 'argments: "${{ inputs }}"'),
     [("document.unknown_key", "/nodes/a/with/argments", 8)]),
    ("type", with_("capabilities: [x, 1]"), [("node.config", "/nodes/a/with/capabilities/1", 7)]),
    ("choice", with_(CAPS + "mode: quick"), [("node.config", "/nodes/a/with/mode", 8)]),
    ("an expression has any type", with_(CAPS + 'mode: "${{ inputs.m }}"\ncount: "${{ inputs.n }}"\narguments: "${{ inputs }}"'),
     []),
    ("deep in a list", with_(CAPS + 'choices:\n  - {when: "${{ inputs.x }}", next: [a]}\n  - {when: 7, next: [a]}'),
     [("node.config", "/nodes/a/with/choices/1/when", 10)]),
    ("a union with an expression inside", with_(CAPS + 'either: {when: "${{ inputs.x }}", next: []}'), []),
    ("a union without", with_(CAPS + "either: {when: true}"), [
        ("document.missing", "/nodes/a/with/either", 8), ("node.config", "/nodes/a/with/either", 8)]),
    ("code holds an expression", with_('name: x\ndata: {}\ncode: "x = ${{ inputs.x }}"', "render"),
     [("node.literal_expression", "/nodes/a/with/code", 9)]),
    ("code that only looks like one", with_('name: x\ndata: {}\ncode: "${{ no } expression"', "render"),
     [("node.literal_expression", "/nodes/a/with/code", 9)]),
    ("code with a literal brace", with_('name: x\ndata: {}\ncode: "$${{ x }}"', "render"), []),
    ("the whole is wrong", with_("name: x", "render"), [("node.config", "/nodes/a/with", 6)]),
    ("the whole may be wrong", with_('name: x\ncode: y\ndata: "${{ inputs.d }}"', "render"),
     [("node.config", "/nodes/a/with", 6)]),
    ("JSON Schema", inputs("{type: strng}"), [("schema.invalid", "/inputs/properties/p/type", 7)]),
    ("JSON Schema in schemas", MORE + NODE + "schemas:\n  A: {minimum: x}\n",
     [("schema.invalid", "/schemas/A/minimum", 5)]),
    ("remote reference", inputs("{$ref: 'https://example.com/x'}"),
     [("schema.remote_ref", "/inputs/properties/p/$ref", 7)]),
    ("file reference", inputs("{$ref: 'file:///etc/passwd'}"),
     [("schema.remote_ref", "/inputs/properties/p/$ref", 7)]),
    ("unknown reference", inputs("{$ref: '#/schemas/A'}"), [("schema.unknown_ref", "/inputs/properties/p/$ref", 7)]),
    ("a property called $ref", inputs("{type: object, properties: {$ref: {type: string}}}"), []),
    ("unknown reference in with", with_(CAPS + "arguments: {output: {$ref: '#/schemas/A'}}"),
     [("schema.unknown_ref", "/nodes/a/with/arguments/output/$ref", 8)]),
    ("look-around", inputs("{type: string, pattern: '(?=a)'}"),
     [("schema.pattern", "/inputs/properties/p/pattern", 7)]),
    ("patternProperties", inputs("{patternProperties: {a: true}}"),
     [("schema.unsupported", "/inputs/properties/p/patternProperties", 7)]),
    ("inner $id", inputs("{$id: 'urn:x'}"), [("schema.unsupported", "/inputs/properties/p/$id", 7)]),
    ("default of another type", inputs("{type: boolean, default: yes}"),
     [("schema.default", "/inputs/properties/p/default", 7)]),
    ("endless schema", MORE + NODE + "schemas: {A: {$ref: '#/schemas/B'}, B: {$ref: '#/schemas/A'}}",
     [("schema.endless", "/schemas/A/$ref", 4), ("schema.endless", "/schemas/B/$ref", 4)]),
    ("endless schema, less plainly", MORE + NODE + "inputs:\n  type: object\n  properties:\n"
     "    p: {$ref: '#/schemas/A', default: 1}\nschemas: {A: {allOf: [{$ref: '#/schemas/A'}]}}",
     [("schema.endless", "/inputs/properties/p/default", 7)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [(t, e) for _, t, e in CHECKS], ids=[name for name, _, _ in CHECKS])
def test_what_only_the_outside_knows(text: str, expected: list[tuple[str, str, int | None]]) -> None:
    assert sorted(found(text)) == sorted(expected)


def test_a_likely_mistake_is_a_warning_and_does_not_stop_anyone() -> None:
    workflow = read(with_('name: x\ncode: y\ndata: "${{ inputs.d }}"', "render"), KINDS)
    assert [(p.severity, p.message) for p in workflow.warnings] == [("warning", "code needs data")]


def test_problems_of_all_stages_come_at_once_in_the_order_of_the_text() -> None:
    text = """\
penstock: 1
name: x
titel: a
inputs: {type: object, properties: {a: {type: strng}}}
nodes:
  a: {kind: tol}
  b: {kind: tool, timeout: soon, with: {capabilities: x}}
  b: {kind: tool, with: {capabilities: []}}
edges: [{from: a, to: c}]
"""
    with pytest.raises(Invalid) as caught:
        read(text, KINDS)
    assert [(p.line, p.code) for p in caught.value.problems] == [
        (3, "document.unknown_key"),
        (4, "schema.invalid"),
        (6, "kind.unknown"),
        (8, "document.duplicate_key"),
        (9, "edge.unknown_node"),
    ]


# --------------------------------------------------------------------------------------------------------- inputs

SCHEMA = {
    "type": "object",
    "required": ["folder"],
    "properties": {
        "folder": {"type": "string", "minLength": 2},
        "deep": {"type": "boolean", "default": False},
        "count": {"type": "integer", "maximum": 9},
        "slug": {"type": "string", "pattern": "^(a+)+$"},
        "when": {"type": "string", "format": "date-time"},
        "options": {"type": "object", "additionalProperties": False, "properties": {"k": {"default": 3}}},
        "tree": {"$ref": "#/schemas/Tree"},
        "secret": {"type": "string", "maxLength": 3},
    },
}
TREE = {"type": "object", "properties": {"next": {"$ref": "#/schemas/Tree"}, "v": {"type": "integer"}}}


def workflow_with(schema: Any, **schemas: Any) -> Any:
    return parse({"penstock": 1, "name": "x", "nodes": {"a": {"kind": "k"}}, "inputs": schema, "schemas": schemas})


WORKFLOW = workflow_with(SCHEMA, Tree=TREE)
INPUTS: list[tuple[Any, list[tuple[str, str]]]] = [
    ({"folder": "ab"}, []),
    ({"folder": "ab", "tree": {"next": {"next": {"v": 1}}}, "when": "2024-01-01T10:00:00Z"}, []),
    (3, [("inputs.type", "")]),
    ({}, [("inputs.missing", "/folder")]),
    ({"folder": "a"}, [("inputs.invalid", "/folder")]),
    (
        {"folder": 1, "count": 10, "deep": "yes"},
        [("inputs.type", "/folder"), ("inputs.type", "/deep"), ("inputs.invalid", "/count")],
    ),
    ({"folder": "ab", "count": True}, [("inputs.type", "/count")]),
    ({"folder": "ab", "foldr": 1}, [("inputs.unknown", "/foldr")]),
    ({"folder": "ab", "options": {"q/r": 1}}, [("inputs.unknown", "/options/q~1r")]),
    ({"folder": "ab", "when": "tomorrow"}, [("inputs.invalid", "/when")]),
    ({"folder": "ab", "when": "2024-01-01"}, [("inputs.invalid", "/when")]),
    ({"folder": "ab", "tree": {"next": {"v": "x"}}}, [("inputs.type", "/tree/next/v")]),
    ({"folder": "ab", "options": {"$spilled": "sha256:0"}}, [("inputs.reserved_key", "/options/$spilled")]),
    ({"folder": "a\0"}, [("inputs.invalid", "/folder")]),
    ({"folder": "\ud800"}, [("inputs.invalid", "/folder")]),
    ({"folder": "ab", "count": 2**70}, [("inputs.invalid", "/count")]),
    ({"folder": "ab", "count": float("inf")}, [("inputs.invalid", "/count")]),
    ({"folder": {1: 2}}, [("inputs.type", "/folder")]),
    ({"folder": b"x"}, [("inputs.type", "/folder")]),
]


@pytest.mark.parametrize(("given_", "expected"), INPUTS)
def test_inputs_are_checked_by_the_schema(given_: Any, expected: list[tuple[str, str]]) -> None:
    _, problems = validate_inputs(WORKFLOW, given_)
    assert sorted((p.code, p.pointer) for p in problems) == sorted(expected)


def test_defaults_are_filled_in() -> None:
    filled, problems = validate_inputs(WORKFLOW, {"folder": "ab", "options": {}})
    assert problems == []
    assert filled == {"folder": "ab", "deep": False, "options": {"k": 3}}


def test_unknown_inputs_are_allowed_where_the_schema_allows_them() -> None:
    free = workflow_with({"type": "object", "additionalProperties": {"type": "integer"}})
    assert validate_inputs(free, {"a": 1})[1] == []
    assert [p.pointer for p in validate_inputs(free, {"a": "x"})[1]] == ["/a"]
    either = workflow_with(
        {"type": "object", "oneOf": [{"properties": {"a": {}}, "required": ["a"]}, {"required": ["b"]}]}
    )
    assert validate_inputs(either, {"a": 1})[1] == []
    assert [(p.code, p.pointer) for p in validate_inputs(either, {"a": 1, "c": 2})[1]] == [("inputs.unknown", "/c")]
    none = parse({"penstock": 1, "name": "x", "nodes": {"a": {"kind": "k"}}})
    assert [p.hint for p in validate_inputs(none, {"a": 1})[1]] == ["this workflow takes no inputs"]


def test_a_pattern_cannot_keep_a_server_busy() -> None:
    started = time.process_time()
    _, problems = validate_inputs(WORKFLOW, {"folder": "ab", "slug": "a" * 5_000 + "!"})
    assert [p.pointer for p in problems] == ["/slug"]
    assert time.process_time() - started < ENDS


def test_inputs_without_an_end_are_refused() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    assert [p.code for p in validate_inputs(WORKFLOW, {"folder": deep})[1]] == ["inputs.too_deep"]
    endless = workflow_with(
        {"type": "object", "properties": {"a": {"$ref": "#/schemas/A"}}}, A={"allOf": [{"$ref": "#/schemas/A"}]}
    )
    assert [p.code for p in validate_inputs(endless, {"a": 1})[1]] == ["schema.endless"]


def test_a_message_does_not_repeat_the_value() -> None:
    _, problems = validate_inputs(
        WORKFLOW, {"folder": "ab", "secret": "hunter2", "slug": "hunter2", "count": "hunter2"}
    )
    assert len(problems) == 3
    assert "hunter2" not in json.dumps([p.to_dict() for p in problems])
