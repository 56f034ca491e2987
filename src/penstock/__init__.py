"""Penstock: run agentic workflows yourself.

Within your own program:

    async with penstock.local("data") as p:
        await p.apply(document)
        result = await p.wait(await p.start("slug", {"folder": "."}))

What a program does not use it does not import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import Penstock, Settings, local
    from .nodes.function import function

__version__ = "0.1.0"
__all__ = ["Penstock", "Settings", "function", "local"]


def __getattr__(name: str) -> Any:
    # What a program does not use it does not import: `import penstock` costs nothing.
    if name in ("Penstock", "Settings", "local"):
        from . import app  # noqa: PLC0415

        return getattr(app, name)
    if name == "function":
        from .nodes.function import function  # noqa: PLC0415

        return function
    raise AttributeError(f"module 'penstock' has no attribute {name!r}")
