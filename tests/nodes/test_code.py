"""The kind `code`: what an author writes, what comes back, and what is said when it is wrong. The same for each runtime."""

from __future__ import annotations

import os
import shutil
import textwrap
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.nodes.stub import Step

from penstock.errors import Invalid, PenstockError, Refused
from penstock.nodes.code import Ceiling, Code, CodeConfig
from penstock.nodes.sandbox.cpython import CPython
from penstock.ports import NodeKind

pytestmark = pytest.mark.anyio

NO_BWRAP = pytest.mark.skipif(
    shutil.which("bwrap") is None and os.environ.get("CI") != "true", reason="bubblewrap is not installed"
)


@pytest.fixture(scope="module", params=["monty", pytest.param("bwrap", marks=NO_BWRAP), "landlock"])
async def how(request, anyio_backend):
    """The kind, and which runtime to ask it for."""
    if request.param == "monty":
        kind = Code()
        yield kind, "monty"
    else:
        kind = Code(cpython=CPython((request.param,)))
        yield kind, "cpython"
    await kind.aclose()


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path)


async def run(how, step: Step, source: str, **config):
    kind, runtime = how
    return await kind.run(step, CodeConfig(source=textwrap.dedent(source), runtime=runtime, **config))


async def error_of(how, step: Step, source: str, **config) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        await run(how, step, source, **config)
    return caught.value


def test_it_is_a_node_kind_whose_source_takes_no_expressions():
    kind: NodeKind = Code()
    assert (kind.name, kind.literal) == ("code", {"source"})
    schema = CodeConfig.model_json_schema()
    for properties in (schema["properties"], schema["$defs"]["Allow"]["properties"]):
        assert all(field.get("description") for field in properties.values())


async def test_main_takes_the_input_and_gives_the_output(how, step):
    value = {"text": "naïve 🜁", "rows": [1, 2.5, None, True, {"deep": []}], "big": 2**53}
    assert await run(how, step, "def main(input):\n    return input", input=value) == value
    assert await run(how, step, "async def main(input):\n    return [input]", input="x") == ["x"]
    assert await run(how, step, "def main(input):\n    pass") is None
    assert await run(how, step, "def main(input):\n    return (1, (2,))") == [1, [2]]


async def test_main_may_await(how, step):
    source = """
        import asyncio
        async def double(n):
            await asyncio.sleep(0)
            return 2 * n
        async def main(input):
            return await asyncio.gather(*[double(n) for n in input])
    """
    assert await run(how, step, source, input=[1, 2, 3]) == [2, 4, 6]


async def test_prints_go_to_the_log(how, step):
    await run(how, step, "def main(input):\n    print('one', 2)\n    print('tail', end='')\n    return 'result'")
    assert step.notes == ["one 2", "tail"]


async def test_no_job_sees_what_another_left(how, step):
    await run(how, step, "left = 1\ndef main(input):\n    global more\n    more = 2")
    source = """
        def main(input):
            found = []
            try: found.append(left)
            except NameError: pass
            try: found.append(more)
            except NameError: pass
            return found
    """
    assert await run(how, step, source) == []


async def test_a_syntax_error_names_its_line(how, step):
    error = await error_of(how, step, "def main(input):\n    return (1 +\n")
    assert error.code == "code.syntax"
    assert not error.retryable
    assert error.detail["line"] in (2, 3)
    for source in ('x = """', "def main(input):\n    pass\n@", "x = 1 \\", "if True:", "\0"):
        assert (await error_of(how, step, source)).code == "code.syntax", source


@pytest.mark.parametrize("source", ["x = 1", "def Main(input):\n    pass", "def main2(): pass"])
async def test_a_source_without_main_is_told_so(how, step, source):
    error = await error_of(how, step, source)
    assert error.code == "code.no_main"
    assert not error.retryable


async def test_an_exception_is_named_with_its_line_and_the_log_has_the_traceback(how, step):
    source = """
        def inner(n):
            raise ValueError("no such colour")

        def main(input):
            return inner(input)
    """
    error = await error_of(how, step, source)
    assert error.to_dict() == {
        "code": "code.raised",
        "message": "ValueError: no such colour (line 3)",
        "detail": {"type": "ValueError", "message": "no such colour", "line": 3},
    }
    log = "\n".join(step.notes)
    assert 'raise ValueError("no such colour")' in log and "line 6, in main" in log
    assert "penstock" not in log


async def test_an_exception_while_loading_is_one_too(how, step):
    error = await error_of(how, step, "x = 1\ny = x / 0\ndef main(input):\n    pass")
    assert (error.code, error.detail["type"], error.detail["line"]) == ("code.raised", "ZeroDivisionError", 2)


async def test_main_must_take_the_input(how, step):
    error = await error_of(how, step, "def main():\n    pass")
    assert (error.code, error.detail["type"]) == ("code.raised", "TypeError")


