"""Servers that go wrong at each point of the exchange: a named error, a count in the breaker, and nothing that stays or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.tools.conftest import ODD, odd, started

from penstock.errors import Invalid, NotFound, PenstockError, Unavailable
from penstock.tools.config import ServerConfig
from penstock.tools.registry import Servers
from penstock.tools.routing import Wanted

pytestmark = pytest.mark.anyio

BAD = str(Path(__file__).with_name("bad_server.py"))
PATIENCE = 60.0  # seconds after which something hangs


def bad(how: str, **more: object) -> ServerConfig:
    fields = {
        "name": "bad",
        "command": sys.executable,
        "args": [BAD, how],
        "protocol": "legacy",
        "timeout_seconds": 0.5,
    }
    limit = 0.5 if how in ("hangs-initialize", "hangs-list", "nonsense-list", "nonsense-initialize") else 30
    return ServerConfig.model_validate({**fields, "start_timeout_seconds": limit, **more})


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def pool(*configs: ServerConfig, **more: object) -> AsyncIterator[Servers]:
    servers = Servers(configs, builtin=False, **more)  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(PATIENCE):
            yield servers
    finally:
        async with asyncio.timeout(PATIENCE):
            await servers.aclose()


def children() -> list[str]:
    pids = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return [pid for pid in pids if BAD in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("dies-initialize", "tool.server_broken"),
        ("stops-half-way-initialize", "tool.server_broken"),
        ("hangs-initialize", "tool.server_broken"),
        ("babbles-initialize", "tool.server_broken"),
        ("nonsense-initialize", "tool.server_broken"),
        ("dies-list", "tool.server_died"),
        ("stops-half-way-list", "tool.server_died"),
        ("hangs-list", "tool.timeout"),
        ("babbles-list", "tool.server_died"),
        ("nonsense-list", "tool.bad_result"),
        ("dies-call", "tool.server_died"),
        ("stops-half-way-call", "tool.server_died"),
        ("hangs-call", "tool.timeout"),
        ("babbles-call", "tool.server_died"),
        ("nonsense-call", "tool.bad_result"),
        ("ten-megabytes", "tool.result_too_large"),
        ("changes", "tool.changed"),
    ],
)
async def test_it_is_named_and_counted_and_leaves_nothing(how: str, code: str) -> None:
    tasks = asyncio.all_tasks()
    async with pool(bad(how)) as servers:
        with pytest.raises(PenstockError) as caught:
            await servers.call("bad", "do", {})
        assert caught.value.code == code
        assert servers.breakers()["bad"]["failures"] == 1
        assert servers.standing("bad").under_way == 0
    assert children() == []
    assert asyncio.all_tasks() <= tasks | {asyncio.current_task()}


async def test_arguments_that_no_longer_fit_are_refused_with_their_place() -> None:
    async with pool(bad("stricter")) as servers:
        with pytest.raises(Invalid, match="'n' is a required property") as caught:
            await servers.call("bad", "do", {})
        assert caught.value.code == "tool.bad_arguments"


async def test_a_server_that_says_its_tools_changed_is_asked_again() -> None:
    async with pool(bad("announces")) as servers:
        before = await servers.tools("bad")
        assert await servers.call("bad", "do", {}) == {"calls": 1}
        while servers._links["default", "bad"].session.listed is not None:  # noqa: ASYNC110 - nothing tells when it was heard
            await asyncio.sleep(0)
        assert await servers.tools("bad") == before


async def test_after_five_failures_it_is_left_alone_and_then_tried_once() -> None:
    clock, moves = Clock(), []

    def met(server: str, state: str) -> None:
        moves.append((server, state))

    async with pool(ServerConfig(name="gone", command="/no/such/program"), clock=clock) as servers:
        for _ in range(5):
            with pytest.raises(Unavailable) as caught:
                await servers.call("gone", "x", met=met)
            assert caught.value.code == "tool.server_broken"
        with pytest.raises(Unavailable) as caught:
            await servers.call("gone", "x", met=met)
        assert (caught.value.code, caught.value.detail) == ("tool.circuit_open", {"retry_after": 30.0})
        clock.now += 31
        with pytest.raises(Unavailable) as caught:
            await servers.call("gone", "x", met=met)
        assert caught.value.code == "tool.server_broken"
        servers.replace([odd(name="gone")])
        assert await servers.call("gone", "echo", {"text": "a"}, met=met) == {"text": "a"}, (
            "another server, another breaker"
        )
    assert moves == [("gone", "open"), ("gone", "half_open"), ("gone", "open")]


async def test_a_breaker_closes_when_the_trial_goes_well(tmp_path: Path) -> None:
    clock, moves = Clock(), []
    program = tmp_path / "server"
    async with pool(ServerConfig(name="odd", command=str(program), args=["serve"]), clock=clock) as servers:
        for _ in range(5):
            with pytest.raises(Unavailable):
                await servers.tools("odd")
        program.write_text(f"#!/bin/sh\nexec {sys.executable} {ODD} serve\n")
        program.chmod(0o755)
        clock.now += 31
        await servers.call("odd", "echo", {"text": "a"}, met=lambda server, state: moves.append(state))
        assert servers.breakers()["odd"] == {"state": "closed", "failures": 0, "opened_at": None}
    assert moves == ["half_open", "closed"]


class TestProbes:
    async def test_one_that_went_and_came_back_is_noticed(self) -> None:
        clock = Clock()
        first = started([ODD, "serve", "--http"])
        port = first.url.rpartition(":")[2].partition("/")[0]
        async with pool(
            ServerConfig(name="odd", transport="http", url=first.url), clock=clock, chance=lambda: 0.5
        ) as servers:

            async def look() -> str:
                await servers.fresh()
                await servers.probe_due()
                await asyncio.gather(*servers._looks.values())
                return servers.standing("odd").health

            with first:
                assert await look() == "healthy"
            assert await look() == "healthy", "it is not its turn yet"
            clock.now += 31
            assert await look() == "unhealthy"
            assert "no connection" in servers.standing("odd").error
            with started([ODD, "serve", "--http", port]):
                clock.now += 2.1
                assert await look() == "healthy", "one that is not well is looked at sooner"

    async def test_a_program_that_was_never_used_is_not_started(self) -> None:
        async with pool(odd("silent")) as servers:
            await servers.fresh()
            await servers.probe_due()
            assert servers.standing("odd").health == "unknown"
            assert servers._links == {}

    async def test_one_that_declares_nothing_is_not_started_while_another_does_it(self) -> None:
        async with pool(odd("silent", name="mute"), odd(name="open", capabilities={"a.b": "echo"})) as servers:
            assert (await servers.resolve(["a.b"]))[0].name == "open"
            assert servers._links == {}
            ranked = await servers.discovery.ranked(Wanted(("a.b",)), "default", {})
            assert [(one.server, one.score > 0) for one in ranked] == [("open", True), ("mute", False)]
            assert ranked[1].reason == "not asked what it offers: another does it"

    async def test_one_slow_server_delays_nobody(self) -> None:
        slow = odd("silent", name="slow", start_timeout_seconds=PATIENCE * 10)
        async with pool(slow, odd(name="quick")) as servers:
            (config, tool) = await servers.resolve(["test.echo"])
            assert (config.name, tool) == ("quick", "echo"), "nobody waits for the slow one"
            listed = await servers.catalog(seconds=0.01)
            assert [one.tools is None for one in listed] == [True, False]
            assert await servers.call("quick", "echo", {"text": "a"}) == {"text": "a"}


class TestSecrets:
    async def test_the_bearer_token_is_a_secret_by_name_and_a_new_one_counts_at_once(self, tmp_path: Path) -> None:
        wanted = tmp_path / "wanted"
        wanted.write_text("old-token")
        vault = {"key": "old-token"}

        async def secret(group: str, name: str) -> str:
            if name not in vault:
                raise NotFound("there is no such secret", code="secret.not_found")
            return vault[name]

        with started([ODD, "serve", "--http"], {**os.environ, "ODD_BEARER": str(wanted)}) as url:
            config = ServerConfig(name="odd", transport="http", url=url, auth_secret="key")
            async with pool(config, secret=secret) as servers:
                assert await servers.call("odd", "echo", {"text": "my old-token"}) == {"text": "my [redacted]"}
                wanted.write_text("new-token")
                with pytest.raises(PenstockError) as caught:
                    await servers.call("odd", "echo", {"text": ""})
                assert caught.value.code == "tool.refused"
                vault["key"] = "new-token"
                assert await servers.call("odd", "echo", {"text": "a"}) == {"text": "a"}
                del vault["key"]
                wanted.write_text("newest")
                for _ in range(2):
                    with pytest.raises(PenstockError) as caught:
                        await servers.call("odd", "echo", {"text": ""})
                assert caught.value.code == "secret.not_found"

    async def test_what_a_server_says_on_its_death_is_told_without_its_secret(self) -> None:
        async def secret(group: str, name: str) -> str:
            return "out of water"

        async with pool(odd(env_secrets={"TOKEN": "any"}), secret=secret) as servers:
            with pytest.raises(Unavailable) as caught:
                await servers.call("odd", "dies")
        assert "out of water" not in str(caught.value) + caught.value.message
        assert "[redacted]" in caught.value.message


async def test_calls_at_once_are_bounded_and_who_finds_no_place_is_told() -> None:
    async with pool(odd(parallel=1)) as servers:
        await servers.tools("odd")
        long = asyncio.create_task(servers.call("odd", "sleeps", {"seconds": 30}))
        while servers.standing("odd").under_way == 0:  # noqa: ASYNC110 - nothing tells when it has begun
            await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await servers.call("odd", "whoami", {}, 0.05)
        assert caught.value.code == "tool.busy"
        long.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await long
        assert await servers.call("odd", "whoami")


async def test_groups_have_servers_secrets_and_breakers_of_their_own() -> None:
    class Rows:
        async def list(self, group: str, kind: str) -> dict[str, dict[str, object]]:
            return (
                {"mine": {**odd(name="mine").model_dump(mode="json", exclude_defaults=True)}} if group == "team" else {}
            )

    async with pool(registry=Rows()) as servers:
        await servers.fresh("team")
        await servers.fresh("other")
        assert await servers.call("mine", "echo", {"text": "a"}, group="team") == {"text": "a"}
        with pytest.raises(NotFound):
            await servers.call("mine", "echo", {"text": "a"}, group="other")
        assert servers.manifest("mine", "echo", "team") == frozenset()
        assert list(servers.breakers()) == ["team/mine"]
