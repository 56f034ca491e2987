"""`wait`: nothing runs, time passes; durable, so a restart does not shorten or lengthen it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..ports import Clock, StepContext, Wait


class WaitConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: float | None = Field(default=None, ge=0, le=366 * 86400, description="How long to wait, in seconds.")
    until: datetime | None = Field(default=None, description="Wait until this moment (ISO 8601; without a zone: UTC).")
    output: Any = Field(default=None, description="What the step's output is when the time has come.")

    @model_validator(mode="after")
    def _one(self) -> WaitConfig:
        if (self.seconds is None) == (self.until is None):
            raise ValueError("give either seconds or until")
        return self


class WaitKind:
    name: ClassVar[str] = "wait"
    Config: ClassVar[type[BaseModel]] = WaitConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock

    async def run(self, step: StepContext, config: WaitConfig) -> Wait:
        if config.seconds is not None:
            return Wait(until=self._clock() + config.seconds, output=config.output)
        assert config.until is not None
        when = config.until if config.until.tzinfo else config.until.replace(tzinfo=UTC)
        return Wait(until=when.timestamp(), output=config.output)
