"""The signed envelope under attack: each way to get a worker to do what nobody ordered is refused with a code of its own."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from penstock.app import Penstock, Settings
from penstock.errors import Unauthenticated, Unavailable
from penstock.tools import envelope as sealed
from penstock.tools.envelope import Envelope, EnvelopeRefused, digest_of, pack, sign, verify
from penstock.tools.keys import AGE, OVERLAP, PREFIX, REFRESHES, PublishedKeys, SigningKeys, WorkerTokens
from penstock.worker.intake import SeenNonces

pytestmark = pytest.mark.anyio

AUDIENCE = "fish-lab"
NOW = 1_800_000_000.0


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Party:
    """Both ends: keys in a real vault, and a worker's memory in a real file."""

    core: Penstock
    clock: Clock
    keys: SigningKeys
    nonces: SeenNonces
    seen: list[str] = field(default_factory=list)

    def order(self, **changes: Any) -> Envelope:
        data = pack({"text": "hello"})
        made = Envelope(
            task="task_1",
            tool="echo",
            arguments={"text": "hello"},
            digest=digest_of(data),
            size=len(data),
            run="run_1",
            step="ask#1",
            key="run_1:ask#1",
            audience=AUDIENCE,
            seconds=60.0,
            issued=self.clock.now,
            not_before=self.clock.now,
            expires=self.clock.now + 60,
            nonce="nonce-1",
            reply={
                "mode": "pull",
                "url": "/api/v1/work/nonce-1",
                "token": "t",
                "upload": "/api/v1/work/nonce-1/upload",
            },
        )
        return dataclasses.replace(made, **changes)

    async def signed(self, order: Envelope) -> str:
        return sign(order.claims(), await self.keys.current())

    async def open(self, text: str, audience: str = AUDIENCE) -> Envelope:
        return await verify(text, self.keys.public, audience, self.clock.now, self.nonces)

    async def refused(self, text: str, code: str, audience: str = AUDIENCE) -> None:
        with pytest.raises(EnvelopeRefused) as caught:
            await self.open(text, audience)
        assert caught.value.code == code


@pytest.fixture
async def party(tmp_path: Path) -> AsyncIterator[Party]:
    async with Penstock(Settings(data=tmp_path / "data"), active=False) as core:
        clock = Clock()
        nonces = SeenNonces(tmp_path / "worker.db", clock)
        yield Party(core, clock, SigningKeys(core.vault, clock), nonces)
        nonces.close()


def parts(text: str) -> list[bytes]:
    return [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in text.split(".")]


def joined(header: dict[str, Any], payload: bytes, signature: bytes) -> str:
    return ".".join(
        base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in (orjson.dumps(header), payload, signature)
    )


def with_header(text: str, **changes: Any) -> str:
    header, payload, signature = parts(text)
    return joined({**orjson.loads(header), **changes}, payload, signature)


# --------------------------------------------------------------------------------------------------- the envelope


async def test_what_was_signed_is_what_is_read(party: Party) -> None:
    order = party.order()
    assert await party.open(await party.signed(order)) == order


@pytest.mark.parametrize(
    "claim", ["aud", "iat", "nbf", "exp", "jti", "task", "tool", "arguments", "run", "step", "key", "reply"]
)
async def test_every_claim_is_under_the_signature(party: Party, claim: str) -> None:
    text = await party.signed(party.order())
    header, payload, signature = parts(text)
    claims = orjson.loads(payload)
    old = claims[claim]
    claims[claim] = (
        {**old, "inline": {"text": "rm"}} if isinstance(old, dict) else old + (1 if isinstance(old, float) else "x")
    )
    await party.refused(joined(orjson.loads(header), orjson.dumps(claims), signature), "envelope.signature")


async def test_another_audience(party: Party) -> None:
    await party.refused(await party.signed(party.order()), "envelope.audience", audience="bird-lab")
    await party.refused(await party.signed(party.order(audience="")), "envelope.audience")


async def test_a_replay_is_refused_even_after_a_restart(party: Party, tmp_path: Path) -> None:
    text = await party.signed(party.order())
    await party.open(text)
    await party.refused(text, "envelope.replayed")
    party.nonces.close()
    party.nonces = SeenNonces(tmp_path / "worker.db", party.clock)
    await party.refused(text, "envelope.replayed")
    party.clock.now += 60 + sealed.LEEWAY  # the very last moment at which it has not expired
    await party.refused(text, "envelope.replayed")


async def test_of_many_who_bring_the_same_envelope_at_once_one_is_accepted(party: Party, tmp_path: Path) -> None:
    text = await party.signed(party.order())
    memories = [SeenNonces(tmp_path / "worker.db", party.clock) for _ in range(8)]
    tries = (verify(text, party.keys.public, AUDIENCE, NOW, memory) for memory in memories)
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Envelope) for one in found) == 1
    assert {one.code for one in found if isinstance(one, EnvelopeRefused)} == {"envelope.replayed"}
    for memory in memories:
        memory.close()


