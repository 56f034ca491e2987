"""The control plane and executors together, in virtual time, without faults: what tests of the shell round the engine begin."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from penstock.bus.embedded import EmbeddedBus
from penstock.control import Control, Start
from penstock.engine.workflow import Workflow, parse
from penstock.errors import NotFound
from penstock.executor import Executor
from penstock.nodes.human import Human
from penstock.nodes.subflow import Subflow
from penstock.nodes.wait import WaitKind
from penstock.purse import Purse
from penstock.stores.catalog import RunList
from penstock.stores.journal_sqlite import SqliteJournal
from penstock.stores.registry import Sums
from penstock.stores.sqlite import Sqlite, create_schema
from penstock.testing.simulation import EPOCH, Objects, run_virtual


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


class Do:
    """A kind that does what the test's function says."""

    name: ClassVar[str] = "do"
    Config: ClassVar[type[BaseModel]] = Anything
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, does: Callable[[Any], Coroutine[Any, Any, Any]]) -> None:
        self.does = does

    async def run(self, step: Any, config: Any) -> Any:
        return await self.does(step)


class Shell:
    def __init__(
        self,
        does: Callable[[Any], Coroutine[Any, Any, Any]],
        *flows: Workflow,
        running: int = 100,
        database: Sqlite | None = None,
        budgets: dict[str, Any] | None = None,
        executors: int = 1,
        secrets: Any = None,
        prefix: str = "run",
        batch: int = 256,
        places: int = 1_024,
    ) -> None:
        self.flows = {flow.name: flow for flow in flows}
        self.database = database or Sqlite(":memory:")
        if database is None:
            create_schema(self.database._writer)
        self.objects: dict[str, bytes] = {}
        ids = itertools.count(1)
        clock = lambda: EPOCH + asyncio.get_running_loop().time()  # noqa: E731
        self.journal, self.bus = SqliteJournal(self.database), EmbeddedBus(batch)
        self.runs = RunList(self.database, clock)
        artifacts = Objects(self.objects)
        self.usage = Sums(self.database)
        self.budgets = budgets or {}
        self.control = Control(
            self.journal,
            self.runs,
            self.bus,
            artifacts,
            self.version,
            clock,
            lambda: f"{prefix}-{next(ids):05d}",
            running,
            purse=Purse(self.usage, self.known_budgets, clock),
        )
        kinds = {"do": Do(does), "human": Human(clock), "wait": WaitKind(clock), "subflow": Subflow()}
        self.executors = [
            Executor(self.bus, self.control, kinds, artifacts, secrets, clock, f"e{n + 1}", places)  # type: ignore[arg-type]
            for n in range(executors)
        ]
        self.executor = self.executors[0]
        for executor in self.executors:
            executor.begin()
        self.sweeping = asyncio.create_task(self.control.run())

    async def known_budgets(self, group: str) -> dict[str, Any]:
        return self.budgets

    async def version(self, group: str, slug: str, number: int) -> tuple[int, Workflow]:
        if slug not in self.flows:
            raise NotFound(f"no workflow {slug!r}", code="workflow.not_found")
        return number or 1, self.flows[slug]

    async def start(self, slug: str = "flow", **inputs: Any) -> str:
        return await self.control.start(Start(self.flows[slug], 1, inputs))

    async def kinds_of(self, run_id: str) -> list[str]:
        return [e.kind for e in await self.journal.read(run_id)]


def flow(nodes: dict[str, Any], edges: list[dict[str, Any]] | None = None, name: str = "flow", **rest: Any) -> Workflow:
    return parse({"penstock": 1, "name": name, "nodes": nodes, "edges": edges or [], **rest})


ONE = {"a": {"kind": "do", "with": {}}}


def play(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(main())


async def nothing(step: Any) -> None:
    return None
