"""The kind `function`: what is called how, what comes back, and what an author is told when it goes wrong."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from tests.nodes.stub import Step

from penstock.errors import Conflict, Invalid, Refused, StepFailed
from penstock.nodes import function as module
from penstock.nodes.function import Function, FunctionConfig, Threads, function, names, register, unregister
from penstock.ports import Done, NodeKind, Wait

pytestmark = pytest.mark.anyio


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


@pytest.fixture(autouse=True)
def clean():
    before = set(names())
    yield
    for name in set(names()) - before:
        unregister(name)


@pytest.fixture
async def kind():
    kind = Function()
    yield kind
    await kind.aclose()


async def call(kind: Function, step: Step, name: str, value=None):
    return await kind.run(step, FunctionConfig(function=name, input=value))


def test_it_is_a_node_kind():
    kind: NodeKind = Function()
    assert kind.name == "function"
    described = Function.Config.model_json_schema()["properties"]
    assert all(field.get("description") for field in described.values())


async def test_sync_and_async_functions_with_and_without_the_step(kind, step):
    @function
    def double(input):
        return input * 2

    @function("who")
    async def _(input, step):
        return [input, step.step_id, threading.current_thread() is threading.main_thread()]

    @function("thread")
    def _(input, step):
        return [step.run_id, threading.current_thread() is threading.main_thread()]

    assert double(1) == 2, "the decorator gives the function back"
    assert await call(kind, step, "double", 21) == 42
    assert await call(kind, step, "who", "x") == ["x", "node#1", True]
    assert await call(kind, step, "thread") == ["run-1", False]


async def test_signatures_are_read_as_the_author_meant_them(kind, step):
    class Scale:
        def __init__(self, by):
            self.by = by

        async def __call__(self, input):
            return input * self.by

    def offset(by, input):
        return input + by

    register("object", Scale(3))
    register("partial", functools.partial(offset, 10))
    register("own default", lambda input, factor=5: input * factor)
    register("step default", lambda input, step=step: step.step_id)
    register("many", lambda *all: len(all))
    assert [await call(kind, step, n, 2) for n in ("object", "partial", "own default", "step default", "many")] == [
        6,
        12,
        10,
        "node#1",
        1,
    ]


@pytest.mark.parametrize("bad", [lambda: 1, lambda a, b, c: 1, lambda a, *, b: 1, lambda **k: 1])
def test_a_function_that_cannot_be_called_is_refused_when_registered(bad):
    with pytest.raises(Invalid) as caught:
        register("bad", bad)
    assert caught.value.code == "function.signature"


def test_a_name_stands_for_one_function():
    register("one", len)
    register("one", len)
    with pytest.raises(Conflict) as caught:
        register("one", sum)
    assert caught.value.code == "function.name_taken"


async def test_an_unknown_name_is_answered_with_the_nearest(kind, step):
    register("summarise", len)
    with pytest.raises(Invalid) as caught:
        await call(kind, step, "sumarise")
    assert caught.value.code == "function.unknown"
    assert "'summarise'" in caught.value.message
    assert caught.value.problems[0].pointer == "/function"


async def test_an_exception_is_named_and_its_traceback_goes_to_the_log(kind, step):
    def inner(input):
        raise ValueError("no such colour")

    @function("sync fails")
    def _(input):
        inner(input)

    @function("async fails")
    async def _(input):
        inner(input)

    for name in ("sync fails", "async fails"):
        step.notes.clear()
        with pytest.raises(StepFailed) as caught:
            await call(kind, step, name)
        assert caught.value.to_dict() == {
            "code": "function.raised",
            "message": "ValueError: no such colour",
            "retryable": True,
            "detail": {"type": "ValueError"},
        }
        log = "\n".join(step.notes)
        assert "in inner" in log and "no such colour" in log


async def test_a_penstock_error_passes_unchanged(kind, step):
    error = Refused("Not on Sundays.", code="custom.sunday")

    @function("refuses")
    async def _(input):
        raise error

    with pytest.raises(Refused) as caught:
        await call(kind, step, "refuses")
    assert caught.value is error


@pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt, StopIteration, asyncio.CancelledError])
async def test_what_would_end_the_host_or_the_loop_is_an_error_of_the_step(kind, step, leave):
    def leaver(input):
        raise leave

    register("leaver", leaver)
    with pytest.raises(StepFailed) as caught:
        await call(kind, step, "leaver")
    assert caught.value.code == "function.raised"
    assert leave.__name__ in caught.value.message


CYCLE: list = []
CYCLE.append(CYCLE)


NOT_JSON = {
    "nan": float("nan"),
    "infinity below": {"deep": [1, {"x": float("-inf")}], "n": None},
    "a key that is a number": {1: 2},
    "a set": {1, 2},
    "bytes": b"x",
    "an object": object(),
    "an integer over 64 bits": 2**64,
    "a cycle": CYCLE,
    "a lone surrogate": "\ud800",
    "an object in Done": Done(object()),
}


@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_a_result_that_is_not_json_is_refused_for_good(kind, step, value):
    register("odd", lambda input: value)
    with pytest.raises(StepFailed) as caught:
        await call(kind, step, "odd")
    assert caught.value.code == "function.not_json"
    assert not caught.value.retryable


async def test_a_result_is_a_copy_in_plain_json(kind, step):
    shared = {"rows": (1, 2), "none": None, "word": "null"}
    register("keeps", lambda input: shared)
    result = await call(kind, step, "keeps")
    shared["rows"] = ()
    assert result == {"rows": [1, 2], "none": None, "word": "null"}


async def test_a_function_may_choose_successors_or_wait(kind, step):
    register("chooses", lambda input: Done((1,), take=("b",)))
    register("waits", lambda input: Wait(until=5.0))
    assert await call(kind, step, "chooses") == Done([1], take=("b",))
    assert await call(kind, step, "waits") == Wait(until=5.0)


async def test_cancellation_ends_the_step_at_once_and_drops_the_late_result(kind, step):
    started, release, left = threading.Event(), threading.Event(), threading.Event()

    @function("stuck")
    def _(input):
        started.set()
        release.wait(10)
        left.set()
        return 1

    task = asyncio.create_task(call(kind, step, "stuck"))
    assert await asyncio.to_thread(started.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not left.is_set()
    release.set()
    assert await asyncio.to_thread(left.wait, 10)


def test_a_call_that_never_returns_does_not_keep_the_process():
    program = """
        import asyncio, threading
        from penstock.nodes.function import Threads
        async def main():
            started = threading.Event()
            def stuck():
                started.set()
                threading.Event().wait()
            call = Threads(1).run(stuck)
            await asyncio.to_thread(started.wait)
            call.cancel()
        asyncio.run(main())
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], timeout=20, check=False)
    assert ended.returncode == 0


