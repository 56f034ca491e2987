"""Models of real providers, through pydantic-ai: the only file that knows that library, and it is imported when first needed.

Only the library's models are used, each one request at a time: they know the wire formats of the providers. The agent's loop,
what is kept, retries and limits are ours, because they are what makes a run survive. The library is told never to retry.

OpenAI's Chat Completions are spoken by `chat.py`, because the library's way costs more than all the rest of a turn. What the
library knows of each model is used there too: see `_manners`.
"""

from __future__ import annotations

import asyncio
import importlib
import re
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
from pydantic_ai import exceptions as fault
from pydantic_ai import messages as said
from pydantic_ai.models import Model as LibraryModel
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from ..errors import Invalid, PenstockError, Refused, TimedOut, Unavailable
from .chat import Chat
from .chat_asked import Manners
from .failures import SAID, from_status
from .port import Asked, Call, Delta, Model, Reply, Request, Usage
from .providers import PROVIDERS

REDACTED = "[redacted]"
CHAT = ("openai", "deepseek", "ollama")  # OpenRouter has much of its own beside the protocol
REGION = re.compile(r"[./]([a-z]{2}(?:-[a-z]+)+-\d)\.")


class LibraryBacked:
    """A model of a provider; see `port.Model`. `insists`: its client retries unless each request says not to."""

    def __init__(self, name: str, model: LibraryModel, key: str, insists: bool) -> None:
        self.name = name
        self._model, self._key, self._insists = model, key, insists

    async def request(self, request: Request) -> Reply:
        with self._translated(request):
            async with asyncio.timeout(request.seconds):
                response = await self._model.request(*self._given(request))
            return self._reply(response)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Reply]:
        with self._translated(request):
            async with (
                asyncio.timeout(request.seconds),
                self._model.request_stream(*self._given(request)) as stream,
            ):
                async for event in stream:
                    if text := _text_of(event):
                        yield Delta(text)
                response = stream.get()
            reply = self._reply(response)
        yield reply

    # -------------------------------------------------------------------------------------------------- going out

    def _given(self, request: Request) -> tuple[list[said.ModelMessage], ModelSettings, ModelRequestParameters]:
        settings = ModelSettings(timeout=request.seconds)
        if self._insists:
            settings["max_retries"] = 0
        if request.max_tokens is not None:
            settings["max_tokens"] = request.max_tokens
        if request.temperature is not None:
            settings["temperature"] = request.temperature
        if request.key and "extra_headers" not in getattr(self._model, "unsupported_settings", ()):
            settings["extra_headers"] = {"Idempotency-Key": request.key}
        tools = [
            ToolDefinition(name=t.name, description=t.description, parameters_json_schema=t.parameters)
            for t in request.tools
        ]
        parameters = ModelRequestParameters(function_tools=tools, allow_text_output=not request.must_call)
        return self._messages(request), settings, parameters

    def _messages(self, request: Request) -> list[said.ModelMessage]:
        out: list[said.ModelMessage] = []
        for turn in request.turns:
            if isinstance(turn, Reply):
                out.append(_response(turn))
                continue
            parts: list[said.ModelRequestPart]
            if isinstance(turn, Asked):
                parts = [said.UserPromptPart(turn.text)]
            else:
                parts = [
                    said.ToolReturnPart(r.name, r.text, r.id, outcome="failed" if r.failed else "success")
                    for r in turn.results
                ]
            if out and isinstance(last := out[-1], said.ModelRequest):
                last.parts = [*last.parts, *parts]
            else:
                out.append(said.ModelRequest(parts))
        if request.system and out and isinstance(first := out[0], said.ModelRequest):
            first.parts = [said.SystemPromptPart(request.system), *first.parts]
        return out

    # ------------------------------------------------------------------------------------------------ coming back

    def _reply(self, response: said.ModelResponse) -> Reply:
        text = "".join(p.content for p in response.parts if isinstance(p, said.TextPart))
        calls = tuple(_call(p) for p in response.parts if isinstance(p, said.ToolCallPart))
        finish = response.finish_reason or "stop"
        if finish == "content_filter":
            raise Refused(f"{self.name} refused to answer", code="model.content_filtered")
        if not text and not calls and not response.usage.output_tokens and finish != "length":
            raise Unavailable(f"{self.name} answered with nothing", code="model.bad_response")
        used = response.usage
        usage = Usage(used.input_tokens, used.output_tokens, used.cache_read_tokens, used.cache_write_tokens)
        return Reply(text, calls, usage, finish, response.model_name or "", _seen(response))

    @contextmanager
    def _translated(self, request: Request) -> Generator[None]:
        """What the library raises, as errors of ours, without the key."""
        try:
            yield
        except PenstockError:
            raise
        except (TimeoutError, fault.ModelTimeoutError, fault.ModelRequestTimeout):
            message = f"{self.name} did not answer within {request.seconds:g} s"
            raise TimedOut(message, code="model.timeout") from None
        except fault.ModelContextWindowExceededError as error:
            message = f"the conversation is too long for {self.name}: {self._words(error)}"
            raise Invalid(message, code="model.too_long") from None
        except fault.ModelQuotaExceededError as error:
            message = f"{self.name}: the account has no credit: {self._words(error)}"
            raise Refused(message, code="model.no_credit") from None
        except fault.ModelHTTPError as error:
            raise from_status(_status(error), self.name, self._words(error), error.retry_after) from None
        except (fault.ModelConnectionError, httpx2.TransportError) as error:
            message = f"{self.name} could not be reached: {self._words(error)}"
            raise Unavailable(message, code="model.unavailable") from None
        except fault.ContentFilterError as error:
            message = f"{self.name} refused to answer: {self._words(error)}"
            raise Refused(message, code="model.content_filtered") from None
        except (fault.AgentRunError, ValueError, TypeError, LookupError, AttributeError, httpx2.StreamError) as error:
            message = f"{self.name} answered with something that is no answer: {self._words(error)}"
            raise Unavailable(message, code="model.bad_response") from None
        except fault.UserError as error:
            raise Invalid(f"{self.name}: {self._words(error)}", code="model.bad_request") from None
        except Exception as error:  # a provider's own client has errors of its own, which the library lets through
            message = f"the client for {self.name} failed: {type(error).__name__}: {self._words(error)}"
            raise Unavailable(message, code="model.client_failed", retryable=False) from None

    def _words(self, error: BaseException) -> str:
        """What the provider said, as one short line."""
        body = getattr(error, "body", None)
        inner = body.get("error", body) if isinstance(body, dict) else body
        words = inner.get("message") if isinstance(inner, dict) else inner
        text = " ".join(str(words if isinstance(words, str) and words else error or type(error).__name__).split())
        return (text.replace(self._key, REDACTED) if self._key else text)[:SAID]


