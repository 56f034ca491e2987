"""The desk between us and remote workers: orders go out over it, and results come in.

An order is a row that its caller writes and watches. Each time it is handed to somebody it gets a ticket, named by a fresh
nonce: the right to bring one result, ended by the result, by silence, or by time. To use a ticket is to delete its row, which
succeeds for exactly one caller, in this process or another, before a restart or after; whatever comes later finds it used. So a
worker that fell silent and wakes up again brings its result to a ticket that is gone, while somebody else does the work.

Rows are small and of kinds of their own (see KINDS), all in the group `system`, all with the time they end at; whoever sends
sweeps. Nothing here opens a connection: workers come to us, or `remote.RemoteWorker` goes to the address an operator gave.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from ..errors import Conflict, Invalid, NotFound, Refused, TooLarge, Unauthenticated, Unavailable
from ..ports import Artifacts, Clock, Registry
from . import envelope as sealed
from .envelope import Envelope
from .keys import SigningKeys

GROUP = "system"
ORDERS, QUEUE, DELIVERIES = "orders", "queue", "deliveries"  # by task
TICKETS, LEASES, USED, RESULTS = "callbacks", "leases", "nonces", "results"  # by nonce
UPLOADS, UPLOADED, WORKERS = "uploads", "uploaded", "workers"  # by nonce; workers by audience and what they offer
KINDS = (ORDERS, QUEUE, DELIVERIES, TICKETS, LEASES, USED, RESULTS, UPLOADS, UPLOADED, WORKERS)
PATH = "/api/v1/work"
LARGEST = 32 * 1024 * 1024  # bytes of a result that is uploaded
INLINE_RESULT = 1024 * 1024  # bytes of a result that comes without an upload
LEASE = 30.0  # seconds a puller may be silent
SEEN = 45.0  # seconds since its last claim after which a puller is taken for absent
WATCHED = 60.0  # seconds an order outlives the process that waits for it
GLANCE = 0.25  # seconds between looks whether who asked is still there
LOOK = 1.0  # seconds between looks at what other processes may have written
SWEEP = 60.0
HELD = 25.0  # seconds a claim is held open at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be done, before it is anybody's. `expires` is when nobody wants the result any more."""

    task: str
    group: str
    audience: str
    tool: str
    digest: str
    size: int
    run: str
    step: str
    key: str
    seconds: float
    expires: float
    arguments: dict[str, Any] | None


