"""The kind `code`: Python that nobody vouches for, written in the workflow itself.

The source defines `main(input)`; what it returns is the step's output, what it prints goes to the run's log. It starts
with nothing: no environment, no files, no network; `allow` opens what is named, as far as the host's `Ceiling` permits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..errors import Invalid, Problem, Refused
from ..ports import StepContext
from .sandbox.cpython import CPython
from .sandbox.job import Job, Log
from .sandbox.monty import Monty

SOURCE_LENGTH = 256 * 1024


class Allow(BaseModel):
    """What the code may touch outside itself; nothing by default."""

    model_config = ConfigDict(extra="forbid")

    network: bool = Field(
        default=False,
        title="Network",
        description="Connect to other hosts, this one included. Needs the runtime cpython.",
    )
    read: list[str] = Field(
        default=[],
        title="Read",
        description="Absolute paths of files and folders that may be read. In the runtime monty: folders. A folder named "
        "site-packages becomes importable.",
    )
    write: list[str] = Field(
        default=[],
        title="Write",
        description="Absolute paths of folders in which files may be read, made, changed and removed.",
    )
    env: dict[str, str] = Field(
        default={}, title="Environment", description="Environment variables the code sees; there are no others."
    )

    @field_validator("read", "write")
    @classmethod
    def _absolute(cls, paths: list[str]) -> list[str]:
        for path in paths:
            if not path.startswith("/") or "\0" in path:
                raise ValueError(f"{path!r} is not an absolute path")
        return [os.path.normpath(path) for path in paths]

    @field_validator("env")
    @classmethod
    def _variables(cls, env: dict[str, str]) -> dict[str, str]:
        for name, value in env.items():
            if not name or "=" in name or "\0" in name + value:
                raise ValueError(f"{name!r} cannot be a variable of the environment")
        return env


class CodeConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    source: str = Field(
        title="Source",
        description="Python that defines main(input), with def or async def. Expressions are not replaced in it: "
        "pass values through input.",
        min_length=1,
        max_length=SOURCE_LENGTH,
    )
    input: Any = Field(default=None, title="Input", description="Handed to main as its argument; any JSON value.")
    runtime: Literal["monty", "cpython"] = Field(
        default="monty",
        title="Runtime",
        description="monty starts in under a millisecond and knows a subset of Python and its standard library; cpython "
        "is all of Python in a sandboxed process, 50 ms.",
    )
    memory_mb: int = Field(
        default=256, title="Memory (MiB)", description="Most memory, the interpreter's own included.", ge=64, le=65_536
    )
    seconds: float = Field(default=30, title="Time (s)", description="Longest time by the clock.", gt=0, le=86_400)
    cpu_seconds: float | None = Field(
        default=None,
        title="CPU time (s)",
        description="Longest time computing; as long as seconds if not given. cpython counts whole seconds.",
        gt=0,
        le=86_400,
    )
    output_kb: int = Field(
        default=1024,
        title="Output (KiB)",
        description="Largest result, as JSON. Larger data belongs in a file.",
        ge=1,
        le=65_536,
    )
    allow: Allow = Field(default=Allow(), title="Allow", description="What the code may touch outside itself.")

    @model_validator(mode="after")
    def _possible(self) -> CodeConfig:
        if self.runtime == "monty" and self.allow.network:
            raise ValueError("the runtime monty has no network: choose runtime cpython, or a node of kind http")
        return self


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most any workflow may allow its code on this host: paths at or below `read` and `write` (None: any), and the
    network. Those who run workflows of people they do not trust with the host's files must set it."""

    read: tuple[str, ...] | None = None
    write: tuple[str, ...] | None = None
    network: bool = True


class Code:
    """Run Python in a sandbox.

    Raises StepFailed `code.syntax`, `code.no_main`, `code.raised` (detail: type, message, line), `code.memory`,
    `code.output_too_large`, `code.not_json`: never retried; `code.timeout`, `code.crashed`: retryable. Refused
    `sandbox.not_permitted` for what the ceiling forbids, Invalid `sandbox.no_such_path`, and Unavailable
    `sandbox.unavailable` where the host cannot confine a process.
    """

    name: ClassVar[str] = "code"
    Config: ClassVar[type[BaseModel]] = CodeConfig
    literal: ClassVar[frozenset[str]] = frozenset({"source"})

    def __init__(self, ceiling: Ceiling | None = None, cpython: CPython | None = None) -> None:
        self._ceiling = ceiling or Ceiling()
        self._monty = Monty()
        self._cpython = cpython or CPython()

    async def run(self, step: StepContext, config: CodeConfig) -> Any:
        job = self._job(config)
        runtime = self._monty if config.runtime == "monty" else self._cpython
        async with Log(step) as log:
            return await runtime.run(job, log)

    async def aclose(self) -> None:
        """End the interpreters kept warm."""
        await self._monty.aclose()

    def _job(self, config: CodeConfig) -> Job:
        allow, ceiling = config.allow, self._ceiling
        if allow.network and not ceiling.network:
            raise _refused("network", "the network")
        for field, paths, roots in (("read", allow.read, ceiling.read), ("write", allow.write, ceiling.write)):
            for index, path in enumerate(paths):
                pointer = f"{field}/{index}"
                real = Path(path).resolve()
                if roots is not None and not any(real.is_relative_to(Path(root).resolve()) for root in roots):
                    raise _refused(pointer, f"to {field} {path}")
                if not (real.is_dir() if field == "write" or config.runtime == "monty" else real.exists()):
                    raise _missing(pointer, path)
        return Job(
            source=config.source,
            input=config.input,
            memory_mb=config.memory_mb,
            seconds=config.seconds,
            cpu_seconds=config.cpu_seconds,
            output_kb=config.output_kb,
            network=allow.network,
            read=tuple(allow.read),
            write=tuple(allow.write),
            env=allow.env,
        )


def _refused(pointer: str, what: str) -> Refused:
    message = f"This host does not permit code {what}."
    setting = f"PENSTOCK_CODE_{pointer.split('/', maxsplit=1)[0].upper()}"
    hint = f"who runs this host may permit it with {setting}"
    problem = Problem("sandbox.not_permitted", message, f"/allow/{pointer}", hint)
    return Refused(f"{message} ({hint})", code="sandbox.not_permitted", problems=[problem])


def _missing(pointer: str, path: str) -> Invalid:
    message = f"There is no file or folder {path} of the kind needed here."
    problem = Problem("sandbox.no_such_path", message, f"/allow/{pointer}")
    return Invalid(message, code="sandbox.no_such_path", problems=[problem])