def _status(error: fault.ModelHTTPError) -> int:
    """The status that says what is meant, where a provider uses another one for it."""
    match error:
        case fault.ModelAuthenticationError():
            return 401
        case fault.ModelNotFoundError():
            return 404
        case fault.ModelRateLimitError():
            return 429
        case fault.ModelRequestRejectedError() if error.status_code == 403:
            return 400
    return error.status_code


def _text_of(event: Any) -> str:
    if isinstance(event, said.PartStartEvent) and isinstance(event.part, said.TextPart):
        return event.part.content
    if isinstance(event, said.PartDeltaEvent) and isinstance(event.delta, said.TextPartDelta):
        return event.delta.content_delta
    return ""


def _call(part: said.ToolCallPart) -> Call:
    try:
        return Call(part.tool_call_id, part.tool_name, part.args_as_dict(raise_if_invalid=True))
    except (ValueError, AssertionError):
        return Call(part.tool_call_id, part.tool_name, None, str(part.args))


def _seen(response: said.ModelResponse) -> Any:
    """The answer as the provider must see it again, where text and calls alone would not do."""
    plain = all(
        isinstance(p, said.TextPart | said.ToolCallPart) and p.id is None and not p.provider_details
        for p in response.parts
    )
    if plain:
        return None
    return said.ModelMessagesTypeAdapter.dump_python([response], mode="json")[0]


