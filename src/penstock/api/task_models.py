"""What tasks look like over the wire. See `models`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, field_validator

from ..nodes.http import checked
from .models import Answered, Asked, Json, Text

# What a name of a capability, a tool, a server or a secret may hold: nothing that an expression begins with.
Name = Annotated[Text, Field(min_length=1, max_length=200, pattern=r"^[^$\s][^$\x00-\x1f\x7f]*$")]
TaskStatus = Literal["queued", "running", "waiting", "paused", "completed", "failed", "cancelled"]


class TaskRetry(Asked):
    """How often the call is made before it has failed, when the failure can pass; and the wait before the second time, which
    doubles after each."""

    attempts: int = Field(default=3, ge=1, le=10)
    backoff_seconds: int = Field(default=1, ge=0, le=60)


class TaskNotify(Asked):
    """Whom to tell when the task has ended, by a signed webhook."""

    url: Text = Field(max_length=8_192, description="Where to: http or https.")
    secret: Name = Field(description="Name of the secret it is signed with: whsec_ and base64.")

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        return checked(url)


class SubmitTask(Asked):
    type: Name = Field(
        description="What kind of work it is. Without capabilities and tool, it is the capability that is asked for."
    )
    input: Json = Field(default={}, description="The tool's arguments; what is no object becomes its argument `input`.")
    capabilities: Annotated[list[Name], Field(max_length=20)] | None = Field(
        default=None, description="What the server must offer, all of it; the first one names the tool."
    )
    tool: Name | None = Field(default=None, description="A tool by name, instead of the capability's.")
    server: Name | None = Field(default=None, description="A server by name, instead of any that fits.")
    prefer: list[Name] = Field(
        default=[], max_length=20, description="Servers to choose before others, the best first."
    )
    fallback: Literal["ask", "allowed", "never"] | None = Field(
        default=None, description="Whether a server marked as a fallback may be used; by default its own setting says."
    )
    timeout: Annotated[float, Field(gt=0, le=86_400)] | None = Field(
        default=None, description="Seconds one call may take; by default the server's."
    )
    retry: TaskRetry = TaskRetry()
    notify: TaskNotify | None = None
    limits: dict[str, Json] | None = Field(default=None, description="As those of a run.")

    @property
    def by_type(self) -> bool:
        """Whether the type is the capability that is asked for."""
        return self.capabilities is None and self.tool is None


class NotifyAgain(Asked):
    url: Text | None = Field(default=None, max_length=8_192, description="Where to; by default the task's.")
    secret: Name | None = Field(default=None, description="Name of the secret; by default the task's.")

    @field_validator("url")
    @classmethod
    def _url(cls, url: str | None) -> str | None:
        return url if url is None else checked(url)


class Estimate(Answered):
    """What the call will take, as far as it is known: `seen` lately, `declared` by the server's settings, or `unknown`."""

    server: str | None
    tool: str | None
    seconds: float | None
    bytes: int | None
    known: Literal["seen", "declared", "unknown"]
    seconds_at_most: float | None = None
    bytes_at_most: int | None = None


class TaskRoute(Answered):
    """Which server does it, and why: the last choice."""

    server: str
    tool: str
    reason: str
    fallback: bool
    candidates: list[dict[str, Any]]


class TaskConsent(Answered):
    """A question whether a fallback may be used. It is answered by a POST of {decision} to `answer`."""

    id: str
    title: str
    message: str
    choices: list[str]
    answer: str


class TaskProgress(Answered):
    attempt: int
    message: str = Field(description="The last line of the call's log.")
    seconds: float = Field(description="Since the task was made, to its end or to the last thing that happened.")
    retry_at: AwareDatetime | None


class TaskError(Answered):
    code: str
    message: str
    retryable: bool
    hint: str = Field(description="What to do about it.")
    detail: Json


class Pointer(Answered):
    """Where the result is, whole or in parts."""

    url: str
    size: int
    mime: str
    digest: str


class DeliveryAttempt(Answered):
    attempt: int
    at: AwareDatetime
    ended_at: AwareDatetime | None
    outcome: str | None
    error: dict[str, Json] | None


class TaskNotification(Answered):
    """`failed`: it never got through, which makes no difference to the task; POST /tasks/{id}/notify sends it again."""

    status: Literal["pending", "sending", "delivered", "failed", "cancelled"]
    webhook_id: str
    url: str = Field(description="Without its query.")
    attempts: list[DeliveryAttempt]


class Task(Answered):
    """A task: what has become of one call of a tool. It is a run, with everything a run has."""

    task_id: str
    type: str
    status: TaskStatus
    created_at: AwareDatetime
    updated_at: AwareDatetime
    ended_at: AwareDatetime | None = Field(description="When the call had ended.")
    head: int
    route: TaskRoute | None
    consent: TaskConsent | None
    progress: TaskProgress
    error: TaskError | None
    result: Json = Field(description="The tool's result, where it is no longer than 64 KiB of JSON and no file.")
    pointer: Pointer | None = Field(description="The result, by reference, of a task that completed.")
    notification: TaskNotification | None
    estimate: Estimate | None = Field(description="In the answer to POST /tasks.")
    links: dict[str, str]


class TaskItem(Answered):
    task_id: str
    type: str | None = Field(description="None where the input is large: see the task.")
    status: TaskStatus
    server: str | None
    error: str | None = Field(description="The code of its error.")
    actor: str
    created_at: AwareDatetime
    updated_at: AwareDatetime


class TaskPage(Answered):
    items: list[TaskItem]
    cursor: str | None


class Redelivery(Answered):
    """A notification that is sent again, by a run of its own."""

    task_id: str
    run_id: str
    status: Literal["pending", "sending", "delivered", "failed", "cancelled"]
    webhook_id: str
    url: str
    attempts: list[DeliveryAttempt]
