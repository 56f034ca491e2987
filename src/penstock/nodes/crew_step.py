"""A step as one task of a crew sees it: calls under names of its own, and a story that says who did what and when.

What the task keeps stands under `task:NAME/…`; what a task keeps that was handed on stands under the call that handed it on,
`task:NAME/tool:3.1:ID/…`. So the id of a task, with `task:` before it, begins the keys of all that was kept for it.

The story is told in facts (`task.moved`). The step may run again from its start, after a crash or a wait, over what was kept;
then it must not be told again. What is told before a call is in the journal before that call is kept, so a call that
turns out to be kept already shows that what was told before it is known; what is told before one that is really made is told
again if the process dies before that call is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..engine.events import TaskMoved
from ..ports import StepContext


class Story:
    """What is to be told of a crew's tasks, until it is known to be told."""

    def __init__(self, step: Any) -> None:
        self._step = step
        self._untold: list[TaskMoved] = []

    def tell(self, task: str, agent: str, status: str, parent: str | None) -> None:
        self._untold.append(TaskMoved(self._step.step_id, task, agent, status, parent))

    def write(self) -> None:
        """Something new happens: all of it goes into the journal."""
        for fact in self._untold:
            self._step.record(fact)
        self._untold.clear()

    def known(self) -> None:
        """Something old was found: what came before it is in the journal already."""
        self._untold.clear()


class Part:
    """The step for the task `task`, done by `agent`. `name` goes before the keys of its calls."""

    def __init__(
        self, step: StepContext, name: str, task: str, agent: str, story: Story, parent: str | None = None
    ) -> None:
        self._step: Any = step
        self.root: Any = getattr(step, "root", step)  # whose log it is, where work was handed on
        self._prefix = f"{name}/" if name else ""
        self.key = f"{step.key}:{name}" if name else step.key
        self.task, self.agent, self.story, self._parent = task, agent, story, parent
        self._used: list[list[str]] = []  # the tools that the model wanted, turn by turn

    def moved(self, status: str) -> None:
        self.story.tell(self.task, self.agent, status, self._parent)

    async def once(self, key: str, call: Callable[[], Awaitable[Any]]) -> Any:
        made = False

        async def really() -> Any:
            nonlocal made
            made = True
            self.story.write()
            return await call()

        value = await self._step.once(self._prefix + key, really)
        if not made:
            self.story.known()
        if key.startswith("model:"):
            self._used.append([call["name"] for call in value.get("calls", ())])
        return value

    def before(self, call: str, tool: str) -> int:
        """How often the model wanted `tool` before the call `call` (`tool:3.1:ID`), whatever of that was made in this life."""
        turn, place = (int(number) for number in call.split(":")[1].split("."))
        return sum(used.count(tool) for used in self._used[: turn - 1]) + self._used[turn - 1][: place - 1].count(tool)

    async def wait_for(self, key: str, wait: Any) -> Any:
        return await self._step.wait_for(self._prefix + key, wait)

    async def note(self, text: str) -> None:
        await self.root.note(f"{self.task} ({self.agent}): {text}")

    def live(self, data: dict[str, Any]) -> None:
        self._step.live({"task": self.task, "agent": self.agent, **data})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)
