"""Remote workers for real: processes and HTTP servers on loopback, on both sides of the envelope."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

import penstock
from penstock.api.server import listen, serving, url_of
from penstock.errors import Invalid, NotFound, PenstockError, Refused, StepFailed, TimedOut, TooLarge, Unavailable
from penstock.tools.config import ServerConfig
from penstock.tools.envelope import Envelope, digest_of, pack, sign
from penstock.tools.remote import RemoteWorker
from penstock.tools.session import Unreached
from penstock.worker.bench import Bench
from penstock.worker.intake import Intake, SeenNonces
from penstock.worker.offer import Offer
from penstock.worker.origin import Origin
from penstock.worker.pull import Puller
from penstock.worker.push import Doorstep

from .conftest import ODD, odd

pytestmark = pytest.mark.anyio

GROUP, AUDIENCE = "default", "fish-lab"
SOURCE = str(Path(penstock.__file__).parents[1])


@dataclass
class House:
    """A Penstock that is being served, and workers round it."""

    core: penstock.Penstock
    url: str
    folder: Path
    stack: contextlib.AsyncExitStack

    def worker(self, url: str | None = None, **more: Any) -> RemoteWorker:
        config = {"name": "fish", "transport": "worker", "audience": AUDIENCE, "url": url, **more}
        made = RemoteWorker(ServerConfig.model_validate(config), self.core.desk, GROUP)
        self.stack.push_async_callback(made.close)
        return made

    async def until(self, what: Callable[[], Any]) -> Any:
        """What is true elsewhere, as soon as it is."""
        async with asyncio.timeout(30):
            while not (found := await what()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)  # the other side is a process of its own, seen through its traces
            return found

    async def present(self, core: penstock.Penstock | None = None) -> None:
        await self.until(lambda: (core or self.core).desk.offered(GROUP, AUDIENCE))

    async def process(self, *arguments: str, name: str = "w1", token: str | None = None) -> subprocess.Popen[str]:
        """`penstock worker` in a process of its own."""
        data = self.folder / name
        data.mkdir(exist_ok=True)
        servers = {"mcpServers": {"odd": {"command": sys.executable, "args": [ODD, "serve"]}}}
        (data / "servers.json").write_text(json.dumps(servers))
        if token is None and "--listen" not in arguments:
            token = await self.core.worker_tokens.issue(GROUP, AUDIENCE)
        command = [sys.executable, "-m", "penstock.cli", "worker", "--server", self.url, "--audience", AUDIENCE]
        command += ["--tools", "odd", "--data", str(data), "--places", "2", *arguments]
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": SOURCE, "PENSTOCK_WORKER_TOKEN": token or ""}
        process = subprocess.Popen(  # noqa: ASYNC220 - it is started at once
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
        self.stack.callback(_end, process)
        return process

    async def listening(self, *arguments: str, name: str = "w1") -> str:
        process = await self.process("--listen", "127.0.0.1:0", *arguments, name=name)
        assert process.stdout is not None
        url = (await asyncio.to_thread(process.stdout.readline)).strip()
        assert url, process.stderr and process.stderr.read()
        return url

    async def bench(self, name: str = "here", **servers: Any) -> Bench:
        """The parts of a worker, in this process."""
        offer = Offer([odd(**servers)], ["odd"])
        self.stack.push_async_callback(offer.aclose)
        await offer.load()
        origin = Origin(self.url)
        self.stack.push_async_callback(origin.aclose)
        nonces = self.stack.enter_context(contextlib.closing(SeenNonces(self.folder / f"{name}.db", time.time)))
        return Bench(origin, Intake(origin, AUDIENCE, nonces, time.time), offer, 4)

    async def doorstep(self, soon: float = 5.0, **more: Any) -> str:
        """A worker in this process that is given its work."""
        made = Doorstep(await self.bench(**more), time.time, soon)
        self.stack.push_async_callback(made.aclose)
        return await self.stack.enter_async_context(web(made.app))

    async def signed(self, **changes: Any) -> str:
        """An envelope with our own signature, and anything in it."""
        now, data = time.time(), pack({"text": "hello"})
        made = Envelope(
            task="task_1",
            tool="echo",
            arguments={"text": "hello"},
            digest=digest_of(data),
            size=len(data),
            run="run_1",
            step="ask#1",
            key="run_1:ask#1",
            audience=AUDIENCE,
            seconds=20.0,
            issued=now,
            not_before=now,
            expires=now + 60,
            nonce=f"nonce-{now}",
            reply={"mode": "callback", "url": "/api/v1/work/x", "token": "t", "upload": "/api/v1/work/x/upload"},
        )
        return sign(replace(made, **changes).claims(), await self.core.desk.keys.current())


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGCONT)
    process.terminate()
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@contextlib.asynccontextmanager
async def web(app: Any) -> AsyncIterator[str]:
    """A real HTTP server for as long as the block runs."""
    socket = listen("127.0.0.1", 0)
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve(sockets=[socket]))
    try:
        yield url_of(socket)
    finally:
        server.should_exit = True
        await task
        socket.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with (
        penstock.local(tmp_path / "data", stop_grace=0) as core,
        serving(core) as url,
        contextlib.AsyncExitStack() as stack,
    ):
        yield House(core, url, tmp_path, stack)


@dataclass
class Trap:
    """A server that nobody should ever ask: it counts who does."""

    hits: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        async def hit(request: Request) -> Response:
            self.hits.append(f"{request.method} {request.url}")
            return JSONResponse({"result": "from the trap"})

        return Starlette(routes=[Route("/{rest:path}", hit, methods=["GET", "POST", "PUT"])])


# --------------------------------------------------------------------------------------------------- being pushed


async def test_a_worker_lists_its_tools_and_answers_in_the_call(house: House) -> None:
    worker = house.worker(await house.listening())
    assert "echo" in await worker.tools()
    assert (await worker.tool("ECHO")).capabilities == ("test.echo",)
    assert await worker.call("echo", {"text": "hello"}, key="run_1:ask#1") == {"text": "hello"}
    assert (await worker.call("whoami", {}, key="run_1:ask#1"))["key"] == "run_1:ask#1"
    with pytest.raises(Invalid) as caught:
        await worker.call("echo", {"text": 5})
    assert caught.value.code == "tool.bad_arguments"
    with pytest.raises(NotFound) as unknown:
        await worker.call("fly", {})
    assert unknown.value.code == "tool.unknown"
    with pytest.raises(StepFailed) as failed:
        await worker.call("fails", {})
    assert failed.value.code == "tool.error"
    assert "the fish is gone" in failed.value.message
    assert await leftovers(house) == []


async def leftovers(house: House) -> list[str]:
    """Rows that a call left behind, but for used nonces, which stay until they have expired."""
    rows = await house.core.database.fetch("SELECT kind, name FROM registry WHERE grp = 'system'")
    return [f"{kind} {name}" for kind, name in rows if kind not in ("nonces", "workers", "worker-tokens")]


async def test_a_result_that_takes_longer_comes_by_callback(house: House) -> None:
    worker = house.worker(await house.doorstep(soon=0.0))
    assert await worker.call("sleeps", {"seconds": 0.2}) == {"text": "woke up"}
    assert await leftovers(house) == []


async def test_large_arguments_are_fetched_and_large_results_uploaded(house: House) -> None:
    worker = house.worker(await house.doorstep())
    text = "fish " * 40_000
    assert await worker.call("echo", {"text": text}) == {"text": text}
    assert await worker.call("big", {"size": 3_000_000}) == {"text": "x" * 3_000_000}
    small = house.worker(await house.doorstep(name="other"), max_result_bytes=1_000_000)
    with pytest.raises(TooLarge) as caught:
        await small.call("big", {"size": 3_000_000})
    assert caught.value.code == "tool.result_too_large"
    assert await leftovers(house) == []


@dataclass
class Stranger:
    """A worker of somebody else, who knows only what is documented, and does with an envelope as the test says."""

    house: House
    take: Callable[[dict[str, Any]], Response]
    look: Callable[[str], Response] = lambda _: JSONResponse({}, 404)
    seen: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> Starlette:
        async def take(request: Request) -> Response:
            from joserfc import jws
            from joserfc.jwk import KeySet

            async with httpx2.AsyncClient() as client:
                keys = KeySet.import_key_set((await client.get(f"{self.house.url}/.well-known/jwks.json")).json())
            text = (await request.json())["envelope"]
            claims = json.loads(jws.deserialize_compact(text, keys, algorithms=["RS256"]).payload)
            assert claims["aud"] == AUDIENCE
            self.seen.append(claims)
            if claims["tool"] == "tools/list":
                return JSONResponse({"result": {"tools": [{"name": "echo"}, {"name": "other"}]}})
            return self.take(claims)

        async def look(request: Request) -> Response:
            return self.look(request.path_params["nonce"])

        return Starlette(routes=[Route("/work", take, methods=["POST"]), Route("/work/{nonce}", look)])


async def stranger(
    house: House, take: Callable[[dict[str, Any]], Response], **more: Any
) -> tuple[Stranger, RemoteWorker]:
    made = Stranger(house, take, **more)
    url = await house.stack.enter_async_context(web(made.app()))
    return made, house.worker(f"{url}/work", headers={"X-Api-Key": "fish"})


async def test_a_result_is_fetched_from_a_worker_that_never_calls_back(house: House) -> None:
    looks = iter([JSONResponse({"accepted": True}, 202), JSONResponse({"result": {"text": "fetched"}})])
    seen, worker = await stranger(house, lambda _: JSONResponse({}, 202), look=lambda _: next(looks))
    assert await worker.call("echo", {"text": "hi"}, key="run_7:ask#2/call") == {"text": "fetched"}
    order = seen.seen[-1]
    assert (order["run"], order["step"], order["key"]) == ("run_7", "ask#2/call", "run_7:ask#2/call")
    assert order["arguments"] == {"inline": {"text": "hi"}, "digest": digest_of(b'{"text":"hi"}'), "size": 13}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: Response("<html>", 200), "tool.bad_result"),
        (lambda _: JSONResponse(["no"], 200), "tool.bad_result"),
        (lambda _: JSONResponse({"result": 1, "error": {"message": "x"}}), "tool.bad_result"),
        (lambda _: JSONResponse({"pointer": {"digest": "sha256:00", "size": 1}}), "tool.bad_result"),
        (lambda _: JSONResponse({"error": "oh"}), "tool.bad_result"),
        (lambda _: JSONResponse({"code": "envelope.audience"}, 403), "tool.refused"),
        (lambda _: Response("x" * 9_000_000), "tool.result_too_large"),
        (lambda _: Response("", 503), "tool.server_died"),
        (lambda _: JSONResponse({"error": {"message": "no", "code": "tool.timeout"}}), "tool.timeout"),
        (lambda _: JSONResponse({}, 202), "tool.server_died"),  # and then it does not know of it
    ],
)
async def test_a_worker_that_answers_badly(house: House, answer: Callable[[Any], Response], code: str) -> None:
    _, worker = await stranger(house, answer)
    with pytest.raises(PenstockError) as caught:
        await worker.call("echo", {})
    assert caught.value.code == code
    assert await leftovers(house) == []


async def test_a_worker_that_redirects_is_not_followed(house: House) -> None:
    trap = Trap()
    elsewhere = await house.stack.enter_async_context(web(trap.app()))
    _, worker = await stranger(house, lambda _: RedirectResponse(f"{elsewhere}/work", 307))
    with pytest.raises(StepFailed) as caught:
        await worker.call("echo", {})
    assert caught.value.code == "worker.redirected"
    assert trap.hits == []


async def test_a_worker_that_is_not_there_was_never_asked(house: House) -> None:
    with contextlib.closing(listen("127.0.0.1", 0)) as socket:
        url = url_of(socket)
    with pytest.raises(Unreached):
        await house.worker(url).call("echo", {"text": "a"})
    assert await leftovers(house) == []


async def test_a_worker_that_is_killed_while_it_works(house: House) -> None:
    process = await house.process("--listen", "127.0.0.1:0")
    assert process.stdout is not None
    worker = house.worker((await asyncio.to_thread(process.stdout.readline)).strip())
    await worker.tools()
    call = asyncio.create_task(worker.call("sleeps", {"seconds": 60}))
    await house.until(lambda: house.core.registry.list("system", "callbacks"))
    process.kill()
    with pytest.raises(Unavailable) as caught:
        await call
    assert caught.value.code == "tool.server_died"


async def test_a_call_that_takes_too_long_is_withdrawn(house: House) -> None:
    worker = house.worker(await house.doorstep(soon=0.0))
    await worker.tools()
    with pytest.raises(TimedOut) as caught:
        await worker.call("sleeps", {"seconds": 60}, seconds=0.3)
    assert caught.value.code == "tool.timeout"
    assert await leftovers(house) == []


# ----------------------------------------------------------------------------------------------- under attack


async def test_a_worker_process_refuses_what_is_not_for_it(house: House) -> None:
    url = await house.listening()
    good = await house.signed()
    head, body, tail = good.split(".")
    past, future = {"issued": 1.0, "not_before": 1.0, "expires": 2.0}, time.time() + 600
    attacks = {
        "envelope.signature": f"{head}.{body[:-4]}AAAA.{tail}",
        "envelope.audience": await house.signed(audience="bird-lab"),
        "envelope.expired": await house.signed(**past),
        "envelope.future": await house.signed(not_before=future, expires=future + 60),
        "envelope.algorithm": "eyJhbGciOiJub25lIiwia2lkIjoiYSIsInR5cCI6InBlbnN0b2NrLXdvcmsifQ." + body + ".",
        "envelope.malformed": "not an envelope",
        "envelope.digest": await house.signed(arguments={"text": "other"}),
    }
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        for code, text in attacks.items():
            answer = await client.post("/", json={"envelope": text})
            assert (answer.status_code, answer.json()["code"]) == (403, code), answer.text
        assert (await client.post("/", json={"envelope": good})).json() == {"result": {"text": "hello"}}
        answer = await client.post("/", json={"envelope": good})
        assert answer.json()["code"] == "envelope.replayed"
        for garbage in (b"", b"[]", b'{"envelope": 5}', b"\xff"):
            assert (await client.post("/", content=garbage)).json()["code"] == "envelope.malformed"
        assert (await client.post("/", content=b"x" * 300_000)).status_code == 413
        assert (await client.get("/nobody")).status_code == 404


async def test_a_worker_takes_a_key_it_has_not_seen_when_its_server_publishes_it(house: House) -> None:
    from joserfc.jwk import RSAKey

    url = await house.listening()
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        assert (await client.post("/", json={"envelope": await house.signed(nonce="n1")})).status_code == 200
        old = await house.signed(nonce="n2")
        await house.core.desk.keys.rotate()
        assert (await client.post("/", json={"envelope": await house.signed(nonce="n3")})).status_code == 200
        assert (await client.post("/", json={"envelope": old})).status_code == 200
        forged = sign({"aud": AUDIENCE}, RSAKey.generate_key(2048, {"kid": "mine"}))
        assert (await client.post("/", json={"envelope": forged})).json()["code"] == "envelope.unknown_key"


@pytest.mark.parametrize(
    "address",
    [
        "{trap}/api/v1/work/x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/api/v1/work/x",
        "http://[::1]:9/api/v1/work/x",
        "http://localhost:1/api/v1/work/x",
        "//evil.example/api/v1/work/x",
        "{server}@evil.example/api/v1/work/x",
        "http://user@{server_host}/api/v1/work/x",
        "{server}.evil.example/x",
        "{server}0/x",
        "https://{server_host}/api/v1/work/x",
        "file:///etc/passwd",
        "gopher://{server_host}/x",
        "/\\evil.example/x",
        "x",
        "",
    ],
)
async def test_an_address_that_is_not_our_servers_is_refused_before_anything_is_done(
    house: House, address: str
) -> None:
    trap = Trap()
    elsewhere = await house.stack.enter_async_context(web(trap.app()))
    url = await house.doorstep(soon=0.0)
    target = address.format(trap=elsewhere, server=house.url, server_host=house.url.removeprefix("http://"))
    marked = house.folder / "marked"
    good = {"mode": "callback", "url": "/api/v1/work/x", "token": "t", "upload": "/api/v1/work/x/upload"}
    async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
        for bad in ({**good, "url": target}, {**good, "upload": target}):
            data = pack({"path": str(marked)})
            text = await house.signed(
                tool="marks_and_dies",
                arguments={"path": str(marked)},
                digest=digest_of(data),
                size=len(data),
                reply=bad,
            )
            answer = await client.post("/", json={"envelope": text})
            assert (answer.status_code, answer.json()["code"]) == (403, "callback.foreign"), target
    assert trap.hits == []
    assert not marked.exists()


async def test_a_server_that_redirects_the_worker_is_not_followed(house: House) -> None:
    """The worker's own server, or who took its place, answers the callback with an address elsewhere."""
    trap = Trap()
    elsewhere = await house.stack.enter_async_context(web(trap.app()))
    asked: list[str] = []

    async def jwks(_: Request) -> Response:
        return JSONResponse(await house.core.desk.keys.published())

    async def away(request: Request) -> Response:
        asked.append(request.url.path)
        return RedirectResponse(f"{elsewhere}/inside", 307)

    routes = [Route("/.well-known/jwks.json", jwks), Route("/{rest:path}", away, methods=["GET", "POST", "PUT"])]
    front = await house.stack.enter_async_context(web(Starlette(routes=routes)))
    house.url = front
    bench = await house.bench()
    accepted = await bench.accept(await house.signed())
    with pytest.raises(Refused) as caught:
        await bench.bring(accepted, {"result": 1})
    assert caught.value.code == "callback.redirected"
    with pytest.raises(Refused) as again:
        await bench.accept(await house.signed(arguments=None, nonce="n2"))
    assert again.value.code == "callback.redirected"
    assert asked == ["/api/v1/work/x/result", "/api/v1/work/x/arguments"]
    assert trap.hits == []


