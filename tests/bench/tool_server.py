"""MCP servers for the bench: python tool_server.py NAME ...; prints an address a line."""

from __future__ import annotations

import socket
import sys

import anyio
import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server

SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


async def list_tools(_context: object, _params: object) -> types.ListToolsResult:
    names = ["echo", *(f"tool{number}" for number in range(9))]
    hints = types.ToolAnnotations(read_only_hint=True)
    return types.ListToolsResult(
        tools=[types.Tool(name=name, input_schema=SCHEMA, annotations=hints) for name in names]
    )


async def call_tool(_context: object, params: types.CallToolRequestParams) -> types.CallToolResult:
    text = str((params.arguments or {})["text"])
    return types.CallToolResult(content=[], structured_content={"text": text})


async def main(names: list[str]) -> None:
    async with anyio.create_task_group() as tasks:
        for name in names:
            # With the protocol named, or the loop does not switch off Nagle's delay on what it accepts: 40 ms an answer.
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            listener.bind(("127.0.0.1", 0))
            listener.listen(100)
            server = Server(name, on_list_tools=list_tools, on_call_tool=call_tool)
            config = uvicorn.Config(server.streamable_http_app(), log_level="warning")
            sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
            sys.stdout.flush()
            tasks.start_soon(uvicorn.Server(config).serve, [listener])


if __name__ == "__main__":
    anyio.run(main, sys.argv[1:])
