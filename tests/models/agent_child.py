"""The process that gets killed in the middle of an agent's turn. Usage: agent_child.py DATA PROVIDER_URL LEDGER

Each tool call is a line in the ledger: its number and its idempotency key. Prints the run's output when it has ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import penstock
from penstock.gate import Request
from penstock.models.registry import Models
from penstock.nodes.agent import Agent
from penstock.nodes.function import Function
from penstock.tools.registry import Servers

DATA, URL, LEDGER = sys.argv[1:]
LINES = os.open(LEDGER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


@penstock.function("note")
async def note(given: Any, step: Any) -> dict[str, Any]:
    """Writes a number down."""
    os.write(LINES, f"{given['n']} {step.key}\n".encode())
    return {"noted": given["n"]}


DOCUMENT = {
    "penstock": 1,
    "name": "talk",
    "nodes": {
        "talk": {
            "kind": "agent",
            "with": {
                "model": "openai:gpt-5",
                "base_url": URL,
                "instructions": "Count.",
                "tools": [{"function": "note"}],
                "max_turns": 30,
                "output": {"type": "object", "required": ["sum"], "properties": {"sum": {"type": "integer"}}},
            },
        }
    },
    "outputs": {"sum": "${{ nodes.talk.output.sum }}"},
}


async def main() -> None:
    kinds = {"agent": Agent(Models(), Servers(), Function())}
    async with penstock.local(DATA, kinds) as p:
        await p.apply(DOCUMENT)
        await p.gate.start(Request("talk", run_id="run_1"))
        state = await p.wait("run_1")
        print(json.dumps({"status": state.status, "outputs": state.outputs, "error": state.error}), flush=True)


asyncio.run(main())
