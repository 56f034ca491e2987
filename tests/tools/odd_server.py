"""A real MCP server with the tools the tests need, and, with another mode, one that misbehaves at its start.

python odd_server.py serve|garbage|silent|chatty|exits|slow_exit [--http]
"""

from __future__ import annotations

import os
import subprocess
import sys
import time


def misbehave(mode: str) -> None:
    if mode == "exits":
        sys.stderr.write("no such database: fishes\n")
        raise SystemExit(3)
    if mode == "garbage":
        for _ in range(200):
            sys.stdout.write("Welcome to the fish server!\n")
        sys.stdout.flush()
        sys.stdin.read()
        raise SystemExit(0)
    if mode == "silent":
        sys.stderr.write("thinking\n")
        sys.stderr.flush()
        sys.stdin.read()
        raise SystemExit(0)
    if mode == "deaf":  # neither the end of stdin nor SIGTERM moves it
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    if mode == "chatty":
        sys.stdout.write("a banner that is no JSON-RPC\n")
        sys.stdout.flush()


def mark(path: str) -> None:
    with open(path, "a") as file:  # noqa: PTH123
        file.write("called\n")


def act(path: str, key: object) -> dict[str, object]:
    """Leave a trace of a call, and die after it where ODD_DIES says so."""
    name = os.environ.get("ODD_NAME", "odd")
    with open(path, "a") as file:  # noqa: PTH123
        file.write(f"{name} {key}\n")
    if os.environ.get("ODD_DIES"):
        os._exit(9)
    return {"name": name}


def guarded(app):
    """Only for who shows the token of ODD_BEARER, which is read from a file so that it can be changed."""
    file = os.environ.get("ODD_BEARER")

    async def door(scope, receive, send):
        if file and scope["type"] == "http":
            with open(file) as text:  # noqa: PTH123, ASYNC230
                wanted = f"Bearer {text.read()}".encode()
            if dict(scope["headers"]).get(b"authorization") != wanted:
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b"no"})
                return
        await app(scope, receive, send)

    return door


def grandchild() -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid


def serve(http: bool) -> None:
    import anyio
    import mcp_types as types
    from mcp.server.lowlevel import Server

    state = {"calls": 0, "cancelled": 0, "slept": 0}

    def tool(name, properties=None, output=None, **hints):
        schema = {"type": "object", "properties": properties or {}, "required": list(properties or {})}
        meta = {"penstock/capabilities": hints.pop("capabilities")} if "capabilities" in hints else None
        return types.Tool(
            name=name,
            input_schema=schema,
            output_schema=output,
            annotations=types.ToolAnnotations(**hints),
            _meta=meta,
        )

    async def list_tools(_context, _params):
        count = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        return types.ListToolsResult(
            tools=[
                tool("echo", {"text": {"type": "string"}}, read_only_hint=True, capabilities=["test.echo"]),
                tool("count", output=count),
                tool("broken_promise", output=count),
                tool("json_text", output=count),
                tool("plain_text"),
                tool("fails"),
                tool("raises"),
                tool("dies"),
                tool("marks_and_dies", {"path": {"type": "string"}}),
                tool("sleeps", {"seconds": {"type": "number"}}),
                tool("state", output={"type": "object"}, read_only_hint=True),
                tool("big", {"size": {"type": "integer"}}),
                tool("whoami", read_only_hint=True),
                tool("dies_reading", read_only_hint=True),
                tool("look", {"path": {"type": "string"}}, read_only_hint=True),
                tool("act", {"path": {"type": "string"}}),
                tool("set", {"path": {"type": "string"}}, idempotent_hint=True),
                tool("grandchild"),
                tool("environment"),
                tool("noise"),
            ]
        )

    def text(value, **rest):
        return types.CallToolResult(content=[types.TextContent(type="text", text=value)], **rest)

    async def call_tool(context, params):
        arguments = params.arguments or {}
        match params.name:
            case "echo":
                return text(arguments["text"], structured_content={"text": arguments["text"]})
            case "count":
                state["calls"] += 1
                return text("", structured_content={"n": state["calls"]})
            case "broken_promise":
                return text("", structured_content={"n": "many"})
            case "json_text":
                return text('{"n": 7}')
            case "plain_text":
                return types.CallToolResult(
                    content=[
                        types.TextContent(type="text", text="two"),
                        types.TextContent(type="text", text="lines"),
                        types.ImageContent(type="image", data="AAAA", mime_type="image/png"),
                    ]
                )
            case "fails":
                return text("the fish is gone", is_error=True)
            case "raises":
                raise RuntimeError("a bug in the server")
            case "dies" | "dies_reading":
                sys.stderr.write("out of water\n")
                sys.stderr.flush()
                os._exit(9)
            case "marks_and_dies":
                mark(arguments["path"])
                os._exit(9)
            case "sleeps":
                state["slept"] += 1
                try:
                    await anyio.sleep(arguments["seconds"])
                except anyio.get_cancelled_exc_class():
                    state["cancelled"] += 1
                    raise
                return text("woke up")
            case "state":
                return text("", structured_content=dict(state))
            case "big":
                return text("x" * arguments["size"])
            case "whoami":
                meta = context.meta or {}
                return text(
                    "", structured_content={"pid": os.getpid(), "key": dict(meta).get("penstock/idempotency-key")}
                )
            case "look" | "act" | "set":
                key = dict(context.meta or {}).get("penstock/idempotency-key")
                return text("", structured_content=act(arguments["path"], key))
            case "grandchild":
                return text("", structured_content={"pid": grandchild()})
            case "environment":
                return text("", structured_content=dict(os.environ))
            case "noise":
                os.write(1, b"")  # stdout belongs to the protocol; the SDK points it at stderr meanwhile
                sys.stderr.write("n" * 100_000 + "the end\n")
                sys.stderr.flush()
                os._exit(1)

    server = Server("odd", on_list_tools=list_tools, on_call_tool=call_tool)
    if http:
        import socket

        import uvicorn

        # With the protocol named, or the loop leaves Nagle's delay on: 40 ms an answer.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(sys.argv[3]) if len(sys.argv) > 3 else 0))
        listener.listen(100)
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
        sys.stdout.flush()
        config = uvicorn.Config(
            guarded(server.streamable_http_app()), lifespan="on", log_level="warning", timeout_graceful_shutdown=1
        )
        uvicorn.Server(config).run(sockets=[listener])
    else:
        from mcp.server.stdio import stdio_server

        async def run() -> None:
            async with stdio_server() as (reader, writer):
                await server.run(reader, writer, server.create_initialization_options())

        anyio.run(run)


if __name__ == "__main__":
    misbehave(sys.argv[1])
    serve("--http" in sys.argv)
