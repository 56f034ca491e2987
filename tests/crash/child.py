"""The process that gets killed: fifty runs of ten steps over one data folder. Usage: child.py DATA LEDGER

Every expensive call is a line in the ledger, written before the call returns; the test compares the ledger with the journals.
Prints `ready` when it is at work and `done` when every run has ended.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import penstock
from penstock.gate import Request

RUNS, STEPS, CALLS = 50, 10, 2
LEDGER = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


@penstock.function("work")
async def work(given: Any, step: Any) -> dict[str, Any]:
    for number in range(CALLS):

        async def call(number: int = number) -> int:
            os.write(LEDGER, f"{step.run_id} {step.step_id} {number} {step.work.delivery}\n".encode())
            await asyncio.sleep(0.02)
            return number

        await step.once(f"call-{number}", call)
    return {"n": given["n"] + 1}


def document() -> dict[str, Any]:
    nodes = {
        f"s{i}": {
            "kind": "function",
            "with": {"function": "work", "input": {"n": f"${{{{ nodes.s{i - 1}.output.n }}}}" if i else 0}},
        }
        for i in range(STEPS)
    }
    edges = [{"from": f"s{i}", "to": f"s{i + 1}"} for i in range(STEPS - 1)]
    outputs = {"n": f"${{{{ nodes.s{STEPS - 1}.output.n }}}}"}
    return {"penstock": 1, "name": "chain", "nodes": nodes, "edges": edges, "outputs": outputs}


async def main() -> None:
    async with penstock.local(sys.argv[1], running=12) as p:
        await p.apply(document())
        print("ready", flush=True)
        ids = [f"run_{n:04d}" for n in range(RUNS)]
        for run_id in ids:
            await p.gate.start(Request("chain", run_id=run_id))
        await asyncio.gather(*(p.wait(run_id) for run_id in ids))
        print("done", flush=True)


asyncio.run(main())