async def test_a_clouds_metadata_is_out_of_reach_even_as_the_server(house: House) -> None:
    origin = Origin("http://169.254.169.254")
    with pytest.raises(Refused) as caught:
        await origin.ask("GET", "/latest/meta-data")
    assert caught.value.code == "http.address_refused"
    await origin.aclose()


# ---------------------------------------------------------------------------------------------------- pulling


async def test_a_process_that_accepts_no_connection_fetches_its_work(house: House) -> None:
    worker = house.worker()
    with pytest.raises(Unreached):
        await worker.tools()
    with pytest.raises(Unreached):
        await worker.call("echo", {"text": "nobody"})
    process = await house.process()
    await house.present()
    assert (await worker.tool("echo")).capabilities == ("test.echo",)
    calls = (worker.call("echo", {"text": f"{n}"}, key=f"run_1:ask#{n}") for n in range(6))
    assert await asyncio.gather(*calls) == [{"text": f"{n}"} for n in range(6)]
    text = "fish " * 40_000
    assert await worker.call("echo", {"text": text}) == {"text": text}
    assert await worker.call("big", {"size": 2_000_000}) == {"text": "x" * 2_000_000}
    with pytest.raises(StepFailed) as failed:
        await worker.call("fails", {})
    assert failed.value.code == "tool.error"
    assert await leftovers(house) == []
    process.terminate()
    assert await asyncio.to_thread(process.wait, 20) == 0


