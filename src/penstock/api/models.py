"""What goes over the wire, as it stands in the OpenAPI document.

Requests are validated by these models, strictly. Answers are written straight from the views, because validating what we
have just made costs more than making it; a test holds every answer against its model.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

Status = Literal["queued", "validating", "running", "waiting", "paused", "completed", "failed", "cancelled"]
Mode = Literal["validate_only", "test_run", "full_run"]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["survey"])]
RunId = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_-]+$")]
Json = Any


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


Text = Annotated[str, AfterValidator(_no_nul)]


class Asked(BaseModel):
    """A request: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answered(BaseModel):
    """An answer: clients ignore keys they do not know."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"additionalProperties": True})


# ------------------------------------------------------------------------------------------------------- problems


class Wrong(BaseModel):
    code: str
    pointer: str = Field(description="JSON pointer to the place.")
    message: str
    hint: str | None = None
    line: int | None = None
    column: int | None = None
    severity: Literal["error", "warning"] = "error"


class Problem(BaseModel):
    """An error (RFC 9457). `code` never changes its meaning; `errors` names each place."""

    type: str = Field(examples=["urn:penstock:problem:run.not_found"])
    title: str
    status: int
    code: str
    detail: str
    errors: list[Wrong]
    retryable: bool
    context: Json = None
    id: str | None = Field(default=None, description="Of an internal error: where the log tells more.")


# ----------------------------------------------------------------------------------------------------------- runs


class StartRun(Asked):
    workflow: Slug
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        default=None, description="A published version; the draft by default, as a version made of it first."
    )
    inputs: dict[str, Json] = Field(default={}, description="As the workflow's input schema asks.")
    run_mode: Mode = "full_run"
    limits: dict[str, Json] | None = Field(
        default=None,
        description="Stricter limits than the workflow's: tokens, usd, seconds, steps, parallel, iterations.",
    )


class CancelRun(Asked):
    reason: Text | None = Field(default=None, max_length=1000)


class ResumeRun(Asked):
    edits: dict[str, Json] | None = Field(default=None, description="Step id → its new input.")


class ForkRun(Asked):
    at: int = Field(ge=1, le=2**31 - 1, description="The seq of the last event that is copied.")
    edits: dict[str, Json] | None = Field(default=None, description="Step id → its new input.")


class Attempt(Answered):
    attempt: int
    delivery: int
    scheduled_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    outcome: Literal["completed", "failed", "paused", "waiting", "lost", "cancelled"] | None
    error: dict[str, Json] | None
    executor: str


class Note(Answered):
    at: AwareDatetime
    text: str


class Kept(Answered):
    key: str
    at: AwareDatetime
    repeated: bool
    value: Json


class Step(Answered):
    id: str
    node: str
    index: int | None
    visit: int
    status: Literal[
        "scheduled", "running", "waiting", "retrying", "paused", "queued", "completed", "failed", "cancelled"
    ]
    attempts: list[Attempt]
    input: Json
    output: Json
    error: dict[str, Json] | None
    artifacts: list[dict[str, Json]]
    notes: list[Note]
    kept: list[Kept]
    said: list[dict[str, Json]]
    tokens: int | float
    usd: str
    ask: dict[str, Json] | None
    answer: dict[str, Json] | None
    child: dict[str, Json] | None
    retry_at: AwareDatetime | None
    until: AwareDatetime | None
    ended_at: AwareDatetime | None
    taken: list[str] | None


class Node(Answered):
    status: Literal["active", "completed", "failed", "skipped", "cancelled"]
    visit: int
    count: int | None
    steps: dict[str, int]
    errors: list[dict[str, Json]]


class Spent(Answered):
    tokens: int | float
    usd: str
    steps: int


class Artifact(Answered):
    name: str
    digest: str | None = Field(description="None for the three that are made when they are read.")
    size: int | None
    mime: str
    step: str | None
    at: AwareDatetime | None


class RunArtifact(Artifact):
    derived: bool
    url: str


class Line(Answered):
    at: AwareDatetime
    seq: int
    step: str
    text: str


class Run(Answered):
    """A run: the fold of its journal up to `head`."""

    run_id: str
    status: Status
    workflow: str
    version: int
    fingerprint: str
    mode: Mode
    group: str
    actor: str
    head: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    ending: str | None
    inputs: Json
    outputs: Json
    error: dict[str, Json] | None
    limits: dict[str, Json] | None
    problems: list[dict[str, Json]]
    report: dict[str, Json] | None
    spent: Spent
    parent: dict[str, Json] | None
    depth: int
    trace: str | None
    forked_from: dict[str, Json] | None
    nodes: dict[str, Node]
    steps: list[Step] = Field(description="Those asked for, in the order in which they were sent.")
    steps_total: int = Field(description="How many steps there are.")
    artifacts: list[Artifact]
    log: list[Line] = Field(description="The last lines, as many as steps were asked for.")
    log_total: int = Field(description="How many lines there are.")


class RunItem(Answered):
    run_id: str
    workflow: str
    version: int
    status: Status
    mode: Mode
    actor: str
    created_at: AwareDatetime
    updated_at: AwareDatetime
    parent: str | None
    error: str | None = Field(description="The code of the error it ended with or is paused on.")
    asks: int = Field(description="Questions that are open.")
    head: int


class RunPage(Answered):
    items: list[RunItem]
    cursor: str | None


class Event(Answered):
    seq: int
    at: float = Field(description="Seconds since the epoch.")
    kind: str
    data: dict[str, Json]


class EventPage(Answered):
    events: list[Event]
    next: int = Field(description="Ask for the events after this seq next.")
    ended: bool = Field(description="There will be no more.")


class Bar(Answered):
    attempt: int
    delivery: int
    scheduled: float
    start: float | None
    end: float | None
    outcome: str | None


class Wait(Answered):
    why: Literal["person", "child", "timer", "retry", "error"]
    start: float
    end: float | None


class Row(Answered):
    id: str
    node: str
    index: int | None
    visit: int
    status: str
    scheduled: float | None
    start: float | None
    end: float | None
    queued: float
    retries: int
    attempts: list[Bar]
    waits: list[Wait]


class Timeline(Answered):
    """Times are seconds after `origin`."""

    origin: AwareDatetime
    seconds: float
    status: Status
    rows: list[Row]


class RunArtifacts(Answered):
    artifacts: list[RunArtifact]


# ------------------------------------------------------------------------------------------------------ workflows


class Publish(Asked):
    note: Text = Field(default="", max_length=1000)


class LastRun(Answered):
    run_id: str
    status: Status
    created_at: AwareDatetime


class WorkflowItem(Answered):
    slug: str
    title: str
    description: str
    persona: str
    tags: list[str]
    difficulty: str
    minutes: float | None
    latest: int = Field(description="The newest version; 0 when there is none.")
    etag: str
    updated_at: AwareDatetime
    updated_by: str
    last_run: LastRun | None


class WorkflowPage(Answered):
    items: list[WorkflowItem]
    cursor: str | None


class Draft(Answered):
    slug: str
    document: dict[str, Json]
    etag: str
    latest: int
    updated_at: AwareDatetime
    updated_by: str


class VersionItem(Answered):
    slug: str
    number: int
    fingerprint: str
    created_at: AwareDatetime
    created_by: str
    note: str


class Version(VersionItem):
    document: dict[str, Json]


class VersionPage(Answered):
    items: list[VersionItem]
    cursor: str | None


class Validity(Answered):
    valid: bool = Field(description="It may be published.")
    problems: list[Wrong]
    preflight: list[Wrong] = Field(
        description="What stands in the way of a run here and now, such as a missing secret."
    )


class Differences(BaseModel):
    """See the reference of compare."""

    model_config = ConfigDict(extra="allow")


# ------------------------------------------------------------------------------------------- questions and failures


class Decide(Asked):
    decision: Text = Field(min_length=1, max_length=200)
    comment: Text | None = Field(default=None, max_length=10_000)
    fields: dict[str, Json] | None = None


class Approval(Answered):
    id: str
    run_id: str
    workflow: str
    version: int
    step: str
    asked_at: AwareDatetime
    until: AwareDatetime | None
    ask: dict[str, Json] = Field(description="title, message, choices, comment, fields.")


class ApprovalPage(Answered):
    items: list[Approval]
    cursor: str | None


class Redrive(Asked):
    input: Json = Field(default=None, description="The failed step's new input; as it was when absent.")


class DeadLetter(Answered):
    id: str
    run_id: str
    workflow: str
    version: int
    status: Literal["failed", "paused"]
    step: str | None = Field(description="None where the run failed for itself, such as for want of time.")
    input: Json
    error: dict[str, Json]
    attempts: list[Attempt]
    failed_at: AwareDatetime


class DeadLetterPage(Answered):
    items: list[DeadLetter]
    cursor: str | None


# --------------------------------------------------------------------------------------------------- what there is


class PutSecret(Asked):
    value: str = Field(min_length=1, max_length=65_536)


class SecretName(Answered):
    name: str


class SecretNames(Answered):
    names: list[str]


class Kind(Answered):
    name: str
    description: str
    config: dict[str, Json] = Field(description="JSON Schema of `with`.")
    literal: list[str] = Field(description="Keys of `with` in which expressions are refused.")


class Kinds(Answered):
    items: list[Kind]


class Health(Answered):
    status: Literal["ok", "ready", "unavailable"]
    checks: dict[str, str] = {}
