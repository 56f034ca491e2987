"""Real servers to talk to."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from penstock.tools.config import ServerConfig
from penstock.tools.registry import Servers

ODD = str(Path(__file__).with_name("odd_server.py"))


def odd(mode: str = "serve", name: str = "odd", **rest: object) -> ServerConfig:
    """The odd server over stdio."""
    return ServerConfig.model_validate({"name": name, "command": sys.executable, "args": [ODD, mode], **rest})


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    pool = Servers([odd()])
    try:
        yield pool
    finally:
        await pool.aclose()


@pytest.fixture(scope="module")
def http_server() -> Iterator[str]:
    """The address of an odd server over streamable HTTP."""
    with started([ODD, "serve", "--http"]) as url:
        yield url


class started:
    """A server process that prints its address; killed on the way out."""

    def __init__(self, args: list[str], env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen([sys.executable, *args], stdout=subprocess.PIPE, text=True, env=env)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def __enter__(self) -> str:
        return self.url

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
