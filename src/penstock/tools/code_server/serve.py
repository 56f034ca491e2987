"""The code server's two transports.

A stdio server is started by somebody who waits for it, so its start is kept short: the SDK's top-level packages import
every client, transport and framework it has, and a stdio server needs a third of that. `_sparing` lets the submodules
be imported without running those packages' `__init__`; it is for this process alone, where nothing else imports them.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import signal
import sys
from collections.abc import Sequence

from penstock import __version__


def _sparing(*packages: str) -> None:
    for name in packages:
        above, _, last = name.rpartition(".")
        path = sys.modules[above].__path__ if above else None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if name in sys.modules or spec is None:
            return
        sys.modules[name] = importlib.util.module_from_spec(spec)
        if above:
            setattr(sys.modules[above], last, sys.modules[name])


def serve_stdio(roots: Sequence[str]) -> None:
    """Serve one client over stdin and stdout until stdin ends."""
    _sparing("mcp", "mcp.server", "mcp.client")
    import anyio  # noqa: PLC0415
    from mcp.server.stdio import stdio_server  # noqa: PLC0415

    from .fence import Fence  # noqa: PLC0415
    from .server import build_server  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the client's: it closes our stdin when it is done

    async def run() -> None:
        server = build_server(Fence(roots), __version__)
        async with stdio_server() as (reader, writer):
            await server.run(reader, writer, server.create_initialization_options())

    anyio.run(run)


def serve_http(roots: Sequence[str], port: int) -> None:
    """Serve streamable HTTP at http://127.0.0.1:PORT/mcp; the address is printed once it listens."""
    import socket  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415

    from .fence import Fence  # noqa: PLC0415
    from .server import build_server  # noqa: PLC0415

    listener = socket.create_server(("127.0.0.1", port))
    app = build_server(Fence(roots), __version__).streamable_http_app()
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
    sys.stdout.flush()
    uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="on")).run(sockets=[listener])
