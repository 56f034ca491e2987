"""What a run leaves for people: its artifacts as files, and its record (trace.json, logs.txt, metadata.json) beside them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..engine.record import DERIVED
from ..engine.scope import SPILLED
from ..engine.view import RunView
from ..errors import Invalid
from .failures import UsageError
from .link import Link


async def write_files(link: Link, view: RunView, folder: Path) -> list[dict[str, Any]]:
    """Write every file of the run into `folder`; returns [{name, digest, size, mime, path}], its artifacts first. Raises
    UsageError, code `out.unwritable`."""
    files = []
    for one in view.artifact_list():
        content = await link.content(view.run_id or "", one["digest"])
        files.append(await _write(folder, one["name"], content, one["digest"], one["mime"]))
    record: dict[str, Callable[[], bytes]] = {
        "trace.json": view.trace_json,
        "logs.txt": lambda: view.logs_text().encode(),
        "metadata.json": view.metadata_json,
    }
    for name, make in record.items():
        if name not in view.artifacts:
            content = make()
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            files.append(await _write(folder, name, content, digest, DERIVED[name]))
    return files


async def _write(folder: Path, name: str, content: bytes, digest: str, mime: str) -> dict[str, Any]:
    path = folder / name

    def write() -> None:
        if not path.resolve().is_relative_to(folder.resolve()):
            raise Invalid(f"the artifact {name!r} would lie outside {folder}", code="artifact.bad_name")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    try:
        await asyncio.to_thread(write)
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}", code="out.unwritable") from None
    return {"name": name, "digest": digest, "size": len(content), "mime": mime, "path": str(path)}


async def whole(link: Link, run_id: str, value: Any) -> Any:
    """A value of the journal, fetched where the journal holds but its pointer."""
    if isinstance(value, dict) and SPILLED in value:
        import orjson  # noqa: PLC0415 - only where there is something to read

        return orjson.loads(await link.content(run_id, value[SPILLED]))
    return value


def is_handle(value: Any) -> bool:
    """Whether an output is an artifact: {artifact, name, size, mime}."""
    return isinstance(value, dict) and isinstance(value.get("artifact"), str) and isinstance(value.get("name"), str)
