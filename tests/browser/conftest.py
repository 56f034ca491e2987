"""One browser for all tests, a server for each file, a fresh profile for each test. Absent ones are skips, failures in CI."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright, expect
from tests.browser.site import AXE, Site, Visitor, running, visiting
from tests.patience import PATIENCE
from tests.services import absent

from penstock.api import face

expect.set_options(timeout=PATIENCE * 1000)
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-dev-shm-usage", "--force-color-profile=srgb"]


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    program = chromium()
    if program is None:
        absent("chromium is not installed (Debian: apt-get install chromium)")
    if not (face.FOLDER / face.PAGE).is_file() or not AXE.is_file():
        absent("the pages were not built: make ui")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: the folder PENSTOCK_SCREENSHOTS, else one of pytest's."""
    folder = Path(os.environ.get("PENSTOCK_SCREENSHOTS") or tmp_path_factory.getbasetemp() / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("data")) as site:
        yield site


@pytest.fixture
async def visitor(site: Site, browser: Browser, shots: Path) -> AsyncIterator[Visitor]:
    async with visiting(site, browser, shots) as visitor:
        yield visitor
