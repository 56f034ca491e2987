"""The process that gets killed while a crew is at work. Usage: crew_child.py DATA DOCUMENT

Prints the run's outputs when it has ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import penstock
from penstock.gate import Request

DATA, DOCUMENT = sys.argv[1:]


async def main(document: dict[str, Any]) -> None:
    async with penstock.local(DATA) as p:
        await p.apply(document)
        await p.gate.start(Request(document["name"], run_id="run_1"))
        state = await p.wait("run_1")
        print(json.dumps({"status": state.status, "outputs": state.outputs, "error": state.error}), flush=True)


asyncio.run(main(json.loads(Path(DOCUMENT).read_text())))
