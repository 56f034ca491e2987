"""A server that goes wrong at one point of the exchange: python bad_server.py HOW. It speaks the protocol of 2025-11-25 by hand."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

HOW = sys.argv[1]
TOOL = {"name": "do", "inputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": True}}}


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def spoil(point: str, request: int) -> None:
    """Go wrong here, if this is the point."""
    match HOW.removesuffix(point) if HOW.endswith(point) else "":
        case "dies-":
            os._exit(7)
        case "stops-half-way-":
            sys.stdout.write('{"jsonrpc": "2.0", "id": ' + str(request) + ', "res')
            sys.stdout.flush()
            os._exit(7)
        case "hangs-":
            time.sleep(600)
        case "babbles-":
            for _ in range(200):
                sys.stdout.write("I am no JSON-RPC\n")
            sys.stdout.flush()
            time.sleep(600)
        case "nonsense-":
            say({"id": request, "result": {"tools": 7, "content": "seven", "protocolVersion": 7}})
            time.sleep(600)


def serve() -> None:
    calls = 0
    for line in sys.stdin:
        message = json.loads(line)
        method, request = message["method"], message.get("id")
        if method == "initialize":
            spoil("initialize", request)
            say({"id": request, "result": {**HANDSHAKE, "serverInfo": {"name": "bad", "version": "1"}}})
        elif method == "tools/list":
            spoil("list", request)
            gone = HOW == "changes" and calls > 0
            strict = {**TOOL["inputSchema"], "required": ["n"]}  # type: ignore[dict-item]
            tool = {**TOOL, "inputSchema": strict} if HOW == "stricter" and calls > 0 else TOOL
            say({"id": request, "result": {"tools": [] if gone else [tool]}})
        elif method == "tools/call":
            calls += 1
            spoil("call", request)
            if HOW == "ten-megabytes":
                say({"id": request, "result": {"content": [{"type": "text", "text": "x" * (10 << 20)}]}})
            elif HOW in ("changes", "stricter"):
                say({"id": request, "error": {"code": -32602, "message": "Unknown tool or bad arguments"}})
            elif HOW == "announces":
                say({"id": request, "result": {"content": [], "structuredContent": {"calls": calls}}})
                say({"method": "notifications/tools/list_changed"})
            else:
                say({"id": request, "result": {"content": [{"type": "text", "text": "done"}]}})
        elif request is not None:
            say({"id": request, "error": {"code": -32601, "message": "no such method"}})


if __name__ == "__main__":
    serve()
