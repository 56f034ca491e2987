"""The laws of the catalog of workflows."""

from __future__ import annotations

import asyncio
from typing import Any

from ...errors import Conflict, Invalid, NotFound, PreconditionFailed
from ...ports import Page, Workflows
from .laws import Open, Suite, need, refused, same
from .runs import NOT_CURSORS

WORKFLOWS = Suite("Workflows")


def document(slug: str, **more: Any) -> dict[str, Any]:
    return {"penstock": 1, "name": slug, "nodes": {"a": {"kind": "wait", "with": {"seconds": 1}}}, **more}


async def slugs(catalog: Workflows, group: str = "g", **filters: Any) -> list[str]:
    return [draft.slug for draft in (await catalog.list(group, **filters)).items]


@WORKFLOWS.law()
async def save_then_read(open: Open) -> None:
    """A draft is read as it was saved, whatever text is in it; an unknown one is NotFound; a group does not see another's."""
    async with open() as catalog:
        text = document(
            "flow",
            title="Zoë \x00 漢字 👩‍🚀",
            tags=["a\x00b"],
            persona="p\x00",
            deep={"a": [1, 2.5, None, True, "\x00"]},
        )
        saved = await catalog.save("g", text, "ann", None)
        read = await catalog.draft("g", "flow")
        same(read.document, text, "the document")
        same((read.slug, read.group, read.updated_by, read.latest), ("flow", "g", "ann", 0), "slug, group, by, latest")
        same(read.etag, saved.etag, "the etag, as saved and as read")
        need(bool(read.etag), "the etag is empty")
        with refused(NotFound, "an unknown draft", "workflow.not_found"):
            await catalog.draft("g", "other")
        with refused(NotFound, "a draft of another group", "workflow.not_found"):
            await catalog.draft("h", "flow")
        with refused(NotFound, "a slug with U+0000 in it", "workflow.not_found"):
            await catalog.draft("g", "flow\x00")


@WORKFLOWS.law()
async def etags(open: Open) -> None:
    """Saving with etag None creates, `*` writes in any case, another must be the current one; what is refused changes nothing."""
    async with open() as catalog:
        with refused(NotFound, "a change to what does not exist", "workflow.not_found"):
            await catalog.save("g", document("flow"), "ann", "some-etag")
        first = await catalog.save("g", document("flow", title="1"), "ann", None)
        with refused(Conflict, "creating it again", "workflow.exists"):
            await catalog.save("g", document("flow", title="2"), "bob", None)
        with refused(PreconditionFailed, "a change with another etag", "etag.mismatch"):
            await catalog.save("g", document("flow", title="2"), "bob", "some-etag")
        same((await catalog.draft("g", "flow")).document["title"], "1", "the title after refusals")
        second = await catalog.save("g", document("flow", title="2"), "bob", first.etag)
        need(second.etag != first.etag, "another document has the same etag")
        with refused(PreconditionFailed, "a change with the etag from before", "etag.mismatch"):
            await catalog.save("g", document("flow", title="3"), "ann", first.etag)
        third = await catalog.save("g", document("flow", title="3"), "ann", "*")
        same((third.document["title"], third.updated_by), ("3", "ann"), "the draft after `*`")
        same((await catalog.draft("g", "flow")).etag, third.etag, "its etag")
        await catalog.save("g", document("new"), "ann", "*")
        await catalog.save("h", document("flow"), "ann", None)
        same(await slugs(catalog, "g"), ["flow", "new"], "slugs of the group")


@WORKFLOWS.law()
async def one_of_many_savers_wins(open: Open) -> None:
    """Of 20 people who save over the same etag at once, one wins and the others are told so; of 20 who create, too."""
    async with open() as catalog:
        etag = None
        for loser in (Conflict, PreconditionFailed):
            saves = [
                catalog.save("g", document("flow", title=f"{loser.__name__} {n}"), str(n), etag) for n in range(20)
            ]
            results = await asyncio.gather(*saves, return_exceptions=True)
            won = [r for r in results if not isinstance(r, BaseException)]
            lost = [type(r).__name__ for r in results if isinstance(r, BaseException)]
            same(lost, [loser.__name__] * 19, "what the others are told")
            draft = await catalog.draft("g", "flow")
            same(draft.document, won[0].document, "the document of the one that won")
            etag = draft.etag


@WORKFLOWS.law()
async def publish_and_read(open: Open) -> None:
    """Versions are numbered 1, 2, 3 …, never change, and the newest is the default; the same content again is the same version."""
    async with open() as catalog:
        await catalog.save("g", document("flow"), "ann", None)
        with refused(NotFound, "the newest of none", "version.not_found"):
            await catalog.version("g", "flow")
        one = await catalog.publish("g", "flow", document("flow", title="1"), "f1", "ann", "first")
        same((one.number, one.fingerprint, one.created_by, one.note), (1, "f1", "ann", "first"), "the first version")
        same(
            await catalog.publish("g", "flow", document("flow", title="1"), "f1", "bob", "again"), one, "the same again"
        )
        two = await catalog.publish("g", "flow", document("flow", title="2"), "f2", "bob")
        three = await catalog.publish("g", "flow", document("flow", title="1"), "f1", "bob", "back to the first")
        same((two.number, three.number), (2, 3), "numbers of the next two")
        same(await catalog.version("g", "flow", 1), one, "version 1")
        same(await catalog.version("g", "flow"), three, "the newest")
        same((await catalog.draft("g", "flow")).latest, 3, "the draft's newest version")
        for number in (4, -1, 2**31, 2**63, 10**30):
            with refused(NotFound, f"version {number}", "version.not_found"):
                await catalog.version("g", "flow", number)
        with refused(NotFound, "a version in another group", "version.not_found"):
            await catalog.version("h", "flow", 1)


