"""A canary secret and a canary address, planted wherever they can come from, are searched for in every byte that was written.

They stand in a provider's key, in inputs, in what an MCP server's tools answer to an agent and to a step, in what the model answers
and in what it says when it fails. Policies take secrets and personal data out. Then everything that came out is searched, as it is
and in every usual encoding: database and its log, artifacts, results, exports, streams with live pieces, logs, stdout, stderr.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import io
import json
import sqlite3
import sys
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.e2e.shell import Shell, workflow
from tests.models.server import Answer, Provider, call, fails, say

pytestmark = pytest.mark.anyio

PLANTED = "sk-proj-CanaryOfTheMine0123456789xyzABC"  # a secret nobody knows here: found by its form
KEY = 'the+key/of=the canary"0123456789'  # a secret of the vault: no form would give it away
MAIL = "canary.bird@example.com"
SERVER = """
import sys
from mcp.server.mcpserver import MCPServer
server = MCPServer("mine")
@server.tool()
def look(text: str) -> dict:
    return {"seen": text, "by": "MAIL", "with": "PLANTED", "nested": ["MAIL and PLANTED " * 1500]}
@server.tool()
def peek(text: str) -> dict:
    return {"seen": text, "by": "MAIL", "with": "PLANTED", "given": "KEY"}
server.run("stdio")
"""
DOCUMENT = workflow(
    "mine",
    {
        "ask": {
            "kind": "agent",
            "with": {
                "model": "openai:gpt-5",
                "role": "miner",
                "instructions": "Write to ${{ inputs.to }} with ${{ inputs.with }}",
                "tools": [{"server": "mine", "tool": "peek"}],
                "max_turns": 4,
            },
        },
        "call": {"kind": "tool", "with": {"server": "mine", "tool": "look", "arguments": {"text": "${{ inputs.to }}"}}},
        "page": {
            "kind": "render",
            "with": {"name": "page.md", "template": "# ${{ nodes.ask.output.text }} ${{ nodes.call.output }}"},
        },
        "gone": {
            "kind": "agent",
            "on_error": "continue",
            "with": {"model": "openai:gpt-5", "instructions": "fail ${{ inputs.to }}"},
        },
    },
    [("ask", "page"), ("call", "page"), ("page", "gone")],
    inputs={"type": "object", "properties": {"to": {"type": "string"}, "with": {"type": "string"}}},
    outputs={"text": "${{ nodes.ask.output.text }}", "page": "${{ nodes.page.output }}"},
)


def answers(body: dict[str, Any]) -> Answer:
    """By what was asked: a tool is called with the canaries, then everything is said again; the last agent's request fails."""
    messages = body["messages"]
    if "fail" in json.dumps(messages[0]):
        return fails(400, f"{MAIL} with {PLANTED} and {KEY} may not")
    if messages[-1]["role"] == "tool":
        pause = "so it is said, at some length, word by word, "
        return say(f"{pause * 30} {MAIL} {PLANTED} {KEY} {base64.b64encode(KEY.encode()).decode()} {pause * 30}")
    return call("peek", {"text": f"{MAIL} {PLANTED} {KEY}"})


