"""What a law is, and the few words laws are written in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import PenstockError

Open = Callable[[], AbstractAsyncContextManager[Any]]
PATIENCE = 60.0  # seconds a law may take before it counts as broken: whoever waits for ever does not answer


class Broken(AssertionError):
    """A law does not hold."""


@dataclass(frozen=True, slots=True)
class Law:
    """One thing an adapter must do. `text` says it; `reopens` when the adapter is opened more than once on the same place."""

    seam: str
    name: str
    text: str
    reopens: bool
    check: Callable[[Open], Awaitable[None]]

    async def __call__(self, open: Open) -> None:
        before = asyncio.all_tasks()
        try:
            async with asyncio.timeout(PATIENCE):
                await self.check(open)
        except Exception as error:
            seen = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
            raise Broken(f"{self.seam}: {self.text}\n  seen: {seen}") from error
        finally:  # a law that is broken leaves readers waiting: what it began ends with it
            left = asyncio.all_tasks() - before
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def __str__(self) -> str:
        return self.name


class Suite(Sequence[Law]):
    """The laws of one seam, in order."""

    def __init__(self, seam: str) -> None:
        self.seam = seam
        self._laws: list[Law] = []

    def law(self, *, reopens: bool = False) -> Callable[[Callable[[Open], Awaitable[None]]], Law]:
        """Make a law of a function; its docstring says what must hold."""

        def add(check: Callable[[Open], Awaitable[None]]) -> Law:
            made = Law(self.seam, check.__name__, " ".join((check.__doc__ or "").split()), reopens, check)
            self._laws.append(made)
            return made

        return add

    def __getitem__(self, index: Any) -> Any:
        return self._laws[index]

    def __len__(self) -> int:
        return len(self._laws)

    @property
    def once(self) -> list[Law]:
        """The laws that open the adapter once: for those whose data die with them."""
        return [law for law in self if not law.reopens]

    async def check(self, fresh: Callable[[], Open]) -> None:
        """Run every law, each on a place of its own (`fresh` makes it). Raises Broken with all that do not hold."""
        broken = []
        for law in self:
            try:
                await law(fresh())
            except Broken as error:
                broken.append(str(error))
        if broken:
            raise Broken("\n".join(broken))


def need(held: bool, seen: str) -> None:
    """Raises Broken unless it held."""
    if not held:
        raise Broken(seen)


def same(found: Any, expected: Any, what: str) -> None:
    """Raises Broken, showing both, unless they are equal."""
    if found != expected:
        raise Broken(f"{what}: expected {_short(expected)}, found {_short(found)}")


@contextmanager
def refused(kind: type[PenstockError], what: str, code: str | None = None) -> Iterator[None]:
    """What is done inside must raise this noun, with this code where one is given."""
    try:
        yield
    except kind as error:
        if code is not None and error.code != code:
            raise Broken(f"{what}: expected code {code}, found {error.code}") from error
        return
    except Exception as error:
        raise Broken(f"{what}: expected {kind.__name__}, found {type(error).__name__}: {error}") from error
    raise Broken(f"{what}: expected {kind.__name__}, and it was accepted")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} … ({len(text)} characters)"
