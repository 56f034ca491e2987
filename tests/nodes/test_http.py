"""The kind `http` against a real server on this machine: what is sent, what comes back, and what is never done."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import json
import socket
import tracemalloc
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.nodes.stub import Step

from penstock.errors import Invalid, PenstockError, Refused, StepFailed, TimedOut, TooLarge, Unavailable
from penstock.nodes.http import Http, HttpConfig
from penstock.nodes.http_gate import judge
from penstock.ports import NodeKind

pytestmark = pytest.mark.anyio


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def reply(status: int = 200, body: bytes | str = b"", **headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = {"content-length": str(len(data))} | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + data


@dataclass
class Server:
    """Answers each request with `answer`; remembers requests and counts connections."""

    answer: Any = field(default_factory=lambda: reply(200, "hello", content_type="text/plain"))
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while line := await reader.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers: dict[str, str] = {}
                while (line := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                request = Request(method, target, headers, body)
                self.requests.append(request)
                answer: Any = self.answer
                if callable(answer):
                    answer = await answer(request, reader, writer)  # type: ignore[misc]
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            return
        finally:
            writer.close()


@pytest.fixture
async def start():
    servers: list[asyncio.Server] = []

    async def begin(answer: Any = None) -> Server:
        server = Server() if answer is None else Server(answer)
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        servers.append(listener)
        server.port = listener.sockets[0].getsockname()[1]
        return server

    yield begin
    for listener in servers:
        listener.close()


@pytest.fixture
async def server(start) -> Server:
    return await start()


@pytest.fixture
async def kind():
    kind = Http()
    yield kind
    await kind.aclose()


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path, secrets={"token": "s3cret-token"})


async def call(kind: Http, step: Step, url: str, **config: Any) -> Any:
    return await kind.run(step, HttpConfig.model_validate({"url": url} | config))


async def failing(kind: Http, step: Step, url: str, **config: Any) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        await call(kind, step, url, **config)
    return caught.value


def test_it_is_a_node_kind():
    kind: NodeKind = Http()
    assert kind.name == "http"
    properties = HttpConfig.model_json_schema()["properties"]
    assert "json" in properties and all(field.get("description") for field in properties.values())


# ------------------------------------------------------------------------------------------------------- requests


async def test_what_is_asked_is_what_is_sent(kind, step, server):
    await call(
        kind, step, f"{server.url}/a/b?x=1", headers={"X-Team": "blue"}, query={"y": ["2", "ü&"], "n": 3, "gone": None}
    )
    (request,) = server.requests
    assert (request.method, request.target) == ("GET", "/a/b?x=1&y=2&y=%C3%BC%26&n=3")
    assert request.headers["x-team"] == "blue"
    assert "idempotency-key" not in request.headers and "authorization" not in request.headers


async def test_bodies_are_json_or_text(kind, start):
    server = await start()
    for number, (config, body, mime) in enumerate(
        (
            ({"json": {"ü": [1, None]}}, '{"ü":[1,null]}'.encode(), "application/json"),
            ({"json": None}, b"null", "application/json"),
            ({"body": "a=1", "headers": {"content-type": "text/x"}}, b"a=1", "text/x"),
            ({"json": 1, "headers": {"Content-Type": "application/x+json"}}, b"1", "application/x+json"),
            ({}, b"", None),
        )
    ):
        await call(kind, Step(Path(), step_id=f"n#{number}"), server.url, method="POST", **config)
        assert server.requests[-1].body == body
        assert server.requests[-1].headers.get("content-type") == mime


async def test_a_request_that_may_change_something_is_sent_once(kind, step, server, tmp_path):
    first = await call(kind, step, server.url, method="POST", json={})
    again = Step(tmp_path, kept=step.kept, attempt=2)
    assert await call(kind, again, server.url, method="POST", json={}) == first
    assert len(server.requests) == 1
    assert server.requests[0].headers["idempotency-key"] == step.key
    assert step.calls == ["request"] and again.calls == []
    await call(kind, step, server.url)
    await call(kind, again, server.url)
    assert len(server.requests) == 3, "a GET is asked anew"


async def test_a_retry_after_a_failure_sends_the_same_key(kind, step, start):
    answers = [reply(503), reply(200, "done")]

    async def answer(*_):
        return answers.pop(0)

    server = await start(answer)
    error = await failing(kind, step, server.url, method="PUT", body="x")
    assert error.retryable and step.kept == {}
    assert (await call(kind, step, server.url, method="PUT", body="x"))["text"] == "done"
    assert [r.headers["idempotency-key"] for r in server.requests] == [step.key] * 2


async def test_the_author_may_give_the_key(kind, step, server):
    await call(kind, step, server.url, method="DELETE", headers={"idempotency-key": "mine"})
    assert server.requests[0].headers["idempotency-key"] == "mine"


async def test_a_secret_is_sent_and_never_shown(kind, step, start):
    async def answer(request, *_):
        return reply(403, "no") if request.target == "/no?key=s3cret-token" else None

    server = await start(answer)
    for target in ("/no?key=s3cret-token", "/dropped?key=s3cret-token"):
        error = await failing(kind, step, server.url + target, auth_secret="token")
        assert server.requests[-1].headers["authorization"] == "Bearer s3cret-token"
        assert "s3cret" not in json.dumps(error.to_dict()) + str(error) + repr(error.__cause__)
    error = await failing(kind, step, server.url, auth_secret="other")
    assert error.code == "secret.not_found"
    step.secrets["token"] = "two\r\nX-Evil: lines"
    error = await failing(kind, step, server.url, auth_secret="token")
    assert error.code == "http.secret" and "Evil" not in error.message


async def test_no_cookie_is_kept(kind, step, start):
    server = await start(reply(200, "x", set_cookie="session=1; Path=/"))
    first = await call(kind, step, server.url)
    await call(kind, step, server.url)
    assert "set-cookie" not in first["headers"]
    assert "cookie" not in server.requests[1].headers
    assert server.connections == 1, "the connection is kept"


async def test_proxies_of_the_environment_are_not_used(kind, step, server, start, monkeypatch):
    proxy = await start()
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    await call(kind, step, server.url)
    assert (len(server.requests), proxy.connections) == (1, 0)


@pytest.mark.parametrize(
    "config",
    [
        {"url": "ftp://host/x"},
        {"url": "file:///etc/passwd"},
        {"url": "gopher://host"},
        {"url": "//host/x"},
        {"url": "http://"},
        {"url": "http:///x"},
        {"url": "http://user:pass@host/"},
        {"url": "http://host:port/"},
        {"url": "http://host:99999/"},
        {"url": "http://good\\@evil/"},
        {"url": "http://ho st/"},
        {"url": "http://host/\r\nX: y"},
        {"url": "http://h/", "headers": {"a b": "x"}},
        {"url": "http://h/", "headers": {"Host": "x"}},
        {"url": "http://h/", "headers": {"Content-Length": "1"}},
        {"url": "http://h/", "headers": {"a": "x\r\nEvil: 1"}},
        {"url": "http://h/", "json": 1, "body": "x"},
        {"url": "http://h/", "expect": [20]},
        {"url": "http://h/", "method": "BREW"},
        {"url": "http://h/", "max_bytes": 0},
        {"url": "http://h/", "timeout_seconds": 0},
        {"url": "http://h/", "payload": 1},
    ],
    ids=str,
)
def test_a_wrong_config_is_refused(config):
    with pytest.raises(ValidationError):
        HttpConfig.model_validate(config)


# ------------------------------------------------------------------------------------------------------ responses


async def test_json_text_and_artifacts(kind, step, start):
    for answer, key, value in (
        (reply(200, '{"a": [1]}', content_type="application/json"), "json", {"a": [1]}),
        (reply(200, "3", content_type="application/problem+json; charset=utf-8"), "json", 3),
        (reply(200, "{broken", content_type="application/json"), "text", "{broken"),
        (reply(200, "grün".encode("latin-1"), content_type="text/plain; charset=latin-1"), "text", "grün"),
        (reply(200, "no type"), "text", "no type"),
        (reply(204, content_length=""), "text", ""),
        (reply(200, "x", content_type="text/plain; charset=klingon"), "artifact", b"x"),
        (reply(200, b"\x89PNG\0", content_type="image/png"), "artifact", b"\x89PNG\0"),
        (reply(200, b"\xff\xfe\0"), "artifact", b"\xff\xfe\0"),
        (reply(200, "x" * 70_000, content_type="text/plain"), "artifact", b"x" * 70_000),
    ):
        server = await start(answer)
        output = await call(kind, step, f"{server.url}/files/logo.png?x=1")
        assert output["status"] in (200, 204)
        assert set(output) == {"status", "headers", key}
        if key == "artifact":
            assert step.saved["logo.png"] == value
            assert output["artifact"]["size"] == len(step.saved["logo.png"])
        else:
            assert output[key] == value


async def test_head_has_no_body(kind, step, start):
    server = await start(b"HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\n\r\n")
    output = await call(kind, step, server.url, method="HEAD")
    assert output["headers"]["content-length"] == "5000000" and output["text"] == ""


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        (301, False),
        (400, False),
        (401, False),
        (404, False),
        (408, True),
        (425, True),
        (429, True),
        (500, True),
        (503, True),
    ],
)
async def test_an_unexpected_status_fails_and_says_whether_to_retry(kind, step, start, status, retryable):
    server = await start(reply(status, '{"why": "so"}', content_type="application/json"))
    error = await failing(kind, step, f"{server.url}/x?token=1")
    assert isinstance(error, StepFailed)
    assert (error.code, error.retryable) == ("http.status", retryable)
    assert error.detail == {"status": status, "body": '{"why": "so"}'}
    assert error.message == f"GET {server.url}/x: answered {status} Status."


async def test_statuses_can_be_expected(kind, step, start):
    server = await start(reply(404, "none"))
    assert (await call(kind, step, server.url, expect=[200, 404]))["status"] == 404
    server.answer = reply(201)
    assert (await failing(kind, step, server.url, expect=[200, 404])).detail["status"] == 201


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"retry_after": "120"}, 120.0),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry_after": "Wed, 21 Oct 2020 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-5"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_carried(kind, step, start, header, seconds):
    server = await start(reply(503, **header))
    assert (await failing(kind, step, server.url)).detail.get("retry_after") == seconds


async def test_a_response_is_bounded_while_it_is_read(kind, step, start):
    async def endless(_request, _reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            await writer.drain()

    bomb = gzip.compress(bytes(50_000_000))
    for answer in (
        reply(200, b"x" * 2_000),
        endless,
        reply(200, bomb, content_encoding="gzip"),
        reply(500, b"x" * 2_000),
    ):
        server = await start(answer)
        error = await failing(kind, step, server.url, max_bytes=1_000)
        assert isinstance(error, TooLarge)
        assert (error.code, error.retryable) == ("http.too_large", False)
    server = await start(reply(200, b"x" * 1_000))
    assert len((await call(kind, step, server.url, max_bytes=1_000))["text"]) == 1_000


async def test_a_packed_bomb_never_unfolds_in_memory(kind, step, start):
    server = await start(reply(200, gzip.compress(bytes(50_000_000)), content_encoding="gzip"))
    tracemalloc.start()
    try:
        await failing(kind, step, server.url, max_bytes=1_000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


async def test_packed_responses_are_unpacked(kind, step, start):
    packed = gzip.compress(b'{"a":1}' + b" " * 100_000)
    server = await start(reply(200, packed, content_encoding="gzip", content_type="application/json"))
    assert (await call(kind, step, server.url))["json"] == {"a": 1}
    for wrong in (
        reply(200, packed[:-20], content_encoding="gzip"),
        reply(200, b"plain", content_encoding="gzip"),
        reply(200, b"x", content_encoding="br"),
    ):
        server.answer = wrong
        assert (await failing(kind, step, server.url)).code == "http.encoding"


async def test_failures_of_the_exchange_may_be_retried(kind, step, start):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{unused.getsockname()[1]}"
        error = await failing(kind, step, refused)
    assert isinstance(error, Unavailable) and error.code == "http.unreachable" and error.retryable

    async def drop(_request, _reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

    for answer in (drop, b"SMTP ready\r\n\r\n"):
        server = await start(answer)
        error = await failing(kind, step, server.url)
        assert error.code == "http.unreachable" and error.retryable
    error = await failing(kind, step, "http://no-such-host.invalid/")
    assert error.code == "http.unreachable" and error.retryable
    error = await failing(kind, step, f"https://127.0.0.1:{server.port}/")
    assert error.code == "http.unreachable"


async def test_the_time_out_covers_the_whole_exchange(kind, step, start):
    async def dripping(_request, reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        await reader.read()

    server = await start(dripping)
    error = await failing(kind, step, server.url, timeout_seconds=0.2)
    assert isinstance(error, TimedOut)
    assert (error.code, error.retryable) == ("http.timeout", True)


async def test_cancelling_closes_the_connection(kind, step, start):
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def hang(_request, reader, _writer):
        arrived.set()
        await reader.read()
        gone.set()

    server = await start(hang)
    task = asyncio.create_task(call(kind, step, server.url))
    async with asyncio.timeout(5):
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()
    server.answer = reply(200, "ok")
    assert (await call(kind, step, server.url))["text"] == "ok"


# ------------------------------------------------------------------------------------------------------ redirects


async def test_a_redirect_is_followed_only_when_asked(kind, step, server, start):
    first = await start(reply(302, location=f"{server.url}/there?x=1"))
    error = await failing(kind, step, first.url)
    assert error.detail["status"] == 302 and server.requests == []
    assert (await call(kind, step, first.url, follow_redirects=True))["text"] == "hello"
    assert server.requests[0].target == "/there?x=1"
    assert server.requests[0].headers["host"] == f"127.0.0.1:{server.port}"


async def test_credentials_stay_with_their_origin(kind, step, server, start):
    async def answer(request, *_):
        if request.target == "/start":
            return reply(307, location="/same")
        return reply(307, location=server.url) if request.target == "/same" else reply(200)

    first = await start(answer)
    config = {"headers": {"X-Api-Key": "k", "Cookie": "c=1", "Accept": "text/plain"}, "auth_secret": "token"}
    await call(kind, step, f"{first.url}/start", method="POST", json=[1], follow_redirects=True, **config)
    same, (other,) = first.requests[1], server.requests
    assert same.headers["authorization"] == "Bearer s3cret-token" and same.headers["x-api-key"] == "k"
    assert not {"authorization", "x-api-key", "cookie"} & set(other.headers)
    assert other.headers["accept"] == "text/plain"
    assert (other.method, other.body, other.headers["idempotency-key"]) == ("POST", b"[1]", step.key)


@pytest.mark.parametrize(
    ("status", "method", "becomes"),
    [(301, "POST", "GET"), (302, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT")],
)
async def test_methods_after_a_redirect(kind, step, start, status, method, becomes):
    async def answer(request, *_):
        return reply(status, location="/next") if request.target == "/" else reply(200)

    server = await start(answer)
    await call(kind, step, server.url, method=method, body="data", follow_redirects=True)
    last = server.requests[-1]
    assert (last.method, last.body) == (becomes, b"" if becomes == "GET" else b"data")


async def test_redirects_end(kind, step, start):
    server = await start(reply(302, location="/again"))
    error = await failing(kind, step, server.url, follow_redirects=True)
    assert isinstance(error, Invalid) and error.code == "http.redirects"
    assert len(server.requests) == 11


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://h/", "http://u:p@h/", "http://[::1", "gopher:x"])
async def test_a_redirect_to_something_else_is_refused(kind, step, start, target):
    server = await start(reply(302, location=target))
    error = await failing(kind, step, server.url, follow_redirects=True)
    assert error.code == "http.url" and not error.retryable


# ------------------------------------------------------------------------------------------------------- the gate

ALWAYS = [
    "169.254.169.254",
    "169.254.0.1",
    "fe80::1",
    "fd00:ec2::254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
]
HIDDEN = ["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]
PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "::",
    "::1",
    "fc00::1",
    "224.0.0.1",
]
HIDDEN_PRIVATE = [
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "ff02::1",
    "255.255.255.255",
]
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


def test_addresses_are_judged():
    for text in ALWAYS + HIDDEN:
        assert judge(ipaddress.ip_address(text), True) and judge(ipaddress.ip_address(text), False), text
    for text in PRIVATE + HIDDEN_PRIVATE:
        assert judge(ipaddress.ip_address(text), True) is None, text
        assert judge(ipaddress.ip_address(text), False), text
    for text in PUBLIC:
        assert judge(ipaddress.ip_address(text), False) is None, text


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "2852039166", "0xa9fea9fe"],
)
async def test_metadata_is_out_of_reach_however_it_is_spelt(kind, step, host):
    error = await failing(kind, step, f"http://{host}/latest/meta-data/", timeout_seconds=5)
    assert isinstance(error, Refused)
    assert (error.code, error.retryable) == ("http.address_refused", False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0", "0.0.0.0", "2130706433", "127.1", "0x7f.1"])
async def test_private_addresses_are_refused_when_said_so(kind, step, server, host):
    url = f"http://{host}:{server.port}/"
    error = await failing(kind, step, url, private=False)
    assert error.code == "http.address_refused"
    assert server.connections == 0


async def test_a_pooled_connection_does_not_lead_past_the_gate(kind, step, server):
    await call(kind, step, server.url)
    assert (await failing(kind, step, server.url, private=False)).code == "http.address_refused"
    assert len(server.requests) == 1


async def test_a_host_may_close_its_private_network_to_every_step(step, server):
    kind = Http(private=False)
    assert (await failing(kind, step, server.url)).code == "http.address_refused"
    await kind.aclose()
    assert server.connections == 0


async def test_a_redirect_meets_the_gate(kind, step, start):
    server = await start(reply(302, location="http://169.254.169.254/latest/meta-data/"))
    error = await failing(kind, step, server.url, follow_redirects=True)
    assert error.code == "http.address_refused"


async def test_a_name_is_asked_once_and_its_answer_is_what_is_connected_to(kind, step, server, monkeypatch):
    """DNS rebinding: the second answer of a name would be a forbidden address."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def changing(host, port, *rest, **more):
        if host != "rebinding.test":
            return real(host, port, *rest, **more)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    url = f"http://rebinding.test:{server.port}/"
    assert (await call(kind, step, url))["text"] == "hello"
    assert len(asked) == 1
    await kind.aclose()
    assert (await failing(kind, step, url)).code == "http.address_refused"


