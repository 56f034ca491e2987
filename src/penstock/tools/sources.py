"""Where a group's servers come from: those it registered, those of the installation's file, those that come with Penstock.

The first to use a name has it, in this order. Nothing is told when another process changes one of them, so they are looked at
again when the last look is `STALE` seconds old and somebody wants to use them: a change is in force everywhere after that time,
and nobody reads anything while nothing is used.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import PenstockError
from ..ports import Clock, Registry
from .config import ServerConfig, parse_servers

KIND = "servers"  # in the registry
STALE = 2.0  # seconds
Source = Literal["registry", "file", "builtin"]

log = logging.getLogger("penstock.tools")


@dataclass(slots=True)
class Known:
    """A group's servers by name, in the order they were registered or written, and where each comes from."""

    configs: dict[str, ServerConfig] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    registered: dict[str, ServerConfig] = field(default_factory=dict)
    looked_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sources:
    """`read` gives the file's servers when the file has changed since the last call, and else None."""

    def __init__(
        self,
        given: Iterable[ServerConfig],
        builtin: Iterable[ServerConfig],
        registry: Registry | None,
        read: Callable[[], Sequence[ServerConfig] | None] | None,
        clock: Clock,
    ) -> None:
        self._given = {config.name: config for config in given}
        self._builtin = {config.name: config for config in builtin}
        self._registry, self._read, self._clock = registry, read, clock
        self._groups: dict[str, Known] = {}

    def groups(self) -> list[str]:
        """Those that were asked for."""
        return list(self._groups)

    def of(self, group: str) -> Known:
        """A group's servers as they were at the last look."""
        known = self._groups.get(group)
        if known is None:
            known = self._groups[group] = Known()
            self._put_together(known)
        return known

    def replace(self, given: Iterable[ServerConfig]) -> None:
        """Other servers in the place of the file's."""
        self._given = {config.name: config for config in given}
        for known in self._groups.values():
            self._put_together(known)

    async def look(self, group: str, at_once: bool = False) -> Known:
        """A group's servers, no older than `STALE`. While the registry does not answer, and while what is written cannot be
        read, they stay as they were."""
        known = self.of(group)
        if not at_once and self._clock() - known.looked_at < STALE:
            return known
        async with known.lock:
            if not at_once and self._clock() - known.looked_at < STALE:
                return known
            await self._look(group, known)
        return known

    async def _look(self, group: str, known: Known) -> None:
        known.looked_at = self._clock()
        try:
            given = None if self._read is None else await asyncio.to_thread(self._read)
        except PenstockError as error:
            log.warning("the file of servers stays unread: %s", error.message)
            given = None
        if given is not None:
            self.replace(given)
        if self._registry is None:
            return
        try:
            rows = await self._registry.list(group, KIND)
        except PenstockError as error:
            log.warning("the registered servers could not be read: %s", error.message)
            return
        registered = {name: config for name, body in rows.items() if (config := _read_body(name, body)) is not None}
        if registered != known.registered or list(registered) != list(known.registered):
            known.registered = registered
            self._put_together(known)

    def _put_together(self, known: Known) -> None:
        layers: tuple[tuple[Source, dict[str, ServerConfig]], ...] = (
            ("registry", known.registered),
            ("file", self._given),
            ("builtin", self._builtin),
        )
        known.configs, known.sources = {}, {}
        for source, configs in layers:
            for name, config in configs.items():
                if known.configs.setdefault(name, config) is config:
                    known.sources.setdefault(name, source)


def _read_body(name: str, body: dict[str, Any]) -> ServerConfig | None:
    try:
        return parse_servers({**body, "name": name})[0]
    except PenstockError as error:  # written by another version, perhaps: the others still serve
        log.warning("the registered server %s cannot be read: %s", name, error.message)
        return None