async def test_a_token_that_was_revoked_ends_the_worker(house: House) -> None:
    process = await house.process(token="pw_nobody")
    _, said = await asyncio.to_thread(process.communicate, None, 30)
    assert process.returncode == 1, said
    assert "worker.bad_token" in said


async def test_work_goes_to_somebody_else_when_its_worker_falls_silent(house: House) -> None:
    """Stopped as a whole while it works, and woken up when another has done the work: its result comes to nothing."""
    house.core.desk.lease = 3.0
    worker = house.worker()
    first = await house.process(name="w1")
    await house.present()
    call = asyncio.create_task(worker.call("sleeps", {"seconds": 2.0}, key="run_1:ask#1"))
    held = await house.until(lambda: house.core.registry.list("system", "callbacks"))
    await house.until(lambda: _worked_on(house, next(iter(held))))
    first.send_signal(signal.SIGSTOP)
    await house.process(name="w2")
    assert await call == {"text": "woke up"}
    spent = await house.core.registry.list("system", "nonces")
    assert held.keys() < spent.keys(), "the first ticket is spent, and another one brought the result"
    first.send_signal(signal.SIGCONT)
    await house.until(lambda: _says(house, 'penstock_work_refused_total{code="callback.used"}'))
    assert await leftovers(house) == []


