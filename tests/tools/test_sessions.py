"""Sessions with servers that behave, die, hang and talk nonsense. Each server is a real process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest
from tests.tools.conftest import ODD, odd, started

from penstock.errors import Invalid, NotFound, PenstockError, StepFailed, TimedOut, TooLarge, Unavailable
from penstock.tools.config import ServerConfig
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def pool(*configs: ServerConfig):
    servers = Servers(configs, builtin=False)
    try:
        yield servers
    finally:
        await servers.aclose()


def exists(pid: int) -> bool:
    """Whether there is such a process, a zombie included."""
    return Path(f"/proc/{pid}").exists()


async def gone(pid: int) -> None:
    """Returns when the process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    try:
        async with asyncio.timeout(10):
            await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def children(word: str) -> list[str]:
    """Our child processes, zombies included, whose command line has `word` in it."""
    pids = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in pids if word in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.fixture(params=["stdio-auto", "stdio-legacy", "http-auto", "http-legacy"])
async def each(request: pytest.FixtureRequest, http_server: str):
    """The same server over both transports, in both protocol versions."""
    transport, protocol = request.param.split("-")
    if transport == "http":
        config = ServerConfig(name="odd", transport="http", url=http_server, protocol=protocol)
    else:
        config = odd(protocol=protocol)
    async with pool(config) as servers:
        yield servers, protocol


class TestResults:
    async def test_the_protocol_asked_for_is_spoken(self, each) -> None:
        servers, protocol = each
        told = await servers.probe("odd")
        assert told["protocol"] == ("2026-07-28" if protocol == "auto" else "2025-11-25")
        assert "echo" in told["tools"]

    async def test_structured_content_is_the_result(self, each) -> None:
        assert await each[0].call("odd", "echo", {"text": "grüße"}) == {"text": "grüße"}

    async def test_text_is_read_as_json_when_the_tool_has_an_output_schema(self, each) -> None:
        assert await each[0].call("odd", "json_text") == {"n": 7}

    async def test_other_text_is_under_text_and_other_blocks_beside_it(self, each) -> None:
        result = await each[0].call("odd", "plain_text")
        assert result["text"] == "two\nlines"
        assert result["content"] == [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]

    async def test_a_tool_that_fails_is_a_failed_step_not_worth_a_retry(self, each) -> None:
        with pytest.raises(StepFailed, match="the fish is gone") as caught:
            await each[0].call("odd", "fails")
        assert (caught.value.code, caught.value.retryable) == ("tool.error", False)

    async def test_an_exception_in_a_server_is_a_failed_step(self, each) -> None:
        with pytest.raises(StepFailed) as caught:
            await each[0].call("odd", "raises")
        assert (caught.value.code, caught.value.retryable) == ("tool.error", False)

    async def test_a_result_against_the_tools_own_schema_is_refused(self, each) -> None:
        with pytest.raises(StepFailed, match="'many'") as caught:
            await each[0].call("odd", "broken_promise")
        assert caught.value.code == "tool.bad_result"

    async def test_the_idempotency_key_reaches_the_server(self, each) -> None:
        assert (await each[0].call("odd", "whoami", key="run-1/step-2"))["key"] == "run-1/step-2"

    async def test_too_large_a_result_fails_that_call_only(self, each) -> None:
        servers, _ = each
        with pytest.raises(TooLarge, match="8 MiB") as caught:
            await servers.call("odd", "big", {"size": 10 << 20})
        assert caught.value.code == "tool.result_too_large"
        assert len((await servers.call("odd", "big", {"size": 1 << 20}))["text"]) == 1 << 20

    async def test_a_slow_call_times_out_and_the_session_lives_on(self, each) -> None:
        servers, _ = each
        who = await servers.call("odd", "whoami")
        with pytest.raises(TimedOut, match=r"0\.05 s") as caught:
            await servers.call("odd", "sleeps", {"seconds": 60}, 0.05)
        assert (caught.value.code, caught.value.retryable) == ("tool.timeout", True)
        assert await servers.call("odd", "whoami") == who

    async def test_a_cancelled_call_is_cancelled_in_the_server_and_nowhere_else(self, each) -> None:
        servers, _ = each
        before = await servers.call("odd", "state")
        call = asyncio.create_task(servers.call("odd", "sleeps", {"seconds": 60}))
        other = asyncio.create_task(servers.call("odd", "sleeps", {"seconds": 0.3}))
        async with asyncio.timeout(5):
            while (await servers.call("odd", "state"))["slept"] < before["slept"] + 2:
                pass
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            while (await servers.call("odd", "state"))["cancelled"] == before["cancelled"]:
                pass
        assert (await other)["text"] == "woke up"


