"""What the `tool` steps of a workflow will take, as far as that is known before they run: who would do it now, how long such
calls took lately and how large their results were, else what the server's configuration declares, and what bounds both."""

from __future__ import annotations

from typing import Any

from ..engine.workflow import Workflow
from ..errors import PenstockError
from .config import ServerConfig, ToolTraits, same_spelling
from .registry import Servers
from .routing import Wanted


async def calls_of(workflow: Workflow, servers: Servers, group: str) -> dict[str, dict[str, Any]]:
    """For each `tool` node {server, tool, seconds, bytes, known, seconds_at_most, bytes_at_most}: `known` says whether seconds
    and bytes (of one call) were `seen`, are `declared`, or are `unknown` (None). No server is asked or started for it."""
    out: dict[str, dict[str, Any]] = {}
    for name, node in workflow.nodes.items():
        if node.kind == "tool":
            config = workflow.document["nodes"][name].get("with") or {}
            out[name] = await _estimate(config if isinstance(config, dict) else {}, servers, group)
    return out


async def _estimate(config: dict[str, Any], servers: Servers, group: str) -> dict[str, Any]:
    names = config.get("capabilities") or []
    plain = [value for value in (*names, config.get("server"), config.get("tool")) if isinstance(value, str)]
    unknown = {"server": None, "tool": None, "seconds": None, "bytes": None, "known": "unknown"}
    if any("${{" in value for value in plain) or not all(isinstance(value, str) for value in names):
        return unknown
    prefer = tuple(one for one in config.get("prefer") or () if isinstance(one, str))
    wanted = Wanted(tuple(names), config.get("tool"), config.get("server"), prefer, config.get("fallback"))
    try:
        ranked = await servers.discovery.ranked(wanted, group, {}, ask=False)
    except PenstockError:
        return unknown
    if not ranked or ranked[0].score <= 0:
        return unknown
    server = servers.config(ranked[0].server, group)
    return _known(servers, server, ranked[0].tool, config.get("timeout_seconds"), group)


def _known(servers: Servers, server: ServerConfig, tool: str, limit: Any, group: str) -> dict[str, Any]:
    seen = servers.standing_of(server, group).seen.get(tool)
    said = server.tools.get(same_spelling(tool, server.tools) or "", ToolTraits())
    seconds, size = (seen.seconds, seen.bytes) if seen else (said.seconds, said.bytes)
    known = "seen" if seen else "declared" if seconds is not None or size is not None else "unknown"
    return {
        "server": server.name,
        "tool": tool,
        "seconds": None if seconds is None else round(seconds, 3),
        "bytes": None if size is None else round(size),
        "known": known,
        "seconds_at_most": limit if isinstance(limit, int | float) else server.timeout_seconds,
        "bytes_at_most": server.max_result_bytes,
    }
