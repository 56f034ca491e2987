"""The workflow that a task is a run of.

There is one for each way to retry, with or without a notification, and the arguments, the capabilities and everything else that a
caller chooses are its inputs: so however many tasks there are, the catalog holds a few small versions, under a name of our own and
without a draft, which is why no list of workflows shows them. `preview` is the same with what was chosen written out, for the
checks before a run and for the estimate; it is never stored.

With a notification the call's failure is carried on from, told, and then made the run's failure; whether it could be told makes no
difference to either.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..engine.workflow import Workflow
from ..ports import Workflows
from .task_models import SubmitTask, TaskRetry

SLUG = "penstock-task"
AGAIN = "penstock-notify"
CALL, TOLD = "call", "notify"
DELIVERIES = 8  # attempts to notify: over an hour, about
RESULTS = "/api/v1/results"

_TEXT = {"type": "string"}
_NOTIFY = {"kind": "notify", "retry": {"attempts": DELIVERIES, "backoff": 1, "factor": 4, "max": 1800}}
_ERROR = f"size(nodes.{CALL}.errors) > 0 ? nodes.{CALL}.errors[0]"


def document_of(retry: TaskRetry, notify: bool) -> dict[str, Any]:
    """The document of all tasks with this retry, with a notification or without."""
    chosen = ("arguments", "capabilities", "tool", "server", "prefer", "fallback")
    call: dict[str, Any] = {
        "kind": "tool",
        "with": {**{name: f"${{{{ inputs.{name} }}}}" for name in chosen}, "timeout_seconds": "${{ inputs.timeout }}"},
        "retry": {"attempts": retry.attempts, "backoff": retry.backoff_seconds},
    }
    document: dict[str, Any] = {
        "penstock": 1,
        "name": SLUG,
        "title": "Task",
        "description": "One call of a tool, asked for over POST /tasks.",
        "inputs": _inputs(notify),
        "nodes": {CALL: call},
    }
    if notify:
        call["on_error"] = "continue"
        data = {
            "task_id": "${{ run.id }}",
            "type": "${{ inputs.type }}",
            "status": f"${{{{ nodes.{CALL}.status }}}}",
            "error": f"${{{{ {_ERROR} : null }}}}",
            "result": f"${{{{ nodes.{CALL}.status == 'completed' ? '{RESULTS}/' + run.id : null }}}}",
        }
        document["nodes"][TOLD] = {
            **_NOTIFY,
            "on_error": "continue",
            "retry": {**_NOTIFY["retry"], "backoff": retry.backoff_seconds},
            "with": {
                "url": "${{ inputs.notify.url }}",
                "secret": "${{ inputs.notify.secret }}",
                "event": f"${{{{ 'task.' + nodes.{CALL}.status }}}}",
                "id": webhook_id("${{ run.id }}"),
                "data": data,
            },
        }
        document["nodes"]["end"] = {"kind": "fail", "with": {"error": f"${{{{ {_ERROR} : null }}}}"}}
        document["edges"] = [{"from": CALL, "to": TOLD}, {"from": TOLD, "to": "end"}]
    return document


def _inputs(notify: bool) -> dict[str, Any]:
    names = {"type": "array", "items": _TEXT}
    optional: dict[str, Any] = {"type": ["string", "null"]}
    properties: dict[str, Any] = {
        "type": _TEXT,
        "arguments": {"type": "object"},
        "capabilities": names,
        "tool": optional,
        "server": optional,
        "prefer": names,
        "fallback": optional,
        "timeout": {"type": ["number", "null"]},
    }
    if notify:
        properties["notify"] = {
            "type": "object",
            "required": ["url", "secret"],
            "properties": {"url": _TEXT, "secret": _TEXT},
        }
    return {"type": "object", "required": list(properties), "properties": properties}


def inputs_of(asked: SubmitTask) -> dict[str, Any]:
    """The inputs of the run."""
    given = asked.input if isinstance(asked.input, dict) else {"input": asked.input}
    inputs = {**_chosen(asked), "type": asked.type, "arguments": given, "timeout": asked.timeout}
    return inputs | ({"notify": asked.notify.model_dump()} if asked.notify is not None else {})


def _chosen(asked: SubmitTask) -> dict[str, Any]:
    return {
        "capabilities": [asked.type] if asked.by_type else asked.capabilities or [],
        "tool": asked.tool,
        "server": asked.server,
        "prefer": asked.prefer,
        "fallback": "denied" if asked.fallback == "never" else asked.fallback,
    }


def preview(asked: SubmitTask) -> dict[str, Any]:
    """The document with what was chosen written out."""
    config = {**_chosen(asked), "timeout_seconds": asked.timeout}
    nodes: dict[str, Any] = {CALL: {"kind": "tool", "with": config}}
    if asked.notify is not None:
        nodes |= preview_again(asked.notify.secret)["nodes"]
    return {"penstock": 1, "name": SLUG, "nodes": nodes}


def preview_again(secret: str) -> dict[str, Any]:
    """The same of a notification alone: of all that is known of it, the secret can be missing."""
    told = {"url": "https://example.com", "secret": secret, "event": "told"}
    return {"penstock": 1, "name": AGAIN, "nodes": {TOLD: {"kind": "notify", "with": told}}}


def place_of(pointer: str, by_type: bool) -> str:
    """Where in the request that stands which the preview has at `pointer`; `by_type`: the type is the capability."""
    at = pointer.removeprefix(f"/nodes/{CALL}/with")
    if at.startswith("/capabilities") and by_type:
        return "/type"
    return at.replace(f"/nodes/{TOLD}/with", "/notify")


def place_of_again(pointer: str) -> str:
    """The same of a notification alone."""
    return pointer.removeprefix(f"/nodes/{TOLD}/with")


def again_document() -> dict[str, Any]:
    """The document of a notification that is sent again: its inputs are the `with` of the step."""
    texts = ("url", "secret", "event", "id", "at", "task")
    names = ("url", "secret", "event", "id", "at", "data")
    return {
        "penstock": 1,
        "name": AGAIN,
        "title": "Notification",
        "description": "A notification of a task, sent again.",
        "inputs": {
            "type": "object",
            "required": [*texts, "data"],
            "properties": {**dict.fromkeys(texts, _TEXT), "data": {}},
        },
        "nodes": {TOLD: {**_NOTIFY, "with": {name: f"${{{{ inputs.{name} }}}}" for name in names}}},
    }


def webhook_id(run_id: str) -> str:
    """The webhook-id of a task's notification, however often it is sent."""
    return f"msg_{run_id}"


class Shapes:
    """The versions of these documents, by their content: each is published once in a group."""

    def __init__(self, workflows: Workflows) -> None:
        self._workflows = workflows
        self._known: dict[tuple[str, str], int] = {}
        self._publishing = asyncio.Lock()

    async def number(self, group: str, workflow: Workflow, actor: str) -> int:
        """The version that is this workflow."""
        key = (group, workflow.fingerprint)
        if (number := self._known.get(key)) is not None:
            return number
        async with self._publishing:
            cursor: str | None = None
            while key not in self._known:
                page = await self._workflows.versions(group, workflow.name, cursor, 200)
                for version in page.items:
                    self._known.setdefault((group, version.fingerprint), version.number)
                cursor = page.cursor
                if cursor is None and key not in self._known:
                    made = await self._workflows.publish(
                        group, workflow.name, workflow.document, workflow.fingerprint, actor, "made for tasks"
                    )
                    self._known[key] = made.number
        return self._known[key]