async def _worked_on(house: House, nonce: str) -> bool:
    """Whether the lease was prolonged by a heartbeat, a third of it after the work began."""
    lease = await house.core.registry.get("system", "leases", nonce)
    (order,) = (await house.core.registry.list("system", "orders")).values()
    return lease["until"] > order["watched_at"] + house.core.desk.lease * 4 / 3


async def _says(house: House, text: str) -> bool:
    async with httpx2.AsyncClient() as client:
        return text in (await client.get(f"{house.url}/metrics")).text


async def test_heartbeats_keep_long_work_with_its_worker(house: House) -> None:
    house.core.desk.lease = 2.0
    bench = await house.bench()
    puller = Puller(bench, await house.core.worker_tokens.issue(GROUP, AUDIENCE), 1)
    running = asyncio.create_task(puller.run())
    await house.present()
    assert await house.worker().call("sleeps", {"seconds": 3.0}) == {"text": "woke up"}
    assert len(await house.core.registry.list("system", "nonces")) == 1, "nobody else was given it"
    puller.stop()
    await running


async def test_a_worker_stops_what_nobody_wants_any_more(house: House) -> None:
    house.core.desk.lease = 0.3
    bench = await house.bench()
    puller = Puller(bench, await house.core.worker_tokens.issue(GROUP, AUDIENCE), 1)
    running = asyncio.create_task(puller.run())
    await house.present()
    worker = house.worker()
    with pytest.raises(TimedOut):
        await worker.call("sleeps", {"seconds": 3_600}, seconds=1.0)
    state = await worker.call("state", {})  # the only place is free again
    assert state["cancelled"] == 1
    puller.stop()
    await running