async def test_one_bad_address_of_many_is_enough_to_refuse(kind, step, server, monkeypatch):
    real = socket.getaddrinfo

    def two(host, port, *rest, **more):
        if host != "two.test":
            return real(host, port, *rest, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in ("127.0.0.1", "169.254.169.254")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert (await failing(kind, step, f"http://two.test:{server.port}/")).code == "http.address_refused"
    assert server.connections == 0


async def test_the_next_address_is_tried_when_one_does_not_answer(kind, step, server, monkeypatch):
    real = socket.getaddrinfo

    def two(host, port, *rest, **more):
        if host != "two.test":
            return real(host, port, *rest, **more)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in ("127.0.0.2", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert (await call(kind, step, f"http://two.test:{server.port}/"))["text"] == "hello"


async def test_tls_checks_the_name_not_the_address(step, tmp_path, start):
    """A server with a certificate for localhost: right under that name, refused under another for the same address."""
    import ssl

    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        kind = Http()
        try:
            assert (await call(kind, step, f"https://localhost:{port}/"))["text"] == "hello"
            assert (await failing(kind, step, f"https://127.0.0.1:{port}/")).code == "http.unreachable"
        finally:
            await kind.aclose()
            listener.close()


def make_certificate(folder: Path) -> tuple[Path, Path]:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files
