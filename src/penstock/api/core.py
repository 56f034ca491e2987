"""What the API stands on: the process it is served by, seen from here.

`app.Penstock` is one; the API names no adapter and reads no environment, so it takes what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from fastapi import Request

from ..control import Control
from ..executor import Executor
from ..gate import Gate
from ..guardrails.book import PolicyBook
from ..models.connections import Connections
from ..models.registry import Models
from ..ports import Artifacts, Clock, Journal, NodeKind, Registry, Runs, Usage, Vault, Workflows
from ..tools.desk import Desk
from ..tools.keys import WorkerTokens
from ..tools.registry import Servers
from .auth import Caller


class Settings(Protocol):
    @property
    def data(self) -> Path: ...

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...

    @property
    def token(self) -> str: ...

    @property
    def stop_grace(self) -> float: ...

    @property
    def server_programs(self) -> str: ...


class Core(Protocol):
    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def runs(self) -> Runs: ...

    @property
    def workflows(self) -> Workflows: ...

    @property
    def artifacts(self) -> Artifacts: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def usage(self) -> Usage: ...

    @property
    def vault(self) -> Vault: ...

    @property
    def policies(self) -> PolicyBook: ...

    @property
    def models(self) -> Models: ...

    @property
    def connections(self) -> Connections: ...

    @property
    def kinds(self) -> Mapping[str, NodeKind]: ...

    @property
    def servers(self) -> Servers: ...

    @property
    def desk(self) -> Desk: ...

    @property
    def worker_tokens(self) -> WorkerTokens: ...

    @property
    def control(self) -> Control: ...

    @property
    def gate(self) -> Gate: ...

    @property
    def executor(self) -> Executor: ...


def core_of(request: Request) -> Core:
    return request.app.state.core


def caller_of(request: Request) -> Caller:
    """Who asks, as the token says."""
    return request.scope["penstock.caller"]
