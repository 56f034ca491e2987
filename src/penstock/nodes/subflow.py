"""`subflow`: another workflow, as one step. Its run has a journal of its own; its outputs are this step's output."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..ports import StepContext, Wait


class SubflowConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    workflow: str = Field(description="The slug of the workflow to run.")
    version: int | None = Field(default=None, ge=1, description="Which version; the newest by default.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="Its inputs.")


class Subflow:
    name: ClassVar[str] = "subflow"
    Config: ClassVar[type[BaseModel]] = SubflowConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    async def run(self, step: StepContext, config: SubflowConfig) -> Wait:
        return Wait(child=config.model_dump(exclude_none=True))
