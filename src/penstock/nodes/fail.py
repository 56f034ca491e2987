"""The kind `fail`: what went wrong before and was carried on from goes wrong now.

A node with `on_error: continue` lets others tidy up or tell somebody; after them stands this one, and the run fails with the error
it would have failed with. Without an error it does nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from ..errors import Problem, StepFailed
from ..ports import StepContext


class Failure(BaseModel):
    """An error as it stands in `nodes.NAME.errors`; what else there is goes along as its detail."""

    model_config = ConfigDict(extra="allow")

    code: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$", max_length=200)
    message: str = Field(min_length=1, max_length=100_000)
    detail: Any = None
    problems: list[dict[str, Any]] = []


class FailConfig(BaseModel):
    """`with` of a fail step."""

    model_config = ConfigDict(extra="forbid")

    error: Failure | None = Field(description="{code, message, detail?} to fail with; null to pass.")


class Fail:
    """Fails with `error`, and passes without one: after what must be done even when something failed."""

    name: ClassVar[str] = "fail"
    Config: ClassVar[type[BaseModel]] = FailConfig
    literal: ClassVar[frozenset[str]] = frozenset()

    async def run(self, step: StepContext, config: FailConfig) -> None:
        error = config.error
        if error is None:
            return
        problems = [
            Problem(**one) for one in error.problems if one.keys() <= _PLACE and {"code", "message"} <= one.keys()
        ]
        raise StepFailed(error.message, code=error.code, retryable=False, detail=error.detail, problems=problems)


_PLACE = frozenset({"code", "message", "pointer", "hint", "line", "column", "severity"})
