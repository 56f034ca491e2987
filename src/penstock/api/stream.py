"""Runs, live: server-sent events, each encoded once whoever listens.

A `Feed` holds the newest frames of one run's journal while anyone listens to it. It is pushed by the control plane after
each commit; a look at the journal each second covers commits made by other processes, and whatever a push did not say.
Listeners pull: each knows the seq it has come to and takes what follows, so a slow one costs nobody anything; once it is
further behind than the feed remembers, it reads the journal for itself. Nothing is dropped, and nothing is held for anyone.

What steps say for the moment (pieces of a model's answer) goes out as frames without an id, to who listens at that moment. It
is in no journal, and whoever is slow misses some: the kept answer has all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ..engine.events import Event, event_dict
from ..engine.state import TERMINAL, RunState
from ..ports import Journal, RunRow
from .core import Core

log = logging.getLogger("penstock.api")

HEARTBEAT = 15.0  # seconds between comments on a silent stream
POLL = 1.0  # seconds between looks at the journal
REMEMBERED = 4 * 1024 * 1024  # bytes of frames a feed holds
SPOKEN = 500  # frames of the moment it holds
CHUNK = 64 * 1024  # bytes sent at once
PAGE = 500  # events read at once

_ENDED = {f"run.{status}": status for status in TERMINAL}


def frame(event: Event) -> bytes:
    data = orjson.dumps(event_dict(event))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.kind.encode(), data)


def delta_frame(step: str, data: dict[str, Any]) -> bytes:
    return b"event: delta\ndata: %s\n\n" % orjson.dumps({"step": step, "data": data})


def end_frame(status: str) -> bytes:
    return b"event: end\ndata: %s\n\n" % orjson.dumps({"status": status})


class Feed:
    """The newest frames of one run: those with the seqs up to `last`, without a gap."""

    def __init__(self, run_id: str, after: int, journal: Journal) -> None:
        self.run_id = run_id
        self.last = after
        self.ended: str | None = None
        self.listeners = 0
        self.moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stop: Callable[[], Any] = lambda: None
        self._frames: list[bytes] = []
        self._size = 0
        self._spoken: deque[bytes] = deque(maxlen=SPOKEN)
        self.said = 0  # frames of the moment so far
        self._journal = journal
        self._reading = asyncio.Lock()

    @property
    def first(self) -> int:
        return self.last - len(self._frames) + 1

    def push(self, events: Sequence[Event], state: RunState | None = None) -> None:
        """Take in what follows on `last`; what does not, the next look at the journal brings."""
        if not events or events[0].seq > self.last + 1 or events[-1].seq <= self.last:
            return
        for event in events[self.last + 1 - events[0].seq :]:
            made = frame(event)
            self._frames.append(made)
            self._size += len(made)
            self.last = event.seq
            self.ended = _ENDED.get(event.kind, self.ended)
        if self._size > REMEMBERED:
            self._forget()
        self.wake()

    def speak(self, step: str, data: dict[str, Any]) -> None:
        """Pass on something of the moment."""
        self._spoken.append(delta_frame(step, data))
        self.said += 1
        self.wake()

    def spoken(self, after: int) -> bytes:
        """What was said after the first `after` frames of the moment, as far as it is remembered."""
        new = min(self.said - after, len(self._spoken))
        return b"".join(itertools.islice(self._spoken, len(self._spoken) - new, None)) if new else b""

    def _forget(self) -> None:
        """Keep the newer half."""
        gone = 0
        while self._size > REMEMBERED // 2 and gone < len(self._frames) - 1:
            self._size -= len(self._frames[gone])
            gone += 1
        del self._frames[:gone]

    def wake(self) -> None:
        moved, self.moved = self.moved, asyncio.get_running_loop().create_future()
        moved.set_result(None)

    async def read_on(self) -> None:
        """Take in what the journal has beyond `last`."""
        async with self._reading:
            while events := await self._journal.read(self.run_id, self.last, PAGE):
                self.push(events)
                if len(events) < PAGE:
                    return
                await asyncio.sleep(0)  # let others have a turn

    async def following(self, seq: int) -> tuple[bytes, int]:
        """Frames after `seq`, about a chunk of them, and the seq they lead to; b"" when there are none yet."""
        first = self.first
        if seq + 1 < first:
            events = await self._journal.read(self.run_id, seq, min(PAGE, first - seq - 1))
            return b"".join([frame(event) for event in events]), events[-1].seq if events else seq
        size, taken = 0, []
        for index in range(seq + 1 - first, len(self._frames)):
            taken.append(self._frames[index])
            size += len(taken[-1])
            if size > CHUNK:
                break
        return b"".join(taken), seq + len(taken)


class Streams:
    """The feeds of this process, and everything that waits for a run: all of it ends with `close`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._feeds: dict[str, Feed] = {}
        self._poller: asyncio.Task[None] | None = None
        self._patience: set[asyncio.Timeout] = set()
        self.closing = False

    @property
    def listeners(self) -> int:
        return sum(feed.listeners for feed in self._feeds.values())

    @contextlib.asynccontextmanager
    async def feed(self, row: RunRow, after: int) -> AsyncIterator[Feed]:
        """The feed of a run, up to date; it lives as long as somebody listens."""
        feed = self._feeds.get(row.run_id)
        if feed is None:
            feed = self._feeds[row.run_id] = Feed(row.run_id, after, self._core.journal)
            if row.status in TERMINAL and after == row.head:
                feed.ended = row.status
            control = self._core.control
            ends = (control.watch(row.run_id, feed.push), control.listen(row.run_id, feed.speak))
            feed.stop = lambda: [end() for end in ends]
            if self._poller is None:
                self._poller = asyncio.create_task(self._poll(), name="penstock-streams")
        feed.listeners += 1
        try:
            if not feed.ended:
                await feed.read_on()
            yield feed
        finally:
            feed.listeners -= 1
            if not feed.listeners:
                feed.stop()
                self._feeds.pop(feed.run_id, None)
            if not self._feeds and self._poller is not None:
                self._poller.cancel()
                self._poller = None

    async def _poll(self) -> None:
        """Other processes commit too, and nobody here hears of it."""
        while True:
            await asyncio.sleep(POLL)
            for feed in list(self._feeds.values()):
                if feed.ended is None:
                    try:
                        await feed.read_on()
                    except Exception as error:
                        log.warning("the journal of run %s could not be read: %s", feed.run_id, error)

    @contextlib.asynccontextmanager
    async def patience(self, seconds: float) -> AsyncIterator[None]:
        """Up to so many seconds for what is inside, fewer when the server stops; then it is left without a word."""
        if self.closing:
            seconds = 0.0
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                self._patience.add(limit)
                try:
                    yield
                finally:
                    self._patience.discard(limit)
        except TimeoutError:
            if not limit.expired():
                raise

    async def moved(self, feed: Feed) -> bool:
        """Wait until the feed has new frames. False, at once, when the server stops."""
        if not self.closing:
            await asyncio.wait([feed.moved])
        return not self.closing

    def close(self) -> None:
        """End every stream and every wait. What is open comes back to another server, with the seq it has come to."""
        self.closing = True
        for feed in self._feeds.values():
            feed.wake()
        now = asyncio.get_running_loop().time()
        for limit in self._patience:
            limit.reschedule(now)


class EventStream(Response):
    """The journal of a run as server-sent events, from `after` on, until it ends or the client goes."""

    media_type = "text/event-stream"

    def __init__(self, streams: Streams, row: RunRow, after: int) -> None:
        super().__init__(None, 200, {"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._row = row
        self._after = min(after, row.head)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_gone(receive))
        try:
            async with self._streams.feed(self._row, self._after) as feed:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                async for chunk in self._chunks(feed, gone):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()

    async def _chunks(self, feed: Feed, gone: asyncio.Task[None]) -> AsyncIterator[bytes]:
        seq, said = self._after, feed.said
        yield b"retry: 1000\n\n"
        while not gone.done() and not self._streams.closing:
            spoken, said = feed.spoken(said), feed.said
            chunk, seq = await feed.following(seq)
            if spoken or chunk:
                yield spoken + chunk
            elif feed.ended is not None and seq >= feed.last:
                yield end_frame(feed.ended)
                return
            else:
                done, _ = await asyncio.wait([feed.moved, gone], timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    yield b": \n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
