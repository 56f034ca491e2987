"""The laws of the bus. It may double what it carries, and lose it when a process dies; these are what holds while none does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from ...ports import Bus, Message
from .laws import Open, Suite, need, same

BUS = Suite("Bus")

HELLO = "hello"  # the key of greetings


class Reader:
    """The consumers of one topic in one group, and what they were given: `seen` by all, `each` by each."""

    def __init__(self, bus: Bus, topic: str, group: str, consumers: int = 1) -> None:
        self.seen: list[Message] = []
        self.each: list[list[Message]] = [[] for _ in range(consumers)]
        self._greeted = False
        self._more = asyncio.Event()
        self.tasks = [asyncio.create_task(self._read(bus.consume(topic, group), mine)) for mine in self.each]

    async def _read(self, batches: AsyncIterator[list[Message]], mine: list[Message]) -> None:
        async for batch in batches:
            need(len(batch) > 0, "an empty batch")
            self._greeted = self._greeted or any(m.key == HELLO for m in batch)
            fresh = [m for m in batch if m.key != HELLO]
            mine += fresh
            self.seen += fresh
            self._more.set()

    async def until(self, count: int) -> list[Message]:
        """Everything seen, once that is `count` different messages."""
        while len({_value(m) for m in self.seen}) < count:
            for task in self.tasks:
                if task.done():
                    task.result()
                    need(False, f"a consumer ended after {len(self.seen)} messages")
            self._more.clear()
            await self._more.wait()
        return self.seen

    async def ready(self, bus: Bus, topic: str) -> None:
        """Greet until it hears: from then on nothing is too early for it."""
        while not self._greeted:
            await bus.publish([Message(topic, HELLO, 0)])
            self._more.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await self._more.wait()

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def reading(bus: Bus, *wanted: tuple[str, str], consumers: int = 1) -> AsyncIterator[list[Reader]]:
    """Readers of (topic, group), each ready."""
    readers = [Reader(bus, topic, group, consumers) for topic, group in wanted]
    try:
        for reader, (topic, _) in zip(readers, wanted, strict=True):
            await reader.ready(bus, topic)
        yield readers
    finally:
        for reader in readers:
            await reader.stop()


def messages(topic: str, count: int, keys: int = 5) -> list[Message]:
    return [Message(topic, f"run_{n % keys}", {"n": n}) for n in range(count)]


def _value(message: Message) -> str:
    return f"{message.key} {message.value}"


def _numbers(seen: list[Message], key: str) -> list[int]:
    """The numbers that came under a key, each where it came first."""
    return list(dict.fromkeys(m.value["n"] for m in seen if m.key == key))


@BUS.law()
async def carried_in_order(open: Open) -> None:
    """Whatever is published arrives as it was, and what has the same key in the order of publishing."""
    async with open() as bus, reading(bus, ("events", "one")) as (reader,):
        given = messages("events", 300)
        for start in range(0, 300, 7):
            await bus.publish(given[start : start + 7])
        seen = await reader.until(300)
        for key in {m.key for m in given}:
            same(_numbers(seen, key), _numbers(given, key), f"what came under {key}")
        same({m.topic for m in seen}, {"events"}, "topics")


@BUS.law()
async def values_as_they_were(open: Open) -> None:
    """Plain JSON of any text and size arrives as it was published; publishing nothing does nothing."""
    async with open() as bus, reading(bus, ("events", "one")) as (reader,):
        values = [None, True, 0, 2**53, 0.1, "", "nul \x00 Zoë 👩‍🚀", [], {}, {"a": [1, {"b": None}]}, "x" * 500_000]
        await bus.publish([])
        await bus.publish([Message("events", "key", value) for value in values])
        same([m.value for m in (await reader.until(len(values)))[: len(values)]], values, "the values")


@BUS.law()
async def each_group_once(open: Open) -> None:
    """Each group is given every message; the consumers of one group share them."""
    async with open() as bus, reading(bus, ("work", "a"), ("work", "b"), consumers=2) as (one, other):
        await bus.publish(messages("work", 100))
        for reader in (one, other):
            await reader.until(100)
            first, second = ({_value(m) for m in each} for each in reader.each)
            need(len(first & second) < 100, "both consumers of one group were given every message")


@BUS.law()
async def topics_apart(open: Open) -> None:
    """A consumer is given its own topic alone."""
    async with open() as bus, reading(bus, ("work", "a"), ("events", "a")) as (work, events):
        await bus.publish([*messages("work", 10), *messages("events", 20)])
        await asyncio.gather(work.until(10), events.until(20))
        same({m.topic for m in work.seen}, {"work"}, "topics of the one")
        same({m.topic for m in events.seen}, {"events"}, "topics of the other")


@BUS.law()
async def published_before_anyone_listens(open: Open) -> None:
    """What is published before the first consumer of a topic is there for it."""
    async with open() as bus:
        await bus.publish(messages("work", 20))
        reader = Reader(bus, "work", "a")
        same(len({_value(m) for m in await reader.until(20)}), 20, "messages")
        await reader.stop()


@BUS.law()
async def close_ends_consumers(open: Open) -> None:
    """When the bus is closed its consumers end, without an error; closing again does nothing."""
    async with open() as bus:
        readers = [Reader(bus, topic, "a") for topic in ("work", "events")]
        await bus.publish(messages("work", 3))
        await readers[0].until(3)
        await bus.close()
        await asyncio.gather(*(task for reader in readers for task in reader.tasks))
        await bus.close()
