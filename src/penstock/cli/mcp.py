"""`penstock mcp`: the published workflows as an MCP server on stdin and stdout, for clients that start their servers themselves.

Where a server owns the data folder, or one is named, each request is passed on to it: the runs are its own and outlive the
client. Otherwise runs go on in this process. stdout belongs to the protocol; whatever a step prints goes to stderr.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from . import options

if TYPE_CHECKING:
    from .link import Place, Server


def register(app: typer.Typer) -> None:
    app.command("mcp")(mcp)


def mcp(data: options.Data = None, server: options.Server = None) -> int:
    """Be an MCP server on stdin and stdout, whose tools are the published workflows."""
    return options.go(serve(options.place(data, server)))


async def serve(place: Place) -> None:
    """Serve one client until it closes stdin. Raises Unavailable, Unauthenticated where the server that is named cannot be
    asked, Conflict `data.in_use`."""
    server = place.server()
    await (_alone(place) if server is None else _for(server))


async def _alone(place: Place) -> None:
    from ..api.auth import ACTOR, Caller  # noqa: PLC0415 - `--help` loads none of what commands do
    from ..api.calls import Calls  # noqa: PLC0415
    from ..api.mcp_tools import build_server  # noqa: PLC0415
    from ..api.stream import Streams  # noqa: PLC0415
    from ..app import Penstock  # noqa: PLC0415
    from .embedded import GROUP  # noqa: PLC0415
    from .settings import read_settings  # noqa: PLC0415

    settings = read_settings(place)
    async with Penstock(settings) as penstock:
        later = f"http://{settings.host}:{settings.port}"  # where `penstock up` will serve this folder
        await _speak(build_server(Calls(penstock, Streams(penstock)), Caller(GROUP, ACTOR), later))


async def _for(server: Server) -> None:
    """Pass requests on, with their progress, their cancellation and what stands under `_meta`."""
    import httpx2  # noqa: PLC0415
    import mcp_types as types  # noqa: PLC0415
    from mcp.client.client import Client  # noqa: PLC0415
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415
    from mcp.server.lowlevel.server import Server as Speaker  # noqa: PLC0415

    from .. import __version__  # noqa: PLC0415
    from .remote import Remote  # noqa: PLC0415

    async with Remote(server) as link:  # what is wrong with the address or the token is said before the protocol begins
        await link.call("GET", "/workflows", limit=1)
    headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
    patience = httpx2.Timeout(30.0, read=None)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=patience, trust_env=False) as http,
        Client(streamable_http_client(f"{server.url}/mcp", http_client=http), cache=None) as client,
    ):

        async def list_tools(context: Any, params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
            return await client.list_tools(cursor=params.cursor if params is not None else None)

        async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
            meta: Any = {
                name: value
                for name, value in (context.meta or {}).items()
                if name not in ("progressToken", "progress_token") and not name.startswith("io.modelcontextprotocol/")
            }
            return await client.call_tool(
                params.name, params.arguments, progress_callback=context.session.report_progress, meta=meta or None
            )

        about = client.server_info
        speaker = Speaker(
            about.name if about else "penstock",
            version=about.version if about else __version__,
            title="Penstock",
            instructions=client.instructions,
            on_list_tools=list_tools,
            on_call_tool=call_tool,
        )
        await _speak(speaker)


async def _speak(server: Any) -> None:
    from mcp.server.stdio import stdio_server  # noqa: PLC0415

    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())
