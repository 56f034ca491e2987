"""The application: routes by resource, one door in front of them, one way to say what went wrong."""

from __future__ import annotations

import os

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from .. import __version__
from ..errors import PenstockError
from . import (
    approvals,
    artifacts,
    budgets,
    dead_letters,
    face,
    health,
    imports,
    inventory,
    openai,
    openapi,
    policies,
    problems,
    providers,
    remote,
    runs,
    server_metrics,
    servers,
    tasks,
    workflows,
)
from .auth import Door, ensure_token
from .calls import Calls
from .core import Core
from .mcp_server import PATH, McpEndpoint
from .pages import Pages
from .stream import Streams
from .task_document import Shapes

PREFIX = "/api/v1"
_ANYWHERE = frozenset({"", "0.0.0.0", "::"})


def create_app(core: Core) -> FastAPI:
    """The HTTP API over `core`, which is open already and is closed by whoever opened it."""
    app = FastAPI(
        title="Penstock",
        version=__version__,
        description="Run agentic workflows yourself. Errors are RFC 9457 problems with stable codes.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,
    )
    app.state.core = core
    app.state.streams = Streams(core)
    app.state.pages = Pages(core.journal, core.runs)
    app.state.shapes = Shapes(core.workflows)
    app.state.calls = Calls(core, app.state.streams)
    app.state.registry, app.state.metrics = health.register(core, app.state.streams)
    app.state.refusals = remote.Refusals()
    app.state.registry.register(app.state.refusals)
    app.state.registry.register(server_metrics.ServerMetrics(core.servers))
    for module in (
        runs,
        tasks,
        artifacts,
        workflows,
        imports,
        approvals,
        dead_letters,
        inventory,
        servers,
        policies,
        budgets,
        providers,
        remote,
    ):
        app.include_router(module.router, prefix=PREFIX)
    app.include_router(health.router)
    app.include_router(remote.public)
    app.add_exception_handler(PenstockError, problems.on_penstock_error)
    app.add_exception_handler(HTTPException, problems.on_http_exception)
    app.add_exception_handler(RequestValidationError, problems.on_bad_request)
    host = core.settings.host
    hosts = [os.uname().nodename] if host in _ANYWHERE else [host]
    app.include_router(openai.router)
    app.router.routes.append(Route(PATH, McpEndpoint(app.state.calls, hosts), include_in_schema=False))
    app.include_router(face.router)  # the last: it takes every address that is nothing else's
    app.add_middleware(Door, token=ensure_token(core.settings.token, core.settings.data), hosts=hosts)
    app.add_middleware(openai.Dialect)
    openapi.install(app)
    return app
