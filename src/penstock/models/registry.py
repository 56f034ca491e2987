"""The models a process can ask: opens them by name, finds their keys, and keeps one breaker and one connection pool for all.

A key is found by its name in the vault of the run's group; the process environment is looked at only when the operator says
so. The default key of a provider goes to that provider's own address and nowhere else: who names another address names the
key to send there, so that a workflow cannot carry a key away by naming an address of its own.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import NotFound, Refused
from ..ports import Clock
from .breaker import Breaker
from .connections import Saved
from .patience import Moved, Patient, Told, unheard, unseen
from .port import Model
from .prices import Prices
from .providers import PROVIDERS, SCRIPTED, split
from .scripted import Scripted, read_script

if TYPE_CHECKING:
    import httpx2

OPEN = 64  # models kept open
Secret = Callable[[str], Awaitable[str]]
Lookup = Callable[[str, str], Awaitable[Saved | None]]  # (group, provider)


async def _nothing(group: str, provider: str) -> Saved | None:
    return None


class Models:
    """`default` is the model of agents that name none. `environment` holds keys by name where the vault has none (None: it is
    not looked at). `saved` says where a group's models of a provider are asked. `scripts` are those that `scripted:NAME` can
    name. `sleep` and `chance` (0 to 1) are for retries."""

    def __init__(
        self,
        default: str = "scripted:",
        *,
        environment: Mapping[str, str] | None = None,
        prices: Prices | None = None,
        scripts: Mapping[str, Any] | None = None,
        saved: Lookup = _nothing,
        clock: Clock = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.default = default
        self.prices = prices or Prices()
        self._environment = environment
        self._saved = saved
        self._scripts = {name: read_script(script) for name, script in (scripts or {}).items()}
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._breakers: dict[str, Breaker] = {}
        self._open: dict[tuple[str, str, str], Model] = {}
        self._http: httpx2.AsyncClient | None = None

    async def model(
        self,
        name: str | None,
        secret: Secret,
        *,
        base_url: str | None = None,
        key_name: str | None = None,
        script: Any = None,
        group: str = "default",
        tell: Told = unheard,
        moved: Moved = unseen,
    ) -> Model:
        """The model of this name, ready to be asked, with retries and its provider's breaker. `secret` gives a secret's value by
        name, or raises NotFound. `tell` hears of each failure that is tried again, `moved` when the breaker changes.

        Raises Invalid `model.unknown`, `model.bad_script`, `model.no_address`; Unavailable `model.extra_missing`; Refused
        `model.no_key` when the provider needs a key and there is none."""
        name = name or self.default
        provider, rest = split(name)
        if provider == SCRIPTED:
            model: Model = Scripted(name, self._script(rest) if script is None else script)
            return Patient(model, Breaker(name, self._clock), self._sleep, self._chance, tell)
        saved = await self._saved(group, provider)
        key = await self._key(provider, base_url, key_name, secret, saved)
        base_url = base_url or (saved.base_url if saved is not None else None)
        model = await self._opened(provider, rest, key, base_url)
        where = f"{provider} at {base_url}" if base_url else provider
        breaker = self._breakers.setdefault(where, Breaker(where, self._clock))
        return Patient(model, breaker, self._sleep, self._chance, tell, moved)

    def check(self, name: str | None) -> None:
        """That a model of this name could be there. Raises Invalid `model.unknown`."""
        provider, rest = split(name or self.default)
        if provider == SCRIPTED:
            self._script(rest)

    def breakers(self) -> dict[str, dict[str, Any]]:
        """Each breaker's state by provider (`openai`, `openai at URL`): {state, failures, opened_at}; see `Breaker.to_dict`."""
        return {name: breaker.to_dict() for name, breaker in self._breakers.items()}

    async def aclose(self) -> None:
        self._open.clear()
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # ------------------------------------------------------------------------------------------------------- parts

    def _script(self, name: str) -> Any:
        if not name:
            return ()
        if name not in self._scripts:
            known = ", ".join(f"scripted:{n}" for n in sorted(self._scripts)) or "none"
            raise NotFound(f"there is no script scripted:{name}; known: {known}", code="model.no_script")
        return self._scripts[name]

    async def _key(
        self, provider: str, base_url: str | None, key_name: str | None, secret: Secret, saved: Saved | None
    ) -> str:
        known = PROVIDERS[provider]
        asked = None if base_url is None else base_url.rstrip("/")
        if saved is not None and saved.base_url is not None:
            at_home = asked is None or asked == saved.base_url
            name = saved.secret
            if not at_home and asked == known.address:
                at_home, name = True, known.secret
        else:
            at_home, name = asked is None or asked == known.address or provider == "azure", known.secret
        if key_name is None and not at_home:
            return ""
        wanted = key_name or name
        try:
            return await secret(wanted)
        except NotFound:
            given = (self._environment or {}).get(wanted, "")
        if not given and not (known.keyless and key_name is None):
            how = f"penstock providers set {provider}" if key_name is None else f"penstock secrets set {wanted}"
            message = f"{known.title} needs a key: keep it with `{how}`"
            raise Refused(message, code="model.no_key", detail={"secret": wanted})
        return given

    async def _opened(self, provider: str, name: str, key: str, base_url: str | None) -> Model:
        place = (f"{provider}:{name}", base_url or "", key)
        if (model := self._open.pop(place, None)) is None:
            library = await asyncio.to_thread(_import_library)
            if self._http is None:
                import httpx2  # noqa: PLC0415 - only who asks a real model needs a connection pool

                self._http = httpx2.AsyncClient(follow_redirects=False, limits=httpx2.Limits(max_connections=1_000))
            model = library.open_model(provider, name, key, base_url, self._http)
            while len(self._open) >= OPEN:
                del self._open[next(iter(self._open))]
        self._open[place] = model
        return model


def _import_library() -> Any:
    """The library takes a second to import: in a thread, so that everything else goes on meanwhile."""
    from . import library  # noqa: PLC0415

    return library
