"""The providers a group has connected: the key in the vault, the rest (its address, when it was checked) in the registry.

A key is tried before it is kept, unless it is to be kept unverified. A key belongs to the address it was given with: who names
another address gives the key again, so that nobody can have a kept key sent to an address of their choice. For an address that is
not the provider's own the key stands under a secret of its own, and the provider's other models never see it.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Invalid, NotFound, PenstockError, Problem
from ..ports import Clock, Registry, Vault
from .providers import PROVIDERS, nearest_provider
from .verify import verify

KIND = "providers"
FRESH = 2.0  # seconds after which somebody else's changes are looked for

Breakers = Callable[[], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Saved:
    """Where a group's models of a provider are asked, and the name of the key that is sent there."""

    base_url: str | None
    secret: str


class Connections:
    """`environment` holds keys by name where the vault has none (None: it is not looked at)."""

    def __init__(
        self,
        registry: Registry,
        vault: Vault,
        clock: Clock,
        environment: Mapping[str, str] | None = None,
        breakers: Breakers = dict,
    ) -> None:
        self._registry, self._vault, self._clock = registry, vault, clock
        self._environment = environment or {}
        self.breakers = breakers
        self._known: dict[str, tuple[float, dict[str, dict[str, Any]]]] = {}

    async def saved(self, group: str, provider: str) -> Saved | None:
        """What a group has said of a provider, for `Models`; a change by another process is seen within seconds."""
        read_at, known = self._known.get(group, (0.0, {}))
        if self._clock() - read_at > FRESH or group not in self._known:
            known = await self._registry.list(group, KIND)
            self._known[group] = (self._clock(), known)
        body = known.get(provider)
        return None if body is None else Saved(body.get("base_url"), body["secret"])

    # -------------------------------------------------------------------------------------------------- for people

    async def list(self, group: str) -> list[dict[str, Any]]:
        """All providers there are; see `show`."""
        kept, names = await asyncio.gather(self._registry.list(group, KIND), self._vault.names(group))
        return [self._shown(name, kept.get(name), names) for name in PROVIDERS]

    async def show(self, group: str, name: str) -> dict[str, Any]:
        """{name, title, status, connected, key, secret, base_url, model, checked_at, error, extra, installed, breakers}. status:
        connected, unverified (there is a key that nobody has tried), failed (the last check did) or no_key. key: where it is,
        vault or environment. Raises NotFound `provider.not_found`."""
        check_name(name)
        kept, names = await asyncio.gather(self._registry.list(group, KIND), self._vault.names(group))
        return self._shown(name, kept.get(name), names)

    async def put(
        self,
        group: str,
        name: str,
        key: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        check: bool = True,
    ) -> dict[str, Any]:
        """Connect a provider; nothing is kept when the check fails. Without a `key` the one that is kept goes on, at the address
        it was given with. Raises what `verify` raises, Invalid `provider.no_key`, `provider.key_needed`, `provider.bad_address`."""
        known = PROVIDERS[check_name(name)]
        base_url = _address(base_url)
        before = (await self._registry.list(group, KIND)).get(name)
        if base_url == known.address:
            base_url = None
        secret = known.secret if base_url is None else f"PROVIDER_{name.upper().replace('-', '_')}_KEY"
        given = key
        if given is None:
            elsewhere = (before or {}).get("base_url") != base_url
            if elsewhere and not (base_url is None and before is None) and not known.keyless:
                message = "a key is kept for one address: give it again with another"
                raise Invalid(
                    message, code="provider.key_needed", problems=[Problem("provider.key_needed", message, "/key")]
                )
            given = "" if elsewhere and base_url is not None else await self._key(group, secret)
        if not given and not known.keyless:
            message = f"{known.title} needs a key"
            raise Invalid(message, code="provider.no_key", problems=[Problem("provider.no_key", message, "/key")])
        if check:
            await self._verify(name, given, base_url, model)
        if key is not None:
            await self._vault.put(group, secret, key)
        body = {"base_url": base_url, "secret": secret, "model": model, "verified": check, "error": None}
        body["checked_at"] = self._clock() if check else None
        await self._keep(group, name, body)
        return await self.show(group, name)

    async def check(self, group: str, name: str) -> dict[str, Any]:
        """Try the key that is there, and keep what came of it. Raises NotFound `provider.not_found`, Invalid `provider.no_key`."""
        known = PROVIDERS[check_name(name)]
        body = (await self._registry.list(group, KIND)).get(name) or {"secret": known.secret}
        key = await self._key(group, body["secret"])
        if not key and not known.keyless:
            raise Invalid(f"{known.title} has no key", code="provider.no_key")
        error: PenstockError | None = None
        try:
            await self._verify(name, key, body.get("base_url"), body.get("model"))
        except PenstockError as failure:
            error = failure
        told = None if error is None else {"code": error.code, "message": error.message}
        await self._keep(group, name, {**body, "verified": error is None, "checked_at": self._clock(), "error": told})
        return await self.show(group, name)

    async def delete(self, group: str, name: str) -> None:
        """Forget a provider and its key. Raises NotFound `provider.not_found` when there is nothing to forget."""
        known = PROVIDERS[check_name(name)]
        body = (await self._registry.list(group, KIND)).get(name)
        secret = known.secret if body is None else body["secret"]
        there = secret in await self._vault.names(group)
        if body is None and not there:
            raise NotFound(f"{known.title} is not connected", code="provider.not_found")
        if there:
            await self._vault.delete(group, secret)
        await self._registry.delete(group, KIND, name)
        self._known.pop(group, None)

    async def lacks_key(self, group: str, name: str) -> bool:
        """Whether a model of this provider cannot be asked for want of a key."""
        known = PROVIDERS[name]
        if known.keyless:
            return False
        saved = await self.saved(group, name)
        return not await self._key(group, known.secret if saved is None else saved.secret)

    # ------------------------------------------------------------------------------------------------------ parts

    async def _keep(self, group: str, name: str, body: dict[str, Any]) -> None:
        await self._registry.put(group, KIND, name, body)
        self._known.pop(group, None)

    async def _key(self, group: str, secret: str) -> str:
        try:
            return await self._vault.get(group, secret)
        except NotFound:
            return self._environment.get(secret, "")

    async def _verify(self, name: str, key: str, base_url: str | None, model: str | None) -> None:
        import httpx2  # noqa: PLC0415 - only who checks a key

        async with httpx2.AsyncClient(follow_redirects=False) as http:
            await verify(http, name, key, base_url, model)

    def _shown(self, name: str, body: Mapping[str, Any] | None, names: list[str]) -> dict[str, Any]:
        known = PROVIDERS[name]
        body = body or {}
        secret = body.get("secret", known.secret)
        key = "vault" if secret in names else "environment" if self._environment.get(secret) else None
        if key is None and not known.keyless:
            status = "no_key"
        elif body.get("verified"):
            status = "connected"
        else:
            status = "failed" if body.get("error") else "unverified"
        return {
            "name": name,
            "title": known.title,
            "status": status,
            "connected": status == "connected",
            "key": key,
            "secret": secret,
            "base_url": body.get("base_url") or known.address,
            "model": body.get("model"),
            "checked_at": body.get("checked_at"),
            "error": body.get("error"),
            "extra": known.extra,
            "installed": known.client is None or _installed(known.client),
            "breakers": [
                {"name": subject, **state}
                for subject, state in self.breakers().items()
                if subject == name or subject.startswith(f"{name} at ")
            ],
        }


def _installed(client: str) -> bool:
    try:
        return importlib.util.find_spec(client) is not None
    except ModuleNotFoundError:  # what holds it is not there
        return False


def check_name(name: str) -> str:
    """The name of a provider. Raises NotFound `provider.not_found`, with the nearest known one."""
    if name in PROVIDERS:
        return name
    raise NotFound(f"there is no provider {name!r}: {nearest_provider(name)}", code="provider.not_found")


def _address(base_url: str | None) -> str | None:
    if base_url is None or base_url == "":
        return None
    from urllib.parse import urlsplit  # noqa: PLC0415

    try:
        parts = urlsplit(base_url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port >= 0)
        right = right and not (parts.query or parts.fragment or parts.username or parts.password)
    except ValueError:
        right = False
    if not right or any(c.isspace() for c in base_url):
        message = "an address is http:// or https://HOST/…, without a query, a user or a password"
        raise Invalid(
            message, code="provider.bad_address", problems=[Problem("provider.bad_address", message, "/base_url")]
        )
    return base_url.rstrip("/")
