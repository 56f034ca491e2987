"""A chat turned into the inputs of a workflow, and a run turned back into a chat.

Which input the message becomes follows from the input schema alone, so that an author can see it and a caller can be told:

1. `inputs` of the body names inputs and their values; then `metadata`, whose texts are read as the types the schema asks for.
2. An input `messages` that takes a list gets the whole conversation.
3. Otherwise the text of the last user message goes to one input that takes text and has no value yet: the only required one;
   else the first of `prompt`, `question`, `input`, `topic`, `query`, `message`, `text` that there is; else the only one.
4. What is then still missing is named, all of it at once. A workflow without a text input runs on `inputs` alone.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from ..engine.state import parse_step_id
from ..engine.view import RunView
from ..engine.workflow import Workflow
from ..errors import Problem
from .problems import HttpError

PREFERRED = ("prompt", "question", "input", "topic", "query", "message", "text")
PREFIX = "penstock/"
_TEXT_OF = re.compile(r"\$\{\{\s*nodes\.([\w-]+)\.output(?:\.text)?\s*\}\}")
PIECE = 16_384  # characters of an answer in one message of a stream


class Message(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str
    content: str | list[dict[str, Any]] | None = None


class StreamOptions(BaseModel):
    model_config = ConfigDict(extra="allow")

    include_usage: bool = False


class ChatRequest(BaseModel):
    """What is read of a request; everything else a client may send, such as `temperature`, says nothing to a workflow and is
    not read."""

    model_config = ConfigDict(extra="ignore")

    model: str = Field(min_length=1, max_length=200)
    messages: list[Message] = Field(min_length=1, max_length=10_000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    inputs: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None

    @property
    def slug(self) -> str:
        return self.model.removeprefix(PREFIX)

    @property
    def wants_json(self) -> bool:
        return (self.response_format or {}).get("type") == "json_object"

    def check(self) -> None:
        """Raises HttpError 400, code `chat.unsupported`, for what would change the meaning of the answer if it were ignored."""
        if self.n not in (None, 1):
            raise _unsupported("n", "a workflow gives one answer: n can only be 1")
        if self.tool_choice != "none":
            for name in ("tools", "functions"):
                if getattr(self, name):
                    raise _unsupported(name, f"a workflow brings its own tools: send no {name}, or tool_choice none")
        if (self.modalities or ["text"]) != ["text"]:
            raise _unsupported("modalities", "a workflow answers with text")
        kind = (self.response_format or {"type": "text"}).get("type")
        if kind not in ("text", "json_object"):
            raise _unsupported("response_format", f"response_format can be text or json_object, not {kind!r}")


def inputs_of(workflow: Workflow, asked: ChatRequest) -> dict[str, Any]:
    """The inputs of the run. Raises HttpError 400: `chat.missing_inputs`, `chat.no_place`, `chat.unsupported`."""
    declared: dict[str, Any] = workflow.inputs.get("properties") or {}
    given = dict(asked.inputs or {})
    for name, value in (asked.metadata or {}).items():
        if name in declared and name not in given:
            given[name] = _read(value, _named(workflow, declared[name]))
    if "messages" in declared and "messages" not in given and _takes_list(workflow, declared["messages"]):
        given["messages"] = [message.model_dump(exclude_unset=True) for message in asked.messages]
    else:
        _place_text(workflow, asked, declared, given)
    missing = [
        name for name in workflow.inputs.get("required") or () if name not in given and not _defaulted(declared, name)
    ]
    if missing:
        names = ", ".join(missing)
        message = f"{workflow.name} needs {names}: send {'it' if len(missing) == 1 else 'them'} under `inputs`"
        problems = [Problem("chat.missing_inputs", f"{name} is missing", "/inputs") for name in missing]
        raise HttpError(400, "chat.missing_inputs", message, problems=problems)
    return given


def _place_text(workflow: Workflow, asked: ChatRequest, declared: dict[str, Any], given: dict[str, Any]) -> None:
    required = set(workflow.inputs.get("required") or ())
    free = [name for name, schema in declared.items() if name not in given and _takes_text(_named(workflow, schema))]
    needed = [name for name in free if name in required]
    preferred = [name for name in PREFERRED if name in free]
    for candidates in (needed if len(needed) == 1 else [], preferred, free if len(free) == 1 else []):
        if candidates:
            if (text := _last_words(asked)) is not None:
                given[candidates[0]] = text
            return
    if free and not needed and not asked.inputs:
        message = f"the message could be any of {', '.join(free)}: send them under `inputs`"
        raise HttpError(400, "chat.no_place", message, problems=[Problem("chat.no_place", message, "/messages")])


def _last_words(asked: ChatRequest) -> str | None:
    """The text of the last user message; None when the user said nothing."""
    for index in range(len(asked.messages) - 1, -1, -1):
        message = asked.messages[index]
        if message.role != "user":
            continue
        if not isinstance(message.content, list):
            return message.content
        texts = []
        for place, part in enumerate(message.content):
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                at = f"messages/{index}/content/{place}"
                raise _unsupported(at, f"a message of this workflow is text; {part.get('type')!r} is not")
            texts.append(part["text"])
        return "\n".join(texts)
    return None


def _named(workflow: Workflow, schema: Any) -> Any:
    """A schema, or the one among `schemas` that it refers to."""
    reference = schema.get("$ref") if isinstance(schema, dict) else None
    if isinstance(reference, str) and reference.startswith("#/schemas/"):
        return workflow.schemas.get(reference.removeprefix("#/schemas/"))
    return schema


def _takes_list(workflow: Workflow, schema: Any) -> bool:
    return _type(_named(workflow, schema)) in ("array", None)


def _takes_text(schema: Any) -> bool:
    return _type(schema) == "string" and "enum" not in schema and "const" not in schema


def _type(schema: Any) -> Any:
    return schema.get("type") if isinstance(schema, dict) else None


def _defaulted(declared: dict[str, Any], name: str) -> bool:
    return isinstance(declared.get(name), dict) and "default" in declared[name]


def _read(value: Any, schema: Any) -> Any:
    """A value of `metadata`, where everything is text, as the type that is declared; what cannot be read so stays what it is,
    and the check of the inputs says why it does not fit."""
    if isinstance(value, str) and _type(schema) in ("integer", "number", "boolean", "array", "object", "null"):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def _unsupported(name: str, message: str) -> HttpError:
    return HttpError(400, "chat.unsupported", message, problems=[Problem("chat.unsupported", message, f"/{name}")])


# --------------------------------------------------------------------------------------------------- the way back


class Spoken:
    """What an agent says while it says it, where its text is the whole answer of the workflow; elsewhere nothing is said before
    the end. Turns of the agent are paragraphs. What was said cannot be taken back: an answer that turns out to be another follows
    as a paragraph of its own."""

    def __init__(self, workflow: Workflow) -> None:
        self.moved = asyncio.Event()
        self._step = _speaker(workflow)
        self._lane: tuple[str, Any] | None = None
        self._said = ""  # of this turn
        self._new = ""

    def heard(self, step: str, data: dict[str, Any]) -> None:
        """A piece of the moment: {text, turn}, or {again, turn} where the turn begins anew."""
        if self._step is None or parse_step_id(step)[0] != self._step or data.get("task") is not None:
            return
        text, lane = data.get("text"), (step, data.get("turn"))
        if data.get("again"):
            self._lane = None
        elif isinstance(text, str) and text:
            if lane != self._lane:
                self._new += "\n\n" if self._said else ""
                self._lane, self._said = lane, ""
            self._said += text
            self._new += text
            self.moved.set()

    def take(self) -> str:
        """What was said since this was last asked."""
        self.moved.clear()
        new, self._new = self._new, ""
        return new

    def rest(self, answer: str) -> str:
        """What is left to say of the answer."""
        if answer.startswith(self._said):
            return answer[len(self._said) :]
        return f"\n\n{answer}"


def _speaker(workflow: Workflow) -> str | None:
    """The node whose text is the answer."""
    outputs = list((workflow.document.get("outputs") or {}).values())
    found = _TEXT_OF.fullmatch(outputs[0].strip()) if len(outputs) == 1 and isinstance(outputs[0], str) else None
    node = workflow.nodes.get(found[1]) if found else None
    if node is None or node.for_each is not None:
        return None
    config = workflow.document["nodes"][node.name].get("with") or {}
    return None if config.get("output") is not None else node.name


def usage_of(view: RunView) -> dict[str, int]:
    """Tokens of the run, as its journal has them: what was kept of each answer of a model says how they divide."""
    asked = answered = 0
    for step in view.steps.values():
        for kept in step.kept or ():
            used = kept["value"].get("usage") if isinstance(kept["value"], dict) else None
            if isinstance(used, dict):
                asked += _count(used.get("input_tokens"))
                answered += _count(used.get("output_tokens"))
    if not asked and not answered:  # other kinds spend tokens too, and do not say of what
        answered = int(view.tokens)
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def completion(head: dict[str, Any], text: str, usage: dict[str, int]) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}


def chunk(head: dict[str, Any], delta: dict[str, Any] | None = None, finish: str | None = None) -> bytes:
    """One message of a stream; without a delta and a finish, the last one, which has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return sse({**head, "object": "chat.completion.chunk", "choices": choices})


def sse(value: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(value, default=str)


def pieces(text: str) -> list[str]:
    return [text[at : at + PIECE] for at in range(0, len(text), PIECE)]


def openai_error(problem: dict[str, Any], status: int) -> dict[str, Any]:
    """A problem of ours in the shape that clients of OpenAI read; `param` is the first place that is wrong."""
    errors = problem.get("errors") or []
    pointer = next((one["pointer"] for one in errors if one.get("pointer")), "")
    more = f" ({problem['errors'][0]['message']})" if errors and errors[0]["message"] not in problem["detail"] else ""
    error: dict[str, Any] = {
        "message": problem["detail"] + more,
        "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
        "param": pointer.strip("/").replace("/", ".") or None,
        "code": problem["code"],
    }
    if isinstance(problem.get("context"), dict) and "run_id" in problem["context"]:
        error["type"], error["run_id"] = "run_error", problem["context"]["run_id"]
    return {"error": error}


_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