class Desk:
    def __init__(
        self,
        registry: Registry,
        artifacts: Artifacts,
        keys: SigningKeys,
        clock: Clock,
        base: str = "",
        lease: float = LEASE,
        new_word: Callable[[], str] = lambda: secrets.token_urlsafe(24),
    ) -> None:
        """`base` is the address others reach this server at; without one, envelopes name paths on the server that a worker
        was configured with."""
        self.keys = keys
        self.clock = clock
        self.lease = lease
        self._registry = registry
        self._artifacts = artifacts
        self._base = base.rstrip("/")
        self._new_word = new_word
        self._offered = asyncio.Event()  # set, and replaced, whenever an order is offered
        self._told: dict[str, asyncio.Event] = {}  # by task: those who wait in this process
        self._swept_at = 0.0

    # ------------------------------------------------------------------------------------------- the caller's side

    async def order(
        self, group: str, audience: str, tool: str, arguments: dict[str, Any], seconds: float, key: str | None
    ) -> tuple[Order, bool]:
        """The order for a call, and whether it is new: the same call (its key, tool and arguments) that is still on its
        way since before a restart is taken up again. `key` may be `RUN:STEP…`, as the keys of steps are."""
        await self._sweep()
        now, data = self.clock(), sealed.pack(arguments)
        digest = sealed.digest_of(data)
        said = key or self._new_word()
        task = "task_" + hashlib.sha256(orjson.dumps([group, audience, tool, digest, said])).hexdigest()[:32]
        known = await self._find(ORDERS, task)
        if known is not None:
            if known["expires"] > now:
                return _order(known), False
            await self.withdraw(_order(known))
        run, _, step = said.partition(":") if key and ":" in said else ("", "", "")
        small = len(data) <= sealed.INLINE
        if not small:
            await self._artifacts.put(data)
        order = Order(
            task=task,
            group=group,
            audience=audience,
            tool=tool,
            digest=digest,
            size=len(data),
            run=run,
            step=step,
            key=said,
            seconds=min(seconds, sealed.LIFETIME - 1),
            expires=now + min(seconds, sealed.LIFETIME - 1),
            arguments=arguments if small else None,
        )
        await self._watch(order)
        return order, True

    async def queue(self, order: Order) -> None:
        """Offer an order to whoever pulls for its audience."""
        body = {
            "group": order.group,
            "audience": order.audience,
            "tool": order.tool,
            "at": self.clock(),
            "expires": order.expires,
        }
        await self._registry.put(GROUP, QUEUE, order.task, body)
        offered, self._offered = self._offered, asyncio.Event()
        offered.set()

    async def deliver(
        self, order: Order, mode: str, lease: float | None = None, worker: str = ""
    ) -> tuple[str, Envelope]:
        """A ticket for this order, and the envelope that carries it, signed. `worker` is the row of who takes it."""
        now, nonce, token = self.clock(), self._new_word(), self._new_word()
        ends = {"task": order.task, "expires": order.expires + sealed.LEEWAY}
        key = await self.keys.current()
        claims = {"iss": sealed.ISSUER, "jti": nonce, "exp": ends["expires"]}
        at = f"{self._base}{PATH}/{nonce}"
        upload = f"{at}/upload?signed={sealed.sign(claims, key, sealed.UPLOAD)}"
        ticket = {
            **ends,
            "token": _hashed(token),
            "digest": order.digest,
            "worker": worker,
        }
        await self._registry.put(GROUP, UPLOADS, nonce, ends)
        if lease is not None:
            await self._registry.put(GROUP, LEASES, nonce, {**ends, "until": now + lease})
        await self._registry.put(GROUP, TICKETS, nonce, ticket)
        await self._registry.put(GROUP, DELIVERIES, order.task, {"nonce": nonce, "expires": ends["expires"]})
        named = asdict(order)
        made = Envelope(
            **{name: named[name] for name in named if name not in ("expires", "group")},
            issued=now,
            not_before=now,
            expires=order.expires,
            nonce=nonce,
            reply={"mode": mode, "url": at, "token": token, "upload": upload},
        )
        return sealed.sign(made.claims(), key), made

    async def nonce_of(self, order: Order) -> str | None:
        """The ticket the order was last handed out with."""
        found = await self._find(DELIVERIES, order.task)
        return found["nonce"] if found is not None else None

    async def is_open(self, nonce: str) -> bool:
        return await self._find(TICKETS, nonce) is not None

    async def offered(self, group: str, audience: str) -> dict[str, dict[str, Any]]:
        """What those who pull for this audience, and asked for work lately, say they can do: by the tool's name."""
        rows = await self._registry.list(GROUP, WORKERS)
        theirs = [row for name, row in rows.items() if name.startswith(_row(group, audience))]
        live = sorted((row for row in theirs if row["expires"] > self.clock()), key=lambda row: row["expires"])
        return {tool["name"]: tool for row in live for tool in row["tools"]}

    async def take(self, order: Order, most: int) -> dict[str, Any] | None:
        """The order's result, {result} | {error}, and the order is over; None while there is none. Raises TooLarge
        `tool.result_too_large` for an upload of more than `most` bytes, NotFound for one that is gone."""
        nonce = await self.nonce_of(order)
        found = await self._find(RESULTS, nonce) if nonce is not None else None
        if nonce is None or found is None:
            return None
        answer = found["answer"]
        if "pointer" in answer:
            if answer["pointer"]["size"] > most:
                raise TooLarge(f"the result is larger than {most} bytes", code="tool.result_too_large")
            answer = {"result": orjson.loads(await self._artifacts.get(answer["pointer"]["digest"]))}
        await self.withdraw(order)
        return answer

    @contextlib.contextmanager
    def told(self, order: Order) -> Iterator[asyncio.Event]:
        """An event that is set when a result of this order came in through this process."""
        told = self._told[order.task] = asyncio.Event()
        try:
            yield told
        finally:
            if self._told.get(order.task) is told:
                del self._told[order.task]

    async def wait(self, order: Order, told: asyncio.Event, watched_at: float) -> float:
        """Return when something may have happened; says on the way that the order is still wanted. Returns when that was
        said last. Raises Unavailable `tool.server_died` when the order is gone."""
        if await self._find(ORDERS, order.task) is None:
            raise Unavailable(f"somebody else took the result of {order.tool}", code="tool.server_died")
        if self.clock() - watched_at > WATCHED / 6:
            await self._watch(order)
            watched_at = self.clock()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), min(LOOK, self.lease / 2))
        told.clear()
        return watched_at

    async def revive(self, order: Order) -> bool:
        """Offer an order again when whoever took it fell silent; False when it still waits for its first taker and nobody
        is there to take it: it is withdrawn then, and nobody will ever see it."""
        if await self._find(QUEUE, order.task) is not None:
            offered = await self.offered(order.group, order.audience)
            if order.tool in offered or not await self._delete(QUEUE, order.task):
                return True
            await self.withdraw(order)
            return False
        nonce = await self.nonce_of(order)
        lease = await self._find(LEASES, nonce or order.task)
        if lease is not None and lease["until"] > self.clock():
            return True
        if nonce is not None:
            taken_back = await self._end(nonce, order.expires + sealed.LEEWAY)
            if not taken_back and await self._is_coming(nonce, lease):
                return True
            for kind in (LEASES, UPLOADS, UPLOADED):
                await self._registry.delete(GROUP, kind, nonce)
            await self._registry.delete(GROUP, DELIVERIES, order.task)
        await self.queue(order)
        return True

    async def _is_coming(self, nonce: str, lease: dict[str, Any] | None) -> bool:
        """Whether the result of a used ticket is there, or may be a moment from it."""
        if await self._find(RESULTS, nonce) is not None:
            return True
        return lease is not None and lease["until"] + self.lease > self.clock()

    async def withdraw(self, order: Order) -> None:
        """Nobody wants it any more: its ticket, if it has one, is good for nothing from now on."""
        nonce = await self.nonce_of(order)
        await self._registry.delete(GROUP, QUEUE, order.task)
        if nonce is not None:
            await self._end(nonce, order.expires + sealed.LEEWAY)
            for kind in (LEASES, UPLOADS, UPLOADED, RESULTS):
                await self._registry.delete(GROUP, kind, nonce)
        for kind in (LEASES, DELIVERIES, ORDERS):
            await self._registry.delete(GROUP, kind, order.task)

    # ------------------------------------------------------------------------------------------- the worker's side

    async def claim(
        self,
        group: str,
        audience: str,
        tools: list[dict[str, Any]],
        wait: float,
        still_there: Callable[[], Awaitable[bool]],
    ) -> str | None:
        """An envelope for somebody who pulls for this audience: the order that waits longest; None when there is none
        within `wait` seconds. `tools` are what it offers: {name, description, input_schema, …}."""
        await self._sweep()
        worker = f"{_row(group, audience)}.{hashlib.sha256(orjson.dumps(tools)).hexdigest()[:16]}"
        await self._seen(worker, tools)
        names = {one["name"] for one in tools}
        loop = asyncio.get_running_loop()
        until = loop.time() + min(wait, HELD)
        while True:
            offered = self._offered
            waiting = sorted((await self._registry.list(GROUP, QUEUE)).items(), key=lambda item: item[1]["at"])
            for task, body in waiting:
                if (
                    (body["group"], body["audience"]) != (group, audience)
                    or body["tool"] not in names
                    or body["expires"] < self.clock()
                ):
                    continue
                if not await still_there():
                    return None
                if (text := await self._hand_out(task, worker)) is not None:
                    return text
            look_at = loop.time() + LOOK
            while not offered.is_set() and loop.time() < min(look_at, until):
                if not await still_there():
                    return None
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(offered.wait(), GLANCE)
            if loop.time() >= until:
                return None

    async def _hand_out(self, task: str, worker: str) -> str | None:
        queued = await self._find(QUEUE, task)
        if queued is None:
            return None
        # Should this process end between taking the order and handing it out, this is what has it offered again.
        body = {"expires": queued["expires"], "until": self.clock() + self.lease}
        await self._registry.put(GROUP, LEASES, task, body)
        if not await self._delete(QUEUE, task):
            return None  # somebody else was faster
        found = await self._find(ORDERS, task)
        if found is None or found["watched_at"] + WATCHED < self.clock():
            return None  # nobody waits for it any more
        return (await self.deliver(_order(found), "pull", self.lease, worker))[0]

    async def _seen(self, worker: str, tools: list[dict[str, Any]] | None = None) -> None:
        """Note that somebody is there; workers that offer the same are one row."""
        now, known = self.clock(), await self._find(WORKERS, worker)
        tools = known["tools"] if known is not None and tools is None else tools
        if tools is not None and (known is None or known["expires"] < now + SEEN * 3 / 4):
            await self._registry.put(GROUP, WORKERS, worker, {"tools": tools, "expires": now + SEEN})

    async def heartbeat(self, nonce: str, token: str) -> bool:
        """Prolong a lease; False when the result is no longer wanted. Raises as `settle`."""
        ticket = await self._ticket(nonce, token)
        order = await self._find(ORDERS, ticket["task"])
        await self._seen(ticket["worker"])
        if await self._find(LEASES, nonce) is not None:
            body = {"task": ticket["task"], "expires": ticket["expires"], "until": self.clock() + self.lease}
            await self._registry.put(GROUP, LEASES, nonce, body)
        return order is not None and order["watched_at"] + WATCHED >= self.clock()

    async def arguments(self, nonce: str, token: str) -> bytes:
        """Arguments too large for their envelope. Raises as `settle`."""
        return await self._artifacts.get((await self._ticket(nonce, token))["digest"])

    async def upload(self, nonce: str, signed: str, data: Callable[[], Awaitable[bytes]]) -> dict[str, Any]:
        """Take in a large result, once; `data` reads it when the way in is known to be ours. Returns {digest, size}.
        Raises EnvelopeRefused, Conflict `upload.used`."""
        claims = await sealed.open_claims(signed, self.keys.public, sealed.UPLOAD)
        if claims.get("jti") != nonce or claims.get("iss") != sealed.ISSUER:
            raise Refused("this address was signed for something else", code="upload.foreign")
        if claims.get("exp", 0) < self.clock():
            raise Refused("this address has expired", code="upload.expired")
        if await self._find(UPLOADS, nonce) is None:
            raise Conflict("this address was used", code="upload.used")
        content = await data()
        if not await self._delete(UPLOADS, nonce):
            raise Conflict("this address was used", code="upload.used")
        digest = await self._artifacts.put(content)
        handle = {"digest": digest, "size": len(content)}
        await self._registry.put(GROUP, UPLOADED, nonce, {**handle, "expires": claims["exp"]})
        return handle

    async def admit(self, nonce: str, token: str) -> None:
        """Whether a ticket is good, before a body is read for it. Raises as `settle`."""
        await self._ticket(nonce, token)

    async def settle(self, nonce: str, token: str, answer: Any) -> None:
        """Take in the one result of a ticket: {result} | {error: {code, message, …}} | {pointer: {digest, size}} for what
        was uploaded. Raises NotFound `callback.unknown`, Conflict `callback.used`, Unauthenticated `callback.bad_token`,
        Refused `callback.expired`, Invalid `callback.bad_result`, `callback.bad_pointer`."""
        await self._ticket(nonce, token)
        await self.accept(nonce, answer)

    async def accept(self, nonce: str, answer: Any) -> None:
        """The same for an answer we went and got ourselves."""
        await self._check_answer(nonce, answer)
        ticket = await self._find(TICKETS, nonce)
        if ticket is None or not await self._end(nonce, ticket["expires"]):
            raise Conflict("a result was brought already", code="callback.used")
        await self._registry.put(GROUP, RESULTS, nonce, {"answer": answer, "expires": ticket["expires"]})
        if (told := self._told.get(ticket["task"])) is not None:
            told.set()

    async def _ticket(self, nonce: str, token: str) -> dict[str, Any]:
        ticket = await self._find(TICKETS, nonce)
        if ticket is None:
            if await self._find(USED, nonce) is not None:
                raise Conflict("this way back was used, or taken from who fell silent", code="callback.used")
            raise NotFound("no result is expected here", code="callback.unknown")
        if not hmac.compare_digest(ticket["token"], _hashed(token)):
            raise Unauthenticated("this token is not the one that was given", code="callback.bad_token")
        if ticket["expires"] < self.clock():
            raise Refused("the result comes too late", code="callback.expired")
        return ticket

    async def _check_answer(self, nonce: str, answer: Any) -> None:
        kinds = [name for name in ("result", "error", "pointer") if isinstance(answer, dict) and name in answer]
        if len(kinds) != 1 or len(answer) != 1:
            raise Invalid("a result is {result}, {error} or {pointer}", code="callback.bad_result")
        given = answer[kinds[0]]
        if kinds[0] == "error" and not (isinstance(given, dict) and isinstance(given.get("message"), str)):
            raise Invalid("an error has a message", code="callback.bad_result")
        if kinds[0] == "pointer":
            found = await self._find(UPLOADED, nonce)
            if found is None or given != {"digest": found["digest"], "size": found["size"]}:
                raise Invalid("nothing of this digest and size was uploaded for this", code="callback.bad_pointer")

    # -------------------------------------------------------------------------------------------------------- rows

    async def _watch(self, order: Order) -> None:
        await self._registry.put(GROUP, ORDERS, order.task, {**asdict(order), "watched_at": self.clock()})

    async def _end(self, nonce: str, expires: float) -> bool:
        """Use a ticket up; True for exactly one of all who try. It is noted as used first, so that nobody who comes a moment
        later finds neither."""
        await self._registry.put(GROUP, USED, nonce, {"expires": expires})
        return await self._delete(TICKETS, nonce)

    async def _find(self, kind: str, name: str) -> dict[str, Any] | None:
        try:
            return await self._registry.get(GROUP, kind, name)
        except NotFound:
            return None

    async def _delete(self, kind: str, name: str) -> bool:
        """True for exactly one of all who try."""
        return await self._registry.delete(GROUP, kind, name)

    async def _sweep(self) -> None:
        """Forget what has ended."""
        now = self.clock()
        if now - self._swept_at < SWEEP:
            return
        self._swept_at = now
        for kind in KINDS:
            for name, body in (await self._registry.list(GROUP, kind)).items():
                if body["expires"] + sealed.LEEWAY < now:
                    await self._registry.delete(GROUP, kind, name)


def _order(body: dict[str, Any]) -> Order:
    return Order(**{name: value for name, value in body.items() if name != "watched_at"})


def _row(group: str, audience: str) -> str:
    """A group's audience as the name of a row: it may be a URL."""
    return hashlib.sha256(orjson.dumps([group, audience])).hexdigest()[:32]


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