class TestArguments:
    async def test_arguments_are_checked_before_anything_is_sent(self, servers: Servers) -> None:
        with pytest.raises(Invalid) as caught:
            await servers.call("odd", "echo", {"text": 7})
        assert caught.value.code == "tool.bad_arguments"
        assert [problem.pointer for problem in caught.value.problems] == ["/arguments/text"]

    async def test_an_unknown_tool_or_server_names_the_nearest(self, servers: Servers) -> None:
        with pytest.raises(NotFound, match="'echo'") as caught:
            await servers.call("odd", "ecko")
        assert caught.value.code == "tool.unknown"
        with pytest.raises(NotFound, match="'odd'") as caught:
            await servers.call("ood", "echo")
        assert caught.value.code == "tool.no_server"


class TestPool:
    async def test_one_process_serves_all_calls_and_they_overlap(self, servers: Servers) -> None:
        async with asyncio.timeout(5):
            calls = [servers.call("odd", "sleeps", {"seconds": 0.2}) for _ in range(40)]
            whos = [servers.call("odd", "whoami") for _ in range(10)]
            results = await asyncio.gather(*calls, *whos)
        assert len({who["pid"] for who in results[40:]}) == 1

    async def test_a_child_sees_only_its_own_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PENSTOCK_SECRET_FOR_TEST", "42")
        async with pool(odd(env={"GIVEN": "yes"})) as servers:
            seen = await servers.call("odd", "environment")
        assert seen["GIVEN"] == "yes"
        assert set(seen) <= {"PATH", "HOME", "LANG", "GIVEN", "LC_CTYPE"}

    async def test_closing_ends_the_child_and_what_it_started(self) -> None:
        async with pool(odd()) as servers:
            pid = (await servers.call("odd", "whoami"))["pid"]
            grandchild = (await servers.call("odd", "grandchild"))["pid"]
            assert exists(pid)
            assert exists(grandchild)
        assert not exists(pid), "reaped, not left as a zombie"
        await gone(grandchild)

    async def test_closing_ends_a_child_that_heeds_nothing(self) -> None:
        async with pool(odd("deaf", start_timeout_seconds=0.2)) as servers:
            with pytest.raises(Unavailable):
                await servers.tools("odd")
        assert children("deaf") == []

    async def test_a_replaced_configuration_gets_a_new_process(self, servers: Servers) -> None:
        first = (await servers.call("odd", "whoami"))["pid"]
        servers.replace([odd()])
        assert (await servers.call("odd", "whoami"))["pid"] == first, "nothing changed"
        servers.replace([odd(env={"A": "1"})])
        assert (await servers.call("odd", "whoami"))["pid"] != first
        await gone(first)