@WORKFLOWS.law()
async def publish_races(open: Open) -> None:
    """20 who publish the same content at once make one version; 20 with different contents make 20, without a gap."""
    async with open() as catalog:
        await catalog.save("g", document("flow"), "ann", None)
        same_content = [catalog.publish("g", "flow", document("flow"), "same", str(n)) for n in range(20)]
        numbers = {version.number for version in await asyncio.gather(*same_content)}
        same(numbers, {1}, "version numbers of the same content")
        different = [catalog.publish("g", "flow", document("flow", n=n), f"f{n}", str(n)) for n in range(20)]
        made = await asyncio.gather(*different)
        same(sorted(version.number for version in made), list(range(2, 22)), "version numbers of different contents")
        for version in made:
            same(await catalog.version("g", "flow", version.number), version, f"version {version.number}")
        same((await catalog.draft("g", "flow")).latest, 21, "the draft's newest version")


@WORKFLOWS.law()
async def versions_in_pages(open: Open) -> None:
    """Versions are listed newest first; page by page each is seen once, though more are published meanwhile."""
    async with open() as catalog:
        for n in range(1, 12):
            await catalog.publish("g", "flow", document("flow", n=n), f"f{n}", "ann")
        seen: list[int] = []
        cursor: str | None = None
        for n in range(12, 30):
            page: Page = await catalog.versions("g", "flow", cursor, 3)
            seen += [version.number for version in page.items]
            cursor = page.cursor
            if cursor is None:
                break
            await catalog.publish("g", "flow", document("flow", n=n), f"f{n}", "ann")
        same(seen, list(range(11, 0, -1)), "numbers over all pages")
        same((await catalog.versions("g", "none")).items, [], "versions of what does not exist")


@WORKFLOWS.law()
async def list_in_pages(open: Open) -> None:
    """Workflows are listed by slug, in the order of its bytes; page by page each is seen once, though more are added meanwhile."""
    async with open() as catalog:
        names = ["a", "a-b", "a.b", "a1", "a_b", "aB", "ab", "b", "B", "z9", "z10"]
        for name in names:
            await catalog.save("g", document(name), "ann", None)
        await catalog.save("h", document("other"), "ann", None)
        seen: list[str] = []
        cursor: str | None = None
        for n in range(20):
            page: Page = await catalog.list("g", cursor, 2)
            seen += [draft.slug for draft in page.items]
            cursor = page.cursor
            if cursor is None:
                break
            await catalog.save("g", document(f"-{n}"), "ann", None)
        same(seen, sorted(names, key=str.encode), "slugs over all pages")


@WORKFLOWS.law()
async def filters(open: Open) -> None:
    """Filters: persona exactly, a whole tag, and text in slug or title, in which % and _ mean themselves."""
    async with open() as catalog:
        for slug, more in (
            ("review", {"title": "Review a FOLDER", "persona": "engineer", "tags": ["code", "Café"]}),
            ("report", {"title": "100% sure", "persona": "analyst", "tags": ["codec", 'a"b']}),
            ("note_book", {"title": "Über alles", "persona": "engineer"}),
        ):
            await catalog.save("g", document(slug, **more), "ann", None)
        for given, expected in (
            ({"persona": "engineer"}, ["note_book", "review"]),
            ({"persona": "Engineer"}, []),
            ({"tag": "code"}, ["review"]),
            ({"tag": "CODE"}, ["review"]),
            ({"tag": "Café"}, ["review"]),
            ({"tag": "cod"}, []),
            ({"tag": "cod_"}, []),
            ({"tag": 'a"b'}, ["report"]),
            ({"search": "folder"}, ["review"]),
            ({"search": "re"}, ["report", "review"]),
            ({"search": "RE"}, ["report", "review"]),
            ({"search": "%"}, ["report"]),
            ({"search": "_"}, ["note_book"]),
            ({"search": "\\"}, []),
            ({"search": "Über"}, ["note_book"]),
            ({"search": "\x00"}, []),
            ({"persona": "engineer", "search": "re"}, ["review"]),
        ):
            same(await slugs(catalog, **given), expected, f"workflows with {given}")
        with refused(Invalid, "an unknown filter", "filter.unknown"):
            await catalog.list("g", colour="red")


@WORKFLOWS.law()
async def bad_cursors_and_limits(open: Open) -> None:
    """A cursor that was not made here, and a limit of less than one, are Invalid, never another error and never a page."""
    async with open() as catalog:
        await catalog.publish("g", "flow", document("flow"), "f", "ann")
        for cursor in NOT_CURSORS:
            with refused(Invalid, f"the cursor {cursor!r} of a list", "cursor.invalid"):
                await catalog.list("g", cursor)
            with refused(Invalid, f"the cursor {cursor!r} of versions", "cursor.invalid"):
                await catalog.versions("g", "flow", cursor)
        for limit in (0, -1):
            with refused(Invalid, f"a limit of {limit}", "limit.invalid"):
                await catalog.list("g", None, limit)
            with refused(Invalid, f"a limit of {limit}", "limit.invalid"):
                await catalog.versions("g", "flow", None, limit)


@WORKFLOWS.law(reopens=True)
async def durable(open: Open) -> None:
    """Drafts and versions are there when the place is opened again."""
    async with open() as catalog:
        saved = await catalog.save("g", document("flow"), "ann", None)
        version = await catalog.publish("g", "flow", document("flow"), "f", "ann")
    async with open() as catalog:
        read = await catalog.draft("g", "flow")
        same((read.document, read.etag, read.latest), (saved.document, saved.etag, 1), "the draft")
        same(await catalog.version("g", "flow"), version, "the version")
