"""Whether a provider takes a key: asked in the cheapest way it offers.

All of them list their models for nothing, and only to who has a key; OpenRouter lists them to everybody, so there the key itself
is asked about. Where there is no list (some servers that speak Chat Completions have none), a named model is asked for one token.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..errors import Invalid, PenstockError, TimedOut, Unavailable
from .failures import from_status
from .providers import PROVIDERS, Provider

if TYPE_CHECKING:
    import httpx2

SECONDS = 20.0
LONGEST = 4 * 1024 * 1024  # bytes of a list of models


async def verify(
    http: httpx2.AsyncClient, provider: str, key: str, base_url: str | None = None, model: str | None = None
) -> None:
    """Returns when the provider takes the key and, if `model` is named, has that model. Raises Refused `model.bad_key`,
    `model.no_credit`; Invalid `model.unknown`, `model.no_address`, `provider.not_verified` when there is no way to tell;
    Unavailable; TimedOut `model.timeout`. No error holds the key."""
    known = PROVIDERS[provider]
    address = (base_url or known.address or "").rstrip("/")
    if not address:
        message = f"{known.title} has no address of its own: give its base_url"
        raise Invalid(message, code="model.no_address")
    try:
        status, said, ids = await _get(http, *_request(known, address, key))
        if status in (404, 405, 501) and provider in ("openai", "openai-responses"):
            if model is None:
                message = f"{address} has no list of models: name a model to ask instead"
                raise Invalid(message, code="provider.not_verified")
            status, said = await _one_token(http, address, key, model)
            ids = None
    except PenstockError as error:
        error.message = _without(error.message, key)
        error.args = (error.message,)
        raise
    if status >= 300:
        raise from_status(status, known.title, _without(said, key))
    if model is not None and ids and not any(_same(model, known_id) for known_id in ids):
        raise Invalid(f"{known.title} has no model {model!r} for this key", code="model.unknown")


def _request(provider: Provider, address: str, key: str) -> tuple[str, dict[str, str]]:
    """The address to ask, and the headers."""
    match provider.name:
        case "anthropic":
            return f"{address}/v1/models?limit=1000", {"x-api-key": key, "anthropic-version": "2023-06-01"}
        case "google":
            return f"{address}/v1beta/models?pageSize=1000", {"x-goog-api-key": key}
        case "mistral":
            return f"{address}/v1/models", {"Authorization": f"Bearer {key}"}
        case "groq":
            return f"{address}/openai/v1/models", {"Authorization": f"Bearer {key}"}
        case "openrouter":
            return f"{address}/key", {"Authorization": f"Bearer {key}"}
        case "azure":
            root = address if address.endswith("/openai/v1") else f"{address}/openai/v1"
            return f"{root}/models", {"api-key": key}
        case "bedrock":
            control = re.sub(r"//bedrock-runtime\.", "//bedrock.", address)
            return f"{control}/foundation-models", {"Authorization": f"Bearer {key}"}
    return f"{address}/models", {"Authorization": f"Bearer {key}"} if key else {}


async def _get(http: httpx2.AsyncClient, url: str, headers: dict[str, str]) -> tuple[int, str, list[str] | None]:
    import httpx2 as library  # noqa: PLC0415 - only who checks a key

    try:
        async with http.stream("GET", url, headers=headers, timeout=SECONDS, follow_redirects=False) as answer:
            data = b""
            async for part in answer.aiter_bytes():
                data += part
                if len(data) > LONGEST:
                    break
            return answer.status_code, _words(data), _ids(data) if answer.is_success else None
    except library.TimeoutException:
        raise TimedOut(f"there was no answer within {SECONDS:g} s", code="model.timeout") from None
    except (library.HTTPError, library.InvalidURL, ValueError) as error:
        raise Unavailable(
            f"it could not be reached: {error or type(error).__name__}", code="model.unavailable"
        ) from None


async def _one_token(http: httpx2.AsyncClient, address: str, key: str, model: str) -> tuple[int, str]:
    import httpx2 as library  # noqa: PLC0415

    body: dict[str, Any] = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = await http.post(
            f"{address}/chat/completions", json=body, headers=headers, timeout=SECONDS, follow_redirects=False
        )
    except library.TimeoutException:
        raise TimedOut(f"there was no answer within {SECONDS:g} s", code="model.timeout") from None
    except (library.HTTPError, ValueError) as error:
        raise Unavailable(
            f"it could not be reached: {error or type(error).__name__}", code="model.unavailable"
        ) from None
    return answer.status_code, _words(answer.content)


def _words(data: bytes) -> str:
    import orjson  # noqa: PLC0415

    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return " ".join(data[:300].decode(errors="replace").split())
    inner = body.get("error", body) if isinstance(body, dict) else body
    said = inner.get("message", inner) if isinstance(inner, dict) else inner
    return " ".join(str(said).split())[:300]


def _ids(data: bytes) -> list[str] | None:
    """The names in a list of models, whatever the provider calls it; None when it is none."""
    import orjson  # noqa: PLC0415

    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if isinstance(body, dict):
        body = next(
            (body[name] for name in ("data", "models", "modelSummaries") if isinstance(body.get(name), list)), None
        )
    if not isinstance(body, list):
        return None
    names = [one.get(key) for one in body if isinstance(one, dict) for key in ("id", "name", "modelId")]
    return [name for name in names if isinstance(name, str)]


def _same(wanted: str, known: str) -> bool:
    return known == wanted or known.removeprefix("models/") == wanted or known.removesuffix(":latest") == wanted


def _without(text: str, key: str) -> str:
    return text.replace(key, "[redacted]") if key else text
