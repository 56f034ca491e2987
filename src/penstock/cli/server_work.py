"""What `penstock servers …` does, over the HTTP API on either side of a link."""

from __future__ import annotations

import asyncio
import json as jsonlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from ..errors import Conflict, PenstockError
from .documents import read_file
from .failures import UsageError, problems_of
from .inputs import read_values
from .link import Link
from .terminal import out_json, printable, say, table


async def ls(link: Link, json: bool) -> int | None:
    answer = await link.call("GET", "/servers")
    if json:
        out_json(answer)
        return None
    rows = [
        (one["name"], one["transport"], _state(one), _marks(one), ", ".join(sorted(one["capabilities"])))
        for one in answer["items"]
    ]
    table(("SERVER", "TRANSPORT", "STATE", "", "CAPABILITIES"), rows, "no servers")
    return None


def _state(one: dict[str, Any]) -> str:
    if not one["enabled"]:
        return "off"
    if one["breaker"]["state"] != "closed":
        return f"{one['health']}, breaker {one['breaker']['state'].replace('_', ' ')}"
    return "not used yet" if one["health"] == "unknown" else one["health"]


def _marks(one: dict[str, Any]) -> str:
    marks = [one["source"] if one["source"] != "registry" else "", "heavy" if one["weight"] == "heavy" else ""]
    return ", ".join(mark for mark in [*marks, "fallback" if one["fallback"] else ""] if mark)


def read_body(
    name: str,
    command: Sequence[str],
    url: str | None,
    pairs: Mapping[str, Sequence[str] | None],
    plain: Mapping[str, Any],
) -> dict[str, Any]:
    """The body of POST /servers. Raises UsageError `server.no_command`, `server.bad_pair`."""
    if bool(command) == bool(url):
        raise UsageError("give either a program, after --, or --url", code="server.no_command")
    body: dict[str, Any] = {"name": name, **{key: value for key, value in plain.items() if value is not None}}
    body |= {"url": url, "transport": "http"} if url else {"command": command[0], "args": list(command[1:])}
    for field, given in pairs.items():
        for pair in given or ():
            key, equals, value = pair.partition("=")
            if not equals or not key:
                raise UsageError(f"{pair!r}: write it as NAME=VALUE", code="server.bad_pair")
            body.setdefault(field, {})[key] = value
    return body


async def add(link: Link, body: dict[str, Any], replace: bool) -> int | None:
    path = f"/servers/{quote(body['name'], safe='')}"
    try:
        await (link.call("PUT", path, body) if replace else link.call("POST", "/servers", body))
    except Conflict as error:
        hint = {"hint": "to replace it: --replace"}
        raise Conflict(error.message.partition(";")[0], code=error.code, detail=hint) from None
    say(f"server {body['name']} is registered")
    return None


async def remove(link: Link, name: str) -> int | None:
    await link.call("DELETE", f"/servers/{quote(name, safe='')}")
    say(f"server {name} is gone")
    return None


async def check(link: Link, names: list[str], json: bool) -> int | None:
    asked = names or await _enabled(link)
    found = await asyncio.gather(*(link.call("POST", f"/servers/{quote(name, safe='')}/check") for name in asked))
    if json:
        out_json({"items": found})
    else:
        table(("SERVER", "", "TOOLS", "PROTOCOL", "TIME"), [_checked(one) for one in found], "no servers")
    return 0 if all(one["ok"] for one in found) else 1


def _checked(one: dict[str, Any]) -> tuple[Any, ...]:
    if one["ok"]:
        return one["server"], "answers", len(one["tools"]), one["protocol"], f"{one['milliseconds']:.0f} ms"
    return (
        one["server"],
        printable(f"{one['error']['message']} [{one['error']['code']}]".replace("\n", " ")),
        "",
        "",
        "",
    )


async def import_file(link: Link, file: str, json: bool) -> int | None:
    text = read_file(file)
    try:
        body = jsonlib.loads(text.content)
    except ValueError as error:
        raise UsageError(f"{file}: it is not JSON: {error}", code="server.invalid") from None
    told = await link.call("POST", "/servers/import", body)
    if json:
        out_json(told)
        return None
    for name in told["added"]:
        say(f"server {name} is registered")
    for name in told["replaced"]:
        say(f"server {name} is replaced")
    for one in told["secrets"]:
        say(f"secret {one['name']} is in the vault now, for server {one['server']}")
    for name in told["missing"]:
        say(f"secret {name} is named and not set: penstock secrets set {name}")
    return None


async def tools(link: Link, name: str | None, json: bool) -> int | None:
    named = [name] if name is not None else await _enabled(link)
    found = await asyncio.gather(*(_offers(link, one) for one in named))
    if json:
        out_json({"items": [{"server": server, "tools": offers} for server, offers, _ in found]})
    else:
        rows = [
            (server, tool["name"], ", ".join(tool["touches"]), printable(tool["description"].partition("\n")[0])[:100])
            for server, offers, _ in found
            for tool in offers
        ]
        table(("SERVER", "TOOL", "TOUCHES", "WHAT"), rows, "no tools")
    for server, _, error in found:
        if error is not None:
            say(f"{server}: {printable(error['message'])}")
    return 1 if any(error is not None for _, _, error in found) else 0


async def _enabled(link: Link) -> list[str]:
    return [one["name"] for one in (await link.call("GET", "/servers"))["items"] if one["enabled"]]


async def _offers(link: Link, name: str) -> tuple[str, list[dict[str, Any]], dict[str, Any] | None]:
    path = f"/servers/{quote(name, safe='')}"
    shown = await link.call("GET", path)
    if shown["offers"] is None:
        told = await link.call("POST", f"{path}/check")
        if not told["ok"]:
            return shown["name"], [], told["error"]
        shown = await link.call("GET", path)
    return shown["name"], shown["offers"] or [], None


async def call(link: Link, name: str, tool: str, arguments: list[str]) -> int | None:
    path = f"/servers/{quote(name, safe='')}/tools/{quote(tool, safe='')}"
    told = await link.call("POST", path, {"arguments": read_values(arguments, "--argument")})
    if not told["ok"]:
        raise _failed(told["error"])
    out_json(told["result"])
    return None


def _failed(error: dict[str, Any]) -> PenstockError:
    problems = problems_of(error.get("problems"))
    return PenstockError(error["message"], code=error["code"], problems=problems, detail=error.get("detail"))
