"""A provider of models in a process of its own, which answers at once: python -m tests.bench.provider; prints its address.

It calls the tool `bench.add` for ever where there are tools to call, so that a conversation has as many turns as its agent
allows, and says one sentence where there are none.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from tests.models.server import Answer, Provider, call, say


def answer(body: dict[str, Any]) -> Answer:
    if not body.get("tools"):
        return say("Rivers carry water to the sea.")
    turn = sum(message["role"] == "assistant" for message in body["messages"])
    last = f"Answer in turn {turn + 1}." if turn + 1 >= turns_of(body) else None
    return say(last) if last else call(body["tools"][0]["function"]["name"], {"a": turn}, f"c{turn}")


def turns_of(body: dict[str, Any]) -> int:
    """How many turns the question asks for: its last word."""
    asked = next(message["content"] for message in body["messages"] if message["role"] == "user")
    word = asked.split()[-1]
    return int(word) if word.isdigit() else 1


async def main() -> None:
    async with Provider(by=answer, keeps=True) as provider:
        sys.stdout.write(f"{provider.url}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
