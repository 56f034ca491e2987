"""CrewAI's `agents.yaml` and `tasks.yaml` -> a workflow with one crew, and what is to be known about it.

Nothing is left out in silence: a key is taken over, or a diagnostic names it with its file and line. `{placeholders}`, which
CrewAI fills from what a crew is started with, become required inputs. What stands in Python beside the files is looked at for
the process alone; whatever else is decided there has to be decided again, and is named (see `crewai_code`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..engine.expr import escape
from ..engine.fields import named
from ..engine.tokens import suggestion
from ..errors import Invalid, Problem
from ..models.providers import PROVIDERS as KNOWN
from .crewai_code import Code, read_code
from .crewai_keys import IDLE, LOST, READ_OF_AGENT, READ_OF_TASK, model_of
from .imported import Diagnostic, File, Imported
from .text import read_text

PLACEHOLDER = re.compile(r"(\$?)\{([A-Za-z_][A-Za-z0-9_-]*)\}")  # as CrewAI finds them
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
FILES = {"agents": ("agents.yaml", "agents.yml"), "tasks": ("tasks.yaml", "tasks.yml")}
NAMES = frozenset({*FILES["agents"], *FILES["tasks"], "crew.py"})  # of files that are looked at
MAX_TURNS = 200
REPAIRS = 20
_TRUE, _FALSE = frozenset({"yes", "on", "y", "true"}), frozenset({"no", "off", "n", "false"})


def read_crewai(files: Mapping[str, bytes], name: str = "", process: str = "") -> Imported:
    """The workflow that files describe, by their paths with /. `name` is its slug, by default `crew`; `process` is
    sequential or hierarchical, by default what crew.py says, else sequential.

    Codes of diagnostics: import.missing_file, several, unreadable, missing_key, unknown_key, type, unbound_task,
    unknown_agent, unknown_task, bad_name, unknown_model, secret (errors, but for the model); import.not_carried (warning: it
    means something that is said in another way here), import.tool, guardrail, code (warnings), import.not_needed (info).
    """
    found: list[Diagnostic] = []
    agents, tasks, beside = _choose(files, found)
    if agents is None or tasks is None:
        return Imported(None, found)
    code = read_code(beside[1], beside[0], found) if beside else Code()
    found.extend(code.rest)
    return _Reader(agents, tasks, found, process or code.process or "sequential").read(name, code)


def _choose(files: Mapping[str, bytes], found: list[Diagnostic]) -> tuple[File | None, File | None, Any]:
    """The two files, and crew.py: of the one folder that has both, be it the folder itself, `config` or deeper."""
    folders: dict[str, dict[str, str]] = {}
    for path in sorted(files):
        folder, _, last = path.rpartition("/")
        for kind, names in FILES.items():
            if last in names:
                folders.setdefault(folder, {}).setdefault(kind, path)
    whole = [folder for folder, have in folders.items() if len(have) == len(FILES)]
    if not whole:
        have = {kind for one in folders.values() for kind in one}
        for kind in FILES:
            if kind not in have or len(folders) > 1:
                message = f"there is no {FILES[kind][0]}" + (" beside the other file" if kind in have else "")
                hint = "it stands in the folder itself or in config/"
                found.append(Diagnostic(FILES[kind][0], Problem("import.missing_file", message, "", hint)))
        return None, None, None
    if len(whole) > 1:
        message = f"there are {len(whole)} crews: in {', '.join(folder or '.' for folder in whole)}"
        found.append(Diagnostic(whole[0] or ".", Problem("import.several", message, "", "name the folder of one")))
        return None, None, None
    have = folders[whole[0]]
    above = whole[0].rpartition("/")[0] if whole[0].rpartition("/")[2] == "config" else whole[0]
    code = next((path for path in files if path == f"{above}/crew.py".lstrip("/")), None)
    opened = [_open(have[kind], files[have[kind]], found) for kind in ("agents", "tasks")]
    return opened[0], opened[1], (code, files[code]) if code else None


def _open(name: str, data: bytes, found: list[Diagnostic]) -> File | None:
    try:
        source = read_text(data, name)
    except Invalid as error:
        found.extend(Diagnostic(name, problem) for problem in error.problems)
        return None
    found.extend(Diagnostic(name, problem) for problem in source.problems)
    if not isinstance(source.data, dict):
        problem = Problem("import.type", f"this file is a mapping of names, not {named(source.data)}", "", None, 1, 1)
        found.append(Diagnostic(name, problem))
        return None
    return File(name, source, found)


class _Reader:
    def __init__(self, agents: File, tasks: File, found: list[Diagnostic], process: str) -> None:
        self.agents, self.tasks, self.found, self.process = agents, tasks, found, process
        self.inputs: dict[str, dict[str, Any]] = {}
        self.names = {name for name in agents.source.data if isinstance(name, str)}

    def read(self, name: str, code: Code) -> Imported:
        crew: dict[str, Any] = {"process": self.process} if self.process != "sequential" else {}
        crew["agents"] = {
            one: self._agent(value, f"/{escape(one)}") for one, value in self._entries(self.agents, "agent")
        }
        earlier: list[str] = []
        crew["tasks"] = []
        for one, value in self._entries(self.tasks, "task"):
            crew["tasks"].append(self._task(one, value, f"/{escape(one)}", earlier, code))
            earlier.append(one)
        document: dict[str, Any] = {"penstock": 1, "name": name or "crew"}
        if self.inputs:
            document["inputs"] = {"type": "object", "required": list(self.inputs), "properties": self.inputs}
        document["nodes"] = {"crew": {"kind": "crew", "with": crew}}
        document["outputs"] = {
            "result": "${{ nodes.crew.output.text }}",
            "tasks": "${{ nodes.crew.output.tasks }}",
        }
        self.found.sort(key=lambda one: (one.file, one.problem.line or 0, one.problem.column or 0))
        return Imported(document, self.found)

    def _entries(self, file: File, what: str) -> list[tuple[str, dict[str, Any]]]:
        out = []
        for name, value in file.source.data.items():
            at = f"/{escape(name)}"
            if not NAME.fullmatch(name):
                hint = "letters, digits, _ and -, at most 64"
                file.add("import.bad_name", at, f"{name[:80]!r} is no name here", hint)
            if isinstance(value, dict):
                out.append((name, value))
            else:
                file.add("import.type", at, f"{what} {name[:80]!r} is a mapping, not {named(value)}")
        if not out:
            file.add("import.missing_key", "", f"there is no {what} in it")
        return out

    # ---------------------------------------------------------------------------------------------------------- agents

    def _agent(self, given: dict[str, Any], at: str) -> dict[str, Any]:
        file = self.agents
        out: dict[str, Any] = {}
        for key in ("role", "goal", "backstory"):
            if (text := self._text(file, given, key, at)) is not None:
                out[key] = text
            elif key not in given:
                file.add("import.missing_key", at, f"the agent has no {key}")
        self._llm(file, given.get("llm"), f"{at}/llm", out)
        self._amount(file, given, "temperature", at, out, lambda value: 0 <= value <= 2)
        if tools := self._tools(file, given, at):
            out["tools"] = tools
        if self._flag(file, given, "allow_delegation", at):
            out["delegates"] = True
        if (turns := self._whole(file, given, "max_iter", at)) is not None:
            if turns > MAX_TURNS:
                file.add("import.not_carried", f"{at}/max_iter", f"max_turns is at most {MAX_TURNS}", None, "warning")
            out["max_turns"] = min(max(turns, 1), MAX_TURNS)
        if (most := self._whole(file, given, "max_tokens", at)) is not None and most > 0:
            out["max_tokens"] = most
        self._rest(file, given, READ_OF_AGENT, at, "an agent")
        return out

    def _llm(self, file: File, llm: Any, at: str, out: dict[str, Any]) -> None:
        if isinstance(llm, dict):
            self._settings(file, llm, at, out)
            llm, at = llm.get("model"), f"{at}/model"
        if llm is None:
            return
        if not isinstance(llm, str):
            file.add("import.type", at, f"a model is text such as openai/gpt-5, not {named(llm)}")
        elif (model := model_of(llm)) is not None:
            out["model"] = model
        else:
            hint = f"write it as provider/name, with one of {', '.join(KNOWN)}"
            message = f"{llm[:80]!r} names no model that is known here, so the installation's own is taken"
            file.add("import.unknown_model", at, message, hint, "warning")

    def _settings(self, file: File, llm: dict[str, Any], at: str, out: dict[str, Any]) -> None:
        """A model with its settings."""
        self._amount(file, llm, "temperature", at, out, lambda value: 0 <= value <= 2)
        if (most := self._whole(file, llm, "max_tokens", at)) is not None and most > 0:
            out["max_tokens"] = most
        if isinstance(address := llm.get("base_url") or llm.get("api_base"), str):
            out["base_url"] = address
        for key in llm:
            if key in ("api_key", "token"):
                message = "a key does not belong into a document"
                file.add("import.secret", f"{at}/{key}", message, "keep it: penstock secrets set NAME, and name it")
            elif key not in ("model", "temperature", "max_tokens", "base_url", "api_base"):
                message = f"{key} of a model is not carried over"
                file.add("import.not_carried", f"{at}/{escape(key)}", message, None, "warning")

    def _tools(self, file: File, given: dict[str, Any], at: str) -> list[dict[str, Any]] | None:
        """Names of tools, as functions of these names; None where none are given."""
        tools = given.get("tools")
        if tools is None:
            return None
        out = []
        for index, tool in enumerate(tools if isinstance(tools, list) else [tools]):
            place = f"{at}/tools/{index}" if isinstance(tools, list) else f"{at}/tools"
            if not isinstance(tool, str) or not tool:
                file.add("import.type", place, f"a tool is named by text, not by {named(tool)}")
                continue
            message = f"the tool {tool[:80]!r} is taken as a function of this name"
            hint = f"register it with @penstock.function({tool[:40]!r}), or name an MCP server: {{server: …, tool: …}}"
            file.add("import.tool", place, message, hint, "warning")
            out.append({"function": tool})
        return out

    # ----------------------------------------------------------------------------------------------------------- tasks

    def _task(self, name: str, given: dict[str, Any], at: str, earlier: list[str], code: Code) -> dict[str, Any]:
        file = self.tasks
        out: dict[str, Any] = {"name": name}
        for key in ("description", "expected_output"):
            if (text := self._text(file, given, key, at)) is not None:
                out[key] = text
            elif key not in given:
                file.add("import.missing_key", at, f"the task has no {key}")
        self._bind(name, given, at, out, code)
        if "context" in given:
            context = self._context(given["context"], f"{at}/context", earlier)
            out["context"] = context
        if (tools := self._tools(file, given, at)) is not None:
            out["tools"] = tools
        if self._flag(file, given, "human_input", at):
            out["review"] = True
        if self._flag(file, given, "markdown", at):
            out["markdown"] = True
        if self._flag(file, given, "async_execution", at):
            message = "tasks go one after the other, so that a crash repeats at most one call"
            hint = "crews that are to go side by side are nodes of their own"
            file.add("import.not_carried", f"{at}/async_execution", message, hint, "warning")
        path = self._text(file, given, "output_file", at)
        if path is not None and (plain := self._file(path, f"{at}/output_file")):
            out["file"] = plain
        if guardrails := self._guardrails(given, at):
            out["guardrail"] = guardrails
        if isinstance(given.get("name"), str) and given["name"] != name:
            message = f"the task is called {name!r} here, by its key, and not {given['name'][:80]!r}"
            file.add("import.not_carried", f"{at}/name", message, None, "warning")
        self._rest(file, given, READ_OF_TASK, at, "a task")
        return out

    def _bind(self, name: str, given: dict[str, Any], at: str, out: dict[str, Any], code: Code) -> None:
        agent = given.get("agent", code.agents.get(name))
        place = f"{at}/agent" if "agent" in given else at
        if agent is None:
            if self.process == "sequential":
                message = f"nobody is to do the task {name!r}"
                self.tasks.add("import.unbound_task", place, message, "name one of the agents under agent")
        elif not isinstance(agent, str):
            self.tasks.add("import.type", place, f"an agent is named by text, not by {named(agent)}")
        elif agent not in self.names:
            hint = suggestion(agent, self.names) or f"there are {', '.join(sorted(self.names)[:20])}"
            self.tasks.add("import.unknown_agent", place, f"there is no agent {agent[:80]!r}", hint)
        else:
            out["agent"] = agent

    def _context(self, given: Any, at: str, earlier: list[str]) -> list[str]:
        out: list[str] = []
        if given is not None and not isinstance(given, list):
            given = [given]
        for index, name in enumerate(given or ()):
            if isinstance(name, str) and name in earlier:
                out.append(name)
                continue
            later = isinstance(name, str) and name in self.tasks.source.data
            message = f"the task {str(name)[:80]!r} " + ("comes later" if later else "is not there")
            hint = "put it first" if later else suggestion(str(name), earlier)
            self.tasks.add("import.unknown_task", f"{at}/{index}", message, hint)
        return out

    def _guardrails(self, given: dict[str, Any], at: str) -> list[dict[str, Any]]:
        file = self.tasks
        wanted: list[tuple[Any, str]] = []
        for key in ("guardrail", "guardrails"):
            value = given.get(key)
            if isinstance(value, list):
                wanted += [(one, f"{at}/{key}/{index}") for index, one in enumerate(value)]
            elif value is not None:
                wanted.append((value, f"{at}/{key}"))
        repairs = self._whole(file, given, "guardrail_max_retries", at)
        repairs = self._whole(file, given, "max_retries", at) if repairs is None else repairs
        out = []
        for value, place in wanted:
            if not isinstance(value, str) or not value.strip():
                file.add("import.type", place, f"a guardrail is text, not {named(value)}")
                continue
            if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", value):
                message = f"the guardrail {value[:80]!r} is taken as a function of this name"
                hint = f"register it with @penstock.function({value[:40]!r})"
                file.add("import.guardrail", place, message, hint, "warning")
                one: dict[str, Any] = {"function": value}
            else:
                one = {"judge": self._filled(value, place)}
            out.append({**one, "repairs": min(max(repairs, 0), REPAIRS)} if repairs is not None else one)
        return out

    def _file(self, path: str, at: str) -> str:
        """The path of an artifact: relative, without ways up."""
        parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        plain = "/".join(parts)
        if plain != path.removeprefix("./"):
            message = f"the artifact is called {plain[:80]!r}, since it lies in the run and not in a folder"
            self.tasks.add("import.not_carried", at, message, None, "warning")
        return plain

    # ---------------------------------------------------------------------------------------------------------- values

    def _text(self, file: File, given: dict[str, Any], key: str, at: str) -> str | None:
        value = given.get(key)
        if key not in given:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value.strip():
            what = "empty" if isinstance(value, str) or value is None else f"not text but {named(value)}"
            file.add("import.type", f"{at}/{key}", f"{key} is {what}")
            return None
        return self._filled(value.strip(), f"{at}/{key}")

    def _filled(self, text: str, at: str) -> str:
        """A text with its placeholders as expressions, each an input."""

        def put(one: re.Match[str]) -> str:
            dollar, name = one.groups()
            self.inputs.setdefault(
                name, {"type": "string", "title": name.replace("_", " ").replace("-", " ").capitalize()}
            )
            path = f"inputs.{name}" if "-" not in name else f'inputs["{name}"]'
            # $${{ would be a literal ${{, so a dollar sign before a placeholder is part of the expression.
            return f'${{{{ "$" + {path} }}}}' if dollar else f"${{{{ {path} }}}}"

        return PLACEHOLDER.sub(put, text.replace("${{", "$${{"))

    def _flag(self, file: File, given: dict[str, Any], key: str, at: str) -> bool:
        """A truth value, also in the words that YAML 1.1 has for it, by which CrewAI reads."""
        value = given.get(key)
        if isinstance(value, str) and value.lower() in _TRUE | _FALSE:
            return value.lower() in _TRUE
        if value is not None and not isinstance(value, bool):
            file.add("import.type", f"{at}/{key}", f"{key} is true or false, not {named(value)}")
        return value is True

    def _whole(self, file: File, given: dict[str, Any], key: str, at: str) -> int | None:
        value = given.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        file.add("import.type", f"{at}/{key}", f"{key} is a whole number, not {named(value)}")
        return None

    def _amount(
        self, file: File, given: dict[str, Any], key: str, at: str, out: dict[str, Any], fits: Callable[[float], bool]
    ) -> None:
        value = given.get(key)
        if value is None:
            return
        if isinstance(value, int | float) and not isinstance(value, bool) and fits(value):
            out[key] = value
        else:
            file.add("import.type", f"{at}/{key}", f"{key} cannot be {str(value)[:40]}")

    def _rest(self, file: File, given: dict[str, Any], read: frozenset[str], at: str, what: str) -> None:
        """Whatever is not taken over is named."""
        for key, value in given.items():
            place = f"{at}/{escape(key)}"
            if key in read:
                continue
            if key in IDLE or (key in LOST and value in (None, False)):
                why = IDLE.get(key, "it is off")
                file.add("import.not_needed", place, f"{key} is not needed: {why}", None, "info")
            elif key in LOST:
                file.add("import.not_carried", place, f"{key} is not carried over", LOST[key], "warning")
            else:
                hint = suggestion(key, [*read, *IDLE, *LOST])
                file.add("import.unknown_key", place, f"CrewAI knows no key {key[:80]!r} of {what}", hint)
