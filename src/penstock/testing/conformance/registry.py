"""The laws of the registry of named things."""

from __future__ import annotations

import asyncio

from ...errors import Invalid, NotFound
from .laws import Open, Suite, refused, same

REGISTRY = Suite("Registry")


@REGISTRY.law()
async def put_get_list_delete(open: Open) -> None:
    """A thing is read as it was put, replaced by the next put, listed by name, and gone when deleted."""
    async with open() as registry:
        body = {"text": "Zoë 漢字 \x00", "number": 0.1, "list": [1, None, {"deep": True}]}
        await registry.put("g", "servers", "b", {"first": 1})
        await registry.put("g", "servers", "b", body)
        await registry.put("g", "servers", "A", {})
        same(await registry.get("g", "servers", "b"), body, "the thing")
        same(list((await registry.list("g", "servers")).items()), [("A", {}), ("b", body)], "the list")
        same([await registry.delete("g", "servers", "b") for _ in range(2)], [True, False], "deleting it twice")
        with refused(NotFound, "a deleted thing", "server.not_found"):
            await registry.get("g", "servers", "b")
        with refused(NotFound, "a thing of another kind", "policy.not_found"):
            await registry.get("g", "policies", "A")


@REGISTRY.law()
async def apart(open: Open) -> None:
    """Groups and kinds do not see each other."""
    async with open() as registry:
        for group, kind in (("g", "servers"), ("g", "policies"), ("h", "servers")):
            await registry.put(group, kind, "same", {"of": f"{group} {kind}"})
        same(await registry.delete("h", "servers", "same"), True, "deleting one")
        same(await registry.list("h", "servers"), {}, "what is left there")
        same(await registry.list("g", "servers"), {"same": {"of": "g servers"}}, "another group's")
        same(await registry.list("g", "policies"), {"same": {"of": "g policies"}}, "another kind")
        await registry.put("e", "policies", "one", {})
        same(await registry.groups("policies"), ["e", "g"], "the groups")
        same(await registry.groups("budgets"), [], "the groups of what there is none of")


@REGISTRY.law()
async def names(open: Open) -> None:
    """What is no name is Invalid, and nothing is written."""
    async with open() as registry:
        for name in ("", "a/b", "a\x00b", "a\nb", "x" * 201):
            with refused(Invalid, f"the name {name!r}", "name.bad"):
                await registry.put("g", "servers", name, {})
        same(await registry.list("g", "servers"), {}, "the list")


@REGISTRY.law()
async def taken_once(open: Open) -> None:
    """Of 20 who delete the same thing at the same moment, one is told that it was there."""
    async with open() as registry:
        await registry.put("g", "tickets", "t", {})
        same(
            sorted(await asyncio.gather(*(registry.delete("g", "tickets", "t") for _ in range(20)))),
            [False] * 19 + [True],
            "who took it",
        )
