"""A whole Penstock in a process of its own, told what to do line by line: `one_of_two.py DATA URL LEDGER GATE`.

Reads a JSON object from each line of stdin, writes one to stdout. Steps write each call they really make into the ledger; those
of the node `hold` end when the file GATE is there. A silent executor is noticed after two seconds instead of thirty.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from penstock.engine import state as engine_state

engine_state.LEASE = 2.0  # before anything that takes it from there is imported

import penstock  # noqa: E402
from penstock.engine import fold, news  # noqa: E402
from penstock.errors import NotFound, PenstockError  # noqa: E402

assert fold.LEASE == 2.0


def functions(ledger: Path, gate: Path) -> None:
    def note(step: Any) -> None:
        with ledger.open("a") as file:  # one short write: whole, or not there
            file.write(f"{step.run_id} {step.step_id}\n")

    @penstock.function("work")
    async def work(given: Any, step: Any) -> Any:
        async def call() -> Any:
            note(step)
            await asyncio.sleep(0.01)
            return {"n": given["n"] + 1}

        return await step.once("call", call)

    @penstock.function("hold")
    async def hold(given: Any, step: Any) -> Any:
        async def call() -> Any:
            note(step)
            while not os.path.exists(gate):  # noqa: ASYNC110, ASYNC240, PTH110 - the test opens it
                await asyncio.sleep(0.02)
            return {"n": given["n"] + 1}

        return await step.once("call", call)


async def do(p: penstock.Penstock, order: dict[str, Any]) -> Any:
    match order["do"]:
        case "apply":
            for document in order["documents"]:
                await p.apply(document)
        case "start":
            return await asyncio.gather(*(p.start(order["workflow"], order["inputs"]) for _ in range(order["count"])))
        case "tick":
            await asyncio.gather(*(p.control.advance(run_id, news.Alive([])) for run_id in order["runs"]))
            await p.control.sweep()
        case "answer":
            while True:
                try:
                    return await p.control.answer(order["run"], "ask#1", "approve", order["by"]) or "done"
                except NotFound:  # not asked yet
                    await asyncio.sleep(0.02)
        case "cancel":
            await p.control.cancel(order["run"], order["by"])
        case "wait":
            states = await asyncio.gather(*(p.wait(run_id) for run_id in order["runs"]))
            return [state.status for state in states]
    return "done"


async def main(data: str, url: str, ledger: str, gate: str) -> None:
    functions(Path(ledger), Path(gate))
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async with penstock.local(data, journal=url) as p:
        print(json.dumps({"pid": os.getpid()}), flush=True)

        async def answer(order: dict[str, Any]) -> None:
            try:
                said = await do(p, order)
            except PenstockError as error:
                said = {"error": error.code}
            print(json.dumps({"id": order["id"], "said": said}), flush=True)

        async with asyncio.TaskGroup() as tasks:
            while line := await orders.readline():
                tasks.create_task(answer(json.loads(line)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
