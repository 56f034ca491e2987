"""`render`: makes an artifact from text or data. The output is its handle {artifact, name, size, mime}.

`template` is plain text in which the engine has put the values of its ${{ }} already; nothing in those values is looked at
again. `jinja` is a Jinja2 template over `data`: it is the author's text alone (expressions are refused in it), run in the
immutable sandbox with undefined names as errors. `value` is written as JSON.
"""

from __future__ import annotations

import asyncio
import functools
import mimetypes
from typing import Any, ClassVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import StepFailed
from ..ports import StepContext


class RenderConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=255, description="The artifact's file name, such as notes.md.")
    template: str | None = Field(default=None, description="Text with ${{ }}.")
    jinja: str | None = Field(default=None, description="A Jinja2 template over `data`.")
    data: Any = Field(default=None, description="The names the Jinja2 template knows.")
    value: Any = Field(default=None, description="Any value, written as JSON.")
    mime: str | None = Field(default=None, description="Its media type; guessed from the name by default.")

    @property
    def writes_value(self) -> bool:
        return "value" in self.model_fields_set  # null is a value too

    @model_validator(mode="after")
    def _one(self) -> RenderConfig:
        given = (self.template is not None) + (self.jinja is not None) + self.writes_value
        if given != 1:
            raise ValueError("give one of template, jinja, value")
        if self.jinja is not None and not isinstance(self.data, dict):
            raise ValueError("jinja needs data: an object with the names it uses")
        return self


class Render:
    name: ClassVar[str] = "render"
    Config: ClassVar[type[BaseModel]] = RenderConfig
    literal: ClassVar[frozenset[str]] = frozenset({"jinja"})

    async def run(self, step: StepContext, config: RenderConfig) -> dict[str, Any]:
        if config.writes_value:
            data = orjson.dumps(config.value, option=orjson.OPT_INDENT_2) + b"\n"
        elif config.jinja is not None:
            data = (await asyncio.to_thread(_render, config.jinja, config.data)).encode()
        else:
            data = (config.template or "").encode()
        mime = config.mime or mimetypes.guess_type(config.name)[0] or "text/plain"
        return await step.save(config.name, data, mime)


@functools.cache
def _environment() -> Any:
    from jinja2 import StrictUndefined  # noqa: PLC0415 - a fifth of the start-up time of a run that renders nothing
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    return ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@functools.lru_cache(maxsize=256)
def _compiled(text: str) -> Any:
    return _environment().from_string(text)


def _render(text: str, data: dict[str, Any]) -> str:
    from jinja2 import TemplateError  # noqa: PLC0415

    try:
        return _compiled(text).render(data)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        raise StepFailed(f"template: {error}{where}", code="render.template", retryable=False) from None
    except (TypeError, ValueError, ArithmeticError, KeyError) as error:
        raise StepFailed(
            f"template: {type(error).__name__}: {error}", code="render.template", retryable=False
        ) from None
