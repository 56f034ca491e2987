"""The signed envelope: what a remote worker is handed, and the only thing it acts on.

A JWS (RFC 7515, compact form) over the whole order: which tool, with which arguments, for which run and step, for whom, from
when, until when, and how the result comes back. One algorithm exists here, RS256, and it is ours to choose: what the header
says decides nothing but which public key is looked up. Every check has a code of its own, and an envelope is accepted once:
its nonce is remembered until it has expired, and last of all, so that one that is refused for another reason burns nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from ..errors import Refused

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
TYPE = "penstock-work"
UPLOAD = "penstock-upload"
ISSUER = "penstock"
LIFETIME = 86_400.0  # seconds an envelope is valid at most
LEEWAY = 30.0  # seconds that two clocks may differ
LONGEST = 128_000  # characters of an envelope
INLINE = 48 * 1024  # bytes of arguments that travel inside; larger ones are fetched, and held to their digest

_HEADER = {"alg", "kid", "typ"}
_TEXTS = ("task", "tool", "run", "step", "key")
KeyOf = Callable[[str], Awaitable["RSAKey | None"]]  # the public key of a `kid`, None for one that nobody published


class EnvelopeRefused(Refused):
    """What was sent is not an order of ours, or not for whoever was asked, or not now, or not again."""

    code = "envelope.malformed"


class Nonces(Protocol):
    """What has been accepted already. Survives a restart wherever the orders do harm when carried out twice."""

    async def take(self, nonce: str, until: float) -> bool:
        """Remember `nonce` until then (seconds since the epoch); False when it is remembered already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One order. Times are seconds since the epoch, `seconds` is what the tool may take.

    `arguments` is None when they are too large to travel inside: `digest` and `size` then say what is fetched from `reply`.
    `reply`: {mode: "callback" | "pull", url, token, upload}; `url` with `/result`, `/heartbeat` and `/arguments` after it,
    and `upload`, are paths on the server that signed, or absolute URLs of it. `token` is for `url` alone and ends with the
    result.
    """

    task: str
    tool: str
    arguments: dict[str, Any] | None
    digest: str
    size: int
    run: str
    step: str
    key: str
    audience: str
    seconds: float
    issued: float
    not_before: float
    expires: float
    nonce: str
    reply: dict[str, Any]

    def claims(self) -> dict[str, Any]:
        """As signed: the registered names of RFC 7519 where there are any."""
        given: dict[str, Any] = {"digest": self.digest, "size": self.size}
        if self.arguments is not None:
            given["inline"] = self.arguments
        return {
            "iss": ISSUER,
            "aud": self.audience,
            "iat": self.issued,
            "nbf": self.not_before,
            "exp": self.expires,
            "jti": self.nonce,
            "task": self.task,
            "tool": self.tool,
            "arguments": given,
            "run": self.run,
            "step": self.step,
            "key": self.key,
            "seconds": self.seconds,
            "reply": self.reply,
        }


def pack(arguments: Any) -> bytes:
    """Arguments as the bytes their digest is of: JSON with sorted keys and nothing between."""
    return orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sign(claims: dict[str, Any], key: RSAKey, kind: str = TYPE) -> str:
    """The claims as a JWS of this `typ`, in compact form."""
    from joserfc import jws  # noqa: PLC0415 - only those who sign or verify need it

    header = {"alg": ALGORITHM, "kid": key.kid, "typ": kind}
    return jws.serialize_compact(header, orjson.dumps(claims), key, algorithms=[ALGORITHM])


async def verify(
    text: str,
    key_of: KeyOf,
    audience: str,
    now: float,
    nonces: Nonces,
    also: Callable[[Envelope], None] = lambda _: None,
) -> Envelope:
    """The order in an envelope, if it is one for `audience`, now, and for the first time. `also` may refuse it too.

    Raises EnvelopeRefused: `envelope.malformed`, `envelope.algorithm`, `envelope.unknown_key`, `envelope.signature`,
    `envelope.audience`, `envelope.expired`, `envelope.future`, `envelope.lifetime`, `envelope.digest`, `envelope.replayed`.
    """
    claims = await open_claims(text, key_of, TYPE)
    _check_times(claims, now)
    if claims.get("aud") != audience:
        raise EnvelopeRefused(f"this envelope is not for {audience!r}", code="envelope.audience")
    envelope = _read(claims)
    if envelope.arguments is not None:
        check_digest(pack(envelope.arguments), envelope.digest, envelope.size)
    also(envelope)
    if not await nonces.take(envelope.nonce, envelope.expires + LEEWAY):
        raise EnvelopeRefused("this envelope was accepted before", code="envelope.replayed")
    return envelope


async def open_claims(text: str, key_of: KeyOf, kind: str) -> dict[str, Any]:
    """What a JWS of this `typ` says, its signature verified and nothing else. Raises EnvelopeRefused."""
    header = _header(text)
    if header.get("alg") != ALGORITHM:
        raise EnvelopeRefused(f"an envelope is signed with {ALGORITHM} and nothing else", code="envelope.algorithm")
    if header.keys() != _HEADER or header["typ"] != kind or not isinstance(header["kid"], str):
        raise _malformed("its header is not one of ours")
    key = await key_of(header["kid"])
    if key is None:
        raise EnvelopeRefused("the key it says it was signed with is not published", code="envelope.unknown_key")
    from joserfc import jws  # noqa: PLC0415
    from joserfc.errors import BadSignatureError, JoseError  # noqa: PLC0415

    try:
        claims = orjson.loads(jws.deserialize_compact(text, key, algorithms=[ALGORITHM]).payload)
    except BadSignatureError:
        raise EnvelopeRefused("the signature is not that of this content", code="envelope.signature") from None
    except (JoseError, ValueError):
        raise _malformed("it cannot be read") from None
    if not isinstance(claims, dict):
        raise _malformed("it holds no claims")
    return claims


def check_digest(data: bytes, digest: str, size: int) -> None:
    """Raises EnvelopeRefused `envelope.digest` when the arguments are not those that were signed for."""
    if len(data) != size or digest_of(data) != digest:
        raise EnvelopeRefused("the arguments are not those that were signed for", code="envelope.digest")


def _header(text: str) -> dict[str, Any]:
    if len(text) > LONGEST or not text.isascii() or text.count(".") != 2:
        raise _malformed("it is no JWS in compact form")
    part = text.partition(".")[0]
    try:
        header = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (binascii.Error, ValueError):
        raise _malformed("its header cannot be read") from None
    if not isinstance(header, dict):
        raise _malformed("its header is no object")
    return header


def _check_times(claims: dict[str, Any], now: float) -> None:
    times = [claims.get(name) for name in ("iat", "nbf", "exp")]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one < 2**53 for one in times):
        raise _malformed("iat, nbf and exp are times")
    issued, not_before, expires = (float(one or 0) for one in times)
    if expires - issued > LIFETIME:
        raise EnvelopeRefused(f"it would be valid for more than {LIFETIME:g} s", code="envelope.lifetime")
    if now > expires + LEEWAY:
        raise EnvelopeRefused("it has expired", code="envelope.expired")
    if max(issued, not_before) > now + LEEWAY:
        raise EnvelopeRefused("it is not valid yet", code="envelope.future")


def _read(claims: dict[str, Any]) -> Envelope:
    given, reply = claims.get("arguments"), claims.get("reply")
    texts = [claims.get(name) for name in (*_TEXTS, "jti", "iss")]
    if not all(isinstance(one, str) for one in texts) or not claims["jti"] or claims["iss"] != ISSUER:
        raise _malformed("a claim is missing")
    if not isinstance(given, dict) or not isinstance(given.get("inline", {}), dict) or not isinstance(reply, dict):
        raise _malformed("its arguments or its way back are missing")
    if not isinstance(given.get("digest"), str) or not isinstance(given.get("size"), int):
        raise _malformed("its arguments have no digest")
    if not all(isinstance(reply.get(name), str) for name in ("mode", "url", "token", "upload")):
        raise _malformed("its way back is not one of ours")
    if not isinstance(claims.get("seconds"), int | float) or not 0 < claims["seconds"] <= LIFETIME:
        raise _malformed("it gives the tool no time")
    return Envelope(
        **{name: claims[name] for name in _TEXTS},
        arguments=given.get("inline"),
        digest=given["digest"],
        size=given["size"],
        audience=claims["aud"],
        seconds=claims["seconds"],
        issued=claims["iat"],
        not_before=claims["nbf"],
        expires=claims["exp"],
        nonce=claims["jti"],
        reply=reply,
    )


def _malformed(why: str) -> EnvelopeRefused:
    return EnvelopeRefused(f"this is no envelope: {why}", code="envelope.malformed")
