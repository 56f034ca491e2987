"""The providers whose models can be named, and what each needs: an extra of the package, a key, an address."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from ..errors import Invalid, Problem


@dataclass(frozen=True, slots=True)
class Provider:
    """`client` is the module of its client, where it needs one of its own, and `extra` the extra of the package that brings it.
    `secret` names its key in the vault. `address` is where it answers when nobody says otherwise; None where there is no such
    place."""

    name: str
    title: str
    secret: str
    extra: str | None = None
    address: str | None = None
    keyless: bool = False
    client: str | None = None


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider(
            "openai",
            "OpenAI, or anything that speaks its Chat Completions",
            "OPENAI_API_KEY",
            None,
            "https://api.openai.com/v1",
        ),
        Provider("openai-responses", "OpenAI's Responses", "OPENAI_API_KEY", None, "https://api.openai.com/v1"),
        Provider(
            "anthropic", "Anthropic", "ANTHROPIC_API_KEY", "anthropic", "https://api.anthropic.com", client="anthropic"
        ),
        Provider(
            "google",
            "Google Gemini",
            "GOOGLE_API_KEY",
            "google",
            "https://generativelanguage.googleapis.com",
            client="google.genai",
        ),
        Provider("mistral", "Mistral", "MISTRAL_API_KEY", "mistral", "https://api.mistral.ai", client="mistralai"),
        Provider("groq", "Groq", "GROQ_API_KEY", "groq", "https://api.groq.com", client="groq"),
        Provider("deepseek", "DeepSeek", "DEEPSEEK_API_KEY", None, "https://api.deepseek.com"),
        Provider("openrouter", "OpenRouter", "OPENROUTER_API_KEY", None, "https://openrouter.ai/api/v1"),
        Provider("ollama", "Ollama", "OLLAMA_API_KEY", None, "http://127.0.0.1:11434/v1", keyless=True),
        Provider("azure", "Azure OpenAI", "AZURE_OPENAI_API_KEY"),
        Provider("bedrock", "Amazon Bedrock", "AWS_BEARER_TOKEN_BEDROCK", "bedrock", client="boto3"),
    )
}
SCRIPTED = "scripted"


def nearest_provider(name: str) -> str:
    """What may have been meant by a name that no provider has."""
    near = difflib.get_close_matches(name, PROVIDERS, 1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(PROVIDERS)}"


def split(model: str) -> tuple[str, str]:
    """(provider, name) of `provider:name`. Raises Invalid `model.unknown`, naming the nearest known provider."""
    provider, colon, name = model.partition(":")
    known = [*PROVIDERS, SCRIPTED]
    if colon and provider in known and (name or provider == SCRIPTED):
        return provider, name
    near = difflib.get_close_matches(provider, known, 1)
    if not colon:
        hint = f"write it as provider:name, such as openai:{model or 'gpt-5'}"
    elif provider in known:
        hint = f"name a model behind {provider}:"
    else:
        hint = f"did you mean {near[0]}:{name}?" if near else f"known: {', '.join(known)}"
    message = f"there is no model {model!r}: {hint}"
    raise Invalid(message, code="model.unknown", problems=[Problem("model.unknown", message, "/model", hint)])