def encodings(word: str) -> Iterator[bytes]:
    """The word as it may stand in what was written."""
    plain = word.encode()
    yield plain
    yield json.dumps(word)[1:-1].encode()
    yield urllib.parse.quote(word, safe="").encode()
    yield urllib.parse.quote_plus(word).encode()
    yield plain.hex().encode()
    for offset in range(3):  # of base64, the letters that do not depend on what stands beside it
        encoded = base64.b64encode(b"\0" * offset + plain)
        core = encoded[(0, 2, 3)[offset] : (offset + len(plain)) // 3 * 4]
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")


NEEDLES = {needle for word in (PLANTED, KEY, MAIL) for needle in encodings(word)}


def unpacked(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes, and what they are when unpacked."""
    yield data
    if depth > 3:
        return
    if data[:2] == b"\x1f\x8b":
        yield from unpacked(gzip.decompress(data), depth + 1)
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield from unpacked(archive.read(name), depth + 1)
    at = data.find(b"\x1f\x8b\x08", 1)  # also within something larger, such as a row
    while at > 0:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(31).decompress(data[at:])
        at = data.find(b"\x1f\x8b\x08", at + 1)


def search(written: dict[str, bytes]) -> list[tuple[str, bytes]]:
    return [
        (name, needle)
        for name, data in written.items()
        for part in unpacked(data)
        for needle in NEEDLES
        if needle in part
    ]


def everything_in(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    database = folder / "penstock.db"
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as reader:  # rows that pages split
        for (table,) in reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for number, row in enumerate(reader.execute(f'SELECT * FROM "{table}"').fetchall()):
                parts = [
                    cell if isinstance(cell, bytes) else str(cell).encode(errors="surrogateescape") for cell in row
                ]
                found[f"penstock.db {table} {number}"] = b"\n".join(parts)
    return found


@pytest.fixture
def mine(shell: Shell) -> Shell:
    """An installation with an MCP server of its own, and policies that take out everything."""
    program = SERVER.replace("MAIL", MAIL).replace("PLANTED", PLANTED).replace("KEY", KEY.replace('"', '\\"'))
    shell.write("mine_server.py", program)
    shell.data.mkdir(parents=True)
    servers = {"mine": {"command": sys.executable, "args": [str(shell.folder / "mine_server.py")]}}
    (shell.data / "servers.json").write_text(json.dumps({"mcpServers": servers}))
    (shell.data / "policies.yaml").write_text("policies: {personal-data: {enabled: true}}")
    return shell


async def typed(shell: Shell, *arguments: str, **more: Any) -> Any:
    """A command that runs while this process answers as the provider."""
    return await asyncio.to_thread(lambda: shell(*arguments, **more))


async def connected(shell: Shell, provider: Provider, written: dict[str, bytes]) -> None:
    ended = await typed(shell, "providers", "set", "openai", "--base-url", provider.url, "--unverified", input=KEY)
    assert ended.code == 0, ended.err
    written["providers set"] = (ended.out + ended.err).encode()


INPUTS = ("-i", f"to={MAIL}", "-i", f"with={PLANTED}")


async def test_nothing_is_written_by_a_command(mine: Shell) -> None:
    written: dict[str, bytes] = {}
    file = mine.write("mine.json", DOCUMENT)
    async with Provider(by=answers) as provider:
        await connected(mine, provider, written)
        ended = await typed(mine, "run", file, *INPUTS, "--json")
        assert ended.code == 0, (ended.out, ended.err)
        run_id = ended.json["run_id"]
        assert "[redacted" in ended.json["outputs"]["text"]
        written["run"] = (ended.out + ended.err).encode()
        sent = json.dumps(provider.bodies).encode()
        assert len(provider.bodies) == 3, "the model was asked twice, and the last agent once"
    for command in (("runs", "show"), ("runs", "events"), ("runs", "export"), ("policies", "test")):
        ended = await typed(mine, *command, run_id)
        assert ended.code == 0, ended.err
        written[" ".join(command)] = (ended.out + ended.err).encode()
    written |= everything_in(mine.data)
    assert search(written) == []
    assert search({"sent to the model": sent}) == []
    journal = written["runs export"]
    assert journal.count(b"policy.decided") >= 4
    assert b"gone#1" in journal
    assert b"[redacted:email] with [redacted:openai_key] and [redacted] may not" in journal


async def test_nothing_is_written_or_streamed_by_a_server(mine: Shell) -> None:
    written: dict[str, bytes] = {}
    running, url = mine.up()
    base, _, token = url.partition("/?token=")
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        Provider(by=answers) as provider,
        httpx2.AsyncClient(base_url=f"{base}/api/v1", headers=headers, timeout=60, trust_env=False) as http,
    ):
        await connected(mine, provider, written)
        rotated = await typed(mine, "secrets", "rotate")  # while the server goes on
        assert (rotated.code, rotated.err) == (0, "1 secret sealed with a new key\n")
        saved = await http.put("/workflows/mine", json=DOCUMENT, headers={"If-None-Match": "*"})
        assert saved.status_code in (200, 201), saved.text
        body = {"workflow": "mine", "inputs": {"to": MAIL, "with": PLANTED}}
        begun = await http.post("/runs", json=body)
        assert begun.status_code == 201, begun.text
        run_id = begun.json()["run_id"]
        written["begun"] = begun.content
        stream = b""
        async with http.stream("GET", f"/runs/{run_id}/stream") as answer:
            async for part in answer.aiter_bytes():
                stream += part
        written["stream"] = stream
        assert b"event: end" in stream
        paths = ["", "/events", "/timeline", "/artifacts", "/export"]
        for path in paths:
            answer = await http.get(f"/runs/{run_id}{path}")
            written[f"GET {path}"] = answer.content
        for path in (
            "/runs",
            "/providers",
            "/secrets",
            "/policies",
            "/dead-letters",
            "/approvals",
            f"/runs/{run_id}/stream",
        ):
            written[f"GET {path}"] = (await http.get(path)).content
        written["metrics"] = (await http.get(f"{base}/metrics")).content
        shown = await http.get(f"/runs/{run_id}")
        assert shown.json()["status"] == "completed", shown.text
        live = live_text(stream)
        assert "[redacted" in live
        assert not search({"live": live.encode()}), "nor in pieces put together"
        ended = await typed(mine, "runs", "export", run_id)
        written["export"] = (ended.out + ended.err).encode()
        sent = json.dumps(provider.bodies).encode()
    written |= {f"while it is up: {name}": data for name, data in everything_in(mine.data).items()}
    running.terminate()
    stopped = await asyncio.to_thread(running.ended)
    written["server"] = (stopped.out + stopped.err).encode()
    written |= everything_in(mine.data)
    assert search(written) == []
    assert search({"sent to the model": sent}) == []


def live_text(stream: bytes) -> str:
    """What was shown while it was said, put together."""
    frames = [frame for frame in stream.split(b"\n\n") if frame.startswith(b"event: delta")]
    pieces = [json.loads(frame.partition(b"data:")[2])["data"] for frame in frames]
    return "".join(piece.get("text", "") for piece in pieces)


def test_the_search_finds_what_is_there() -> None:
    """The proof is worth as much as its search: each encoding of each canary is found, packed and within something larger."""
    for word in (PLANTED, KEY, MAIL):
        forms = [
            word,
            json.dumps(word),
            urllib.parse.quote(word, safe=""),
            base64.b64encode(b"ab" + word.encode() + b"c").decode(),
        ]
        for form in forms:
            for data in (form.encode(), gzip.compress(form.encode()), b"row" + gzip.compress(form.encode()) + b"more"):
                assert search({"x": data}), (word, form)
    assert search({"x": b"nothing to see"}) == []
