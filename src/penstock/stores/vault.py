"""Secrets, encrypted at rest, each bound to its place: AES-256-GCM with the group and the name as associated data, so that a
sealed value copied to another row does not open. The key file is made with the data folder and readable by its owner alone.

Keys have ids; the newest seals, all of them open, so `rotate` can go on while secrets are read and written, by this process or
another that has the same key file: everyone looks whether the file has changed before using it, and a key is dropped when nothing
is sealed with it and it has been out of use for an hour, by when whoever was just sealing with it is done.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from ..errors import Invalid, NotFound, PenstockError
from ..ports import Clock
from .catalog import Database

NAME_LIMIT = 200
VALUE_LIMIT = 64 * 1024
HOUR = 3600.0
_HALF = re.compile("[\ud800-\udfff]")


class SealedVault:
    """See ports.Vault."""

    def __init__(self, database: Database, key_file: Path, clock: Clock) -> None:
        self._db = database
        self._key_file = key_file
        self._clock = clock
        self._keys: dict[str, bytes] = {}
        self._read_at: tuple[int, int] | None = None  # inode and time of change of the file that `_keys` came from

    async def put(self, group: str, name: str, value: str) -> None:
        if not name or len(name) > NAME_LIMIT or not name.isprintable() or "/" in name:
            raise Invalid(
                f"a secret's name is 1 to {NAME_LIMIT} printable characters without /", code="secret.bad_name"
            )
        if not 1 <= len(value.encode(errors="replace")) <= VALUE_LIMIT or _HALF.search(value):
            raise Invalid(f"a secret's value is 1 to {VALUE_LIMIT} bytes of text", code="secret.bad_value")
        await self._db.execute(
            "INSERT INTO secrets (grp, name, sealed, updated_at) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (grp, name) DO UPDATE SET sealed = ?3, updated_at = ?4 RETURNING name",
            (group, name, self._seal(group, name, value), self._clock()),
        )

    async def get(self, group: str, name: str) -> str:
        rows = await self._db.fetch("SELECT sealed FROM secrets WHERE grp = ?1 AND name = ?2", (group, name))
        if not rows:
            raise NotFound(f"there is no secret {name!r}", code="secret.not_found")
        return self._open(group, name, rows[0][0])

    async def names(self, group: str) -> list[str]:
        rows = await self._db.fetch("SELECT name FROM secrets WHERE grp = ?1 ORDER BY name", (group,))
        return [row[0] for row in rows]

    async def delete(self, group: str, name: str) -> None:
        gone = await self._db.execute("DELETE FROM secrets WHERE grp = ?1 AND name = ?2 RETURNING name", (group, name))
        if not gone:
            raise NotFound(f"there is no secret {name!r}", code="secret.not_found")

    async def rotate(self) -> int:
        """Make a new key and seal every secret with it; returns how many. Keys that nobody can need any more are dropped."""
        before = await self._db.fetch("SELECT sealed FROM secrets", ())
        used = {row[0].partition(".")[0] for row in before}
        now = self._clock()
        with self._alone():
            keys = self._load()
            retired = [*(_made_at(key_id) for key_id in list(keys)[1:]), now]
            kept = {k: keys[k] for k, at in zip(keys, retired, strict=True) if k in used or at > now - HOUR}
            key_id, key = _new_key(now)
            self._store({**kept, key_id: key})
        rows = await self._db.fetch("SELECT grp, name, sealed FROM secrets", ())
        for group, name, sealed in rows:
            value = self._open(group, name, sealed)
            await self._db.execute(
                "UPDATE secrets SET sealed = ?3 WHERE grp = ?1 AND name = ?2 AND sealed = ?4 RETURNING name",
                (group, name, self._seal(group, name, value), sealed),
            )
        return len(rows)

    # --------------------------------------------------------------------------------------------------- keys

    def _seal(self, group: str, name: str, value: str) -> str:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - most runs use no secret

        keys = self._load()
        key_id = list(keys)[-1]
        nonce = secrets.token_bytes(12)
        sealed = AESGCM(keys[key_id]).encrypt(nonce, value.encode(), _bound(group, name))
        return f"{key_id}.{base64.b64encode(nonce + sealed).decode()}"

    def _open(self, group: str, name: str, sealed: str) -> str:
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        key_id, _, data = sealed.partition(".")
        key = self._load().get(key_id)
        try:
            if key is None:
                raise InvalidTag
            raw = base64.b64decode(data)
            return AESGCM(key).decrypt(raw[:12], raw[12:], _bound(group, name)).decode()
        except (InvalidTag, ValueError):  # also what is no base64, or too short
            raise PenstockError(
                f"the secret {name!r} cannot be opened: it was sealed with another key, or altered",
                code="secret.sealed",
            ) from None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes the key file meanwhile."""
        folder = os.open(self._key_file.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _load(self) -> dict[str, bytes]:
        """The keys, newest last; the first is made here."""
        try:
            found = self._key_file.stat()
        except FileNotFoundError:
            self._store(dict([_new_key(self._clock())]), first=True)
            found = self._key_file.stat()
        if (found.st_ino, found.st_mtime_ns) != self._read_at:
            try:
                stored = json.loads(self._key_file.read_bytes())
                self._keys = {key_id: base64.b64decode(key) for key_id, key in stored.items()}
            except (ValueError, AttributeError, TypeError) as error:
                raise PenstockError(
                    f"{self._key_file} is not a key file: restore it from a copy, no secret opens without it",
                    code="vault.bad_key_file",
                ) from error
            self._read_at = (found.st_ino, found.st_mtime_ns)
        return self._keys

    def _store(self, keys: dict[str, bytes], first: bool = False) -> None:
        """Written beside and moved into place: a crash leaves the old keys or the new ones, and of two processes that make the
        first key at once, both use the same."""
        text = json.dumps({key_id: base64.b64encode(key).decode() for key_id, key in keys.items()})
        beside = self._key_file.with_name(f"{self._key_file.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if first:
            with contextlib.suppress(FileExistsError):
                self._key_file.hardlink_to(beside)
            beside.unlink()
        else:
            beside.replace(self._key_file)
        folder = os.open(self._key_file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _new_key(now: float) -> tuple[str, bytes]:
    return f"{int(now):x}-{secrets.token_hex(3)}", secrets.token_bytes(32)


def _made_at(key_id: str) -> float:
    return float(int(key_id.partition("-")[0], 16))


def _bound(group: str, name: str) -> bytes:
    return json.dumps([group, name]).encode()
