"""MCP servers: what there is, how they fare, and a way to add, check and try them.

A group's own servers stand in the registry; those of the installation's file and those that come with Penstock can be covered
by one of the same name and not be removed. Nothing that looks like a secret is written down: it is refused with its place, or,
in an import, moved into the vault.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from ..engine.record import rfc3339
from ..errors import Conflict, Invalid, NotFound, PenstockError, Problem, Refused
from ..tools.client import repeats
from ..tools.config import ServerConfig, parse_servers, same_spelling
from ..tools.credentials import REDACTED, in_clear, without_clear
from ..tools.registry import Servers
from ..tools.sources import KIND
from ..tools.standing import Standing
from . import bodies, server_models
from .answers import json_answer, nothing
from .core import Core, caller_of, core_of
from .openapi import takes

router = APIRouter(tags=["servers"])
ServerPath = Annotated[str, Path(min_length=1, max_length=64, description="The server's name.")]
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SHOWN = ("name", "title", "description", "transport", "enabled", "weight", "priority", "fallback", "consent")
_LIMITS = ("per_second", "per_minute", "parallel")


@router.get("/servers", response_model=server_models.Servers, operation_id="list_servers")
async def list_servers(request: Request) -> Response:
    """The MCP servers there are, and how they fare. How they are reached may hold secrets and is not shown."""
    servers, group = await _fresh(request)
    return json_answer({"items": [_shown(servers, config, group) for config in servers.configs(group)]})


@router.post(
    "/servers",
    status_code=201,
    response_model=server_models.ServerDetail,
    openapi_extra=takes(ServerConfig),
    operation_id="add_server",
)
async def add_server(request: Request) -> Response:
    """Register a server: 409 when there is one of this name. It can be used at once, here and in every other process."""
    config = await _asked(request, None)
    servers, group = await _fresh(request)
    taken = same_spelling(config.name, [one.name for one in servers.configs(group)])
    if taken is not None:
        raise Conflict(f"there is a server {taken!r} already; PUT replaces it", code="server.exists")
    await _keep(core_of(request), group, config)
    path = f"/api/v1/servers/{quote(config.name, safe='')}"
    return json_answer(await _detail(servers, config.name, group), 201, {"Location": path})


@router.post(
    "/servers/import",
    response_model=server_models.Imported,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
    operation_id="import_servers",
)
async def import_servers(request: Request) -> Response:
    """Register the servers of an `mcp.json`, as editors and assistants share it; those of the same name are replaced. Values of
    env and headers that look like secrets go into the vault; `${NAME}` becomes the secret NAME."""
    core = core_of(request)
    servers, group = await _fresh(request)
    configs = parse_servers(bodies.json_of(request, await bodies.read_bytes(request)))
    cleaned = [without_clear(config) for config in configs]
    for config, _ in cleaned:
        _check(core, config, _pointer(config))
    before = servers.configs(group)
    for config, secrets in cleaned:
        for name, value in secrets.items():
            await core.vault.put(group, name, value)
        await core.registry.put(group, KIND, config.name, _body(config))
    await servers.fresh(group, at_once=True)
    there = set(await core.vault.names(group))
    names = {config.name for config in before}
    return json_answer(
        {
            "added": [config.name for config in configs if config.name not in names],
            "replaced": [config.name for config in configs if config.name in names],
            "secrets": [{"server": config.name, "name": name} for config, secrets in cleaned for name in secrets],
            "missing": sorted(set().union(*(config.secret_names() for config, _ in cleaned)) - there),
        }
    )


@router.get("/servers/{name}", response_model=server_models.ServerDetail, operation_id="show_server")
async def show_server(request: Request, name: ServerPath) -> Response:
    """A server: how it fares, how it is reached (without secrets), and its tools where they are known."""
    servers, group = await _fresh(request)
    return json_answer(await _detail(servers, _named(servers, name, group).name, group))


@router.put(
    "/servers/{name}",
    response_model=server_models.ServerDetail,
    openapi_extra=takes(ServerConfig),
    operation_id="put_server",
)
async def put_server(request: Request, name: ServerPath) -> Response:
    """Register a server, whether or not there was one of this name. Sessions with the old one are closed."""
    config = await _asked(request, name)
    servers, group = await _fresh(request)
    await _keep(core_of(request), group, config)
    return json_answer(await _detail(servers, config.name, group))


@router.delete("/servers/{name}", status_code=204, operation_id="delete_server")
async def delete_server(request: Request, name: ServerPath) -> Response:
    """Forget a registered server: 409 for one that is not registered but written in a file, or that comes with Penstock."""
    servers, group = await _fresh(request)
    config = _named(servers, name, group)
    source = servers.source(config.name, group)
    if source != "registry":
        where = "stands in servers.json" if source == "file" else "comes with Penstock"
        message = f"server {config.name!r} {where}; PUT it with enabled: false to switch it off"
        raise Conflict(message, code="server.not_registered")
    await core_of(request).registry.delete(group, KIND, config.name)
    await servers.fresh(group, at_once=True)
    return nothing()


@router.post("/servers/{name}/check", response_model=server_models.Checked, operation_id="check_server")
async def check_server(request: Request, name: ServerPath) -> Response:
    """Ask a server for its tools, now. `ok` says whether it answered, `error` why not."""
    servers, group = await _fresh(request)
    config = _enabled(servers, name, group)
    began = time.perf_counter()
    try:
        found = {"ok": True, **await servers.probe(config.name, group), "error": None}
    except PenstockError as error:
        found = {"ok": False, "server": config.name, "protocol": None, "tools": [], "milliseconds": _since(began)}
        found["error"] = error.to_dict()
    return json_answer(found)


@router.post(
    "/servers/{name}/tools/{tool}",
    response_model=server_models.Tried,
    openapi_extra=takes(server_models.Try, required=False),
    operation_id="try_tool",
)
async def try_tool(
    request: Request, name: ServerPath, tool: Annotated[str, Path(min_length=1, max_length=200)]
) -> Response:
    """Call a tool once, outside of any run. `ok` says whether it went well, `error` why not."""
    asked = await bodies.read_model(request, server_models.Try)
    servers, group = await _fresh(request)
    config = _enabled(servers, name, group)
    began = time.perf_counter()
    try:
        found = await servers.tool(config.name, tool, group)
        result = await servers.call(config.name, found.name, asked.arguments, asked.seconds, group=group)
    except PenstockError as error:
        return json_answer({"ok": False, "result": None, "milliseconds": _since(began), "error": error.to_dict()})
    return json_answer({"ok": True, "result": result, "milliseconds": _since(began), "error": None})


@router.get("/capabilities", response_model=server_models.Capabilities, operation_id="list_capabilities")
async def list_capabilities(request: Request) -> Response:
    """What steps can ask for, and who offers it. Servers that declare nothing are asked, for at most five seconds."""
    servers, group = await _fresh(request)
    await servers.catalog(group)
    offers: dict[str, list[dict[str, Any]]] = {}
    for config in servers.configs(group):
        for capability, tool in (servers.discovery.offered(config, group) or {}).items() if config.enabled else ():
            health = servers.standing(config.name, group).health
            row = {"server": config.name, "tool": tool, "health": health, "fallback": config.fallback}
            offers.setdefault(capability, []).append(row)
    return json_answer({"items": [{"name": name, "servers": rows} for name, rows in sorted(offers.items())]})


# ----------------------------------------------------------------------------------------------------------- requests


async def _fresh(request: Request) -> tuple[Servers, str]:
    servers, group = core_of(request).servers, caller_of(request).group
    await servers.fresh(group)
    return servers, group


def _named(servers: Servers, name: str, group: str) -> ServerConfig:
    configs = {config.name: config for config in servers.configs(group)}
    found = same_spelling(name, configs)
    if found is None:
        raise NotFound(f"there is no server {name!r}", code="server.not_found")
    return configs[found]


def _enabled(servers: Servers, name: str, group: str) -> ServerConfig:
    config = _named(servers, name, group)
    if not config.enabled:
        raise Conflict(f"server {config.name!r} is switched off", code="server.off")
    return config


async def _asked(request: Request, name: str | None) -> ServerConfig:
    data = bodies.json_of(request, await bodies.read_bytes(request))
    if name is not None and isinstance(data, dict):
        data = {"name": name, **data}
    config = bodies.validate(ServerConfig, data)
    if name is not None and config.name != name:
        place = Problem("server.invalid", f"the body names {config.name!r}", "/name")
        raise Invalid(f"the address names {name!r}, the body {config.name!r}", code="server.invalid", problems=[place])
    _check(core_of(request), config, "")
    return config


def _check(core: Core, config: ServerConfig, base: str) -> None:
    """Raises Invalid `server.secret_in_clear`; Refused `server.program_refused`."""
    if config.transport == "stdio" and not _programs(core):
        message = "servers that are programs may not be added here: PENSTOCK_SERVER_PROGRAMS says who may"
        raise Refused(message, code="server.program_refused")
    problems = []
    for field, key, _ in in_clear(config):
        hint = {
            "env": f"keep it with `penstock secrets set NAME`, and name it: env_secrets: {{{key}: NAME}}",
            "headers": f"keep it with `penstock secrets set NAME`, and name it: header_secrets: {{{key}: NAME}}, or auth_secret",
        }.get(field, "hand it over in the environment or in a header, by the name of a secret")
        place = f"{base}/{field}" + (f"/{key}" if key else "")
        problems.append(Problem("server.secret_in_clear", "this looks like a secret", place, hint))
    if problems:
        raise Invalid("secrets are named, not written out", code="server.secret_in_clear", problems=problems)


def _programs(core: Core) -> bool:
    said = core.settings.server_programs
    return core.settings.host in _LOOPBACK if said == "loopback" else said == "always"


def _pointer(config: ServerConfig) -> str:
    return "/mcpServers/" + config.name


async def _keep(core: Core, group: str, config: ServerConfig) -> None:
    await core.registry.put(group, KIND, config.name, _body(config))
    await core.servers.fresh(group, at_once=True)


def _body(config: ServerConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude_defaults=True)


# ------------------------------------------------------------------------------------------------------------ answers


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)


def _shown(servers: Servers, config: ServerConfig, group: str) -> dict[str, Any]:
    standing = servers.standing_of(config, group)
    fares = standing.to_dict()
    breaker = {**fares["breaker"], "opened_at": rfc3339(fares["breaker"]["opened_at"])}
    return {
        **{key: getattr(config, key) for key in (*_SHOWN, *_LIMITS)},
        "source": servers.source(config.name, group),
        "capabilities": dict(servers.discovery.offered(config, group) or {}),
        "secrets": sorted(config.secret_names()),
        **fares,
        "checked_at": rfc3339(fares["checked_at"]),
        "breaker": breaker,
        "tools": None if standing.tools is None else sorted(standing.tools),
    }


async def _detail(servers: Servers, name: str, group: str) -> dict[str, Any]:
    config = _named(servers, name, group)
    standing = servers.standing_of(config, group)
    return {
        **_shown(servers, config, group),
        "config": _without_secrets(config),
        "offers": None if standing.tools is None else _tools(servers, config, standing),
    }


def _without_secrets(config: ServerConfig) -> dict[str, Any]:
    body = _body(config)
    for field, key, value in in_clear(config):
        if field == "url":
            body["url"] = body["url"].replace(value, REDACTED)
        elif field == "args":
            body["args"][int(key)] = body["args"][int(key)].replace(value, REDACTED)
        else:
            body[field][key] = REDACTED
    return body


def _tools(servers: Servers, config: ServerConfig, standing: Standing) -> Sequence[dict[str, Any]]:
    rows = []
    for tool in sorted((standing.tools or {}).values(), key=lambda one: one.name):
        seen = standing.seen.get(tool.name)
        rows.append(
            {
                "name": tool.name,
                "title": tool.title,
                "description": tool.description,
                "input_schema": tool.input_schema,
                "output_schema": tool.output_schema,
                "reads_only": tool.read_only,
                "repeatable": repeats(config, tool),
                "touches": sorted(config.manifest(tool.name)),
                "calls": seen.calls if seen else 0,
                "seconds": round(seen.seconds, 4) if seen else None,
                "bytes": round(seen.bytes) if seen else None,
            }
        )
    return rows
