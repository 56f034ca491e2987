"""Secrets, encrypted at rest, each bound to its place: AES-256-GCM with the group and the name as associated data, so that a
sealed value copied to another row does not open. The key file is made with the data folder and readable by its owner alone.

Keys have ids; the newest seals, all of them open, so `rotate` can go on while secrets are read.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path

from ..errors import Invalid, NotFound, PenstockError
from ..ports import Clock
from .catalog import Database

NAME_LIMIT = 200
VALUE_LIMIT = 64 * 1024


class SealedVault:
    """See ports.Vault."""

    def __init__(self, database: Database, key_file: Path, clock: Clock) -> None:
        self._db = database
        self._key_file = key_file
        self._clock = clock
        self._keys: dict[str, bytes] | None = None

    async def put(self, group: str, name: str, value: str) -> None:
        if not name or len(name) > NAME_LIMIT or not name.isprintable() or "/" in name:
            raise Invalid(
                f"a secret's name is 1 to {NAME_LIMIT} printable characters without /", code="secret.bad_name"
            )
        if not value or len(value.encode()) > VALUE_LIMIT:
            raise Invalid(f"a secret's value is 1 to {VALUE_LIMIT} bytes", code="secret.bad_value")
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
        """Make a new key and seal every secret with it; returns how many. The old keys are dropped at the end."""
        keys = self._load()
        newest = _new_key()
        self._store({**keys, newest[0]: newest[1]})
        rows = await self._db.fetch("SELECT grp, name, sealed FROM secrets", ())
        for group, name, sealed in rows:
            value = self._open(group, name, sealed)
            await self._db.execute(
                "UPDATE secrets SET sealed = ?3 WHERE grp = ?1 AND name = ?2 AND sealed = ?4 RETURNING name",
                (group, name, self._seal(group, name, value), sealed),
            )
        left = await self._db.fetch("SELECT sealed FROM secrets", ())
        used = {row[0].split(".", 1)[0] for row in left} | {newest[0]}
        self._store({key_id: key for key_id, key in self._load().items() if key_id in used})
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
        raw = base64.b64decode(data)
        try:
            if key is None:
                raise InvalidTag
            return AESGCM(key).decrypt(raw[:12], raw[12:], _bound(group, name)).decode()
        except InvalidTag:
            raise PenstockError(
                f"the secret {name!r} cannot be opened: it was sealed with another key, or altered",
                code="secret.sealed",
            ) from None

    def _load(self) -> dict[str, bytes]:
        if self._keys is None:
            if self._key_file.exists():
                stored = json.loads(self._key_file.read_text())
                self._keys = {key_id: base64.b64decode(key) for key_id, key in stored.items()}
            else:
                self._store(dict([_new_key()]))
        assert self._keys is not None
        return self._keys

    def _store(self, keys: dict[str, bytes]) -> None:
        """Written beside and moved into place: a crash leaves the old keys or the new ones."""
        text = json.dumps({key_id: base64.b64encode(key).decode() for key_id, key in keys.items()})
        beside = self._key_file.with_suffix(".new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._key_file)
        self._keys = keys


def _new_key() -> tuple[str, bytes]:
    return secrets.token_hex(4), secrets.token_bytes(32)


def _bound(group: str, name: str) -> bytes:
    return json.dumps([group, name]).encode()
