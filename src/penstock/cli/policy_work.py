"""What `penstock policies …` does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import Invalid, NotFound
from .failures import UsageError
from .inputs import read_value
from .link import Link
from .terminal import out_json, printable, say, table

PASSES = ("allow", "redact")


async def ls(link: Link, json: bool) -> int | None:
    answer = await link.call("GET", "/policies")
    if json:
        out_json(answer)
        return None
    rows = [
        (
            one["name"],
            "" if one["enabled"] else "off",
            one["then"] + (f" {', '.join(one['what'])}" if one["what"] else ""),
            ", ".join(one["on"]),
            printable(str(one["when"] or "")),
            one["source"]
            + (f", changed: {', '.join(one['changed'])}" if one["changed"] and one["source"] != "group" else ""),
        )
        for one in answer["items"]
    ]
    table(("POLICY", "", "THEN", "AT", "WHEN", "FROM"), rows, "no policies")
    return None


async def put(link: Link, name: str, source: str | None, keys: dict[str, Any]) -> int | None:
    path = f"/policies/{quote(name, safe='')}"
    said = {key: value for key, value in keys.items() if value is not None}
    if source is not None:
        body = {**_read(source), **said}
    else:
        if not said:
            raise UsageError("say what is to be changed, or give the policy with --file", code="policy.nothing")
        body = {**await _said(link, path), **said}
    made = await link.call("PUT", path, body)
    say(f"policy {name} is {'on' if made['enabled'] else 'off'}: {made['then']} at {', '.join(made['on'])}")
    return None


async def _said(link: Link, path: str) -> dict[str, Any]:
    """What this group has said of a policy so far."""
    try:
        policy = await link.call("GET", path)
    except NotFound:
        return {}
    return {key: policy[key] for key in policy["changed"]}


async def remove(link: Link, name: str) -> int | None:
    await link.call("DELETE", f"/policies/{quote(name, safe='')}")
    say(f"policy {name} is as the installation says, or gone")
    return None


async def test(
    link: Link, run: str | None, point: str | None, value: str | None, call: str | None, source: str | None, json: bool
) -> int | None:
    if (run is None) == (point is None):
        raise UsageError("name a run, or a point with --point", code="policy.nothing")
    body: dict[str, Any] = {"policies": _read(source) if source is not None else {}}
    if run is not None:
        body["run"] = run
    else:
        body |= {"point": point, "value": None if value is None else _value(value)}
        if call is not None:
            body["call"] = read_value(call, "--call")
    answer = await link.call("POST", "/policies/test", body)
    if json:
        out_json(answer)
    else:
        told = [one for one in answer["items"] if one["policy"] is not None]
        rows = [
            (
                one["step"],
                one["key"],
                one["point"],
                one["then"],
                one["policy"],
                ", ".join(f"{kind} ×{count}" for kind, count in one["found"].items()),
                printable(one["message"]),
            )
            for one in told
        ]
        table(("STEP", "CALL", "AT", "THEN", "POLICY", "FOUND", ""), rows, "no policy has anything to say")
        say(f"{len(answer['items'])} looked at, {len(told)} decided")
    return 0 if all(one["then"] in PASSES for one in answer["items"]) else 1


def _value(given: str) -> Any:
    """JSON where it is JSON, else the text itself; @FILE stands for a file's content."""
    try:
        return read_value(given, "--value")
    except UsageError:
        return Path(given[1:]).read_text(encoding="utf-8") if given.startswith("@") else given


def _read(source: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - only who gives a file

    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: {getattr(error, 'strerror', None) or error}", code="file.unreadable") from None
    except yaml.YAMLError as error:
        message = f"{source} is not YAML: {' '.join(str(error).split())[:300]}"
        raise Invalid(message, code="policy.invalid") from None
    if not isinstance(data, dict):
        raise Invalid(f"{source} holds no mapping", code="policy.invalid")
    return _without_true(data)


def _without_true(value: Any) -> Any:
    """YAML 1.1 reads the key `on` as true."""
    if not isinstance(value, dict):
        return value
    return {"on" if key is True else str(key): _without_true(part) for key, part in value.items()}