def _response(reply: Reply) -> said.ModelResponse:
    if reply.seen is not None:
        message = said.ModelMessagesTypeAdapter.validate_python([reply.seen])[0]
        assert isinstance(message, said.ModelResponse)
        return message
    parts: list[said.ModelResponsePart] = [said.TextPart(reply.text)] if reply.text else []
    for call in reply.calls:
        parts.append(said.ToolCallPart(call.name, call.written if call.arguments is None else call.arguments, call.id))
    return said.ModelResponse(parts)


# ------------------------------------------------------------------------------------------------------- making models


def open_model(provider: str, name: str, key: str, base_url: str | None, http: httpx2.AsyncClient) -> Model:
    """The model `provider:name`. Raises Unavailable `model.extra_missing` when the provider's client is not installed,
    Invalid `model.no_address` for a provider that has no address of its own when none is given, `model.bad_request` for an
    address that is none, Refused `model.bad_key` for a key that cannot be sent."""
    known = PROVIDERS[provider]
    address = base_url or known.address
    if address is None and provider == "azure":
        message = "azure: has no address of its own: give base_url, https://NAME.openai.azure.com"
        raise Invalid(message, code="model.no_address")
    try:
        model = _MAKERS.get(provider, _openai_shaped)(provider, name, key or "none", address, http)
    except ImportError as error:
        raise Unavailable(
            f"the client for {known.title} is not installed: pip install 'penstock[{known.extra or provider}]'",
            code="model.extra_missing",
            retryable=False,
            detail={"extra": known.extra or provider, "missing": getattr(error, "name", None)},
        ) from None
    except (fault.UserError, httpx2.InvalidURL) as error:
        raise Invalid(f"{provider}:{name}: {error}", code="model.bad_request") from None
    if provider in CHAT and address is not None:
        return Chat(
            f"{provider}:{name}", name, key or "none", address, http, _manners(f"{provider}:{name}", model.profile)
        )
    return LibraryBacked(f"{provider}:{name}", model, key, insists=provider in _MAKERS)


