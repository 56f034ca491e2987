"""Artifacts named by the hash of their content, in any store obstore knows: a folder, S3, memory.

The name is `sha256:<hex>`; the object lies under `ab/cdef…`. Putting is put-if-absent, so the same content is written once and
never changed, unless what is there has another size: then a machine went down while it was written, and it is written again. On
disk it is flushed before its name is given away, since the journal that points to it will be. What was written is read back by
range.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, MemoryStore, from_url

from ..errors import Invalid, NotFound

LARGE = 1024 * 1024  # bytes from which hashing would hold up the loop
_DIGEST = re.compile(r"sha256:([0-9a-f]{2})([0-9a-f]{62})")


class Objects:
    def __init__(self, store: Any, folder: Path | None = None) -> None:
        """`store` is obstore's; `folder` is where it writes, if it is a disk."""
        self._store = store
        self._folder = folder

    @classmethod
    def at(cls, url: str) -> Objects:
        """`memory:`, `file:///folder` or `s3://bucket/prefix`. Raises Invalid, code `settings.artifacts`."""
        if url == "memory:":
            return cls(MemoryStore())
        if url.startswith("file://"):
            folder = Path(url.removeprefix("file://"))
            try:
                folder.mkdir(parents=True, exist_ok=True)
                return cls(LocalStore(str(folder)), folder)
            except OSError as error:
                raise Invalid(f"artifacts: {folder} cannot be used: {error}", code="settings.artifacts") from error
        try:
            return cls(from_url(url))
        except (BaseError, ValueError) as error:
            raise Invalid(f"artifacts: {url} is not a store: {error}", code="settings.artifacts") from error

    async def put(self, data: bytes) -> str:
        digest = _digest(data) if len(data) < LARGE else await asyncio.to_thread(_digest, data)
        path = _path(digest)
        try:
            await obstore.put_async(self._store, path, data, mode="create")
        except (AlreadyExistsError, FileExistsError):
            if await self.size(digest) == len(data):
                return digest
            await obstore.put_async(self._store, path, data, mode="overwrite")
        if self._folder is not None:
            await asyncio.to_thread(_flush, self._folder, path)
        return digest

    async def get(self, digest: str, start: int = 0, end: int | None = None) -> bytes:
        path = _path(digest)
        if start < 0 or (end is not None and end < 0):
            raise Invalid("a range of bytes begins at 0 or later", code="artifact.bad_range")
        try:
            if start == 0 and end is None:
                return bytes(await (await obstore.get_async(self._store, path)).bytes_async())
            size = await self.size(digest)
            end = size if end is None else min(end, size)
            if start >= end:
                return b""
            return bytes(await obstore.get_range_async(self._store, path, start=start, end=end))
        except FileNotFoundError:
            raise NotFound(f"no artifact {digest}", code="artifact.not_found") from None

    async def size(self, digest: str) -> int:
        try:
            return (await obstore.head_async(self._store, _path(digest)))["size"]
        except FileNotFoundError:
            raise NotFound(f"no artifact {digest}", code="artifact.not_found") from None


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _flush(folder: Path, path: str) -> None:
    """What was written, its name, and the name of the folder it is in are on the disk when this returns."""
    file = folder / path
    for each in (file, file.parent, folder):
        handle = os.open(each, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _path(digest: str) -> str:
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise Invalid(f"{digest!r} is not the name of an artifact (sha256:…)", code="artifact.bad_digest")
    return f"{match[1]}/{match[2]}"