async def test_an_order_outlives_a_restart_and_is_done_once(tmp_path: Path) -> None:
    """The same call with the same key, made again by the step after its process was killed, waits for what is under way."""
    async with contextlib.AsyncExitStack() as stack:
        sockets = [listen("127.0.0.1", 0)]
        house = House(None, url_of(sockets[0]), tmp_path, stack)  # type: ignore[arg-type]
        key = "run_1:ask#1"
        async with penstock.local(tmp_path / "data", stop_grace=0) as core:
            house.core = core
            async with served(core, sockets):
                process = await house.process()
                await house.present()
                worker = house.worker()
                call = asyncio.create_task(worker.call("sleeps", {"seconds": 1.0}, key=key))
                before = await house.until(lambda: core.registry.list("system", "callbacks"))
                call.cancel()
                await asyncio.gather(call, return_exceptions=True)
                await worker.close()
        sockets = [listen("127.0.0.1", int(house.url.rpartition(":")[2]))]
        async with penstock.local(tmp_path / "data", stop_grace=0) as core:
            house.core = core
            async with served(core, sockets):
                assert await house.worker().call("sleeps", {"seconds": 1.0}, key=key) == {"text": "woke up"}
                assert (await core.registry.list("system", "nonces")).keys() == before.keys()
                process.terminate()
                await asyncio.to_thread(process.wait, 20)


