"""What the commands of `worker` do."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .failures import UsageError
from .link import Link, Place
from .logs import log_to_stderr
from .terminal import is_terminal, out, out_json, printable, say, table

if TYPE_CHECKING:
    from ..worker.bench import Bench

GRACE = 10.0  # seconds that work under way gets to end after SIGTERM


@dataclass(frozen=True, slots=True)
class Asked:
    server: str
    token: str
    audience: str
    tools: str
    listen: str | None
    servers: Path | None
    places: int


def work(place: Place, asked: Asked) -> int:
    """Work until told to stop; returns the exit code."""
    if asked.listen is None and not asked.token:
        hint = {"hint": "penstock workers issue AUDIENCE, on the server, makes one; or --listen to be given work"}
        raise UsageError("--token is needed to fetch work", code="worker.no_token", detail=hint)
    log_to_stderr(logging.INFO, as_json=not is_terminal(sys.stderr))
    return asyncio.run(_work(place.prepare(), asked))


async def _work(data: Path, asked: Asked) -> int:
    from ..app import read_servers  # noqa: PLC0415
    from ..tools.config import builtin_servers  # noqa: PLC0415
    from ..tools.desk import LEASE  # noqa: PLC0415
    from ..worker.bench import Bench  # noqa: PLC0415
    from ..worker.intake import Intake, SeenNonces  # noqa: PLC0415
    from ..worker.offer import Offer  # noqa: PLC0415
    from ..worker.origin import Origin  # noqa: PLC0415

    if asked.servers is not None and not asked.servers.exists():
        raise UsageError(f"--servers {asked.servers}: there is no such file", code="file.unreadable")
    own = read_servers(asked.servers or data / "servers.json")
    names = {config.name for config in own}
    configs = [*own, *(config for config in builtin_servers() if config.name not in names)]
    offer = Offer(configs, [name.strip() for name in asked.tools.split(",") if name.strip()])
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(offer.aclose)
        await offer.load()
        origin = Origin(asked.server)
        stack.push_async_callback(origin.aclose)
        nonces = stack.enter_context(contextlib.closing(SeenNonces(data / "worker.db", time.time)))
        patience = LEASE if asked.listen is None else 0.0
        intake = Intake(origin, asked.audience, nonces, time.time, patience)
        bench = Bench(origin, intake, offer, asked.places)
        if asked.listen is not None:
            await _listen(bench, asked.listen)
        else:
            await _pull(bench, asked)
    return 0


async def _pull(bench: Bench, asked: Asked) -> None:
    from ..worker.pull import Puller  # noqa: PLC0415

    puller = Puller(bench, asked.token, asked.places)
    running = asyncio.create_task(puller.run())
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    say(f"fetching work of {asked.audience} from {bench.origin.url}: {_named(bench)}")
    stopping = asyncio.create_task(stopped.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    puller.stop()
    stopping.cancel()
    if not running.done():
        say("stopping")
        await asyncio.wait({running}, timeout=GRACE)
        running.cancel()  # its lease ends, and somebody else does it
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def _listen(bench: Bench, at: str) -> None:
    import uvicorn  # noqa: PLC0415

    from ..api.server import listen, url_of  # noqa: PLC0415
    from ..worker.push import Doorstep  # noqa: PLC0415

    host, _, port = at.rpartition(":")
    if not host or not port.isdecimal():
        raise UsageError(f"--listen {at}: write HOST:PORT", code="worker.listen")
    socket = listen(host.strip("[]"), int(port))
    doorstep = Doorstep(bench, time.time)
    config = uvicorn.Config(
        doorstep.app, lifespan="off", log_config=None, access_log=False, server_header=False, ws="none"
    )
    config.timeout_graceful_shutdown = round(GRACE)
    out(url_of(socket))
    say(f"taking work for {bench.origin.url}: {_named(bench)}")
    try:
        await uvicorn.Server(config).serve(sockets=[socket])
    finally:
        await doorstep.aclose(GRACE)
        socket.close()


def _named(bench: Bench) -> str:
    return ", ".join(printable(one["name"]) for one in bench.offer.listed())


# ----------------------------------------------------------------------------------------------- for the operator


async def list_keys(link: Link, json: bool) -> int | None:
    _show_keys(await link.call("GET", "/keys"), json)
    return None


async def rotate_keys(link: Link, json: bool) -> int | None:
    _show_keys(await link.call("POST", "/keys/rotate", {}), json)
    return None


def _show_keys(found: dict[str, Any], json: bool) -> None:
    if json:
        out_json(found)
        return
    rows = [
        (
            one["kid"],
            _day(one["made_at"]),
            "signs" if one["published_until"] is None else f"until {_day(one['published_until'])}",
        )
        for one in found["items"]
    ]
    table(("KEY", "MADE", ""), rows, "no keys yet: the first is made when there is something to sign")


async def list_tokens(link: Link, json: bool) -> int | None:
    found = await link.call("GET", "/workers")
    if json:
        out_json(found)
        return None
    table(
        ("AUDIENCE", "MADE"),
        [(printable(one["audience"]), _day(one["made_at"])) for one in found["items"]],
        "no tokens",
    )
    return None


async def issue_token(link: Link, audience: str) -> int | None:
    out((await link.call("POST", "/workers", {"audience": audience}))["token"])
    say("it is not shown again")
    return None


async def revoke_tokens(link: Link, audience: str) -> int | None:
    await link.call("DELETE", f"/workers/{quote(audience, safe='')}")
    say(f"nobody fetches work of {audience} any more")
    return None


def _day(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M")
