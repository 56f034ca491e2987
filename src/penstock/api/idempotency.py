"""The same request twice is one piece of work.

A key belongs to what it was first sent with: method, path and body. What it stands for is kept before anything is begun: the
id of the run that is about to be, which follows from the key, or the place in a run's journal after which to look whether it
happened. So a repetition finds out what became of the first, even if the process died between the two.
"""

from __future__ import annotations

import hashlib

from fastapi import Request

from .core import Core, caller_of
from .headers import key_of

REPLAYED = {"Idempotency-Replayed": "true"}


def digest_of(request: Request, body: bytes) -> str:
    return hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + body).hexdigest()


async def claim_run(core: Core, request: Request, body: bytes) -> str | None:
    """The id that the run begun by this request must have; None without a key. Raises Conflict, code
    `idempotency.body_differs`."""
    key = key_of(request.headers.get("idempotency-key"))
    if key is None:
        return None
    group, digest = caller_of(request).group, digest_of(request, body)
    made = hashlib.blake2b(f"{group}\n{key}\n{digest}".encode(), digest_size=12).hexdigest()
    return await core.runs.claim(group, key, digest, f"run_{made}")


async def claim_after(core: Core, request: Request, body: bytes, run_id: str, head: int) -> int:
    """The head the run had when this request first came: `head`, unless it is a repetition."""
    key = key_of(request.headers.get("idempotency-key"))
    if key is None:
        return head
    group = caller_of(request).group
    held = await core.runs.claim(group, key, digest_of(request, body), f"{run_id}@{head}")
    return int(held.rpartition("@")[2])
