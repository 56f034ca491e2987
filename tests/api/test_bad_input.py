"""The table of bad input: each entry is answered at once, with a stable code and the place of the mistake."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

SECONDS = 5.0  # one, on a machine that does nothing else
MEBIBYTES = 64  # over the most that was held before, by the client in the same process too

YAML = {"Content-Type": "application/yaml"}
JSON = {"Content-Type": "application/json"}


@dataclass
class Bad:
    """`pointer` is that of an entry of errors[], whose code is `at`; None where there is no place to name."""

    name: str
    status: int
    code: str
    path: str = "/runs"
    method: str = "POST"
    content: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    at: str | None = None
    pointer: str | None = None
    hint: str | None = None


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


def run(**more: Any) -> bytes:
    return body({"workflow": "double", **more})


def workflow(name: str, **more: Any) -> str:
    return json.dumps({"penstock": 1, "name": name, **more})


def expression(text: str) -> bytes:
    node = {"kind": "function", "with": {"function": "api_double", "input": {"value": "${{ " + text + " }}"}}}
    return workflow("bad", nodes={"a": node}).encode()


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)
CYCLE = workflow(
    "bad",
    nodes={n: {"kind": "wait", "with": {"seconds": 0}} for n in "ab"},
    edges=[{"from": "a", "to": "b"}, {"from": "b", "to": "a"}],
)

TABLE = [
    Bad(
        "JSON that is none",
        400,
        "body.malformed",
        content=b'{"workflow": ',
        headers=JSON,
        at="body.malformed",
        pointer="",
    ),
    Bad("bytes that are no text", 400, "body.malformed", content=b'{"workflow": "\xff"}', headers=JSON),
    Bad("half a surrogate pair", 400, "body.malformed", content=b'{"workflow": "\\ud800"}', headers=JSON),
    Bad(
        "not a number", 400, "body.malformed", content=b'{"workflow": "double", "inputs": {"value": NaN}}', headers=JSON
    ),
    Bad(
        "a NUL character",
        422,
        "body.not_text",
        content=b'{"workflow": "double", "inputs": {"x": "\\u0000"}}',
        headers=JSON,
        at="body.not_text",
        pointer="/inputs/x",
    ),
    Bad("no object", 422, "body.invalid", content=b"[]", headers=JSON, at="body.invalid", pointer=""),
    Bad("no body", 422, "body.invalid", at="body.missing", pointer=""),
    Bad(
        "another media type",
        415,
        "body.media_type",
        content=b"workflow=double",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
    Bad(
        "depth without end",
        422,
        "body.too_deep",
        content=b'{"workflow":"double","inputs":' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}",
        headers=JSON,
        at="body.too_deep",
    ),
    Bad("depth past the parser", 400, "body.malformed", content=b"[" * 100_000 + b"]" * 100_000, headers=JSON),
    Bad("values without end", 413, "body.too_many_values", content=b"[" + b"[]," * 2_000_000 + b"[]]", headers=JSON),
    Bad("a body without end", 413, "body.too_large", content=b'{"workflow":"' + b"a" * 9_000_000 + b'"}', headers=JSON),
    Bad(
        "a wrong type",
        422,
        "body.invalid",
        content=run(version="1"),
        headers=JSON,
        at="body.invalid",
        pointer="/version",
    ),
    Bad(
        "a number that is a truth",
        422,
        "body.invalid",
        content=run(version=True),
        headers=JSON,
        at="body.invalid",
        pointer="/version",
    ),
    Bad(
        "an unknown key",
        422,
        "body.invalid",
        content=run(input={}),
        headers=JSON,
        at="body.unknown_key",
        pointer="/input",
        hint="inputs",
    ),
    Bad(
        "an unknown mode",
        422,
        "body.invalid",
        content=run(run_mode="fast"),
        headers=JSON,
        at="body.invalid",
        pointer="/run_mode",
    ),
    Bad(
        "a name that is none",
        422,
        "body.invalid",
        content=body({"workflow": "../x"}),
        headers=JSON,
        at="body.invalid",
        pointer="/workflow",
    ),
    Bad("an unknown workflow", 404, "workflow.not_found", content=body({"workflow": "nothing"}), headers=JSON),
    Bad(
        "missing inputs",
        422,
        "inputs.invalid",
        content=body({"workflow": "gated"}),
        headers=JSON,
        at="inputs.missing",
        pointer="/inputs/gate",
    ),
    Bad(
        "an unknown input",
        422,
        "inputs.invalid",
        content=run(inputs={"valeu": 1}),
        headers=JSON,
        at="inputs.unknown",
        pointer="/inputs/valeu",
        hint="value",
    ),
    Bad(
        "an input of a wrong type",
        422,
        "inputs.invalid",
        content=run(inputs={"value": "1"}),
        headers=JSON,
        at="inputs.type",
        pointer="/inputs/value",
    ),
    Bad(
        "a reserved key",
        422,
        "body.reserved_key",
        content=run(inputs={"$spilled": "x"}),
        headers=JSON,
        at="body.reserved_key",
        pointer="/inputs/$spilled",
    ),
    Bad(
        "a limit that is none",
        422,
        "limits.invalid",
        content=run(limits={"usd": -1}),
        headers=JSON,
        pointer="/limits/usd",
    ),
    Bad(
        "a key without end",
        422,
        "idempotency.bad_key",
        content=run(),
        headers={**JSON, "Idempotency-Key": "k" * 300},
        at="idempotency.bad_key",
        pointer="/header/Idempotency-Key",
    ),
    Bad(
        "YAML that is none",
        400,
        "body.malformed",
        "/workflows",
        content=b"name: [a\nnodes: }",
        headers=YAML,
        at="document.syntax",
    ),
    Bad(
        "a key twice",
        422,
        "workflow.invalid",
        "/workflows",
        content=b"name: bad\nnodes: {}\nname: worse\n",
        headers=YAML,
        at="document.duplicate_key",
        pointer="/name",
    ),
    Bad(
        "a hundred levels",
        422,
        "workflow.invalid",
        "/workflows",
        content=b"name: bad\nnodes: " + b"[" * 100 + b"]" * 100,
        headers=YAML,
        at="document.too_deep",
    ),
    Bad(
        "a hundred levels of JSON",
        422,
        "workflow.invalid",
        "/workflows",
        headers=JSON,
        at="document.too_deep",
        content=b'{"name": "bad", "nodes": ' + b"[" * 100 + b"]" * 100 + b"}",
    ),
    Bad("a billion laughs", 422, "workflow.invalid", "/workflows", content=LAUGHS.encode(), headers=YAML),
    Bad(
        "a tag that makes objects",
        422,
        "workflow.invalid",
        "/workflows",
        content=b"name: !!python/object/apply:os.system [id]",
        headers=YAML,
        at="document.tag",
    ),
    Bad(
        "a document without end",
        413,
        "body.too_large",
        "/workflows",
        content=b"name: " + b"a" * 2_000_000,
        headers=YAML,
    ),
    Bad(
        "a document of a wrong type",
        422,
        "workflow.invalid",
        "/workflows",
        content=b"- a\n- b\n",
        headers=YAML,
        at="document.type",
    ),
    Bad("an unknown run", 404, "run.not_found", "/runs/run_nothing", "GET"),
    Bad(
        "a run id that is none",
        422,
        "parameter.invalid",
        "/runs/a%20b",
        "GET",
        at="parameter.invalid",
        pointer="/path/run_id",
    ),
    Bad("a cursor that is none", 422, "cursor.invalid", "/runs?cursor=nonsense", "GET"),
    Bad("a cursor of another list", 422, "cursor.invalid", "/runs?cursor=WzFd", "GET"),
    Bad(
        "a limit past the largest",
        422,
        "parameter.invalid",
        "/runs?limit=201",
        "GET",
        at="parameter.invalid",
        pointer="/query/limit",
    ),
    Bad(
        "an unknown status",
        422,
        "parameter.invalid",
        "/runs?status=done",
        "GET",
        at="parameter.invalid",
        pointer="/query/status",
    ),
    Bad(
        "a seq that is none",
        422,
        "parameter.invalid",
        "/runs/x/events?after=-1",
        "GET",
        at="parameter.invalid",
        pointer="/query/after",
    ),
    Bad(
        "a seq past any",
        422,
        "parameter.invalid",
        "/runs/x?at=99999999999999999999",
        "GET",
        at="parameter.invalid",
        pointer="/query/at",
    ),
    Bad(
        "an ETag that is old",
        412,
        "etag.mismatch",
        "/workflows/double",
        "PUT",
        workflow("double").encode(),
        {**JSON, "If-Match": '"old"'},
    ),
    Bad("no ETag", 428, "etag.required", "/workflows/double", "PUT", workflow("double").encode(), JSON),
    Bad("nothing there", 404, "route.not_found", "/nothing", "GET"),
    Bad("a method that is not possible", 405, "method.not_allowed", "/runs", "DELETE"),
    Bad(
        "a digest that is none",
        422,
        "parameter.invalid",
        "/artifacts/sha256:..",
        "GET",
        at="parameter.invalid",
        pointer="/path/digest",
    ),
    Bad("a digest that leads elsewhere", 404, "route.not_found", "/artifacts/..%2f..%2fetc", "GET"),
]
DOCUMENTS = [
    (
        "an unknown kind",
        workflow("bad", nodes={"a": {"kind": "functoin"}}),
        "kind.unknown",
        "/nodes/a/kind",
        "function",
    ),
    ("an unknown key", workflow("bad", nods={}), "document.unknown_key", "/nods", "nodes"),
    (
        "an unknown key of a node",
        workflow("bad", nodes={"a": {"kind": "wait", "whith": {}}}),
        "document.unknown_key",
        "/nodes/a/whith",
        "with",
    ),
    ("a cycle without a bound", CYCLE, None, None, None),
    ("a power without end", expression("9**9**9").decode(), None, "/nodes/a/with/input/value", None),
    ("a wrong type", workflow("bad", nodes=[1]), "document.type", "/nodes", None),
]


def memory() -> int:
    """The most memory this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
