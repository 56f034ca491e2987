"""The laws of artifacts."""

from __future__ import annotations

import asyncio
import hashlib

from ...errors import Invalid, NotFound
from .laws import Open, Suite, need, refused, same

ARTIFACTS = Suite("Artifacts")

ABSENT = f"sha256:{'0' * 64}"
NOT_DIGESTS = (
    "",
    "sha256:",
    "0" * 64,
    "md5:" + "0" * 64,
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha256:" + "A" * 64,
    "sha256:" + "z" * 64,
    ABSENT + "\n",
    "sha256:../../../../etc/passwd",
    "sha256:" + "../" * 21 + "x",
    "../" + ABSENT,
    "sha256:" + "0" * 62 + "\x00a",
)


@ARTIFACTS.law()
async def named_by_content(open: Open) -> None:
    """The name is sha256:<hex> of the bytes: the same bytes have the same name, and are there whoever put them."""
    async with open() as artifacts:
        for data in (b"", b"\x00", b"one", "Zoë\n".encode(), bytes(range(256)) * 300):
            expected = f"sha256:{hashlib.sha256(data).hexdigest()}"
            same(await artifacts.put(data), expected, "the name")
            same(await artifacts.put(data), expected, "the name of the same bytes again")
            same(await artifacts.get(expected), data, "the bytes")
            same(await artifacts.size(expected), len(data), "the size")


@ARTIFACTS.law()
async def ranges(open: Open) -> None:
    """`get` gives bytes from `start` to `end`, exclusive; what lies beyond the end is not an error but not there."""
    async with open() as artifacts:
        data = bytes(range(256)) * 4
        name = await artifacts.put(data)
        for start, end in (
            (0, None),
            (0, 1),
            (0, 1024),
            (0, 1025),
            (0, 0),
            (10, 10),
            (10, 300),
            (1000, None),
            (1023, 1024),
            (1000, 10**9),
            (1024, None),
            (1024, 1030),
            (5000, None),
            (5000, 6000),
            (20, 10),
        ):
            same(await artifacts.get(name, start, end), data[start:end], f"bytes {start} to {end}")
        empty = await artifacts.put(b"")
        same(await artifacts.get(empty, 0, 10), b"", "the first bytes of nothing")
        for start, end in ((-1, None), (0, -1), (-5, -1)):
            with refused(Invalid, f"bytes {start} to {end}", "artifact.bad_range"):
                await artifacts.get(name, start, end)


@ARTIFACTS.law()
async def missing(open: Open) -> None:
    """What is not there is NotFound: whole, in part, and its size."""
    async with open() as artifacts:
        with refused(NotFound, "an artifact that is not there", "artifact.not_found"):
            await artifacts.get(ABSENT)
        with refused(NotFound, "part of it", "artifact.not_found"):
            await artifacts.get(ABSENT, 5, 10)
        with refused(NotFound, "an empty part of it", "artifact.not_found"):
            await artifacts.get(ABSENT, 5, 5)
        with refused(NotFound, "its size", "artifact.not_found"):
            await artifacts.size(ABSENT)


@ARTIFACTS.law()
async def bad_names(open: Open) -> None:
    """What is not a digest is Invalid, and never a path."""
    async with open() as artifacts:
        for name in NOT_DIGESTS:
            with refused(Invalid, f"the name {name!r}", "artifact.bad_digest"):
                await artifacts.get(name)
            with refused(Invalid, f"the size of {name!r}", "artifact.bad_digest"):
                await artifacts.size(name)


@ARTIFACTS.law()
async def ten_megabytes(open: Open) -> None:
    """10 MB go in and come out, whole and in ranges."""
    async with open() as artifacts:
        data = bytes(range(256)) * 40_960
        name = await artifacts.put(data)
        same(await artifacts.size(name), len(data), "the size")
        need(await artifacts.get(name) == data, "the bytes differ")
        need(await artifacts.get(name, 9_000_001, 9_500_001) == data[9_000_001:9_500_001], "bytes in the middle differ")


@ARTIFACTS.law()
async def many_at_once(open: Open) -> None:
    """50 who put at once, half of them the same bytes, all succeed; nobody ever reads a part of what is being written."""
    async with open() as artifacts:
        shared = b"shared" * 100_000

        async def writer(number: int) -> None:
            data = shared if number % 2 else f"own {number}".encode() * 1000
            name = await artifacts.put(data)
            need(await artifacts.get(name) == data, f"writer {number} read something else than it put")

        await asyncio.gather(*(writer(number) for number in range(50)))


@ARTIFACTS.law(reopens=True)
async def durable(open: Open) -> None:
    """Artifacts are there when the place is opened again."""
    async with open() as artifacts:
        name = await artifacts.put(b"kept")
    async with open() as artifacts:
        same(await artifacts.get(name), b"kept", "the bytes")
