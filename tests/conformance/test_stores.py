"""Each law of each seam, over each adapter there is."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.bus.embedded import EmbeddedBus
from penstock.stores.catalog import RunList, WorkflowCatalog
from penstock.stores.objects import Objects
from penstock.stores.registry import NamedThings, Sums
from penstock.stores.vault import SealedVault
from penstock.testing import conformance
from penstock.testing.conformance import Law

from .conftest import Place

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("law", conformance.JOURNAL, ids=str)
async def test_journal(law: Law, place: Place) -> None:
    await law(place.opening(lambda _, journal: journal))


@pytest.mark.parametrize("law", conformance.RUNS, ids=str)
async def test_runs(law: Law, place: Place, clock: Any) -> None:
    await law(place.opening(lambda database, journal: (journal, RunList(database, clock))))


@pytest.mark.parametrize("law", conformance.WORKFLOWS, ids=str)
async def test_workflows(law: Law, place: Place, clock: Any) -> None:
    await law(place.opening(lambda database, _: WorkflowCatalog(database, clock)))


@pytest.mark.parametrize("law", conformance.VAULT, ids=str)
async def test_vault(law: Law, place: Place, clock: Any, tmp_path: Path) -> None:
    await law(place.opening(lambda database, _: SealedVault(database, tmp_path / "vault.key", clock)))


@pytest.mark.parametrize("law", conformance.REGISTRY, ids=str)
async def test_registry(law: Law, place: Place, clock: Any) -> None:
    await law(place.opening(lambda database, _: NamedThings(database, clock)))


@pytest.mark.parametrize("law", conformance.USAGE, ids=str)
async def test_usage(law: Law, place: Place) -> None:
    await law(place.opening(lambda database, journal: (journal, Sums(database))))


@pytest.mark.parametrize("law", conformance.BUS, ids=str)
async def test_embedded_bus(law: Law) -> None:
    @contextlib.asynccontextmanager
    async def open() -> AsyncIterator[EmbeddedBus]:
        bus = EmbeddedBus()
        yield bus
        await bus.close()

    await law(open)


@pytest.mark.parametrize("law", conformance.ARTIFACTS, ids=str)
async def test_artifacts_on_disk(law: Law, tmp_path: Path) -> None:
    await law(objects(f"file://{tmp_path}/artifacts"))


@pytest.mark.parametrize("law", conformance.ARTIFACTS.once, ids=str)
async def test_artifacts_in_memory(law: Law) -> None:
    await law(objects("memory:"))


def objects(url: str) -> Callable[[], Any]:
    @contextlib.asynccontextmanager
    async def open() -> AsyncIterator[Objects]:
        yield Objects.at(url)

    return open
