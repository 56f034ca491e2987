"""Configurations: what is accepted, and how a capability finds its server."""

from __future__ import annotations

import pytest
from tests.tools.conftest import odd

from penstock.errors import Invalid, NotFound, Unavailable
from penstock.tools.config import ServerConfig, builtin_servers, parse_servers
from penstock.tools.registry import Servers

pytestmark = pytest.mark.anyio


class TestParsing:
    def test_the_file_that_editors_share(self) -> None:
        parsed = parse_servers(
            {
                "mcpServers": {
                    "files": {"command": "npx", "args": ["-y", "server-files"], "env": {"A": "1"}},
                    "web search": {"type": "http", "url": "https://example.org/mcp", "headers": {"X": "y"}},
                    "bare": {"url": "http://127.0.0.1:9/mcp"},
                    "off": {"command": "x", "disabled": True},
                }
            }
        )
        assert [(c.name, c.transport, c.enabled) for c in parsed] == [
            ("files", "stdio", True),
            ("web-search", "http", True),
            ("bare", "http", True),
            ("off", "stdio", False),
        ]
        assert parsed[0].args == ["-y", "server-files"]

    def test_our_own_form_one_or_many(self) -> None:
        one = {"name": "a", "command": "x", "capabilities": {"c": "t"}}
        assert parse_servers(one) == parse_servers([one]) == [ServerConfig.model_validate(one)]

    @pytest.mark.parametrize(
        ("data", "pointer"),
        [
            ({"mcpServers": {"a": {"type": "sse", "url": "http://x"}}}, "/mcpServers/a/transport"),
            ({"mcpServers": {"a": "x"}}, "/mcpServers/a"),
            ({"mcpServers": {"a/b~c": {}}}, "/mcpServers/a~1b~0c"),
            ({"name": "a"}, ""),
            ({"name": "a", "url": "ftp://x"}, "/url"),
            ({"name": "a", "comand": "x", "command": "y"}, "/comand"),
            ([{"name": "a", "command": "x"}, {"name": "", "command": "x"}], "/1/name"),
            ([{"name": "a", "command": "x"}, {"name": "a", "command": "y"}], ""),
            (7, ""),
            (None, ""),
        ],
    )
    def test_what_is_wrong_is_named_with_its_place(self, data: object, pointer: str) -> None:
        with pytest.raises(Invalid) as caught:
            parse_servers(data)
        assert caught.value.code == "server.invalid"
        assert pointer in [problem.pointer for problem in caught.value.problems]

    def test_the_built_in_server_passes_nothing_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        assert set(builtin_servers()[0].environment()) <= {"PATH", "HOME", "LANG", "PYTHONPATH"}


class TestRouting:
    @pytest.fixture
    async def servers(self):
        first = ServerConfig(name="first", command="/no/such", capabilities={"a.b": "one", "only.first": "two"})
        second = ServerConfig(name="second", command="/no/such", capabilities={"a.b": "three", "c": "four"})
        off = ServerConfig(name="off", command="/no/such", capabilities={"off.c": "five"}, enabled=False)
        servers = Servers([first, second, off])
        yield servers
        await servers.aclose()

    @pytest.mark.parametrize("spelling", ["a.b", "A.B", "a-b", "a_b", "ab"])
    async def test_the_first_server_with_the_capability_however_it_is_spelled(self, servers, spelling: str) -> None:
        config, tool = await servers.resolve([spelling])
        assert (config.name, tool) == ("first", "one")

    async def test_a_server_must_have_all_of_them(self, servers) -> None:
        config, tool = await servers.resolve(["a.b", "c"])
        assert (config.name, tool) == ("second", "three")

    async def test_a_named_server_is_taken_over_the_first(self, servers) -> None:
        config, tool = await servers.resolve(["a.b"], server="Second")
        assert (config.name, tool) == ("second", "three")

    async def test_the_built_in_server_is_there_and_comes_last(self, servers) -> None:
        assert (await servers.resolve(["code.scan"]))[1] == "scan_files"
        assert servers.configs()[-1].name == "code"
        assert servers.capabilities()["a.b"] == ["first", "second"]
        assert "off.c" not in servers.capabilities()

    async def test_a_server_of_the_same_name_replaces_the_built_in_one(self) -> None:
        mine = ServerConfig(name="code", command="x", capabilities={"code.scan": "my_scan"})
        assert (await Servers([mine]).resolve(["code.scan"]))[1] == "my_scan"

    @pytest.mark.parametrize(
        ("ask", "code", "told"),
        [
            ({"capabilities": ["code.scna"]}, "tool.no_server", "code.scan"),
            ({"capabilities": ["off.c"]}, "tool.no_server", "no server offers"),
            ({"capabilities": ["c"], "server": "first"}, "tool.no_server", "does not offer 'c'"),
            ({"capabilities": ["c"], "server": "secnd"}, "tool.no_server", "second"),
            ({"server": "off", "tool": "x"}, "tool.no_server", "switched off"),
            ({"server": "first"}, "tool.unknown", "name a tool"),
        ],
    )
    async def test_what_cannot_be_resolved_says_why(self, ask: dict, code: str, told: str) -> None:
        first = ServerConfig(name="first", command="/no/such", capabilities={"a.b": "one"})
        second = ServerConfig(name="second", command="/no/such", capabilities={"c": "two"})
        off = ServerConfig(name="off", command="/no/such", capabilities={"off.c": "three"}, enabled=False)
        servers = Servers([odd(capabilities={"z": "echo"}), first, second, off])
        try:
            with pytest.raises(NotFound, match=told) as caught:
                await servers.resolve(**ask)
            assert caught.value.code == code
        finally:
            await servers.aclose()

    async def test_a_server_that_declares_nothing_is_asked_what_its_tools_offer(self) -> None:
        servers = Servers([odd()], builtin=False)
        try:
            assert (await servers.resolve(["test_echo"]))[1] == "echo"
            assert (await servers.resolve(tool="ECHO"))[1] == "echo"
            assert (await servers.resolve(server="odd", tool="json-text"))[1] == "json_text"
        finally:
            await servers.aclose()

    async def test_when_a_server_cannot_be_asked_it_may_be_the_one(self) -> None:
        servers = Servers([odd("exits")])
        try:
            with pytest.raises(Unavailable, match="could not ask odd") as caught:
                await servers.resolve(["test.echo"])
            assert caught.value.retryable
        finally:
            await servers.aclose()