@contextlib.asynccontextmanager
async def served(core: penstock.Penstock, sockets: list[Any]) -> AsyncIterator[None]:
    from penstock.api import serve

    ready = asyncio.Event()
    task = asyncio.create_task(serve(core, sockets=sockets, ready=lambda _: ready.set(), signals=False))
    await ready.wait()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_order_that_was_lost_between_the_queue_and_a_worker_is_offered_again(house: House) -> None:
    """The process that handed it out died after it took it from the queue."""
    desk = house.core.desk
    desk.lease = 0.5
    tools = [{"name": "echo"}]

    async def here() -> bool:
        return True

    await desk.claim(GROUP, AUDIENCE, tools, 0, here)
    call = asyncio.create_task(house.worker().call("echo", {"text": "a"}))
    (task,) = await house.until(lambda: house.core.registry.list("system", "queue"))
    body = {"expires": time.time() + 60, "until": time.time() + 0.5}
    await house.core.registry.put("system", "leases", task, body)
    await house.core.registry.delete("system", "queue", task)
    text = await desk.claim(GROUP, AUDIENCE, tools, 20, here)
    assert text is not None
    (nonce,) = await house.core.registry.list("system", "callbacks")
    await desk.accept(nonce, {"result": "found"})
    assert await call == "found"


