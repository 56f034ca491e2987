"""What a run is started with, from the command line.

`-i name=text` carries only text, so the input's schema says what the text means: numbers and booleans are read as such, objects
as JSON, and an array is JSON or grows by one element each time its name is given. `@file` stands for a file's content (`@-` for
stdin, `@@` for a real @). A relative path (`format: path`) means relative to where the command was typed, so it is made absolute.

What does not fit is reported here only where the text cannot be read at all; whether the value is allowed is for the gate to say,
which checks every way in alike.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Invalid, Problem
from .failures import UsageError, in_file

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")
_WHOLE = re.compile(r"[-+]?\d+")
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_PATHS = frozenset({"path", "folder", "directory", "file"})


class _Unreadable(Exception):
    """The text is no value of the type."""


def read_inputs(pairs: Sequence[str], source: str | None, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that `pairs` (`name=text`) and `source` (a JSON or YAML file, `-` for stdin) make; pairs win.

    Raises Invalid, code `inputs.invalid`, with a problem for each that cannot be read.
    """
    values = _from_file(source) if source else {}
    problems: list[Problem] = []
    given: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        part = _property(schema, name)
        types = _types(part)
        try:
            if not equals:
                if types != ["boolean"]:
                    raise _Unreadable(f"write it as {name}=VALUE")
                value: Any = True
            else:
                value = _read(_content(text, types), part, types)
            if name in given:
                if "array" not in types or not isinstance(given[name], list):
                    raise _Unreadable("it is given twice")
                value = given[name] + (value if isinstance(value, list) else [value])
            given[name] = value
        except _Unreadable as error:
            problems.append(Problem("inputs.unreadable", f"{name}: {error}", f"/{_escape(name)}"))
    if problems:
        raise Invalid(problems[0].message, code="inputs.invalid", problems=problems)
    return _absolute({**values, **given}, schema)


def _from_file(source: str) -> dict[str, Any]:
    from ..imports.text import read_text  # noqa: PLC0415 - only where there is such a file

    text = sys.stdin.buffer.read() if source == "-" else _file(source, "--inputs")
    try:
        read = read_text(text, "" if source == "-" else source)
        if read.problems:
            raise Invalid(read.problems[0].message, code="inputs.invalid", problems=read.problems)
    except Invalid as error:
        raise in_file(error, source) from None
    if not isinstance(read.data, dict):
        raise UsageError(f"--inputs {source}: inputs are an object of names and values", code="inputs.invalid")
    return read.data


def _file(name: str, what: str) -> bytes:
    try:
        return Path(name).expanduser().read_bytes()
    except OSError as error:
        raise UsageError(f"{what} {name}: {(error.strerror or str(error)).lower()}", code="file.unreadable") from None


def _content(text: str, types: Sequence[str]) -> str:
    if text.startswith("@@"):
        return text[1:]
    if not text.startswith("@"):
        return text
    try:
        raw = sys.stdin.buffer.read() if text == "@-" else Path(text[1:]).expanduser().read_bytes()
        content = raw.decode()
    except OSError as error:
        raise _Unreadable(f"{text[1:]}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError:
        raise _Unreadable(f"{text[1:]} is not text in UTF-8") from None
    return content if "string" in types or not types else content.strip()


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = schema.get("properties", {}).get(name, {})
    return part if isinstance(part, Mapping) else {}


def _types(part: Mapping[str, Any]) -> list[str]:
    """The JSON types that a schema allows; [] when it does not say."""
    said = part.get("type")
    if isinstance(said, str):
        return [said]
    if isinstance(said, list):
        return [str(one) for one in said]
    for key in ("anyOf", "oneOf"):
        if isinstance(part.get(key), list):
            inner = [_types(one) for one in part[key] if isinstance(one, Mapping)]
            return [] if not all(inner) else list(dict.fromkeys(t for types in inner for t in types))
    values = part.get("enum") or ([part["const"]] if "const" in part else [])
    if values and all(isinstance(value, str) for value in values):
        return ["string"]
    return []


def _read(text: str, part: Mapping[str, Any], types: Sequence[str]) -> Any:
    """`text` as the first type it is a text of; a string is the last resort, so `5` for integer-or-string is 5."""
    failures: list[str] = []
    for kind in sorted(types, key=lambda t: t == "string"):
        try:
            return _READ[kind](text, part)
        except _Unreadable as error:
            failures.append(str(error))
        except KeyError:
            continue
    if failures:
        raise _Unreadable(failures[0] if len(failures) == 1 else f"{_quoted(text)} is none of {', '.join(types)}")
    try:
        return _json(text)
    except _Unreadable:
        return text


def _whole(text: str, part: Mapping[str, Any]) -> int:
    if not _WHOLE.fullmatch(text.strip()):
        raise _Unreadable(f"{_quoted(text)} is not a whole number")
    return int(text)


def _number(text: str, part: Mapping[str, Any]) -> float | int:
    if not _NUMBER.fullmatch(text.strip()):
        raise _Unreadable(f"{_quoted(text)} is not a number")
    if _WHOLE.fullmatch(text.strip()):
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise _Unreadable(f"{_quoted(text)} is too large a number")
    return value


def _boolean(text: str, part: Mapping[str, Any]) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise _Unreadable(f"{_quoted(text)} is neither true nor false")


def _null(text: str, part: Mapping[str, Any]) -> None:
    if text.strip() != "null":
        raise _Unreadable(f"{_quoted(text)} is not null")


def _object(text: str, part: Mapping[str, Any]) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict):
        raise _Unreadable(f"{_quoted(text)} is not a JSON object")
    return value


def _array(text: str, part: Mapping[str, Any]) -> list[Any]:
    if text.lstrip().startswith("["):
        value = _json(text)
        assert isinstance(value, list)
        return value
    items = part.get("items")
    items = items if isinstance(items, Mapping) else {}
    return [_read(text, items, _types(items))]


def _json(text: str) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise _Unreadable(f"{_quoted(text)} is not JSON: {error}") from None


_READ: dict[str, Any] = {
    "integer": _whole,
    "number": _number,
    "boolean": _boolean,
    "null": _null,
    "object": _object,
    "array": _array,
    "string": lambda text, part: text,
}


def _absolute(values: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in values.items():
        if isinstance(value, str) and value and _property(schema, name).get("format") in _PATHS:
            values[name] = str(Path(value).expanduser().absolute().resolve())
    return values


def read_values(pairs: Sequence[str], option: str) -> dict[str, Any]:
    """`--edit STEP=JSON`: values without a schema to read them by."""
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{option} {pair}: write it as NAME=JSON")
        values[name] = read_value(text, f"{option} {name}")
    return values


def read_value(text: str, option: str) -> Any:
    """JSON, or `@FILE` that holds some."""
    try:
        return _json(_content(text, ["object"]))
    except _Unreadable as error:
        raise UsageError(f"{option}: {error}") from None


def read_limits(pairs: Sequence[str]) -> dict[str, Any] | None:
    """`--limit tokens=1000`: numbers, or durations for seconds; what they may be is for the gate to say. None without any."""
    limits: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not text:
            raise UsageError(f"--limit {pair}: write it as NAME=NUMBER, such as seconds=60")
        limits[name] = _number(text, {}) if _NUMBER.fullmatch(text) and name != "usd" else text
    return limits or None


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
