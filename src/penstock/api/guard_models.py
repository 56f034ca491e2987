"""Policies and providers as they go over the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AwareDatetime, Field, SecretStr

from .models import Answered, Asked

Point = Literal["run.start", "model.call", "model.result", "tool.call", "tool.result"]
Outcome = Literal["abort", "deny", "pause", "require_approval", "redact", "allow"]
What = Literal["secrets", "pii", "injection"]


class Policy(Answered):
    name: str
    on: list[Point] = Field(description="When it is asked.")
    when: str | bool | None = Field(description="The condition, an expression; none: always.")
    then: Outcome
    message: str
    what: list[What] = Field(description="What `redact` takes out.")
    priority: int = Field(description="An `allow` ends the say of policies with a lower one.")
    enabled: bool
    source: Literal["built-in", "installation", "group"]
    changed: list[str] = Field(description="The keys that this group has said.")


class Policies(Answered):
    items: list[Policy]


class PutPolicy(Asked):
    """A policy, or those of its keys that this group wants different. What a key means is checked with the rest."""

    on: Any = Field(None, description="Points at which it is asked.")
    when: Any = Field(None, description="The condition, an expression.")
    then: Any = Field(None, description="What happens.")
    message: Any = Field(None, description="What people are told.")
    what: Any = Field(None, description="What `redact` takes out: secrets, pii, injection.")
    priority: Any = Field(None, description="A whole number.")
    enabled: Any = Field(None, description="Whether it is asked at all.")


class TestPolicies(Asked):
    """A dry run: of a recorded `run`, or of one call at `point`."""

    run: str | None = Field(None, description="A run; everything it asked and heard is looked at.")
    point: str | None = Field(None, description="A point; `value` is then what is sent there, or came back.")
    value: Any = Field(None, description="Text or JSON.")
    call: dict[str, Any] = Field({}, description="What expressions see as `call`.")
    about: dict[str, Any] = Field({}, description="What they see as `run`.")
    touches: list[Literal["private", "untrusted", "sends"]] = Field([], description="What this call can do.")
    touched: list[Literal["private", "untrusted", "sends"]] = Field([], description="What the step has called before.")
    policies: dict[str, dict[str, Any]] = Field({}, description="Policies to try, over those that hold.")


class Decided(Answered):
    point: Point
    step: str
    key: str
    then: Outcome
    policy: str | None = Field(description="The policy that decides; none when none applies.")
    message: str
    found: dict[str, int]
    redacted: Any = Field(description="The value as it would go on; null when it would not.")


class Tested(Answered):
    items: list[Decided]


class ProviderBreaker(Answered):
    name: str
    state: Literal["closed", "open", "half_open"]
    failures: int
    opened_at: AwareDatetime | None


class ProviderError(Answered):
    code: str
    message: str


class Provider(Answered):
    """A provider of models. Its key never comes back."""

    name: str
    title: str
    status: Literal["connected", "unverified", "failed", "no_key"]
    connected: bool = Field(description="The key was tried, and taken.")
    key: Literal["vault", "environment"] | None = Field(description="Where there is a key.")
    secret: str = Field(description="The name of the secret that holds it.")
    base_url: str | None
    model: str | None = Field(description="The model that was asked for when the key was tried.")
    checked_at: AwareDatetime | None
    error: ProviderError | None = Field(description="What the last check said.")
    extra: str | None = Field(description="The extra of the package that its client needs.")
    installed: bool
    breakers: list[ProviderBreaker] = Field(description="Its circuit breakers, one for each address.")


class Providers(Answered):
    items: list[Provider]


class PutProvider(Asked):
    key: SecretStr | None = Field(None, description="The key; the one that is kept by default, at the same address.")
    base_url: str | None = Field(None, max_length=2_000, description="Another address than the provider's own.")
    model: str | None = Field(None, max_length=200, description="A model it must have.")
    verify: bool = Field(True, description="Try the key before it is kept.")


class Rotated(Answered):
    sealed: int = Field(description="How many secrets were sealed again.")