async def test_a_claim_takes_only_what_is_for_it(house: House) -> None:
    desk = house.core.desk

    async def here() -> bool:
        return True

    async def gone() -> bool:
        return False

    await desk.claim(GROUP, AUDIENCE, [{"name": "echo"}], 0, here)
    call = asyncio.create_task(house.worker().call("echo", {}, seconds=30))
    await house.until(lambda: house.core.registry.list("system", "queue"))
    assert await desk.claim(GROUP, "bird-lab", [{"name": "echo"}], 0, here) is None
    assert await desk.claim("others", AUDIENCE, [{"name": "echo"}], 0, here) is None
    assert await desk.claim(GROUP, AUDIENCE, [{"name": "echo"}], 0, gone) is None
    tries = (desk.claim(GROUP, AUDIENCE, [{"name": "echo"}], 0, here) for _ in range(10))
    assert sum(text is not None for text in await asyncio.gather(*tries)) == 1
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def test_workers_of_one_audience_that_offer_different_things(house: House) -> None:
    desk = house.core.desk

    async def here() -> bool:
        return True

    for tools in (["echo", "count"], ["echo", "look"], ["echo", "count"]):
        await desk.claim(GROUP, AUDIENCE, [{"name": name} for name in tools], 0, here)
    worker = house.worker()
    assert sorted(await worker.tools()) == ["count", "echo", "look"]
    order, _ = await desk.order(GROUP, AUDIENCE, "look", {}, 20, None)
    await desk.queue(order)
    assert await desk.claim(GROUP, AUDIENCE, [{"name": "echo"}, {"name": "count"}], 0, here) is None
    assert await desk.claim(GROUP, AUDIENCE, [{"name": "echo"}, {"name": "look"}], 0, here) is not None
    assert await desk.offered("others", AUDIENCE) == {}


