"""Named schemas stand where `with` refers to them."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.engine.workflow import parse
from penstock.errors import Invalid

VERDICT = {"type": "object", "required": ["ok"], "properties": {"ok": {"type": "boolean"}}}


def _document(config: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    return {"penstock": 1, "name": "x", "nodes": {"a": {"kind": "act", "with": config}}, "schemas": schemas}


def test_a_reference_is_the_schema_of_that_name_and_the_document_stays_as_it_was() -> None:
    document = _document({"output": {"$ref": "#/schemas/Verdict"}, "n": [1]}, {"Verdict": VERDICT})
    workflow = parse(document)
    assert workflow.nodes["a"].config.evaluate({}) == {"output": VERDICT, "n": [1]}
    assert workflow.document["nodes"]["a"]["with"]["output"] == {"$ref": "#/schemas/Verdict"}


def test_schemas_may_refer_to_schemas() -> None:
    schemas = {"Verdict": VERDICT, "All": {"type": "array", "items": {"$ref": "#/schemas/Verdict"}}}
    workflow = parse(_document({"output": {"$ref": "#/schemas/All"}}, schemas))
    assert workflow.nodes["a"].config.evaluate({}) == {"output": {"type": "array", "items": VERDICT}}


def _doubling() -> dict[str, Any]:
    pair = {f"S{n}": {"allOf": [{"$ref": f"#/schemas/S{n + 1}"}] * 2} for n in range(30)}
    return {**pair, "S30": VERDICT}


@pytest.mark.parametrize(
    ("config", "schemas", "code"),
    [
        ({"x": {"$ref": "#/schemas/A"}}, {"A": {"not": {"$ref": "#/schemas/A"}}}, "document.recursive_schema"),
        ({"x": {"$ref": "#/schemas/S0"}}, _doubling(), "document.too_large"),
    ],
)
def test_what_cannot_be_put_in_is_named(config: Any, schemas: Any, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(_document(config, schemas))
    assert [(problem.code, problem.pointer) for problem in caught.value.problems] == [(code, "/nodes/a/with/x")]
