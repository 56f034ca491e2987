"""What the stories of callers share: workflows that are called from outside, and a look at what became of their runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

PARENT = """
penstock: 1
name: asks-below
nodes:
  below: {kind: subflow, with: {workflow: ask}}
outputs: {decision: "${{ nodes.below.output.decision }}"}
"""
ECHO = """
penstock: 1
name: echo
title: Say it again
description: Answers with what it was told.
tags: [text]
inputs:
  type: object
  required: [prompt]
  properties:
    prompt: {$ref: "#/schemas/Words"}
    times: {type: integer, default: 1, minimum: 1}
    loud: {type: boolean, default: false}
nodes:
  say: {kind: render, with: {name: said.md, mime: text/markdown, template: "You said: ${{ inputs.prompt }}"}}
outputs: {said: "${{ nodes.say.output }}", times: "${{ inputs.times }}", loud: "${{ inputs.loud }}"}
schemas: {Words: {type: string, maxLength: 1000000}}
"""
BIG = """
penstock: 1
name: big
inputs: {type: object, properties: {text: {type: string}}}
nodes: {note: {kind: render, with: {name: note.txt, template: noted}}}
outputs: {text: "${{ inputs.text + inputs.text }}"}
"""
DRAFT = """
penstock: 1
name: only-a-draft
nodes: {ok: {kind: human, with: {title: Nobody sees this}}}
"""


async def publish(core: Any, *slugs: str) -> None:
    for slug in slugs:
        await core.gate.publish("default", slug, "local")


async def offer(core: Any, *documents: str) -> None:
    """Apply these documents and publish them."""
    for document in documents:
        await publish(core, (await core.apply(document)).slug)


async def newest(core: Any, workflow: str) -> Any:
    """The row of the newest run of a workflow, None where there is none."""
    rows = (await core.runs.list("default", workflow=workflow)).items
    return rows[0] if rows else None


async def begun(core: Any, workflow: str, node: str) -> str:
    """The newest run of a workflow, once the step of this node is running in it."""
    moved = asyncio.Event()
    stop = core.control.watch(None, lambda events, state: moved.set())
    try:
        async with asyncio.timeout(20):
            while True:
                moved.clear()
                row = await newest(core, workflow)
                if row is not None and row.status == "running":
                    events = await core.journal.read(row.run_id)
                    if any(e.kind == "step.scheduled" and e.fact.step.startswith(f"{node}#") for e in events):
                        return row.run_id
                await moved.wait()
    finally:
        stop()


async def settled(core: Any, run_id: str) -> str:
    """The status a run ends with."""
    async with asyncio.timeout(20):
        return (await core.control.wait(run_id)).status


async def lines(body: AsyncIterator[str]) -> list[str]:
    return [line async for line in body if line]
