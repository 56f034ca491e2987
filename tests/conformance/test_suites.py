"""The suites themselves: each finds an adapter that breaks one of its laws, and says which."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.services import absent

from penstock.bus.embedded import EmbeddedBus
from penstock.errors import NotFound
from penstock.ports import Commit, Message, Page
from penstock.stores import journal_sqlite
from penstock.stores.catalog import RunList, WorkflowCatalog
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.stores.migrations import prepare_sqlite
from penstock.stores.objects import Objects
from penstock.stores.registry import NamedThings, Sums
from penstock.stores.sqlite import Sqlite
from penstock.stores.vault import SealedVault
from penstock.testing import conformance
from penstock.testing.conformance import Broken, Suite

pytestmark = pytest.mark.anyio


# ------------------------------------------------------------------------------------------------ adapters that are wrong


class NoGuard(SqliteJournal):
    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        heads = [(await self.read(c.run_id))[-1].seq if await self.read(c.run_id) else c.head for c in commits]
        moved = []
        for commit, head in zip(commits, heads, strict=True):
            events = [replace(e, seq=head + n) for n, e in enumerate(commit.events, 1)]
            moved.append(replace(commit, head=head, events=events))
        await super().commit(moved)
        return [True] * len(commits)


class SaysYes(SqliteJournal):
    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        await super().commit(commits)
        return [True] * len(commits)


class AllOrNothing(SqliteJournal):
    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        for commit in commits:
            events = await self.read(commit.run_id)
            if not events or events[-1].seq != commit.head:
                return [False] * len(commits)
        return await super().commit(commits)


class DropsTheOutbox(SqliteJournal):
    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        return await super().commit([replace(c, outbox=()) for c in commits])


class KeepsTheWakeUp(SqliteJournal):
    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        return await super().commit([c for c in commits if c.events]) + [True for c in commits if not c.events]


class DueTooLate(SqliteJournal):
    async def due(self, now: float, limit: int = 100, queued: bool = False) -> list[str]:
        return await super().due(now - 0.001, limit, queued)


class ReadsFromTheStart(SqliteJournal):
    async def read(self, run_id: str, after: int = 0, limit: int | None = None) -> list[Any]:
        return (await super().read(run_id, 0, None))[after : after + limit if limit else None]


class ReadsOneTooMany(SqliteJournal):
    async def read(self, run_id: str, after: int = 0, limit: int | None = None) -> list[Any]:
        return await super().read(run_id, after - 1 if after else 0, limit)


class CreatesOver(SqliteJournal):
    async def create(self, commit: Commit) -> bool:
        await super().create(commit)
        return True


class ForgetsWhatIsSent(SqliteJournal):
    async def sent(self, messages: Sequence[tuple[str, int]]) -> None:
        await super().sent(await self.outbox() if messages else [])


class OffsetPages(RunList):
    async def list(self, group: str | None, cursor: str | None = None, limit: int = 50, **filters: Any) -> Page:
        start = int(cursor or 0)
        page = await super().list(group, None, start + limit, **filters)
        return Page(page.items[start:], str(start + limit) if page.cursor else None)


class EveryGroup(RunList):
    async def list(self, group: str | None, cursor: str | None = None, limit: int = 50, **filters: Any) -> Page:
        return await super().list(None, cursor, limit, **filters)


class ClaimsAgain(RunList):
    async def claim(self, group: str, key: str, body_digest: str, run_id: str) -> str:
        await super().claim(group, key, body_digest, run_id)
        return run_id


class LastOneWins(WorkflowCatalog):
    async def save(self, group: str, document: dict[str, Any], actor: str, etag: str | None) -> Any:
        return await super().save(group, document, actor, "*")


class ReadThenWrite(WorkflowCatalog):
    async def save(self, group: str, document: dict[str, Any], actor: str, etag: str | None) -> Any:
        with contextlib.suppress(NotFound):
            if etag is not None and etag != "*" and (await self.draft(group, document["name"])).etag == etag:
                etag = "*"
        return await super().save(group, document, actor, etag)


class AlwaysPublishes(WorkflowCatalog):
    numbers = itertools.count()

    async def publish(self, group: str, slug: str, document: Any, fingerprint: str, actor: str, note: str = "") -> Any:
        return await super().publish(group, slug, document, f"{fingerprint}{next(self.numbers)}", actor, note)


class WrongRange(Objects):
    async def get(self, digest: str, start: int = 0, end: int | None = None) -> bytes:
        return await super().get(digest, start, None if end is None else end + 1)


class EmptyForMissing(Objects):
    async def get(self, digest: str, start: int = 0, end: int | None = None) -> bytes:
        try:
            return await super().get(digest, start, end)
        except NotFound:
            return b""


class OneGroup(SealedVault):
    async def get(self, group: str, name: str) -> str:
        return await super().get("g", name)


class QuietDelete(SealedVault):
    async def delete(self, group: str, name: str) -> None:
        with contextlib.suppress(NotFound):
            await super().delete(group, name)


class Backwards(EmbeddedBus):
    async def publish(self, messages: Sequence[Message]) -> None:
        await super().publish(messages[::-1])


class OneGroupOnly(EmbeddedBus):
    def consume(self, topic: str, group: str) -> AsyncIterator[list[Message]]:
        return super().consume(topic, "everyone")


class LosesEarlyOnes(EmbeddedBus):
    async def publish(self, messages: Sequence[Message]) -> None:
        await super().publish([m for m in messages if self._queues.get(m.topic)])


class NoBounds(SqliteJournal):
    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        free = [[replace(one, most=(None, None, None)) for one in commit.charges] for commit in commits]
        return await super().commit([replace(c, charges=tuple(f)) for c, f in zip(commits, free, strict=True)])


class ChargesForNothing(SqliteJournal):
    async def commit(self, commits: Sequence[Commit]) -> list[bool]:
        """The charges of a commit stay, whatever became of it."""
        for commit in commits:
            await self._db.write(lambda connection, commit=commit: journal_sqlite._charged(connection, commit))
        return await super().commit([replace(commit, charges=()) for commit in commits])


class OneKind(NamedThings):
    async def list(self, group: str, kind: str) -> dict[str, dict[str, Any]]:
        return await super().list(group, "servers")


class DeletesAlways(NamedThings):
    async def delete(self, group: str, kind: str, name: str) -> bool:
        await super().delete(group, kind, name)
        return True


JOURNALS = {
    NoGuard: "head_guard",
    SaysYes: "head_guard",
    AllOrNothing: "batch_with_one_stale",
    DropsTheOutbox: "outbox_until_sent",
    KeepsTheWakeUp: "commit_without_events",
    DueTooLate: "due_in_order",
    ReadsOneTooMany: "read_after_and_limit",
    CreatesOver: "create_twice",
    ForgetsWhatIsSent: "outbox_until_sent",
}
OTHERS: dict[Any, tuple[Suite, str]] = {
    OffsetPages: (conformance.RUNS, "pages_while_runs_are_added"),
    EveryGroup: (conformance.RUNS, "newest_first"),
    ClaimsAgain: (conformance.RUNS, "claims"),
    LastOneWins: (conformance.WORKFLOWS, "etags"),
    ReadThenWrite: (conformance.WORKFLOWS, "one_of_many_savers_wins"),
    AlwaysPublishes: (conformance.WORKFLOWS, "publish_races"),
    WrongRange: (conformance.ARTIFACTS, "ranges"),
    EmptyForMissing: (conformance.ARTIFACTS, "missing"),
    OneGroup: (conformance.VAULT, "groups_apart"),
    QuietDelete: (conformance.VAULT, "put_get_delete"),
    Backwards: (conformance.BUS, "carried_in_order"),
    OneGroupOnly: (conformance.BUS, "each_group_once"),
    LosesEarlyOnes: (conformance.BUS, "published_before_anyone_listens"),
    NoBounds: (conformance.USAGE, "bounds"),
    ChargesForNothing: (conformance.USAGE, "added_with_the_events"),
    OneKind: (conformance.REGISTRY, "apart"),
    DeletesAlways: (conformance.REGISTRY, "taken_once"),
}


# ----------------------------------------------------------------------------------------------------------- tests


def law_of(suite: Suite, name: str) -> conformance.Law:
    return next(law for law in suite if law.name == name)


def opening(folder: Path, make: Callable[[Sqlite], Any]) -> Callable[[], Any]:
    @contextlib.asynccontextmanager
    async def open() -> AsyncIterator[Any]:
        prepare_sqlite(folder / "penstock.db")
        database = Sqlite(folder / "penstock.db")
        try:
            yield make(database)
        finally:
            await database.close()

    return open


@pytest.mark.parametrize("kind", JOURNALS, ids=lambda kind: kind.__name__)
async def test_a_wrong_journal_is_found(kind: type[SqliteJournal], tmp_path: Path) -> None:
    law = law_of(conformance.JOURNAL, JOURNALS[kind])
    with pytest.raises(Broken) as broken:
        await law(opening(tmp_path, kind))
    assert str(broken.value).startswith(f"Journal: {law.text}")


@pytest.mark.parametrize("kind", OTHERS, ids=lambda kind: kind.__name__)
async def test_a_wrong_adapter_is_found(
    kind: Any, tmp_path: Path, clock: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conformance.laws, "PATIENCE", 1.0)  # some are found by what never comes
    suite, name = OTHERS[kind]
    law = law_of(suite, name)
    make: dict[Suite, Callable[[Sqlite], Any]] = {
        conformance.RUNS: lambda database: (SqliteJournal(database), kind(database, clock)),
        conformance.WORKFLOWS: lambda database: kind(database, clock),
        conformance.VAULT: lambda database: kind(database, tmp_path / "vault.key", clock),
        conformance.ARTIFACTS: lambda _: kind.at("memory:"),
        conformance.BUS: lambda _: kind(),
        conformance.USAGE: lambda database: (kind(database), Sums(database)),
        conformance.REGISTRY: lambda database: kind(database, clock),
    }
    with pytest.raises(Broken) as broken:
        await law(opening(tmp_path, make[suite]))
    assert str(broken.value).startswith(f"{suite.seam}: {law.text}")


async def test_an_adapter_that_may_be_slow_is_no_less_right(tmp_path: Path) -> None:
    """How it is done is its own affair: this one reads everything each time, and keeps every law."""
    for law in conformance.JOURNAL:
        folder = tmp_path / law.name
        folder.mkdir()
        if law.name != "ten_thousand_events":
            await law(opening(folder, ReadsFromTheStart))


async def test_a_whole_suite_names_all_that_is_broken(tmp_path: Path) -> None:
    numbers = itertools.count()

    def fresh() -> Callable[[], Any]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        return opening(folder, DropsTheOutbox)

    with pytest.raises(Broken) as broken:
        await conformance.JOURNAL.check(fresh)
    said = str(broken.value)
    assert law_of(conformance.JOURNAL, "outbox_until_sent").text in said
    assert law_of(conformance.JOURNAL, "durable").text in said
    assert law_of(conformance.JOURNAL, "due_in_order").text not in said


async def test_what_a_law_began_ends_with_it() -> None:
    """Else it is collected in the midst of the next test, and fails that."""
    left: list[asyncio.Task[Any]] = []

    async def check(_: Any) -> None:
        """It leaves somebody waiting."""
        left.append(asyncio.create_task(asyncio.Event().wait()))  # type: ignore[arg-type]
        raise Broken("as it must")

    with pytest.raises(Broken):
        await conformance.Law("Bus", "leaves", "It leaves somebody waiting.", False, check)(contextlib.nullcontext)  # type: ignore[arg-type]
    assert left[0].cancelled()


def test_every_law_says_what_it_is() -> None:
    suites = [getattr(conformance, name) for name in conformance.__all__ if name.isupper()]
    assert len(suites) == 8
    for suite in suites:
        assert len(suite) >= 4
        for law in suite:
            assert law.text.endswith("."), law.name
            assert len({one.name for one in suite}) == len(suite)


def test_a_service_that_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A skip on a laptop, a failure in CI."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Kafka"):
        absent("no Kafka")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Kafka"):
        absent("no Kafka")