async def test_a_refused_envelope_burns_no_nonce(party: Party) -> None:
    early = await party.signed(party.order(not_before=NOW + 3600, expires=NOW + 7200))
    await party.refused(early, "envelope.future")
    party.clock.now += 3600
    await party.open(early)


async def test_expired_future_and_too_long(party: Party) -> None:
    text = await party.signed(party.order())
    party.clock.now += 60 + sealed.LEEWAY + 1
    await party.refused(text, "envelope.expired")
    party.clock.now = NOW - sealed.LEEWAY - 1
    await party.refused(text, "envelope.future")
    party.clock.now = NOW
    long = party.order(expires=NOW + sealed.LIFETIME + 1)
    await party.refused(await party.signed(long), "envelope.lifetime")
    await party.refused(await party.signed(party.order(issued=NOW + 40, expires=NOW + 50)), "envelope.future")


async def test_alg_none(party: Party) -> None:
    text = await party.signed(party.order())
    header, payload, _ = parts(text)
    for alg in ("none", "None", "NONE", ""):
        forged = joined({**orjson.loads(header), "alg": alg}, payload, b"")
        await party.refused(forged, "envelope.algorithm")
    await party.refused(with_header(text, alg=None), "envelope.algorithm")
    await party.refused(with_header(text, alg=["RS256"]), "envelope.algorithm")


async def test_hs256_with_the_public_key_as_the_secret(party: Party) -> None:
    key = await party.keys.current()
    header = {"alg": "HS256", "kid": key.kid, "typ": sealed.TYPE}
    payload = orjson.dumps(party.order().claims())
    body = joined(header, payload, b"").rpartition(".")[0]
    for secret in (key.as_pem(private=False), orjson.dumps(key.as_dict(private=False)), key.as_der(private=False)):
        forged = joined(header, payload, hmac.new(secret, body.encode(), hashlib.sha256).digest())
        await party.refused(forged, "envelope.algorithm")
        named_right = with_header(forged, alg="RS256")
        await party.refused(named_right, "envelope.signature")


async def test_an_unknown_kid_and_a_key_of_ones_own(party: Party) -> None:
    from joserfc.jwk import RSAKey

    await party.refused(with_header(await party.signed(party.order()), kid="nobody"), "envelope.unknown_key")
    own = RSAKey.generate_key(2048, {"kid": "mine"})
    await party.refused(sign(party.order().claims(), own), "envelope.unknown_key")
    public = own.as_dict(private=False)
    await party.refused(with_header(sign(party.order().claims(), own), jwk=public), "envelope.malformed")
    borrowed = RSAKey.generate_key(2048, {"kid": str((await party.keys.current()).kid)})
    await party.refused(sign(party.order().claims(), borrowed), "envelope.signature")


async def test_what_was_signed_for_something_else_is_no_order(party: Party) -> None:
    upload = sign(party.order().claims(), await party.keys.current(), sealed.UPLOAD)
    await party.refused(upload, "envelope.malformed")
    await party.refused(with_header(await party.signed(party.order()), crit=["b64"], b64=False), "envelope.malformed")


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a.b", "a.b.c", "é.b.c", "e30.e30.e30", "W10.e30.", "x" * 200_000, "bnVsbA.e30.e30", "\0.\0.\0"],
)
async def test_garbage(party: Party, text: str) -> None:
    with pytest.raises(EnvelopeRefused):
        await party.open(text)


@pytest.mark.parametrize(
    "change",
    [
        {"exp": "soon"},
        {"exp": None},
        {"iat": True},
        {"nbf": -1},
        {"jti": ""},
        {"jti": 5},
        {"tool": None},
        {"arguments": None},
        {"arguments": {"inline": [], "digest": "sha256:0", "size": 1}},
        {"reply": {}},
        {"reply": {"mode": "pull", "url": 5, "token": "t", "upload": ""}},
        {"seconds": 0},
        {"iss": "somebody"},
    ],
)
async def test_claims_that_are_none(party: Party, change: dict[str, Any]) -> None:
    claims = {**party.order().claims(), **change}
    await party.refused(sign(claims, await party.keys.current()), "envelope.malformed")
    claims.pop(next(iter(change)))
    await party.refused(sign(claims, await party.keys.current()), "envelope.malformed")


async def test_arguments_are_held_to_their_digest(party: Party) -> None:
    await party.refused(await party.signed(party.order(digest=digest_of(b"{}"))), "envelope.digest")
    await party.refused(await party.signed(party.order(size=3)), "envelope.digest")


# -------------------------------------------------------------------------------------------------------- the keys


async def test_keys_are_made_on_first_use_and_live_in_the_vault_alone(party: Party) -> None:
    assert await party.keys.listed() == []
    assert await party.core.vault.names("system") == []
    key = await party.keys.current()
    assert await party.core.vault.names("system") == [PREFIX + str(key.kid)]
    assert await party.keys.current() is key
    again = SigningKeys(party.core.vault, party.clock)  # another process, or this one after a restart
    assert (await again.current()).as_dict(private=True) == key.as_dict(private=True)
    private = (await party.core.database.fetch("SELECT sealed FROM secrets"))[0][0]
    assert key.as_dict(private=True)["d"] not in private


