"""`plan`: chooses which of its successors come next (`next_task_ids`), by rules or by a function.

Rules are looked at in order; the first whose `when` is true wins, else `default`. A function returns
{next_task_ids: [...], metadata: {...}} or the list alone. The output is {next_task_ids, metadata}.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import StepFailed
from ..ports import Done, StepContext
from .function import Function, FunctionConfig


class Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    when: bool = Field(description="An expression that is true when this rule applies.")
    next: list[str] = Field(description="The nodes to go to; [] for none.")
    metadata: dict[str, Any] = Field(default_factory=dict, description="Why: kept in the output.")


class PlanConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: list[Rule] = Field(default_factory=list, description="Looked at in order; the first that applies wins.")
    default: list[str] | None = Field(default=None, description="The nodes to go to when no rule applies.")
    function: str | None = Field(default=None, description="A registered function that decides, instead of rules.")
    input: Any = Field(default=None, description="What the function is given.")

    @model_validator(mode="after")
    def _one(self) -> PlanConfig:
        if (self.function is None) == (not self.rules and self.default is None):
            raise ValueError("give either rules (with a default) or a function")
        return self


class Plan:
    name: ClassVar[str] = "plan"
    Config: ClassVar[type[BaseModel]] = PlanConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, functions: Function) -> None:
        self._functions = functions

    async def run(self, step: StepContext, config: PlanConfig) -> Done:
        if config.function is not None:
            asked = FunctionConfig(function=config.function, input=config.input)
            return _chosen(await self._functions.run(step, asked))
        for number, rule in enumerate(config.rules):
            if rule.when:
                return _chosen({"next_task_ids": rule.next, "metadata": {"rule": number, **rule.metadata}})
        if config.default is None:
            raise StepFailed("no rule applies and there is no default", code="plan.no_rule", retryable=False)
        return _chosen({"next_task_ids": config.default, "metadata": {"rule": None}})


def _chosen(result: Any) -> Done:
    if isinstance(result, Done):
        result = result.output
    if isinstance(result, list):
        result = {"next_task_ids": result}
    names = result.get("next_task_ids") if isinstance(result, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise StepFailed(
            "a plan's function returns {next_task_ids: [names], metadata}", code="plan.bad_result", retryable=False
        )
    return Done({"next_task_ids": names, "metadata": result.get("metadata") or {}}, take=tuple(names))
