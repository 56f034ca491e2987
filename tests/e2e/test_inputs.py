"""What a text on the command line means, by the schema of the input it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.cli.inputs import read_inputs, read_limits
from penstock.errors import Invalid

LIST = {"type": "array", "items": {"type": "string"}}
NUMBERS = {"type": "array", "items": {"type": "integer"}}


def read(schema: dict[str, Any], *texts: str) -> Any:
    properties = {"type": "object", "properties": {"x": schema}}
    return read_inputs([f"x={text}" for text in texts], None, properties)["x"]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "5", "5"),
        ({"type": "string"}, "", ""),
        ({"type": "string"}, "a=b=c", "a=b=c"),
        ({"type": "string"}, "@@home", "@home"),
        ({"type": "string"}, "true", "true"),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"type": "integer"}, "5", 5),
        ({"type": "integer"}, "-5", -5),
        ({"type": "number"}, "5", 5),
        ({"type": "number"}, "0.5", 0.5),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "No", False),
        ({"type": "boolean"}, "1", True),
        ({"type": "object"}, '{"a": [1]}', {"a": [1]}),
        (LIST, '["a", "b"]', ["a", "b"]),
        (LIST, "a,b", ["a,b"]),
        (NUMBERS, "7", [7]),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": ["string", "integer"]}, "5", 5),
        ({"type": ["string", "integer"]}, "five", "five"),
        ({"anyOf": [{"type": "boolean"}, {"type": "string"}]}, "yes", True),
        ({}, "[1, 2]", [1, 2]),
        ({}, "plain", "plain"),
        ({}, "5", 5),
    ],
)
def test_a_text_is_read_as_its_type(schema: dict[str, Any], text: str, value: Any) -> None:
    found = read(schema, text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("schema", "text", "why"),
    [
        ({"type": "integer"}, "5.0", "not a whole number"),
        ({"type": "integer"}, "1_000", "not a whole number"),
        ({"type": "integer"}, "", "not a whole number"),
        ({"type": "number"}, "NaN", "not a number"),
        ({"type": "number"}, "1e999", "too large"),
        ({"type": "boolean"}, "maybe", "neither true nor false"),
        ({"type": "object"}, "[]", "not a JSON object"),
        ({"type": "object"}, "{'a': 1}", "not JSON"),
        ({"type": "object"}, '{"a": NaN}', "not JSON"),
        (LIST, '["a"', "not JSON"),
        (NUMBERS, "a", "not a whole number"),
        ({"type": ["integer", "boolean"]}, "x", "none of integer, boolean"),
        ({"type": "string"}, "@/no/such/file", "no such file"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_at_its_place(schema: dict[str, Any], text: str, why: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(schema, text)
    assert caught.value.code == "inputs.invalid"
    (problem,) = caught.value.problems
    assert why in problem.message and problem.pointer == "/x"


def test_an_array_grows_by_each_time_its_name_is_given() -> None:
    assert read(LIST, "a", "b", '["c", "d"]') == ["a", "b", "c", "d"]
    with pytest.raises(Invalid, match="given twice"):
        read({"type": "string"}, "a", "b")


def test_a_name_alone_is_true_for_a_boolean_and_nothing_else() -> None:
    schema = {"type": "object", "properties": {"deep": {"type": "boolean"}, "n": {"type": "integer"}}}
    assert read_inputs(["deep"], None, schema) == {"deep": True}
    with pytest.raises(Invalid, match="n=VALUE"):
        read_inputs(["n"], None, schema)


def test_every_problem_is_said_at_once() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "boolean"}}}
    with pytest.raises(Invalid) as caught:
        read_inputs(["a=x", "b=y"], None, schema)
    assert [problem.pointer for problem in caught.value.problems] == ["/a", "/b"]


def test_a_file_stands_for_its_content(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(" two\nlines\n")
    (tmp_path / "data.json").write_text('{"a": 1}\n')
    (tmp_path / "number").write_text("7\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert read({"type": "string"}, f"@{tmp_path}/text") == " two\nlines\n"
    assert read({"type": "object"}, f"@{tmp_path}/data.json") == {"a": 1}
    assert read({"type": "integer"}, f"@{tmp_path}/number") == 7
    with pytest.raises(Invalid, match="not text in UTF-8"):
        read({"type": "string"}, f"@{tmp_path}/binary")


def test_a_path_means_relative_to_where_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = {"type": "string", "format": "path"}
    assert read(path, ".") == str(tmp_path.resolve())
    assert read(path, "a/../b") == str(tmp_path.resolve() / "b")
    assert read(path, "/srv") == "/srv"
    assert read({"type": "string"}, ".") == "."


def test_unknown_names_are_left_to_the_gate_which_knows_the_nearest() -> None:
    assert read_inputs(["other=1"], None, {"type": "object", "properties": {}}) == {"other": 1}


def test_limits_are_numbers_or_durations() -> None:
    assert read_limits(["tokens=100", "seconds=2m", "usd=0.10"]) == {"tokens": 100, "seconds": "2m", "usd": "0.10"}
    assert read_limits([]) is None
    with pytest.raises(Invalid, match="NAME=NUMBER"):
        read_limits(["tokens"])