async def test_bad_input_is_refused_with_its_place(house, bad, is_problem):
    held, began = memory(), time.monotonic()
    answer = await house.http.request(bad.method, bad.path, content=bad.content, headers=bad.headers)
    assert time.monotonic() - began < SECONDS
    assert memory() - held < MEBIBYTES
    found = is_problem(answer, bad.status, bad.code)
    assert len(answer.content) < 50_000
    if bad.pointer is not None or bad.at is not None:
        places = [e for e in found["errors"] if (bad.pointer in (None, e["pointer"])) and (bad.at in (None, e["code"]))]
        assert places, found["errors"]
        if bad.hint is not None:
            assert bad.hint in places[0]["hint"]
    assert (await house.bare.get("/healthz")).status_code == 200


@pytest.mark.parametrize(("name", "text", "code", "pointer", "hint"), DOCUMENTS, ids=[d[0] for d in DOCUMENTS])
@pytest.mark.parametrize("media", [JSON, YAML], ids=["json", "yaml"])
async def test_bad_documents_are_judged_with_places_and_lines(house, name, text, code, pointer, hint, media):
    began = time.monotonic()
    answer = await house.http.post("/workflows/bad/validate", content=text, headers=media)
    assert time.monotonic() - began < SECONDS
    assert answer.status_code == 200
    checked = answer.json()
    assert checked["valid"] is False, name
    found = [p for p in checked["problems"] if pointer in (None, p["pointer"]) and code in (None, p["code"])]
    assert found, checked["problems"]
    assert found[0]["line"] >= 1
    if hint is not None:
        assert hint in found[0]["hint"]


