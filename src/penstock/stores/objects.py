"""Artifacts named by the hash of their content, in any store obstore knows: a folder, S3, memory.

The name is `sha256:<hex>`; the object lies under `ab/cdef…`. Putting is put-if-absent, so the same content is written once and
never changed. What was written is read back by range.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, MemoryStore, from_url

from ..errors import Invalid, NotFound

_DIGEST = re.compile(r"sha256:([0-9a-f]{2})([0-9a-f]{62})")


class Objects:
    def __init__(self, store: Any) -> None:
        self._store = store

    @classmethod
    def at(cls, url: str) -> Objects:
        """`memory:`, `file:///folder` or `s3://bucket/prefix`."""
        if url == "memory:":
            return cls(MemoryStore())
        if url.startswith("file://"):
            folder = Path(url.removeprefix("file://"))
            folder.mkdir(parents=True, exist_ok=True)
            return cls(LocalStore(str(folder)))
        return cls(from_url(url))

    async def put(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        with contextlib.suppress(AlreadyExistsError, FileExistsError):
            await obstore.put_async(self._store, _path(digest), data, mode="create")
        return digest

    async def get(self, digest: str, start: int = 0, end: int | None = None) -> bytes:
        path = _path(digest)
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


def _path(digest: str) -> str:
    match = _DIGEST.fullmatch(digest)
    if match is None:
        raise Invalid(f"{digest!r} is not the name of an artifact (sha256:…)", code="artifact.bad_digest")
    return f"{match[1]}/{match[2]}"
