"""A workflow called like a function: begun through the gate, followed to its end, and answered with what came out.

Both ways in which others call workflows, as MCP tools and as models of a chat, stand on this. What is offered is what has
been published: the newest version of each workflow, never a draft. A call is over when its run is; or when the run cannot
go on without a person, because a call is no place to wait for one; or when this server stops, which stops no run. Whoever
goes away before that ends the run, unless the call carries an idempotency key: a key says that its sender comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from ..control import Listener
from ..engine import news
from ..engine.document import canonical
from ..engine.events import Event
from ..engine.fields import SLUG
from ..engine.scope import SPILLED
from ..engine.view import RunView
from ..engine.workflow import Workflow
from ..errors import Conflict, NotFound, PenstockError, Unavailable
from ..gate import Request
from ..ports import Draft
from .auth import Caller
from .core import Core
from .headers import key_of
from .stream import POLL, Streams

PAGE = 200  # workflows read at once
EVENTS = 500  # events read at once
FOREVER = 1e9  # seconds
LARGEST_TEXT = 4 * 1024 * 1024  # bytes of an artifact that is answered as text
DEEPEST = 12  # runs within runs that are looked into

Seen = Callable[[RunView, Sequence[Event]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Offer:
    """A published workflow: its newest version."""

    slug: str
    number: int
    workflow: Workflow
    updated_at: float


@dataclass(frozen=True, slots=True)
class Question:
    """What a run cannot go on without: an answer at a step, or, without a step, that somebody resumes it."""

    run_id: str
    step: str | None
    title: str

    def to_dict(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "step": self.step, "title": self.title}


@dataclass(slots=True)
class Begun:
    """A call under way. `ours`: it ends with its caller. `replayed`: an earlier call with the same key began it. `close` is to be
    called when nobody listens any more."""

    run_id: str
    ours: bool = True
    replayed: bool = False
    close: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Result:
    """status: completed, failed, cancelled, or waiting (for a person)."""

    run_id: str
    status: str
    view: RunView
    outputs: dict[str, Any] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)

    @property
    def error(self) -> dict[str, Any]:
        """{code, message} of a run that did not complete."""
        return self.view.error or {"code": f"run.{self.status}", "message": f"the run is {self.status}"}


class Calls:
    def __init__(self, core: Core, streams: Streams) -> None:
        self.core = core
        self.streams = streams

    # ------------------------------------------------------------------------------------------ what can be called

    async def offers(self, group: str, cursor: str | None = None, limit: int = PAGE) -> tuple[list[Offer], str | None]:
        """Published workflows by name, at least `limit` of them if there are, and the cursor of those that follow."""
        found: list[Offer] = []
        while True:
            page = await self.core.workflows.list(group, cursor, PAGE)
            found += [await self._offer(draft) for draft in page.items if draft.latest]
            cursor = page.cursor
            if cursor is None or len(found) >= limit:
                return found, cursor

    async def offer(self, group: str, slug: str) -> Offer:
        """Raises NotFound: `workflow.not_found`, or `version.not_found` for one that was never published."""
        if not SLUG.fullmatch(slug):
            raise NotFound("that is no name of a workflow", code="workflow.not_found")
        return await self._offer(await self.core.workflows.draft(group, slug))

    async def _offer(self, draft: Draft) -> Offer:
        number, workflow = await self.core.gate.version(draft.group, draft.slug, draft.latest)
        return Offer(draft.slug, number, workflow, draft.updated_at)

    # --------------------------------------------------------------------------------------------------- one call

    async def begin(
        self,
        caller: Caller,
        offer: Offer,
        inputs: dict[str, Any],
        key: str | None = None,
        trace: str | None = None,
        listener: Listener | None = None,
    ) -> Begun:
        """Start a run, once for each key. `listener` hears what its steps say for the moment, from the first word on. Raises as
        Gate.start; Conflict `idempotency.body_differs`; Invalid `idempotency.bad_key`."""
        run_id = await self._claim(caller.group, offer.slug, inputs, key)
        if run_id is not None and await self._exists(run_id, caller.group):
            return Begun(run_id, ours=False, replayed=True)
        run_id = run_id or f"run_{round(self.core.clock() * 1000):012x}{secrets.token_hex(6)}"
        begun = Begun(run_id, ours=key is None)
        if listener is not None:
            begun.close = self.core.control.listen(run_id, listener)
        wanted = Request(
            offer.slug, inputs, offer.number, group=caller.group, actor=caller.actor, trace=trace, run_id=run_id
        )
        starting = asyncio.ensure_future(self.core.gate.start(wanted))
        try:
            await asyncio.shield(starting)
        except BaseException as error:
            begun.close()
            if isinstance(error, asyncio.CancelledError):
                starting.add_done_callback(lambda done: self._begun_for_nobody(done, begun, caller))
            raise
        return begun

    def _begun_for_nobody(self, done: asyncio.Future[str], begun: Begun, caller: Caller) -> None:
        if not done.cancelled() and done.exception() is None:
            self.abandon(begun, caller)

    async def _claim(self, group: str, slug: str, inputs: dict[str, Any], key: str | None) -> str | None:
        if (key := key_of(key)) is None:
            return None
        try:
            digest = hashlib.sha256(f"call {slug}\n{canonical(inputs)}".encode()).hexdigest()
        except (ValueError, RecursionError):
            return None  # no journal could hold these inputs: the gate says what is wrong with them
        made = hashlib.blake2b(f"{group}\n{key}\n{digest}".encode(), digest_size=12).hexdigest()
        return await self.core.runs.claim(group, key, digest, f"run_{made}")

    async def _exists(self, run_id: str, group: str) -> bool:
        try:
            return (await self.core.runs.row(run_id)).group == group
        except NotFound:
            return False

    @contextlib.asynccontextmanager
    async def held(self, begun: Begun, caller: Caller) -> AsyncIterator[None]:
        """While this is open somebody waits for the run. Left by a cancellation, it ends the run with it."""
        try:
            yield
        except asyncio.CancelledError:
            self.abandon(begun, caller)
            raise

    def abandon(self, begun: Begun, caller: Caller) -> None:
        """Nobody waits any more: a run that is theirs alone is cancelled. A server that stops leaves its runs in peace."""
        if begun.ours and not self.streams.closing:
            self.core.control.tell(begun.run_id, news.CancelRequested(caller.actor, "the caller went away"))

    async def follow(self, begun: Begun, seen: Seen | None = None) -> Result:
        """What became of a run. `seen` is called with each piece of its journal. Raises Unavailable, code `call.interrupted`,
        when the server stops first: the run goes on."""
        view = RunView(begun.run_id)
        moved = asyncio.Event()
        stop = self.core.control.watch(begun.run_id, lambda events, state: moved.set())
        try:
            async with self.streams.patience(FOREVER):
                while True:
                    moved.clear()
                    events = await self.core.journal.read(begun.run_id, view.head, EVENTS)
                    for event in events:
                        view.apply(event)
                    if events and seen is not None:
                        await seen(view, events)
                    if view.terminal:
                        return await self._ended(view)
                    if len(events) == EVENTS:
                        continue
                    if questions := await self._questions(view):
                        return Result(begun.run_id, "waiting", view, {}, questions)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(moved.wait(), POLL)
        finally:
            stop()
        raise Unavailable(
            f"this server is stopping; the run {begun.run_id} goes on",
            code="call.interrupted",
            detail={"run_id": begun.run_id},
        )

    async def _ended(self, view: RunView) -> Result:
        outputs = await self._whole(view.outputs) if view.state == "completed" else {}
        outputs = outputs if isinstance(outputs, dict) else {"value": outputs}
        return Result(view.run_id or "", view.state, view, outputs)

    async def _whole(self, value: Any) -> Any:
        """A value with everything in it that is kept elsewhere."""
        if isinstance(value, dict):
            if isinstance(digest := value.get(SPILLED), str):
                return await self._whole(orjson.loads(await self.core.artifacts.get(digest)))
            return {key: await self._whole(part) for key, part in value.items()}
        if isinstance(value, list):
            return [await self._whole(part) for part in value]
        return value

    async def _questions(self, view: RunView, depth: int = 0) -> list[Question]:
        """What stands between this run and its end, if it is people alone."""
        run_id = view.run_id or ""
        if view.status == "paused":
            return [Question(run_id, None, _why(view.error))]
        if view.status != "waiting":
            return []
        mine = [Question(run_id, step.id, str((step.ask or {}).get("title") or step.id)) for step in view.questions()]
        return mine or await self._asked_below(view.group, run_id, depth)

    async def _asked_below(self, group: str, run_id: str, depth: int) -> list[Question]:
        """The questions of a run's children, in the same sense."""
        found: list[Question] = []
        for status in ("waiting", "paused") if depth < DEEPEST else ():
            for row in (await self.core.runs.list(group, parent=run_id, status=status)).items:
                if row.asks:
                    found += [
                        Question(row.run_id, ask["step"], str(ask.get("title") or ask["step"])) for ask in row.asks
                    ]
                elif status == "paused":
                    found.append(Question(row.run_id, None, f"paused: {row.error}"))
                else:
                    found += await self._asked_below(group, row.run_id, depth + 1)
        return found

    # ------------------------------------------------------------------------------------------------ what came out

    async def text(self, result: Result) -> str:
        """The outputs as one text: the only one, or the first Markdown or other text among them; JSON where there is none. A
        run without outputs is its first text artifact."""
        handles = self.handles(result)
        own = [handle["artifact"] for handle in handles]
        values = list(result.outputs.values()) if result.outputs else handles
        marked = [handle for handle in handles if handle["mime"].startswith("text/markdown")]
        for value in [*marked, *values]:
            if isinstance(value, str):
                return value
            if isinstance(value, dict) and isinstance(value.get("text"), str) and value.keys() <= {"text", "truncated"}:
                return value["text"]
            known = isinstance(value, dict) and value.get("artifact") in own
            if known and (text := await self.text_of(value)) is not None:
                return text
        return orjson.dumps(result.outputs).decode()

    def handles(self, result: Result) -> list[dict[str, Any]]:
        """The artifacts among the outputs; of a run without outputs, all it made. What merely looks like one, because it came in
        with the inputs, is none."""
        made = {one["digest"]: one for one in result.view.artifacts.values()}
        if not result.outputs:
            return [{**one, "artifact": digest} for digest, one in made.items()]
        parts = [part for value in result.outputs.values() for part in (value if isinstance(value, list) else [value])]
        digests = [part.get("artifact") for part in parts if isinstance(part, dict)]
        return [
            {**made[digest], "artifact": digest} for digest in digests if isinstance(digest, str) and digest in made
        ]

    async def text_of(self, handle: dict[str, Any], largest: int = LARGEST_TEXT) -> str | None:
        """An artifact as text; None where it is none, or too large."""
        if str(handle.get("mime") or "").startswith("text/"):
            with contextlib.suppress(NotFound, UnicodeDecodeError):
                if await self.core.artifacts.size(handle["artifact"]) <= largest:
                    return (await self.core.artifacts.get(handle["artifact"])).decode()
        return None


def failure_of(result: Result) -> PenstockError:
    """A run that did not complete, as an error."""
    error = result.error
    kind = Conflict if result.status == "cancelled" else PenstockError
    return kind(
        str(error.get("message") or ""),
        code=str(error.get("code") or "run.failed"),
        detail={"run_id": result.run_id, "status": result.status},
    )


def needs_person(result: Result, base: str) -> str:
    """What is said when a run waits for a person."""
    asked = "; ".join(dict.fromkeys(question.title for question in result.questions))
    return f"This run waits for a person ({asked}). It goes on once that is answered at {run_url(base, result.run_id)}"


def run_url(base: str, run_id: str) -> str:
    """Where people see the run."""
    return f"{base}/runs/{run_id}"


def base_of(scope: Any) -> str:
    """The address under which this server was asked."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
    return f"{scope.get('scheme', 'http')}://{host}"


def _why(error: dict[str, Any] | None) -> str:
    return f"paused: {error.get('message')}" if error else "paused"
