"""The JSON Schemas inside a document: whether they are right, and validation by them that ends.

Draft 2020-12 through the jsonschema library, with three bounds it does not set. Nothing is fetched: a reference leads into the
document. `pattern` is matched in linear time, so no input can keep a server busy. A schema that refers to itself without end
is an error of the schema, not of the stack.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, time
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

from ..engine.expr import escape
from ..engine.fields import duration, named
from ..engine.functions import linear_match
from ..engine.tokens import suggestion
from ..errors import Problem

_BY_NAME = ("properties", "$defs", "definitions", "dependentSchemas")
_ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_ONE_MORE = ("unevaluatedItems", "unevaluatedProperties")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_REFUSED = {
    "patternProperties": "name the properties, or use propertyNames with additionalProperties",
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
}
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str):
        try:
            if not linear_match(pattern, instance):
                yield ValidationError(f"does not match {pattern}")
        except ValueError as error:
            yield ValidationError(str(error))


Linear: Any = extend(Draft202012Validator, {"pattern": _pattern})
FORMATS = FormatChecker(["date", "email", "idn-email", "ipv4", "ipv6", "uuid"])
_META = Draft202012Validator(Draft202012Validator.META_SCHEMA)


@FORMATS.checks("date-time", raises=ValueError)
def _date_time(value: Any) -> bool:
    return not isinstance(value, str) or (
        len(value) > 10 and value[10] in "Tt " and datetime.fromisoformat(value).tzinfo is not None
    )


@FORMATS.checks("time", raises=ValueError)
def _time(value: Any) -> bool:
    return not isinstance(value, str) or bool(time.fromisoformat(value))


@FORMATS.checks("uri", raises=ValueError)
def _uri(value: Any) -> bool:
    return not isinstance(value, str) or (bool(urlsplit(value).scheme) and not any(c.isspace() for c in value))


@FORMATS.checks("regex")
def _regex(value: Any) -> bool:
    return not isinstance(value, str) or _is_pattern(value) is None


@FORMATS.checks("duration")
def _duration(value: Any) -> bool:
    return not isinstance(value, str) or value.startswith("P") or duration(value) is not None


def _is_pattern(value: str) -> str | None:
    try:
        linear_match(value, "")
    except ValueError as error:
        return str(error)
    return None


def parts(schema: Any, at: str) -> Iterator[tuple[dict[str, Any], str]]:
    """A schema and all schemas inside it, each with its pointer. What is only data (default, enum, …) is left out."""
    stack: list[tuple[Any, str]] = [(schema, at)]
    while stack:
        schema, at = stack.pop()
        if not isinstance(schema, dict):
            continue
        yield schema, at
        for key, value in schema.items():
            place = f"{at}/{escape(key)}"
            if key in _BY_NAME and isinstance(value, dict):
                stack.extend((part, f"{place}/{escape(name)}") for name, part in value.items())
            elif key in _MANY and isinstance(value, list):
                stack.extend((part, f"{place}/{index}") for index, part in enumerate(value))
            elif key in _ONE or key in _ONE_MORE:
                stack.append((value, place))


def check_schemas(document: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with `inputs` and `schemas` of a document, and with `$ref: '#/schemas/…'` in its nodes."""
    problems: list[Problem] = []
    given = document.get("schemas")
    schemas: dict[str, Any] = given if isinstance(given, dict) else {}
    for name, schema in schemas.items():
        problems.extend(check_schema(schema, f"/schemas/{escape(name)}", schemas, {}))
    inputs = document.get("inputs")
    if isinstance(inputs, dict):
        found = check_schema(inputs, "/inputs", schemas, inputs)
        problems.extend(found or _check_defaults(inputs, schemas))
    nodes = document.get("nodes")
    for name, node in nodes.items() if isinstance(nodes, dict) else ():
        if isinstance(node, dict):
            problems.extend(_check_names(node.get("with"), f"/nodes/{escape(name)}/with", schemas))
    return problems


