"""Settings and wiring: the only place that reads the environment and names adapters.

`Penstock` is one process with everything in it. A laptop and a cluster differ in four URLs: journal, bus, artifacts, vault.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib.metadata
import importlib.resources
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import orjson
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from .bus.embedded import EmbeddedBus
from .control import Control
from .engine.state import RunState
from .errors import Conflict, Invalid
from .executor import Executor
from .gate import Gate, Request
from .guardrails.book import PolicyBook
from .models.connections import Connections
from .models.registry import Models
from .nodes.agent import Agent
from .nodes.agent_tools import Published
from .nodes.code import Ceiling, Code
from .nodes.crew import Crew
from .nodes.fail import Fail
from .nodes.function import Function
from .nodes.http import Http
from .nodes.human import Human
from .nodes.notify import Notify
from .nodes.plan import Plan
from .nodes.render import Render
from .nodes.subflow import Subflow
from .nodes.tool import Tool
from .nodes.wait import WaitKind
from .ports import Draft, NodeKind
from .preflight import checks_of
from .purse import Purse
from .stores.catalog import RunList, WorkflowCatalog
from .stores.objects import Objects
from .stores.registry import NamedThings, Sums
from .stores.vault import SealedVault
from .tools.config import ServerConfig, parse_servers
from .tools.desk import Desk
from .tools.keys import SigningKeys, WorkerTokens
from .tools.registry import Servers
from .tools.remote import RemoteWorker


class Settings(BaseSettings):
    """Read from the environment, with the prefix PENSTOCK_."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_", extra="ignore")

    data: Path = Field(default_factory=lambda: Path.home() / ".penstock", description="The folder everything lives in.")
    journal: str = Field(
        default="", description="sqlite:///FILE or postgresql://…; a file in the data folder by default."
    )
    artifacts: str = Field(
        default="", description="file:///FOLDER or s3://BUCKET/PREFIX; in the data folder by default."
    )
    host: str = Field(default="127.0.0.1", description="The address `penstock up` listens on.")
    port: int = Field(default=7411, ge=0, le=65535, description="Its port; 0 for any free one.")
    public_url: str = Field(
        default="",
        description="The address others reach this server at, for what remote workers bring back; by default each uses the one"
        " it was given.",
    )
    token: str = Field(default="", description="The bearer token of the API; made on first start by default.")
    running: int = Field(
        default=512, ge=1, description="Runs in progress at once in this process; others wait as queued."
    )
    executor_places: int = Field(default=1024, ge=1, description="Steps run at once by this process.")
    code_read: str = Field(
        default="",
        description="Folders that `code` steps may be allowed to read, separated by `:`; `*` for any; none by default.",
    )
    code_write: str = Field(
        default="", description="Folders that `code` steps may be allowed to write, in the same way."
    )
    code_network: bool = Field(default=False, description="Whether `code` steps may be allowed the network.")
    server_programs: Literal["loopback", "always", "never"] = Field(
        default="loopback",
        description="Whether MCP servers that are programs may be added through the API: only while it listens on loopback,"
        " always, or never. Those of servers.json always may.",
    )
    http_private: bool = Field(default=True, description="Whether `http` steps may ask private and loopback addresses.")
    model: str = Field(default="scripted:", description="The model of agents that name none, such as openai:gpt-5.")
    keys_from_environment: bool = Field(
        default=False, description="Whether providers' keys are looked for in the environment where the vault has none."
    )
    stop_grace: float = Field(default=10.0, ge=0, description="Seconds that running steps get to end after SIGTERM.")


