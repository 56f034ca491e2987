"""A real `penstock up` in a folder of its own, and a real Chromium in front of it.

Whatever a page prints as an error, and whatever its policy refuses, fails the test that opened it. `look` writes a page as
people see it, light and dark, wide and narrow, and asks axe whether everybody can use it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response

ROOT = Path(__file__).parents[2]
AXE = ROOT / "ui/node_modules/axe-core/axe.min.js"
SIZES = {"1440": (1440, 900), "390": (390, 844)}
SCHEMES = ("light", "dark")
PATIENCE = 60.0


class Site:
    """The server. It can be killed and started again at the same address, as a machine would be."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = 0
        self.url = ""
        self.token = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")}
        environment["PYTHONPATH"] = str(ROOT / "src")
        command = [sys.executable, "-m", "penstock.cli", "up", "--data", str(self.data), "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://\S+", line):
                parts = urlsplit(found[0])
                self.url, self.port = f"http://{parts.netloc}", parts.port or 0
                self.token = parse_qs(parts.query)["token"][0]
                return
        raise AssertionError(f"penstock up ended with {self.process.wait()}")

    def kill(self) -> None:
        """As a machine that loses its power."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Ask the API; the JSON of the answer. Raises AssertionError for a refusal."""
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        answer = httpx2.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=PATIENCE)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def apply(self, document: dict[str, Any]) -> None:
        """A workflow into the catalog, new or again."""
        path = f"/workflows/{document['name']}"
        header = {"If-None-Match": "*"}
        with contextlib.suppress(AssertionError):
            header = {"If-Match": '"' + self.api("GET", path)["etag"] + '"'}
        self.api("PUT", path, document, **header)

    def run(self, workflow: str, inputs: dict[str, Any] | None = None, wait: int = 30, **more: Any) -> dict[str, Any]:
        """A run, as it is when it has ended or after `wait` seconds."""
        prefer = {"Prefer": f"wait={wait}"} if wait else {}
        return self.api("POST", "/runs", {"workflow": workflow, "inputs": inputs or {}, **more}, **prefer)


@dataclass
class Visitor:
    """Somebody with a browser who is signed in. `page` is a tab; `tab` opens another."""

    site: Site
    context: BrowserContext
    page: Page
    shots: Path
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    async def tab(self) -> Page:
        page = await self.context.new_page()
        watch(page, self)
        return page

    async def go(self, path: str, page: Page | None = None) -> Page:
        page = page or self.page
        await page.goto(self.site.url + path)
        await page.wait_for_selector("h1")
        return page

    def expect_complaint(self, text: str) -> None:
        """The page will print an error with this in it, and is right to, such as one about an answer of 422."""
        self.expected.append(text)

    async def look(self, name: str, page: Page | None = None, *, whole: bool = True) -> None:
        """Write NAME-SCHEME-WIDTH.png, each without a part that is wider than the window; axe finds nothing serious."""
        page = page or self.page
        size = page.viewport_size
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for width, (w, h) in SIZES.items():
                await page.set_viewport_size({"width": w, "height": h})
                await page.evaluate("scrollTo(0, 0)")
                await page.evaluate(
                    "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
                )
                await page.screenshot(path=self.shots / f"{name}-{scheme}-{width}.png", full_page=whole)
                wider = await page.evaluate(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                )
                assert wider <= 0, f"{name} is {wider} px wider than {width}"
                await self.check_axe(page, f"{name}, {scheme}, {width}")
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        if size:
            await page.set_viewport_size(size)

    async def check_axe(self, page: Page, where: str) -> None:
        if not await page.evaluate("() => 'axe' in window"):
            await page.evaluate(AXE.read_text(encoding="utf-8"))
        found = await page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        serious = [
            f"{one['id']}: {one['help']}: {node['html'][:200]} ({node['failureSummary'][:300]})"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"][:3]
        ]
        assert not serious, f"{where}: " + "\n".join(serious)


def watch(page: Page, visitor: Visitor) -> None:
    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            visitor.complaints.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.set_default_timeout(20_000)


@contextlib.asynccontextmanager
async def visiting(site: Site, browser: Browser, shots: Path) -> AsyncIterator[Visitor]:
    """A visitor with a fresh browser profile, whose pages must not have complained in the end."""
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, reduced_motion="reduce", locale="en-GB"
    )
    visitor = Visitor(site, context, await context.new_page(), shots)
    watch(visitor.page, visitor)
    response: Response | None = await visitor.page.goto(f"{site.url}/?token={site.token}")
    assert response is not None
    assert response.ok
    try:
        yield visitor
        unexpected = [one for one in visitor.complaints if not any(part in one for part in visitor.expected)]
        assert not unexpected, json.dumps(unexpected, indent=1)
    finally:
        await context.close()


@contextlib.contextmanager
def running(data: Path) -> Iterator[Site]:
    site = Site(data)
    site.start()
    try:
        yield site
    finally:
        site.stop()
