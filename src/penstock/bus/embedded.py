"""The bus inside one process: a queue for each topic and consumer group. What it holds dies with the process, and the journal
sends it again after a restart."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from ..ports import Message

BATCH = 256


class _Queue:
    __slots__ = ("arrived", "messages")

    def __init__(self, early: Sequence[Message]) -> None:
        self.messages: deque[Message] = deque(early)
        self.arrived = asyncio.Event()
        if early:
            self.arrived.set()


class EmbeddedBus:
    durable = False

    def __init__(self, batch: int = BATCH) -> None:
        """`batch`: messages a consumer gets at once, at most."""
        self._batch = batch
        self._queues: dict[str, dict[str, _Queue]] = {}
        self._early: dict[str, list[Message]] = {}  # published before anyone consumed the topic
        self._closed = False

    async def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            groups = self._queues.get(message.topic)
            if not groups:
                self._early.setdefault(message.topic, []).append(message)
                continue
            for each in groups.values():
                each.messages.append(message)
                each.arrived.set()

    async def consume(self, topic: str, group: str) -> AsyncIterator[list[Message]]:
        groups = self._queues.setdefault(topic, {})
        mine = groups.get(group)
        if mine is None:
            mine = groups[group] = _Queue(self._early.pop(topic, ()))
        while not self._closed:
            while mine.messages:
                yield [mine.messages.popleft() for _ in range(min(len(mine.messages), self._batch))]
            mine.arrived.clear()
            await mine.arrived.wait()

    async def close(self) -> None:
        self._closed = True
        for groups in self._queues.values():
            for each in groups.values():
                each.arrived.set()
