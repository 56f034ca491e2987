"""The kind `function`: a trusted Python callable of the host process.

This is the shortest way from a step to Python, and the fastest: a coroutine function is awaited in the loop itself,
with nothing between. A plain function runs in a thread, because it may block. A thread cannot be killed: when the step
is cancelled or timed out, the step ends at once and whatever the thread returns later is dropped. Code that must be
stoppable, or is not trusted, belongs in the kind `code`.

Names come from `@function` in the host process, or from entry points of the group `penstock.functions`, each imported
when it is first asked for.
"""

from __future__ import annotations

import asyncio
import contextvars
import difflib
import functools
import importlib.metadata
import inspect
import queue
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, overload

import orjson
from pydantic import BaseModel, ConfigDict, Field

from ..errors import Conflict, Invalid, PenstockError, Problem, StepFailed
from ..ports import Done, StepContext, Wait

GROUP = "penstock.functions"
THREADS = 64
IDLE_SECONDS = 30.0
MESSAGE_LENGTH = 2_000

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered callable, inspected once: `awaits` when calling it gives a coroutine, `takes_step` when it wants the
    step as its second argument."""

    name: str
    call: Callable[..., Any]
    awaits: bool
    takes_step: bool


_registry: dict[str, Entry] = {}


@overload
def function(name: F, /) -> F: ...
@overload
def function(name: str | None = None, /) -> Callable[[F], F]: ...
def function(name: Any = None, /) -> Any:
    """Register a callable `fn(input)` or `fn(input, step)`: `@function("name")`, or `@function` for its own name.

    `input` is any JSON value and so must the result be, unless it is a `Done` or `Wait`. A coroutine function is
    awaited in the event loop and must not block; a plain one runs in a thread, where it may read the step's attributes
    but not await its methods.
    Raises Conflict (`function.name_taken`) when another callable has the name, Invalid (`function.signature`) when it
    cannot be called with one or two positional arguments.
    """
    if callable(name):
        register(getattr(name, "__name__", type(name).__name__), name)
        return name

    def decorate(fn: F) -> F:
        register(name or getattr(fn, "__name__", type(fn).__name__), fn)
        return fn

    return decorate


def register(name: str, call: Callable[..., Any]) -> None:
    """What `@function` does, as a call. The same callable, or a reloaded one of the same place, may come again."""
    held = _registry.get(name)
    if held is not None and held.call is not call and _place(held.call) != _place(call):
        raise Conflict(f"A function called {name!r} is registered already.", code="function.name_taken")
    _registry[name] = _inspect(name, call)


def unregister(name: str) -> None:
    """Forget a name; an unknown one is ignored."""
    _registry.pop(name, None)


def names() -> list[str]:
    """Every name a workflow may use, sorted: registered ones and installed entry points (which stay unimported)."""
    return sorted({*_registry, *_installed()})


def _place(call: Callable[..., Any]) -> tuple[str | None, str | None]:
    return getattr(call, "__module__", None), getattr(call, "__qualname__", None)


def _inspect(name: str, call: Callable[..., Any]) -> Entry:
    target = call
    while isinstance(target, functools.partial):
        target = target.func
    awaits = inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(getattr(target, "__call__", None))  # noqa: B004
    try:
        parameters = inspect.signature(call).parameters.values()
    except ValueError:  # some builtins have no signature; they take what they take
        return Entry(name, call, awaits, False)
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    many = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    needed = [p for p in places if p.default is p.empty]
    stray = [p for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if len(needed) > 2 or stray or not (places or many):
        raise Invalid(
            f"The function {name!r} must be callable as fn(input) or fn(input, step).", code="function.signature"
        )
    # A second parameter with a default is the author's own, unless it is called step.
    takes_step = len(needed) == 2 or (len(places) > 1 and places[1].name == "step")
    return Entry(name, call, awaits, takes_step)


@functools.cache
def _installed() -> dict[str, importlib.metadata.EntryPoint]:
    return {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}


def lookup(name: str) -> Entry:
    """The entry of this name, importing its entry point if it has one. Raises Invalid (`function.unknown`), naming the
    nearest known name, and StepFailed (`function.import_failed`)."""
    entry = _registry.get(name)
    if entry is not None:
        return entry
    point = _installed().get(name)
    if point is None:
        known = names()
        near = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Register it with @penstock.function or the group {GROUP}."
        message = f"There is no function called {name!r}. {hint}"
        raise Invalid(
            message, code="function.unknown", problems=[Problem("function.unknown", message, "/function", hint)]
        )
    try:
        register(name, point.load())
    except PenstockError:
        raise
    except Exception as error:
        message = f"The entry point {point.value} of the function {name!r} could not be loaded: {_describe(error)}"
        raise StepFailed(message, code="function.import_failed", retryable=False) from error
    return _registry[name]


class FunctionConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    function: str = Field(
        title="Function", description="Name of a Python callable the host process has registered.", min_length=1
    )
    input: Any = Field(
        default=None, title="Input", description="Handed to the function as its first argument; any JSON value."
    )


class Function:
    """Call a registered Python function with `input`; its result is the output. A `Done` (to choose successors) or a
    `Wait` is passed on.

    Raises Invalid `function.unknown`; StepFailed `function.raised` (the exception's type and message; the traceback
    goes to the log), `function.not_json` (never retried). A PenstockError of the function's own passes unchanged.
    """

    name: ClassVar[str] = "function"
    Config: ClassVar[type[BaseModel]] = FunctionConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self) -> None:
        self._threads = Threads(THREADS)

    async def run(self, step: StepContext, config: FunctionConfig) -> Any:
        entry = _registry.get(config.function) or lookup(config.function)
        arguments = (config.input, step) if entry.takes_step else (config.input,)
        try:
            if entry.awaits:
                result = await entry.call(*arguments)
            else:
                result = await self._threads.run(entry.call, *arguments)
        except PenstockError:
            raise
        except Exception as error:
            # The frames of this file say nothing to the author, so the traceback starts below them.
            below = error.__traceback__.tb_next if error.__traceback__ else None
            for line in traceback.format_exception(type(error), error, below):
                await step.note(line.rstrip("\n"))
            raise StepFailed(_describe(error), code="function.raised", detail={"type": type(error).__name__}) from error
        if type(result) is Done:
            return Done(_json(config.function, result.output), result.take)
        return result if type(result) is Wait else _json(config.function, result)

    async def aclose(self) -> None:
        self._threads.close()


def _describe(error: BaseException) -> str:
    text = str(error)
    kind = type(error).__name__
    return f"{kind}: {text[:MESSAGE_LENGTH]}" if text else kind


_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME


def _json(name: str, value: Any) -> Any:
    """The value as JSON gives it back: tuples become lists, and it is a copy, so that later changes do not show."""
    try:
        text = orjson.dumps(value, option=_STRICT)
    except (TypeError, RecursionError) as error:
        if inspect.iscoroutine(value):
            value.close()
        raise _not_json(name, str(error)) from None
    # orjson writes NaN and infinities as null, which would turn a broken number into a missing one without a word.
    if b"null" in text and _has_nan(value):
        raise _not_json(name, "it holds a NaN or an infinity")
    return orjson.loads(text)


def _has_nan(value: Any) -> bool:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, float):
            if item - item != 0.0:
                return True
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
    return False


def _not_json(name: str, why: str) -> StepFailed:
    return StepFailed(f"The result of {name!r} is not JSON: {why}.", code="function.not_json", retryable=False)


class Threads:
    """Daemon threads for calls that may never return: neither a cancelled step nor the end of the process waits for
    them, which the standard library's pool would do. At most `limit` threads; calls beyond that wait their turn."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._live = 0
        self._unclaimed = 0  # idle threads minus jobs they have not picked up yet

    def run(self, call: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """A future of `call(*arguments)`, made in a thread with the caller's context variables."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        context = contextvars.copy_context()

        def settle(result: Any, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            elif isinstance(error, StopIteration | asyncio.CancelledError):
                future.set_exception(RuntimeError(f"the function raised {type(error).__name__}"))
            else:
                future.set_exception(error)

        def job() -> None:
            if future.cancelled():
                return
            result, error = None, None
            try:
                result = context.run(call, *arguments)
            except Exception as raised:
                error = raised
            except BaseException as raised:  # SystemExit and the like must not end the host
                error = RuntimeError(f"the function raised {type(raised).__name__}")
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:  # the loop closed meanwhile: nobody waits for this any more
                return

        with self._lock:
            grow = self._unclaimed <= 0 and self._live < self._limit
            if grow:
                self._live += 1
            else:
                self._unclaimed -= 1
        self._jobs.put(job)
        if grow:
            threading.Thread(target=self._work, name="penstock-function", daemon=True).start()
        return future

    def close(self) -> None:
        """Let idle threads end; busy ones end after their call."""
        with self._lock:
            for _ in range(self._live):
                self._jobs.put(None)

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._unclaimed <= 0:
                        continue  # a job was promised to an idle thread a moment ago: take it
                    self._unclaimed -= 1
                    self._live -= 1
                return
            if job is None:
                with self._lock:
                    self._live -= 1
                return
            job()
            del job
            with self._lock:
                self._unclaimed += 1
