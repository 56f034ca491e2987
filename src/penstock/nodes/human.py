"""`human`: a question to a person. It is asked once, answered once, and outlives restarts; when nobody answers in time the
time-out action stands. The output is {decision, comment, fields, by, timed_out}."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..ports import Clock, StepContext, Wait


class HumanConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = Field(max_length=200, description="The question, in one line.")
    message: str = Field(default="", description="What the person should know to decide; Markdown.")
    choices: list[str] = Field(
        default=["approve", "reject"], min_length=1, max_length=10, description="The decisions to choose from."
    )
    comment: Literal["optional", "required", "on_reject"] = Field(
        default="optional", description="Whether the decision must be explained."
    )
    fields: dict[str, Any] | None = Field(default=None, description="JSON Schema of further fields to fill in.")
    seconds: float | None = Field(
        default=None, gt=0, description="How long to wait for an answer; for ever by default."
    )
    on_timeout: str = Field(default="fail", description="One of the choices, or `fail`, when nobody answers in time.")

    @model_validator(mode="after")
    def _known(self) -> HumanConfig:
        if self.on_timeout != "fail" and self.on_timeout not in self.choices:
            raise ValueError(f"on_timeout must be `fail` or one of {', '.join(self.choices)}")
        return self


class Human:
    name: ClassVar[str] = "human"
    Config: ClassVar[type[BaseModel]] = HumanConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock

    @staticmethod
    def gives(config: Mapping[str, Any]) -> Any:
        """The JSON Schema of the output of a question with this `with`, as written."""
        names = ("decision", "comment", "by", "timed_out")
        return {"type": "object", "properties": {**dict.fromkeys(names, True), "fields": config.get("fields") or True}}

    async def run(self, step: StepContext, config: HumanConfig) -> Wait:
        ask = config.model_dump(exclude={"seconds"}, exclude_none=True)
        return Wait(until=None if config.seconds is None else self._clock() + config.seconds, ask=ask)
