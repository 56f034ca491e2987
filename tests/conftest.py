"""Async tests run on asyncio. Workers of pytest-xdist share the tests by family, so that what a family needs is made once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["tests.suite.plugin"]

# What the tests of a family start is dear: a browser, a Postgres. A family stays in one worker.
FAMILIES = ("tests/browser/", "tests/conformance/", "tests/crash/")
LONG = ("tests/api/", "tests/tools/", "tests/e2e/")  # these files begin after the families and before all others
# The tests of these share nothing that is dear. Any worker takes any of them, last, so that the workers end together.
SPREAD = ("tests/simulation/test_lives.py",)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # the order is that of `pytest_collection_modifyitems`


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """A worker takes whole families and files.

    Source: pytest-xdist's `loadgroup` has no effect under pytest 9.2 (its issue 1386).
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFamily(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return family_of(nodeid)

    return ByFamily(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: rank_of(family_of(item.nodeid)))


def family_of(nodeid: str) -> str:
    file = nodeid.partition("::")[0]
    if file in SPREAD:
        return nodeid
    return next((family for family in FAMILIES if file.startswith(family)), file)


def rank_of(family: str) -> int:
    if family in FAMILIES:
        return FAMILIES.index(family)
    if family.startswith(LONG):
        return len(FAMILIES)
    return len(FAMILIES) + 1 + ("::" in family)