def _manners(name: str, profile: Mapping[str, Any]) -> Manners:
    """What the library knows of a model that speaks Chat Completions."""
    thinks = bool(profile.get("thinking_enabled_by_default"))
    reasons = profile.get("openai_supports_reasoning", False)
    if (efforts := profile.get("openai_reasoning_efforts")) is not None:
        restful = "none" in efforts
    else:
        restful = profile.get("openai_supports_reasoning_effort_none", False)
    returns = profile.get("openai_chat_send_back_thinking_parts", "auto") == "field"
    form = profile.get("json_schema_transformer")
    strict = profile.get("openai_supports_strict_tool_definition", True)

    def schema(written: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        if form is None:
            return written, False
        try:
            walk = form(written, strict=None)
            return walk.walk(), bool(strict and walk.is_strict_compatible)
        except fault.UserError as error:
            raise Invalid(f"{name}: {error}", code="model.bad_request") from None

    return Manners(
        bound="max_completion_tokens"
        if profile.get("openai_chat_supports_max_completion_tokens", True)
        else "max_tokens",
        role=profile.get("openai_system_prompt_role") or "system",
        warm=not reasons or (restful and not thinks),
        obeys=profile.get("supports_forced_tool_choice", True)
        and not (thinks and not profile.get("supports_forced_tool_choice_with_thinking", True)),
        thought=profile.get("openai_chat_thinking_field"),
        returns=returns,
        owed=returns and thinks and profile.get("openai_chat_thinking_requires_field_on_tool_calls", False),
        tags=profile.get("thinking_tags", Manners().tags),
        schema=schema,
    )


def _part(path: str) -> Any:
    module, _, attribute = path.rpartition(".")
    return getattr(importlib.import_module(f"pydantic_ai.{module}"), attribute)


def _openai_shaped(provider: str, name: str, key: str, address: str | None, http: httpx2.AsyncClient) -> LibraryModel:
    from openai import AsyncOpenAI  # noqa: PLC0415 - half a second, and not everybody's provider

    client = AsyncOpenAI(api_key=key, base_url=address, http_client=http, max_retries=0)
    foreign = provider == "openai" and address != PROVIDERS["openai"].address
    match provider:
        case "deepseek":
            made = _part("providers.deepseek.DeepSeekProvider")(openai_client=client)
        case "openrouter":
            made = _part("providers.openrouter.OpenRouterProvider")(openai_client=client)
            return _part("models.openrouter.OpenRouterModel")(name, provider=made)
        case "ollama":
            made = _part("providers.ollama.OllamaProvider")(openai_client=client)
            return _part("models.ollama.OllamaModel")(name, provider=made)
        case _ if foreign:
            made = _part("providers.openai_compatible.OpenAICompatibleProvider")("compatible", openai_client=client)
        case _:
            made = _part("providers.openai.OpenAIProvider")(openai_client=client)
    if provider == "openai-responses":
        return _part("models.openai.OpenAIResponsesModel")(name, provider=made)
    # A stream that ends without saying why was cut off, and half an answer is no answer.
    whole = {"openai_chat_streaming_requires_finish_reason": True}
    return _part("models.openai.OpenAIChatModel")(name, provider=made, profile=whole)


def _azure(provider: str, name: str, key: str, address: str | None, http: httpx2.AsyncClient) -> LibraryModel:
    endpoint = (address or "").rstrip("/")
    if not endpoint.endswith("/openai/v1"):
        endpoint += "/openai/v1"
    made = _part("providers.azure.AzureProvider")(azure_endpoint=endpoint, api_key=key, http_client=http)
    return _part("models.openai.OpenAIChatModel")(name, provider=made)


def _anthropic(provider: str, name: str, key: str, address: str | None, http: httpx2.AsyncClient) -> LibraryModel:
    made = _part("providers.anthropic.AnthropicProvider")(api_key=key, base_url=address, http_client=http)
    return _part("models.anthropic.AnthropicModel")(name, provider=made)


def _google(provider: str, name: str, key: str, address: str | None, http: httpx2.AsyncClient) -> LibraryModel:
    made = _part("providers.google.GoogleProvider")(api_key=key, base_url=address, http_client=http)
    return _part("models.google.GoogleModel")(name, provider=made)


def _mistral(provider: str, name: str, key: str, address: str | None, http: httpx2.AsyncClient) -> LibraryModel:
    made = _part("providers.mistral.MistralProvider")(api_key=key, base_url=address)
    return _part("models.mistral.MistralModel")(name, provider=made)


def _groq(provider: str, name: str, key: str, address: str | None, http: httpx2.AsyncClient) -> LibraryModel:
    made = _part("providers.groq.GroqProvider")(api_key=key, base_url=address)
    return _part("models.groq.GroqModel")(name, provider=made)


def _bedrock(provider: str, name: str, key: str, address: str | None, http: httpx2.AsyncClient) -> LibraryModel:
    region = REGION.search(address or "")
    named = region.group(1) if region else "us-east-1"
    made = _part("providers.bedrock.BedrockProvider")(api_key=key, base_url=address, region_name=named)
    return _part("models.bedrock.BedrockConverseModel")(name, provider=made)


_MAKERS = {
    "azure": _azure,
    "anthropic": _anthropic,
    "google": _google,
    "mistral": _mistral,
    "groq": _groq,
    "bedrock": _bedrock,
}
