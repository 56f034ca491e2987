"""Every command: how it is written, what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import typer

from penstock.cli.commands import app

from .markdown import code, prose, table


def write(_: str) -> str:
    parts: list[str] = []
    for words, command in commands():
        parts += [f"### {words}", "", prose(command.help or ""), ""]
        parts += ["```text", _usage(words, command), "```", ""]
        if rows := [_row(one) for one in command.params if not one.hidden]:
            parts += [table(("argument or option", "meaning"), rows)]
    return "\n".join(parts)


def commands() -> Iterator[tuple[str, Any]]:
    """Each command with its words, such as `penstock runs ls`."""
    top: Any = typer.main.get_command(app)
    yield from _below("penstock", top)


def _below(words: str, group: Any) -> Iterator[tuple[str, Any]]:
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from _below(f"{words} {name}", one)
        else:
            yield f"{words} {name}", one


def _usage(words: str, command: Any) -> str:
    parts = [words]
    if any(one.param_type_name == "option" for one in command.params):
        parts.append("[OPTIONS]")
    for one in command.params:
        if one.param_type_name == "argument":
            name = _name(one)
            parts.append(name if one.required else f"[{name}]")
    return " ".join(parts)


def _name(argument: Any) -> str:
    name = argument.metavar or argument.name.upper().rstrip("_")
    return name if argument.nargs == 1 or name.endswith("...") else f"{name}..."


def _row(one: Any) -> tuple[str, str]:
    about = prose(one.help or "")
    if one.param_type_name == "argument":
        return code(_name(one)), about
    value = "" if one.is_flag else f" {_value(one)}"
    spelled = ", ".join(code(f"{opt}{value}") for opt in one.opts)
    if one.multiple:
        about += " May be given several times."
    default = one.default.value if isinstance(one.default, Enum) else one.default
    if one.show_default and default not in (None, False, "", [], ()):
        about += f" Default: {code(str(default))}."
    if one.envvar:
        about += f" Environment: {code(one.envvar)}."
    return spelled, about


def _value(one: Any) -> str:
    if one.metavar:
        return one.metavar
    wanted = one.type_descriptor.annotation
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return "|".join(str(member.value) for member in wanted)
    return {int: "NUMBER", str: "TEXT"}.get(wanted, "TEXT")