class Penstock:
    """Everything, in this process. `async with` starts and stops it. With `active` False it runs nothing, and so may be
    opened beside the process that owns the data folder: to read, and to change what is no run."""

    def __init__(self, settings: Settings, kinds: Mapping[str, NodeKind] | None = None, active: bool = True) -> None:
        self.settings = settings
        self.active = active
        self._given = dict(kinds or {})
        self._lock: Any = None
        self._tasks: list[asyncio.Task[None]] = []
        self.clock = time.time

    async def __aenter__(self) -> Penstock:
        settings = self.settings
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        shared = settings.journal.startswith(("postgresql://", "postgres://"))
        if self.active and not shared:
            self._lock = hold_folder(settings.data)
        try:
            await self._open(shared)
        except BaseException:
            self._release()
            raise
        return self

    async def _open(self, shared: bool) -> None:
        settings = self.settings
        database, journal = await open_journal(settings)
        self.database = database
        self.journal = journal
        self.bus = EmbeddedBus()
        self.artifacts = Objects.at(settings.artifacts or f"file://{(settings.data / 'artifacts').resolve()}")
        self.vault = SealedVault(database, settings.data / "vault.key", self.clock)
        self.workflows = WorkflowCatalog(database, self.clock)
        self.runs = RunList(database, self.clock)
        self.registry = NamedThings(database, self.clock)
        self.usage = Sums(database)
        self.policies = PolicyBook(self.registry, settings.data / "policies.yaml", self.clock)
        await self.policies.load()
        signing = SigningKeys(self.vault, self.clock)
        self.desk = Desk(self.registry, self.artifacts, signing, self.clock, settings.public_url)
        self.worker_tokens = WorkerTokens(self.registry, self.clock)
        file = settings.data / "servers.json"
        self.servers = Servers(
            read_servers(file),
            registry=self.registry,
            read=changes_of(file),
            secret=self.vault.get,
            connect={"worker": lambda group, config: RemoteWorker(config, self.desk, group)},
            clock=self.clock,
        )
        keys = os.environ if settings.keys_from_environment else None
        self.connections = Connections(self.registry, self.vault, self.clock, keys)
        self.models = Models(settings.model, environment=keys, saved=self.connections.saved)
        self.connections.breakers = self.models.breakers
        self.kinds = {**load_kinds(self.servers, settings, self._version, self.models), **self._given}
        self.control = Control(
            journal,
            self.runs,
            self.bus,
            self.artifacts,
            self._version,
            self.clock,
            new_run_id,
            settings.running,
            shared,
            Purse(self.usage, self._budgets, self.clock),
            self.policies.known,
            inputs=self._child,
        )
        checks = checks_of(self.vault, self.workflows, self.servers, self.models, self.connections)
        self.gate = Gate(
            self.control, self.workflows, self.runs, self.kinds, checks, self.policies, self.models, self.servers
        )
        self.executor = Executor(
            self.bus,
            self.control,
            self.kinds,
            self.artifacts,
            self.vault,
            self.clock,
            f"{os.uname().nodename}-{os.getpid()}",
            settings.executor_places,
        )
        if not self.active:
            return
        self.executor.begin()
        if not shared:
            await self.control.recover()
        self._tasks = [
            asyncio.create_task(self.control.run(), name="penstock-sweep"),
            asyncio.create_task(self.servers.probe_forever(), name="penstock-probes"),
        ]

    async def _budgets(self, group: str) -> dict[str, dict[str, Any]]:
        return await self.registry.list(group, "budgets")

    async def _child(self, parent: RunState, workflow: Any, inputs: Any) -> Any:
        return await self.gate.child(parent, workflow, inputs)

    async def _version(self, group: str, slug: str, number: int) -> tuple[int, Any]:
        return await self.gate.version(group, slug, number)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.executor.close(self.settings.stop_grace if kind is None else 0.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.control.close()
        await self.policies.close()
        await self.bus.close()
        for one in (*self.kinds.values(), self.servers):
            if (close := getattr(one, "aclose", None)) is not None:
                await close()
        await self.database.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --------------------------------------------------------------------------------------- the Python API

    async def apply(self, document: str | bytes | dict[str, Any], *, group: str = "default") -> Draft:
        """Save a workflow's document (YAML or JSON text, or data) as its draft. Raises Invalid with every problem."""
        if not isinstance(document, dict):
            document = self.gate.read(document).document
        return await self.gate.apply(group, document, "local")

    async def start(
        self, workflow: str, inputs: dict[str, Any] | None = None, *, mode: str = "full_run", **more: Any
    ) -> str:
        """Begin a run of a workflow's draft; returns its id once it is durable."""
        return await self.gate.start(Request(workflow, inputs or {}, mode=mode, **more))

    async def wait(self, run_id: str) -> RunState:
        """The state a run ended in: `status`, `outputs`, `error`."""
        return await self.control.wait(run_id)


@contextlib.asynccontextmanager
async def local(
    data_dir: str | Path, kinds: Mapping[str, NodeKind] | None = None, **settings: Any
) -> AsyncIterator[Penstock]:
    """Penstock within your own program: `async with penstock.local("data") as p: …`"""
    async with Penstock(Settings(data=Path(data_dir), **settings), kinds) as penstock:
        yield penstock


def load_kinds(
    servers: Servers,
    settings: Settings | None = None,
    published: Published | None = None,
    models: Models | None = None,
) -> dict[str, NodeKind]:
    """The node kinds of this installation by name: ours, and those of the entry point group `penstock.nodes`, each a class
    whose call without arguments gives the kind. Raises Invalid, code `kind.broken`, for one that cannot be loaded."""
    settings = settings or Settings()
    ceiling = Ceiling(_folders(settings.code_read), _folders(settings.code_write), settings.code_network)
    functions = Function()
    http = Http(settings.http_private)
    agent = Agent(models or Models(settings.model), servers, functions, published)
    kinds: list[NodeKind] = [
        functions,
        agent,
        Crew(agent, functions),
        Code(ceiling),
        http,
        Tool(servers),
        Notify(http),
        Fail(),
        Plan(functions),
        Human(),
        Subflow(),
        Render(),
        WaitKind(),
    ]
    for point in importlib.metadata.entry_points(group="penstock.nodes"):
        try:
            kinds.append(point.load()())
        except Exception as error:
            raise Invalid(
                f"the node kind {point.name} ({point.value}) cannot be loaded: {error}", code="kind.broken"
            ) from error
    return {kind.name: kind for kind in kinds}


def _folders(setting: str) -> tuple[str, ...] | None:
    return None if setting == "*" else tuple(folder for folder in setting.split(os.pathsep) if folder)


def read_servers(file: Path) -> list[ServerConfig]:
    """The MCP servers of `DATA/servers.json`, in the common form {"mcpServers": {name: {command, args, env} or {url}}}; none
    where there is no such file. Raises Invalid, code `server.invalid`, with every problem."""
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return []
    try:
        return parse_servers(orjson.loads(text))
    except orjson.JSONDecodeError as error:
        raise Invalid(f"{file.name} is not JSON: {error}", code="server.invalid") from None


def changes_of(file: Path) -> Callable[[], list[ServerConfig] | None]:
    """What `read_servers` says, each time the file is another than at the last call; None while it is the same."""

    def stamp() -> tuple[int, int, int] | None:
        try:
            found = file.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    seen = stamp()

    def read() -> list[ServerConfig] | None:
        nonlocal seen
        now = stamp()
        if now == seen:
            return None
        seen = now
        return read_servers(file)

    return read


def packaged_workflows() -> dict[str, str]:
    """The documents that come with Penstock, by name."""
    folder = importlib.resources.files("penstock").joinpath("workflows")
    return {
        file.name.removesuffix(".yaml"): file.read_text() for file in folder.iterdir() if file.name.endswith(".yaml")
    }


async def open_journal(settings: Settings) -> tuple[Any, Any]:
    """The database and the journal that the settings name, with the schema in place."""
    url = settings.journal or f"sqlite:///{settings.data / 'penstock.db'}"
    if url.startswith("sqlite:///"):
        from .stores.journal_sqlite import SqliteJournal  # noqa: PLC0415
        from .stores.migrations import prepare_sqlite  # noqa: PLC0415
        from .stores.sqlite import Sqlite  # noqa: PLC0415

        path = Path(url.removeprefix("sqlite:///"))
        await asyncio.to_thread(prepare_sqlite, path)
        database = Sqlite(path)
        return database, SqliteJournal(database)
    if url.startswith(("postgresql://", "postgres://")):
        from .stores.journal_postgres import PostgresJournal  # noqa: PLC0415
        from .stores.migrations import prepare_postgres  # noqa: PLC0415
        from .stores.postgres import Postgres  # noqa: PLC0415

        shared = Postgres(url)
        try:
            await prepare_postgres(shared)
        except BaseException:
            await shared.close()
            raise
        return shared, PostgresJournal(shared)
    raise Invalid(f"journal: {url.split(':')[0]} is not sqlite or postgresql", code="settings.journal")


def hold_folder(data: Path) -> Any:
    """Only one process may own a data folder. Raises Conflict, code `data.in_use`."""
    lock = (data / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise Conflict(
            f"the data folder {data} is in use by process {owner}: stop it, or choose another with --data",
            code="data.in_use",
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def new_run_id() -> str:
    """Unique, and in the order of time, so that a database keeps new runs together."""
    return f"run_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"
