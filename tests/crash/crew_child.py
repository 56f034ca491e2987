"""Lives of a crew, each in a process of its own that may be killed at a commit. Usage: crew_child.py PROVIDER_URL

Reads a JSON object a line from stdin: {data, ledger, at, after}. A process is forked (everything is imported already, so that a
life costs no start), which begins the run `run_1` in the folder or goes on with it, and kills itself with SIGKILL around its
commit number `at`: before it, or after it (0: never). Answers with a line: {ended, commits, status, outputs}.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openai  # noqa: F401 - before the fork, since it takes the longest

import penstock
from penstock.gate import Request
from penstock.models.registry import Models
from penstock.nodes.agent import Agent
from penstock.nodes.crew import Crew
from penstock.nodes.function import Function
from penstock.ports import Commit
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.tools.registry import Servers

URL = sys.argv[1]
TASKS = ("plan", "search", "read", "write", "check")
ledger = -1


@penstock.function("note")
async def note(given: Any, step: Any) -> dict[str, Any]:
    """Writes a number down."""
    os.write(ledger, f"{given['task']}.{given['n']} {step.key}\n".encode())
    return {"noted": given["n"]}


DOCUMENT = {
    "penstock": 1,
    "name": "crew",
    "nodes": {
        "crew": {
            "kind": "crew",
            "with": {
                "model": "openai:gpt-5",
                "base_url": URL,
                "agents": {"ada": {"role": "Worker", "tools": [{"function": "note"}]}},
                "tasks": [{"name": name, "description": f"Do: {name}.", "agent": "ada"} for name in TASKS],
            },
        }
    },
    "outputs": {"tasks": "${{ nodes.crew.output.tasks }}"},
}


async def live(data: str, at: int, after: bool) -> dict[str, Any]:
    commits = 0
    plain = SqliteJournal.commit

    async def commit(self: SqliteJournal, given: Sequence[Commit]) -> list[bool]:
        nonlocal commits
        commits += any(one.events for one in given)
        if commits == at and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = await plain(self, given)
        if commits == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    SqliteJournal.commit = commit  # type: ignore[method-assign]
    agent = Agent(Models(), Servers(), Function())
    async with penstock.local(data, {"crew": Crew(agent, Function())}) as p:
        await p.apply(DOCUMENT)
        await p.gate.start(Request("crew", run_id="run_1"))
        state = await p.wait("run_1")
    return {"ended": True, "commits": commits, "status": state.status, "outputs": state.outputs}


def main() -> None:
    global ledger  # noqa: PLW0603 - of the process that is about to be forked
    for line in sys.stdin:
        order = json.loads(line)
        answer = Path(order["data"] + ".answer")
        answer.unlink(missing_ok=True)
        process = os.fork()
        if process == 0:
            ledger = os.open(order["ledger"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            answer.write_text(json.dumps(asyncio.run(live(order["data"], order["at"], order["after"]))))
            os._exit(0)
        os.waitpid(process, 0)
        sys.stdout.write((answer.read_text() if answer.exists() else '{"ended": false}') + "\n")
        sys.stdout.flush()


main()