async def test_no_private_half_is_published(party: Party) -> None:
    await party.keys.rotate()
    (row,) = (await party.keys.published())["keys"]
    assert row.keys() == {"kty", "n", "e", "kid", "use", "alg"}


async def test_an_old_key_verifies_until_what_it_signed_has_expired(party: Party) -> None:
    text = await party.signed(party.order(expires=NOW + sealed.LIFETIME))
    party.clock.now += 10
    kid = await party.keys.rotate()
    assert (await party.keys.current()).kid == kid
    assert len((await party.keys.published())["keys"]) == 2
    party.clock.now = NOW + sealed.LIFETIME
    await party.open(text)
    party.clock.now = NOW + 10 + OVERLAP + 1
    assert [row["kid"] for row in (await party.keys.published())["keys"]] == [kid]
    assert await party.keys.public(str(orjson.loads(parts(text)[0])["kid"])) is None
    await party.keys.rotate()
    assert len(await party.core.vault.names("system")) == 2, "the first is forgotten"


async def test_a_key_is_replaced_by_itself_when_it_is_old(party: Party) -> None:
    first = (await party.keys.current()).kid
    party.clock.now += AGE + 1
    second = (await party.keys.current()).kid
    assert first != second
    assert [one["published_until"] is None for one in await party.keys.listed()] == [True, False]


async def test_two_processes_that_make_the_first_key_at_once_verify_each_other(party: Party) -> None:
    other = SigningKeys(party.core.vault, party.clock)
    await asyncio.gather(party.keys.current(), other.current())
    for signer, reader in ((party.keys, other), (other, party.keys)):
        order = party.order(nonce=f"by-{id(signer)}")
        text = sign(order.claims(), await signer.current())
        assert await verify(text, reader.public, AUDIENCE, NOW, party.nonces) == order


async def test_an_unknown_kid_has_the_set_fetched_once_and_made_up_ones_soon_not_at_all(party: Party) -> None:
    fetched = 0

    async def fetch() -> dict[str, Any]:
        nonlocal fetched
        fetched += 1
        return await party.keys.published()

    published = PublishedKeys(fetch, party.clock)
    first = (await party.keys.current()).kid
    assert (await asyncio.gather(*(published.public(str(first)) for _ in range(5))))[0] is not None
    assert fetched == 1
    second = await party.keys.rotate()
    assert await published.public(second) is not None
    assert fetched == 2
    for number in range(50):
        assert await published.public(f"made-up-{number}") is None
    assert fetched <= 1 + REFRESHES[0]
    party.clock.now += 3_601
    assert await published.public(second) is not None
    assert fetched == REFRESHES[0] + 2, "what was fetched an hour ago is asked for again"


@pytest.mark.parametrize("found", [[], {}, {"keys": 5}, "no"])
async def test_what_is_no_key_set(found: Any) -> None:
    async def fetch() -> Any:
        return found

    with pytest.raises(Unavailable) as caught:
        await PublishedKeys(fetch, time.time).public("a")
    assert caught.value.code == "keys.malformed"


async def test_only_rsa_keys_for_signing_are_taken_from_a_set(party: Party) -> None:
    await party.keys.current()
    good = (await party.keys.published())["keys"]
    rows = [
        {**good[0], "kid": "enc", "use": "enc"},
        {**good[0], "kid": "alg", "alg": "HS256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct", "use": "sig", "alg": "RS256"},
        {"kty": "RSA", "kid": "bare", "use": "sig", "alg": "RS256"},
        5,
    ]

    async def fetch() -> Any:
        return {"keys": rows}

    published = PublishedKeys(fetch, party.clock)
    assert [await published.public(kid) for kid in ("enc", "alg", "oct", "bare")] == [None] * 4


async def test_worker_tokens(party: Party) -> None:
    tokens = WorkerTokens(party.core.registry, party.clock)
    token = await tokens.issue("a", AUDIENCE)
    assert await tokens.bearer(token) == ("a", AUDIENCE)
    assert token not in str(await party.core.database.fetch("SELECT name, body FROM registry"))
    with pytest.raises(Unauthenticated):
        await tokens.bearer(token[:-1])
    assert [row["audience"] for row in await tokens.listed("a")] == [AUDIENCE]
    assert await tokens.listed("b") == []
    assert await tokens.revoke("b", AUDIENCE) == 0
    assert await tokens.revoke("a", AUDIENCE) == 1
    with pytest.raises(Unauthenticated):
        await tokens.bearer(token)


async def test_a_key_that_somebody_else_forgot_first_is_forgotten(party: Party) -> None:
    await party.keys.current()
    party.clock.now += 10
    await party.keys.rotate()
    party.clock.now += OVERLAP + 1
    other = SigningKeys(party.core.vault, party.clock)
    await asyncio.gather(party.keys.rotate(), other.rotate())
    oldest = (await party.keys.listed())[-1]
    assert oldest["made_at"] > NOW
