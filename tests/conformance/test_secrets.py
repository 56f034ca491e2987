"""What is the sealed vault's own: nothing in the clear, nothing moved, keys that change."""

# ruff: noqa: ASYNC240 - the files are small, and nobody else waits for the loop
from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import PenstockError
from penstock.stores.vault import SealedVault

from .conftest import Place

pytestmark = pytest.mark.anyio

SECRET = "correct horse battery staple"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "vault.key"


@pytest.fixture
async def database(place: Place) -> AsyncIterator[Any]:
    async with place.open() as (database, _):
        yield database


@pytest.fixture
def vault(database: Any, key_file: Path, clock: Callable[[], float]) -> SealedVault:
    return SealedVault(database, key_file, clock)


async def test_a_value_is_nowhere_in_the_files(tmp_path: Path, key_file: Path, clock: Callable[[], float]) -> None:
    place = Place("file", tmp_path / "penstock.db")
    async with place.open() as (database, _):
        vault = SealedVault(database, key_file, clock)
        for value in (SECRET, "first " + SECRET):
            await vault.put("g", "name", value)
        seen = [path.name for path in tmp_path.iterdir() if SECRET.encode() in path.read_bytes()]
        assert seen == []
        assert {"penstock.db", "penstock.db-wal", "vault.key"} <= {path.name for path in tmp_path.iterdir()}
    assert [path.name for path in tmp_path.iterdir() if SECRET.encode() in path.read_bytes()] == []


async def test_the_same_value_is_never_sealed_the_same(vault: SealedVault, database: Any) -> None:
    for name in ("one", "two"):
        await vault.put("g", name, SECRET)
    sealed = [row[0] for row in await database.fetch("SELECT sealed FROM secrets")]
    assert len(set(sealed)) == 2
    assert not any(SECRET in each for each in sealed)


async def test_a_sealed_value_opens_in_its_own_row_alone(vault: SealedVault, database: Any) -> None:
    for group, name in (("g", "one"), ("g", "two"), ("h", "one")):
        await vault.put(group, name, f"{group} {name}")
    taken = (await database.fetch("SELECT sealed FROM secrets WHERE grp = ?1 AND name = ?2", ("g", "one")))[0][0]
    for group, name in (("g", "two"), ("h", "one")):
        await database.execute("UPDATE secrets SET sealed = ?3 WHERE grp = ?1 AND name = ?2", (group, name, taken))
        with pytest.raises(PenstockError) as refused:
            await vault.get(group, name)
        assert refused.value.code == "secret.sealed"
        assert "g one" not in refused.value.message
    assert await vault.get("g", "one") == "g one"


@pytest.mark.parametrize(
    "spoiled", ["", "x", "nokey.AAAA", ".", "é.é", "{key}.", "{key}.AAAA", "{key}.not base64 at all"]
)
async def test_what_was_altered_does_not_open(vault: SealedVault, database: Any, spoiled: str) -> None:
    await vault.put("g", "name", SECRET)
    key = (await database.fetch("SELECT sealed FROM secrets"))[0][0].partition(".")[0]
    await database.execute("UPDATE secrets SET sealed = ?1", (spoiled.replace("{key}", key),))
    with pytest.raises(PenstockError) as refused:
        await vault.get("g", "name")
    assert refused.value.code == "secret.sealed"


async def test_the_key_file_is_its_owners_alone(vault: SealedVault, key_file: Path) -> None:
    await vault.put("g", "name", SECRET)
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    await vault.rotate()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert [path.name for path in key_file.parent.glob("vault*")] == ["vault.key"], (
        "copies of keys are left lying about"
    )


async def test_rotation(database: Any, key_file: Path) -> None:
    now = 1_700_000_000.0

    def clock() -> float:
        return now

    vault = SealedVault(database, key_file, clock)
    for number in range(5):
        await vault.put("g", f"name{number}", f"value {number}")
    other = SealedVault(database, key_file, clock)  # as another process has it, with the keys of now in memory
    assert await other.get("g", "name0") == "value 0"
    before = {row[0] for row in await database.fetch("SELECT sealed FROM secrets")}
    assert await vault.rotate() == 5
    after = {row[0] for row in await database.fetch("SELECT sealed FROM secrets")}
    assert not before & after
    assert {one.partition(".")[0] for one in before}.isdisjoint({one.partition(".")[0] for one in after})
    for reader in (vault, other, SealedVault(database, key_file, clock)):
        assert [await reader.get("g", f"name{number}") for number in range(5)] == [f"value {n}" for n in range(5)]
    await other.put("g", "late", SECRET)
    for _ in range(3):
        assert await vault.rotate() == 6
        assert await other.get("g", "late") == SECRET
    assert len(key_file.read_text().split(",")) == 5, "a key is dropped while somebody may be sealing with it"
    now += 3601
    await vault.rotate()
    assert len(key_file.read_text().split(",")) == 2, "keys that nobody can need are kept"
    assert await other.get("g", "late") == SECRET


async def test_rotation_while_others_write(vault: SealedVault, database: Any, key_file: Path, clock: Any) -> None:
    """A value put at any moment of a rotation opens after it, and after the next."""
    other = SealedVault(database, key_file, clock)

    async def write(writer: SealedVault, name: str) -> None:
        for number in range(20):
            await writer.put("g", name, f"{name} {number}")

    async def rotate() -> None:
        for _ in range(5):
            await vault.rotate()

    await asyncio.gather(rotate(), write(vault, "mine"), write(other, "theirs"))
    for _ in range(2):
        assert await vault.get("g", "mine") == "mine 19"
        assert await other.get("g", "theirs") == "theirs 19"
        await vault.rotate()


async def test_two_processes_rotate_at_once(tmp_path: Path, key_file: Path, clock: Any) -> None:
    place = Place("file", tmp_path / "penstock.db")

    async def rotate(times: int) -> None:
        async with place.open() as (database, _):
            vault = SealedVault(database, key_file, clock)
            for number in range(times):
                await vault.put("g", f"name{number}", SECRET)
                await vault.rotate()

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, rotate(10)) for _ in range(3)))
    async with place.open() as (database, _):
        vault = SealedVault(database, key_file, clock)
        assert [await vault.get("g", name) for name in await vault.names("g")] == [SECRET] * 10


async def test_two_that_make_the_first_key_at_once_use_the_same(database: Any, key_file: Path, clock: Any) -> None:
    async def first(number: int) -> None:
        vault = SealedVault(database, key_file, clock)
        await asyncio.to_thread(vault._load)
        await vault.put("g", f"name{number}", f"value {number}")

    await asyncio.gather(*(first(number) for number in range(12)))
    vault = SealedVault(database, key_file, clock)
    assert [await vault.get("g", f"name{n}") for n in range(12)] == [f"value {n}" for n in range(12)]


async def test_the_key_file_is_lost_or_spoiled(vault: SealedVault, key_file: Path) -> None:
    await vault.put("g", "name", SECRET)
    key_file.write_text("this was a key file")
    with pytest.raises(PenstockError) as refused:
        await vault.get("g", "name")
    assert refused.value.code == "vault.bad_key_file"
    key_file.unlink()
    with pytest.raises(PenstockError) as refused:
        await vault.get("g", "name")
    assert refused.value.code == "secret.sealed"
    await vault.put("g", "name", "a new one")
    assert await vault.get("g", "name") == "a new one"
