"""A page as a story: its blocks are run in order, in one folder, against one data folder, as a reader would who follows along."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import json
import logging
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import penstock
from penstock.app import load_kinds
from penstock.cli import main
from penstock.errors import Invalid
from penstock.imports import native
from penstock.nodes import function
from penstock.tools.registry import Servers

from .blocks import Block, fits, typed

PATIENCE = 60.0


class Story:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.printed = ""
        self._server: subprocess.Popen[str] | None = None
        self._kinds = load_kinds(Servers())

    def tell(self, block: Block) -> None:
        """Do what the block says. Raises AssertionError where something else happens than the page says."""
        known: dict[str, Callable[[Block], None]] = {
            "yaml": self.yaml,
            "json": self.json,
            "toml": lambda one: tomllib.loads(one.text) and None,
            "python": self.python,
            "console": self.console,
            "bash": self.console,
            "text": self.text,
        }
        assert block.language in known, f"{block}: no test runs {block.language or 'a block without a language'}"
        known[block.language](block)
        if name := block.notes.get("file"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(block.text, encoding="utf-8")

    def close(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.communicate(timeout=PATIENCE)

    # ---------------------------------------------------------------------------------------------- documents

    def yaml(self, block: Block) -> None:
        if block.text.startswith("penstock: 1"):
            self.document(block, block.text)
            return
        value = yaml.safe_load(block.text)
        assert isinstance(value, dict), f"{block}: a fragment is a mapping"
        if all(isinstance(one, dict) and "kind" in one for one in value.values()):
            value = {"nodes": value}
        if "nodes" in value:
            self.document(block, json.dumps({"penstock": 1, "name": "fragment", **value}))

    def json(self, block: Block) -> None:
        value = json.loads(block.text)
        if isinstance(value, dict) and "penstock" in value:
            self.document(block, block.text)

    def document(self, block: Block, text: str) -> None:
        if code := block.notes.get("wrong"):
            with pytest.raises(Invalid) as caught:
                native.read(text, self._kinds)
            found = {problem.code for problem in caught.value.problems}
            assert code in found, f"{block}: refused for {found}, not {code}"
            return
        try:
            workflow = native.read(text, self._kinds)
        except Invalid as error:
            raise AssertionError(f"{block}: {[p.to_dict() for p in error.problems]}") from None
        assert not workflow.warnings, f"{block}: {workflow.warnings}"
        if "run" in block.notes:
            inputs = json.loads(block.notes["run"] or "{}")
            ended = asyncio.run(asyncio.wait_for(self._run(text, workflow.name, inputs), PATIENCE))
            if code := block.notes.get("ends"):
                assert (ended.status, (ended.error or {}).get("code")) == ("failed", code), f"{block}: {ended.error}"
            else:
                assert ended.status == "completed", f"{block}: {ended.error}"

    async def _run(self, text: str, name: str, inputs: dict[str, Any]) -> Any:
        async with penstock.local(self.data) as p:
            await p.apply(text)
            return await p.wait(await p.start(name, inputs))

    # ------------------------------------------------------------------------------------------------- Python

    def python(self, block: Block) -> None:
        tree = compile(block.text, str(block), "exec", ast.PyCF_ONLY_AST)
        if "not run" in block.notes:
            return
        before = set(function.names())
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(tree, str(block), "exec"), {"__name__": "__main__"})
        for name in set(function.names()) - before:
            function.unregister(name)
        self.printed = printed.getvalue()

    def text(self, block: Block) -> None:
        if "printed" in block.notes:
            assert fits(block.text.splitlines(), self.printed), f"{block}: it printed\n{self.printed}"

    # ----------------------------------------------------------------------------------------------- commands

    def console(self, block: Block) -> None:
        commands = typed(block)
        assert commands, f"{block}: there is no command"
        for at, one in enumerate(commands, 1):
            if "not run" in block.notes:
                self.parses(block, one.command)
                continue
            expected = int(block.notes.get("exit", "0")) if at == len(commands) else 0
            if "serve" in block.notes:
                code, printed = self.shell(one.command)
            else:
                code, printed = self.penstock(block, one.command)
            assert code == expected, f"{block}: {one.command}: exit code {code}, not {expected}\n{printed}"
            if one.shown:
                assert fits(one.shown, printed), f"{block}: {one.command} printed\n{printed}"

    def parses(self, block: Block, command: str) -> None:
        """A command that cannot be run here is one that exists, with these options."""
        words = shlex.split(re.sub(r"\s#.*", "", command))
        if words[0] == "penstock":
            code, printed = self.call([*words[1:], "--help"], "")
            assert code == 0, f"{block}: {command}: {printed}"

    def penstock(self, block: Block, command: str) -> tuple[int, str]:
        given = ""
        if piped := re.fullmatch(r"(?:echo|printf) (?P<text>.+?) \| (?P<command>penstock .+)", command):
            given, command = shlex.split(piped["text"])[0], piped["command"]
        words = shlex.split(re.sub(r"\s#.*", "", command.replace("RUN_ID", self.last_run())))
        assert words[0] == "penstock", f"{block}: only penstock is run here, not {words[0]}; mark the block `not run`"
        return self.call(words[1:], given)

    def call(self, arguments: list[str], given: str) -> tuple[int, str]:
        """The command itself, in this process: (exit code, everything it printed)."""
        printed = io.StringIO()
        handlers, level, stdin = logging.root.handlers[:], logging.root.level, sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                main(arguments)
        except SystemExit as end:
            return int(end.code or 0), printed.getvalue()
        finally:
            sys.stdin = stdin
            logging.root.handlers[:] = handlers
            logging.root.setLevel(level)
        raise AssertionError("the command did not end")

    def last_run(self) -> str:
        path = self.data / "penstock.db"
        if not path.exists():
            return "RUN_ID"
        with contextlib.closing(sqlite3.connect(path)) as database:
            row = database.execute("SELECT run_id FROM runs WHERE parent IS NULL ORDER BY created_at DESC").fetchone()
        return row[0] if row else "RUN_ID"

    def shell(self, command: str) -> tuple[int, str]:
        """A command that talks to a server of our own, in a real shell."""
        if shutil.which("curl") is None:
            pytest.skip("curl is not here")
        url, token = self.served()
        done = subprocess.run(
            ["bash", "-c", command.replace("RUN_ID", self.last_run())],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "URL": url, "TOKEN": token},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def served(self) -> tuple[str, str]:
        if self._server is None:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "penstock.cli", "up", "--port", "0"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": str(Path(penstock.__file__).parents[1])},
            )
            assert self._server.stdout is not None
            self._server.stdout.readline()
        owner = json.loads((self.data / "server.json").read_text())
        return owner["url"], (self.data / "token").read_text().strip()


@contextlib.contextmanager
def story(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """A story in `folder`, whose data folder is the default of every command."""
    for name in [name for name in os.environ if name.startswith("PENSTOCK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PENSTOCK_DATA", str(folder / "data"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(folder)
    told = Story(folder)
    try:
        yield told
    finally:
        told.close()