async def test_an_order_whose_only_worker_has_left_was_never_taken(house: House) -> None:
    desk, now = house.core.desk, time.time()

    async def here() -> bool:
        return True

    await desk.claim(GROUP, AUDIENCE, [{"name": "look"}], 0, here)
    worker = house.worker()
    call = asyncio.create_task(worker.call("look", {}))
    await house.until(lambda: house.core.registry.list("system", "queue"))
    desk.clock = lambda: now + 46
    with pytest.raises(Unreached):
        await call
    assert await leftovers(house) == []


async def test_an_envelope_that_lay_unread_is_not_acted_on(house: House) -> None:
    """It is good still, but the order is somebody else's by now: the worker asks before it begins."""
    desk, marked = house.core.desk, house.folder / "marked"
    order, _ = await desk.order(GROUP, AUDIENCE, "marks_and_dies", {"path": str(marked)}, 60, None)
    stale, _ = await desk.deliver(order, "pull", desk.lease)
    await desk.withdraw(order)
    handed = [stale]

    async def claim(_: Request) -> Response:
        if handed:
            return JSONResponse({"envelope": handed.pop(), "lease": 30})
        return JSONResponse({"code": "worker.bad_token"}, 401)

    async def on(request: Request) -> Response:
        headers = {"Authorization": request.headers.get("authorization", "")}
        async with httpx2.AsyncClient() as client:
            answer = await client.request(request.method, f"{house.url}{request.url.path}", headers=headers)
        return Response(answer.content, answer.status_code, media_type=answer.headers["content-type"])

    routes = [Route("/api/v1/work/claim", claim, methods=["POST"]), Route("/{rest:path}", on, methods=["GET", "POST"])]
    real, front = house.url, await house.stack.enter_async_context(web(Starlette(routes=routes)))
    house.url = front
    bench = await house.bench()
    house.url = real
    with pytest.raises(StepFailed) as ended:
        await Puller(bench, "any", 1).run()
    assert ended.value.code == "worker.bad_token"
    assert handed == []
    assert not marked.exists()


async def test_what_has_ended_is_swept(house: House) -> None:
    desk, now = house.core.desk, time.time()
    await house.core.registry.put("system", "nonces", "old", {"expires": now - 100})
    await house.core.registry.put("system", "nonces", "new", {"expires": now + 100})
    await house.core.registry.put("system", "callbacks", "old", {"expires": now - 100})
    await desk.order(GROUP, AUDIENCE, "echo", {}, 5, None)
    assert list(await house.core.registry.list("system", "nonces")) == ["new"]
    assert await house.core.registry.list("system", "callbacks") == {}


# ------------------------------------------------------------------------------------------------- in a workflow

COUNT = """
penstock: 1
name: count
nodes:
  ask: {kind: tool, with: {capabilities: [test.echo], arguments: {text: "${{ run.id }}"}}}
outputs: {said: "${{ nodes.ask.output.text }}"}
"""
NAMED = """
penstock: 1
name: named
nodes:
  ask: {kind: tool, with: {server: fish, tool: echo, arguments: {text: hi}}}
"""


async def add(house: House, **config: Any) -> None:
    await house.core.registry.put(
        GROUP, "servers", "fish", {"name": "fish", "transport": "worker", "audience": AUDIENCE, **config}
    )
    await house.core.servers.fresh(at_once=True)


async def test_a_step_finds_a_worker_by_its_capability(house: House) -> None:
    await house.process()
    await house.present()
    await add(house)
    await house.core.apply(COUNT)
    run = await house.core.start("count")
    state = await house.core.wait(run)
    assert (state.status, state.outputs) == ("completed", {"said": run}), state.error


async def test_a_workers_refusal_stands_in_the_journal(house: House) -> None:
    url = await house.listening("--audience", "bird-lab")
    await add(house, url=url)
    await house.core.apply(NAMED)
    state = await house.core.wait(await house.core.start("named"))
    assert state.status == "failed"
    assert "envelope.audience" in json.dumps(state.error)
