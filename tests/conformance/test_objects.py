"""What is the disk's own: a file that a power cut left half written, and URLs that are none."""

# ruff: noqa: ASYNC240 - the files are small, and nobody else waits for the loop
from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from penstock.errors import Invalid
from penstock.stores.objects import Objects

pytestmark = pytest.mark.anyio


async def test_what_is_half_there_is_written_again(tmp_path: Path) -> None:
    artifacts = Objects.at(f"file://{tmp_path}")
    data = b"whole" * 1000
    name = await artifacts.put(data)
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
    for left in (b"", data[:100]):
        file.write_bytes(left)
        assert await artifacts.put(data) == name
        assert await artifacts.get(name) == data


async def test_artifacts_lie_under_their_hash(tmp_path: Path) -> None:
    await Objects.at(f"file://{tmp_path}").put(b"one")
    digest = hashlib.sha256(b"one").hexdigest()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [
        f"{digest[:2]}/{digest[2:]}"
    ]


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/folder", "file:///dev/null/folder", ""])
def test_what_is_no_store(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        Objects.at(url)
    assert refused.value.code == "settings.artifacts"
