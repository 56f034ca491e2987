"""The laws of the vault."""

from __future__ import annotations

import asyncio

from ...errors import Invalid, NotFound
from .laws import Open, Suite, refused, same

VAULT = Suite("Vault")


@VAULT.law()
async def put_get_delete(open: Open) -> None:
    """A secret is read as it was put, replaced by the next put, and gone when deleted; what is not there is NotFound."""
    async with open() as vault:
        values = ("s", "Zoë 漢字 👩‍🚀", "line\nbreak\r\n", "nul\x00inside", " spaces ", "x" * 60_000)
        for value in values:
            await vault.put("g", "name", value)
            same(await vault.get("g", "name"), value, "the value")
        await vault.delete("g", "name")
        with refused(NotFound, "a deleted secret", "secret.not_found"):
            await vault.get("g", "name")
        with refused(NotFound, "deleting it again", "secret.not_found"):
            await vault.delete("g", "name")


@VAULT.law()
async def groups_apart(open: Open) -> None:
    """A group has secrets of its own, and sees, lists and deletes no others."""
    async with open() as vault:
        await vault.put("g", "name", "g's")
        await vault.put("h", "name", "h's")
        await vault.put("h", "more", "h's")
        same((await vault.get("g", "name"), await vault.get("h", "name")), ("g's", "h's"), "the values")
        same(
            (await vault.names("g"), await vault.names("h"), await vault.names("x")),
            (["name"], ["more", "name"], []),
            "names",
        )
        with refused(NotFound, "another group's secret", "secret.not_found"):
            await vault.get("g", "more")
        with refused(NotFound, "deleting another group's secret", "secret.not_found"):
            await vault.delete("g", "more")
        await vault.delete("g", "name")
        same(await vault.get("h", "name"), "h's", "the other group's, after one is deleted")


@VAULT.law()
async def names(open: Open) -> None:
    """Names are listed once each, in the order of their bytes, and never with values; those that are no names are Invalid."""
    async with open() as vault:
        given = ["b", "a.b", "a-b", "A", "a_b", "Ä", "API_KEY", "x" * 200]
        for name in [*given, *given]:
            await vault.put("g", name, f"value of {name}")
        same(await vault.names("g"), sorted(given, key=str.encode), "the names")
        for name in ("", "a/b", "../a", "a\x00b", "a\nb", "\x7f", "x" * 201):
            with refused(Invalid, f"the name {name!r}", "secret.bad_name"):
                await vault.put("g", name, "value")
        same(await vault.names("g"), sorted(given, key=str.encode), "the names after refusals")
        for name in ("a/b", "a\x00b", ""):
            with refused(NotFound, f"a secret called {name!r}", "secret.not_found"):
                await vault.get("g", name)


@VAULT.law()
async def values(open: Open) -> None:
    """An empty value, one that is too large and one that is not text are Invalid, and what was there stays."""
    async with open() as vault:
        await vault.put("g", "name", "before")
        for value in ("", "x" * 1_000_001, "half \ud800 a pair"):
            with refused(Invalid, f"a value of {len(value)} characters", "secret.bad_value"):
                await vault.put("g", "name", value)
        same(await vault.get("g", "name"), "before", "the value after refusals")


@VAULT.law()
async def many_at_once(open: Open) -> None:
    """50 who put at once all succeed, and each secret is one that somebody put."""
    async with open() as vault:
        await asyncio.gather(*(vault.put("g", f"name{n % 5}", f"value {n}") for n in range(50)))
        for number in range(5):
            value = await vault.get("g", f"name{number}")
            same(int(value.removeprefix("value ")) % 5, number, f"who put {value!r} as name{number}")


@VAULT.law(reopens=True)
async def durable(open: Open) -> None:
    """Secrets are there when the place is opened again."""
    async with open() as vault:
        await vault.put("g", "name", "kept")
    async with open() as vault:
        same((await vault.get("g", "name"), await vault.names("g")), ("kept", ["name"]), "value and names")