@pytest.mark.parametrize("text", ["9**9**9", "'a' * 1000000000", "range(1000000000)", "[1,2,3].map(x, range(100000))"])
async def test_an_expression_without_end_ends(house, text):
    """Whether it is refused as it is written or when it is evaluated: the run ends, and soon."""
    name = "endless"
    document = json.loads(expression(text)) | {"name": name}
    put = (
        {"If-Match": "*"} if (await house.http.get(f"/workflows/{name}")).status_code == 200 else {"If-None-Match": "*"}
    )
    assert (await house.http.put(f"/workflows/{name}", json=document, headers=put)).is_success
    held, began = memory(), time.monotonic()
    answer = await house.http.post("/runs", json={"workflow": name}, headers={"Prefer": "wait=10"})
    assert time.monotonic() - began < SECONDS
    assert memory() - held < MEBIBYTES
    if answer.status_code == 201:
        assert answer.json()["status"] == "failed"
        assert answer.json()["error"]["code"].startswith(("expr.", "step.", "limit."))
    else:
        assert answer.status_code == 422


async def test_a_body_that_is_announced_too_large_is_not_waited_for(house):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    headers = f"Host: x\r\nAuthorization: Bearer {house.token}\r\nContent-Type: application/json\r\nContent-Length: 99999999999"
    writer.write(f"POST /api/v1/runs HTTP/1.1\r\n{headers}\r\n\r\n".encode())
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).split()[1] == b"413"
    writer.close()


async def test_a_body_that_does_not_say_its_size_is_counted(house, is_problem):
    async def endless():
        yield b'{"workflow": "'
        for _ in range(20_000):
            yield b"a" * 1024

    answer = await house.http.post("/runs", content=endless(), headers=JSON)
    is_problem(answer, 413, "body.too_large")


async def test_headers_have_an_end(house):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rpartition(":")[2]))
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 70_000)
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).split()[1] == b"431"
    writer.close()


async def test_every_problem_is_named_at_once(house, is_problem):
    answer = await house.http.post("/runs", json={"workflo": 1, "inputs": [], "version": 0})
    found = {error["pointer"] for error in is_problem(answer, 422, "body.invalid")["errors"]}
    assert found == {"", "/workflo", "/inputs", "/version"}