def check_schema(schema: Any, at: str, schemas: Mapping[str, Any], root: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with one JSON Schema. `root` is what its other local references (#/$defs/…) lead into."""
    problems: dict[tuple[str, str], Problem] = {}

    def add(code: str, place: str, message: str, hint: str | None = None) -> None:
        problems.setdefault((code, place), Problem(code, message, place, hint))

    for error in _META.iter_errors(schema):
        place = at + "".join(f"/{escape(part)}" for part in error.absolute_path)
        hint = None
        if error.absolute_path and error.absolute_path[-1] == "type" and isinstance(error.instance, str):
            hint = suggestion(error.instance, _TYPES) or f"known are {', '.join(_TYPES)}"
        add("schema.invalid", place, f"this is not JSON Schema: {_message(error)}", hint)
    for part, place in parts(schema, at):
        for key, instead in _REFUSED.items():
            if key in part:
                add("schema.unsupported", f"{place}/{escape(key)}", f"{key} is not supported here", instead)
        if "$id" in part and place != at:
            add("schema.unsupported", f"{place}/$id", "$id is not supported inside a schema", "leave it out")
        pattern = part.get("pattern")
        if isinstance(pattern, str) and (reason := _is_pattern(pattern)) is not None:
            add("schema.pattern", f"{place}/pattern", reason)
        if isinstance(part.get("$ref"), str):
            problem = _check_ref(part["$ref"], f"{place}/$ref", schemas, root)
            if problem is not None:
                problems.setdefault((problem.code, problem.pointer), problem)
    return list(problems.values())


def _check_ref(ref: str, at: str, schemas: Mapping[str, Any], root: Mapping[str, Any]) -> Problem | None:
    if not ref.startswith("#"):
        message = f"{ref[:100]} leads out of the document, and nothing is fetched"
        hint = "put the schema under schemas, and refer to it as #/schemas/Name"
        return Problem("schema.remote_ref", message, at, hint)
    if ref != "#" and not ref.startswith("#/"):
        return Problem("schema.unknown_ref", f"{ref[:100]} leads nowhere", at, "write it as #/schemas/Name")
    seen: set[str] = set()
    while ref not in seen:
        seen.add(ref)
        keys = [key.replace("~1", "/").replace("~0", "~") for key in ref.split("/")[1:]]
        target = _follow(keys, {"schemas": schemas} if keys[:1] == ["schemas"] else root)
        if target is _NOWHERE:
            hint = suggestion(keys[1], schemas) if keys[:1] == ["schemas"] and len(keys) > 1 else None
            return Problem("schema.unknown_ref", f"{ref[:100]} leads nowhere", at, hint)
        further = target.get("$ref") if isinstance(target, dict) else None
        if not isinstance(further, str) or not (further == "#" or further.startswith("#/")):
            return None
        ref = further
    return Problem("schema.endless", f"{ref[:100]} leads back to itself", at)


_NOWHERE = object()


def _follow(keys: list[str], value: Any) -> Any:
    for key in keys:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _NOWHERE
    return value


def _check_names(value: Any, at: str, schemas: Mapping[str, Any]) -> Iterator[Problem]:
    """`$ref: '#/schemas/…'` anywhere in the `with` of a node."""
    stack = [(value, at)]
    while stack:
        value, at = stack.pop()
        if isinstance(value, list):
            stack.extend((part, f"{at}/{index}") for index, part in enumerate(value))
        elif isinstance(value, dict):
            stack.extend((part, f"{at}/{escape(key)}") for key, part in value.items())
            ref = value.get("$ref")
            if isinstance(ref, str) and ref.startswith("#/schemas/"):
                problem = _check_ref(ref, f"{at}/$ref", schemas, {})
                if problem is not None:
                    yield problem


def _check_defaults(inputs: dict[str, Any], schemas: Mapping[str, Any]) -> list[Problem]:
    """Each default must be what its own schema asks for."""
    problems: list[Problem] = []
    for part, at in parts(inputs, "/inputs"):
        if "default" in part:
            place = f"{at}/default"
            for found in errors({**part, "schemas": schemas, "$defs": inputs.get("$defs", {})}, part["default"]):
                message = f"the default is not what its schema asks for: {found.message}"
                code = found.code if found.code.startswith("schema.") else "schema.default"
                problems.append(Problem(code, message, place + found.pointer, found.hint))
    return problems


def errors(schema: Mapping[str, Any], value: Any) -> list[Problem]:
    """What is wrong with `value`, with pointers into it. Codes: value.missing, value.unknown, value.type, value.invalid,
    and schema.endless when the schema never stops referring to itself. Values are not repeated in messages: they may be
    secrets."""
    out: list[Problem] = []
    try:
        validator = Linear(schema, registry=Registry(), format_checker=FORMATS)
        for error in validator.iter_errors(value):
            if len(out) >= 100:
                break
            out.extend(_problems(error))
    except RecursionError:
        out.append(Problem("schema.endless", "the schema refers to itself without end"))
    except Unresolvable as error:
        out.append(Problem("schema.unknown_ref", f"{str(getattr(error, 'ref', ''))[:100]} leads nowhere"))
    return out


def _problems(error: ValidationError) -> Iterator[Problem]:
    wanted: Any = error.validator_value
    at = "".join(f"/{escape(part)}" for part in error.absolute_path)
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "required":
        for name in wanted:
            if name not in error.instance and error.message.startswith(repr(name)):
                yield Problem("value.missing", f"{name} is missing", f"{at}/{escape(name)}")
    elif error.validator in ("additionalProperties", "unevaluatedProperties") and isinstance(error.instance, dict):
        known = schema.get("properties", {})
        for name in error.instance:
            if name not in known and (error.validator == "additionalProperties" or repr(name) in error.message):
                hint = suggestion(name, known)
                if wanted is False:
                    yield Problem("value.unknown", f"{name[:80]!r} is not known here", f"{at}/{escape(name)}", hint)
    elif error.validator == "type":
        yield Problem("value.type", _message(error), at)
    else:
        yield Problem("value.invalid", _message(error), at)


def _message(error: ValidationError) -> str:
    """What a schema asks for and did not get, in words, without the value."""
    wanted: Any = error.validator_value
    given: Any = error.instance
    match error.validator:
        case "type":
            names = [wanted] if isinstance(wanted, str) else list(wanted)
            return (
                f"it must be {' or '.join(_TYPES.get(name, str(name)) for name in names)}, not {named(error.instance)}"
            )
        case "enum":
            return f"it must be one of {', '.join(str(one)[:40] for one in wanted[:10])}"
        case "const":
            return f"it must be {str(wanted)[:80]}"
        case "minLength" | "maxLength":
            return f"it must have at {_bound(error)} {wanted} characters, not {len(given)}"
        case "minItems" | "maxItems":
            return f"it must have at {_bound(error)} {wanted} elements, not {len(given)}"
        case "minProperties" | "maxProperties":
            return f"it must have at {_bound(error)} {wanted} keys, not {len(given)}"
        case "minimum" | "maximum":
            return f"it must be at {_bound(error)} {wanted}"
        case "exclusiveMinimum" | "exclusiveMaximum":
            return f"it must be {'more' if error.validator == 'exclusiveMinimum' else 'less'} than {wanted}"
        case "multipleOf":
            return f"it must be a multiple of {wanted}"
        case "pattern":
            return f"it must match {str(wanted)[:200]}"
        case "format":
            return f"it must be a valid {wanted}"
        case "uniqueItems":
            return "its elements must differ"
        case "required":
            return f"{error.message[:100]}"
    return f"it does not fit {error.validator}"


def _bound(error: ValidationError) -> str:
    return "least" if str(error.validator).startswith("min") else "most"