async def test_a_coroutine_function_is_cancelled_inside(kind, step):
    seen = asyncio.Event()
    never = asyncio.Event()

    @function("sleeps")
    async def _(input):
        try:
            await never.wait()
        finally:
            seen.set()

    task = asyncio.create_task(call(kind, step, "sleeps"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen.is_set()


async def test_threads_carry_context_and_are_bounded_and_reused():
    threads = Threads(2)
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("here")
    assert await threads.run(variable.get) == "here"

    gate, lock = threading.Event(), threading.Lock()
    seen: set[int] = set()
    inside = [0, 0]

    def work(number):
        with lock:
            seen.add(threading.get_ident())
            inside[0] += 1
            inside[1] = max(inside)
        gate.wait(10)
        with lock:
            inside[0] -= 1
        return number

    futures = [threads.run(work, n) for n in range(20)]
    gate.set()
    assert await asyncio.gather(*futures) == list(range(20))
    assert len(seen) <= 2 and inside[1] <= 2
    threads.close()


async def test_a_call_cancelled_before_its_turn_is_never_made():
    threads = Threads(1)
    gate = threading.Event()
    made: list[int] = []
    first = threads.run(gate.wait, 10)
    second = threads.run(made.append, 2)
    second.cancel()
    third = threads.run(made.append, 3)
    gate.set()
    await first
    await third
    assert made == [3]
    threads.close()


async def test_functions_come_from_installed_packages_and_are_imported_when_asked_for(
    kind, step, tmp_path, monkeypatch
):
    info = tmp_path / "acme_functions-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-functions\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[penstock.functions]\nacme.greet = acme_functions:greet\nacme.broken = acme_missing:greet\n"
    )
    (tmp_path / "acme_functions.py").write_text("def greet(input):\n    return 'hello ' + input\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    module._installed.cache_clear()
    try:
        assert {"acme.greet", "acme.broken"} <= set(names())
        assert "acme_functions" not in sys.modules
        assert await call(kind, step, "acme.greet", "you") == "hello you"
        with pytest.raises(StepFailed) as caught:
            await call(kind, step, "acme.broken")
        assert caught.value.code == "function.import_failed"
        assert "acme_missing" in caught.value.message
    finally:
        module._installed.cache_clear()
        unregister("acme.greet")
        sys.modules.pop("acme_functions", None)