NOT_JSON = {
    "nan": "float('nan')",
    "infinity deep inside": "{'a': [None, {'b': float('-inf')}]}",
    "a set": "{1, 2}",
    "bytes": "b'x'",
    "a key that is a number": "{1: 2}",
    "a function": "main",
    "an integer beyond 64 bits": "2 ** 64",
    "an exception": "ValueError('x')",
}


@pytest.mark.parametrize("value", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_a_result_that_is_not_json_is_refused_for_good(how, step, value):
    error = await error_of(how, step, f"def main(input):\n    return {value}")
    assert error.code == "code.not_json"
    assert not error.retryable


async def test_a_result_in_a_circle_or_too_deep_is_not_json(how, step):
    for body in ("x = []\n    x.append(x)", "x = []\n    for _ in range(100_000): x = [x]"):
        assert (await error_of(how, step, f"def main(input):\n    {body}\n    return x")).code == "code.not_json"


async def test_the_result_may_be_as_large_as_said(how, step):
    source = "def main(input):\n    return 'x' * input"
    assert len(await run(how, step, source, input=1022, output_kb=1)) == 1022
    assert (await error_of(how, step, source, input=1023, output_kb=1)).code == "code.output_too_large"


async def test_names_of_ours_are_not_in_the_way(how, step):
    source = """
        import json as _json
        json, len, type, main_result = 1, 2, 3, 4
        def main(input):
            return [json, len, type]
    """
    if how[1] == "cpython":
        assert await run(how, step, source) == [1, 2, 3]
    else:  # what the code hides from itself, it hides from the end of its own job
        assert (await error_of(how, step, source)).code in ("code.raised", "code.not_json")


@pytest.mark.parametrize(
    "config",
    [
        {"source": ""},
        {"source": "x" * 300_000},
        {"source": "x", "memory_mb": 1},
        {"source": "x", "seconds": 0},
        {"source": "x", "runtime": "pypy"},
        {"source": "x", "allow": {"read": ["relative"]}},
        {"source": "x", "allow": {"write": ["/a\0b"]}},
        {"source": "x", "allow": {"network": True}},
        {"source": "x", "allow": {"everything": True}},
        {"source": "x", "sauce": 1},
        {"source": "x", "seconds": float("nan")},
        {"source": "x", "allow": {"env": {"A=B": "x"}}},
    ],
    ids=str,
)
def test_a_wrong_config_is_refused_before_anything_runs(config):
    with pytest.raises(ValidationError):
        CodeConfig(**config)


async def test_a_path_that_is_not_there_is_named(how, step, tmp_path):
    file = tmp_path / "file"
    file.touch()
    error = await error_of(how, step, "def main(i): pass", allow={"read": [str(tmp_path), str(tmp_path / "gone")]})
    assert isinstance(error, Invalid)
    assert (error.code, error.problems[0].pointer) == ("sandbox.no_such_path", "/allow/read/1")
    error = await error_of(how, step, "def main(i): pass", allow={"write": [str(file)]})
    assert error.problems[0].pointer == "/allow/write/0"


async def test_a_host_may_set_a_ceiling(step, tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open" / "out").symlink_to("/etc")
    kind = Code(Ceiling(read=(str(tmp_path / "open"),), write=(), network=False))
    try:
        for runtime, allow in (
            ("monty", {"read": ["/etc"]}),
            ("monty", {"read": [f"{tmp_path}/open/out"]}),
            ("monty", {"read": [f"{tmp_path}/open/../.."]}),
            ("cpython", {"write": [f"{tmp_path}/open"]}),
            ("cpython", {"network": True}),
        ):
            with pytest.raises(Refused) as caught:
                await kind.run(step, CodeConfig(source="def main(i): pass", runtime=runtime, allow=allow))  # type: ignore[arg-type]
            assert caught.value.code == "sandbox.not_permitted"
        allowed = CodeConfig(source="def main(i): return 1", allow={"read": [f"{tmp_path}/open"]})  # type: ignore[arg-type]
        assert await kind.run(step, allowed) == 1
    finally:
        await kind.aclose()


async def test_monty_says_where_the_missing_part_of_python_is(step):
    kind = Code()
    try:
        for source in ("import csvv\ndef main(i): pass", "class A(ValueError): pass\ndef main(i): pass"):
            with pytest.raises(PenstockError) as caught:
                await kind.run(step, CodeConfig(source=source))
            assert "runtime cpython" in caught.value.message
    finally:
        await kind.aclose()


async def test_interpreters_come_back_after_aclose(step):
    kind = Code()
    for _ in range(2):
        assert await kind.run(step, CodeConfig(source="def main(i): return 1")) == 1
        await kind.aclose()