class TestFailures:
    async def test_death_in_the_middle_of_a_call(self, servers: Servers) -> None:
        waiting = asyncio.create_task(servers.call("odd", "sleeps", {"seconds": 60}))
        pid = (await servers.call("odd", "whoami"))["pid"]
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable, match="out of water") as caught:
                await servers.call("odd", "dies")
            with pytest.raises(Unavailable):
                await waiting
        assert (caught.value.code, caught.value.retryable) == ("tool.server_died", True)
        assert (await servers.call("odd", "whoami"))["pid"] != pid, "the next call has a new server"

    async def test_a_server_that_died_while_idle_is_started_again(self, servers: Servers) -> None:
        pid = (await servers.call("odd", "whoami"))["pid"]
        os.kill(pid, 9)
        await gone(pid)
        assert (await servers.call("odd", "whoami"))["pid"] != pid

    async def test_a_call_that_may_have_done_something_is_not_made_again(
        self, servers: Servers, tmp_path: Path
    ) -> None:
        with pytest.raises(Unavailable):
            await servers.call("odd", "marks_and_dies", {"path": str(tmp_path / "mark")})
        assert (tmp_path / "mark").read_text() == "called\n"

    async def test_a_call_that_kills_its_server_each_time_ends(self, servers: Servers) -> None:
        async with asyncio.timeout(10):
            with pytest.raises(Unavailable, match="exit status 9"):
                await servers.call("odd", "dies_reading")

    async def test_an_http_server_that_was_restarted_is_met_again(self) -> None:
        first = started([ODD, "serve", "--http"])
        port = first.url.rpartition(":")[2].partition("/")[0]
        config = ServerConfig(name="odd", transport="http", url=first.url, protocol="legacy")
        async with pool(config) as servers:
            with first:
                assert (await servers.call("odd", "count"))["n"] == 1
            with pytest.raises(Unavailable) as caught:
                await servers.call("odd", "count")
            assert caught.value.code in ("tool.server_died", "tool.server_broken")
            with started([ODD, "serve", "--http", port]):
                assert (await servers.call("odd", "count"))["n"] == 1

    async def test_an_http_session_the_server_forgot_is_opened_again(self) -> None:
        first = started([ODD, "serve", "--http"])
        port = first.url.rpartition(":")[2].partition("/")[0]
        config = ServerConfig(name="odd", transport="http", url=first.url, protocol="legacy")
        async with pool(config) as servers:
            with first:
                assert (await servers.call("odd", "count"))["n"] == 1
            with started([ODD, "serve", "--http", port]):
                assert (await servers.call("odd", "count"))["n"] == 1, "a new session, and one call"

    async def test_no_http_server_at_all(self) -> None:
        with started([ODD, "serve", "--http"]) as url:
            pass
        async with asyncio.timeout(10), pool(ServerConfig(name="odd", transport="http", url=url)) as servers:
            with pytest.raises(Unavailable, match="no connection") as caught:
                await servers.call("odd", "count")
            assert (caught.value.code, caught.value.retryable) == ("tool.server_broken", True)

    @pytest.mark.parametrize(
        ("mode", "told"),
        [
            ("garbage", "Welcome to the fish server"),
            ("silent", "no answer within 0.5 s"),
            ("exits", "no such database"),
        ],
    )
    async def test_a_server_that_never_speaks_sense(self, mode: str, told: str) -> None:
        async with (
            asyncio.timeout(10),
            pool(odd(mode, start_timeout_seconds=0.5 if mode == "silent" else 60)) as servers,
        ):
            with pytest.raises(Unavailable, match=told) as caught:
                await servers.call("odd", "echo", {"text": ""})
            assert (caught.value.code, caught.value.retryable) == ("tool.server_broken", True)

    async def test_a_banner_before_the_protocol_is_forgiven(self) -> None:
        async with pool(odd("chatty")) as servers:
            assert await servers.call("odd", "echo", {"text": "hi"}) == {"text": "hi"}

    @pytest.mark.parametrize("command", ["/no/such/program", "/etc/passwd"])
    async def test_a_program_that_cannot_be_started(self, command: str) -> None:
        async with pool(ServerConfig(name="odd", command=command)) as servers:
            with pytest.raises(Unavailable) as caught:
                await servers.tools("odd")
            assert caught.value.code == "tool.server_broken"

    async def test_only_the_end_of_a_flood_on_stderr_is_kept(self, servers: Servers) -> None:
        with pytest.raises(Unavailable) as caught:
            await servers.call("odd", "noise")
        assert caught.value.message.endswith("the end")
        assert len(caught.value.message) < 4000

    async def test_cancelling_the_first_caller_does_not_take_the_start_from_the_second(self) -> None:
        async with pool(odd()) as servers:
            first = asyncio.create_task(servers.call("odd", "whoami"))
            second = asyncio.create_task(servers.call("odd", "whoami"))
            await asyncio.sleep(0)
            first.cancel()
            assert (await second)["pid"]

    async def test_closing_while_a_server_starts_leaves_no_process(self) -> None:
        servers = Servers([odd("silent")], builtin=False)
        start = asyncio.create_task(servers.tools("odd"))
        async with asyncio.timeout(10):
            while not children("silent"):  # noqa: ASYNC110  (nothing tells from outside when it has been started)
                await asyncio.sleep(0)
            await servers.aclose()
            with pytest.raises(PenstockError):
                await start
        assert children("silent") == []


async def test_ids_at_either_end_of_a_line_too_long_are_found(tmp_path: Path) -> None:
    """Some servers write the id first, some last; the call fails by name either way."""
    script = tmp_path / "server.py"
    script.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    m = json.loads(line)\n"
        "    if 'id' not in m: continue\n"
        "    if m['method'] == 'initialize':\n"
        "        r = {'protocolVersion': '2025-11-25', 'capabilities': {'tools': {}},\n"
        "             'serverInfo': {'name': 'x', 'version': '1'}}\n"
        "    elif m['method'] == 'tools/list':\n"
        "        r = {'tools': [{'name': n, 'inputSchema': {'type': 'object'}} for n in ('first', 'last')]}\n"
        "    elif m['method'] == 'tools/call':\n"
        "        r = {'content': [{'type': 'text', 'text': 'x' * (33 << 20)}]}\n"
        "    else:\n"
        "        print(json.dumps({'jsonrpc': '2.0', 'id': m['id'], 'error': {'code': -32601, 'message': 'no'}}))\n"
        "        sys.stdout.flush(); continue\n"
        "    head = {'jsonrpc': '2.0', 'id': m['id'], 'result': r}\n"
        "    if m['method'] == 'tools/call' and m['params']['name'] == 'last':\n"
        "        head = {'jsonrpc': '2.0', 'result': r, 'id': m['id']}\n"
        "    print(json.dumps(head)); sys.stdout.flush()\n"
    )
    async with pool(ServerConfig(name="odd", command=sys.executable, args=[str(script)])) as servers:
        for tool in ("first", "last"):
            with pytest.raises(TooLarge):
                await servers.call("odd", tool)
