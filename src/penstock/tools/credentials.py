"""Values that look like secrets: found in what people write down, and kept out of what servers say.

What a server is told to keep is judged by its name (`API_TOKEN`, `Authorization`) and by its form (`sk-…`, `ghp_…`). It is a
judgement, so it errs on the side of asking: a value of a suspicious name is taken for a secret however it looks, unless it is
empty, a number, a switch or a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import PenstockError
from .config import ServerConfig

REDACTED = "[redacted]"
_NAME = re.compile(
    r"(?:^|[_-])(?:api[_-]?key|access[_-]?key|key|token|secret|passwo?r?d|passwd|pwd|pat|credentials?|auth|authorization|cookie"
    r"|bearer|jwt|dsn)(?:$|[_-])|apikey|accesskey|secret|password|token$|_key$",
    re.IGNORECASE,
)
_FORM = re.compile(
    r"(?:sk|pk|rk)[-_](?:[A-Za-z]+[-_])*[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}|hf_[A-Za-z0-9]{20,}|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|(?i:bearer) \S{8,}|(?i:basic) [A-Za-z0-9+/]{8,}={0,2}"
)
_HARMLESS = re.compile(r"\d+(\.\d+)?|true|false|yes|no|on|off|none|null|[.~]?/.*|\$\{[^}]+\}", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{(?:env:|input:)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)\}")
_BEARER = "Bearer "
_SHORT = 6  # characters; a shorter value would be found by chance everywhere


def looks_secret(name: str, value: str) -> bool:
    """Whether `value`, known as `name`, is rather a secret than not."""
    if not value or _HARMLESS.fullmatch(value):
        return False
    return bool(_FORM.search(value) or _NAME.search(name))


def referred(value: str) -> str | None:
    """The variable that a value such as `${API_TOKEN}` stands for, as in files that editors share."""
    found = _REFERENCE.fullmatch(value)
    return found["name"] if found else None


def without_clear(config: ServerConfig) -> tuple[ServerConfig, dict[str, str]]:
    """The configuration with the secrets of its env and headers moved out, and {name for it: value} of each, ready for the
    vault. What stood for a variable (`${API_TOKEN}`) becomes a secret of that name, which is the caller's to set."""
    env, headers = dict(config.env), dict(config.headers)
    env_secrets, header_secrets, bearer = dict(config.env_secrets), dict(config.header_secrets), config.auth_secret
    moved: dict[str, str] = {}
    for place, named in ((env, env_secrets), (headers, header_secrets)):
        for key, value in list(place.items()):
            secret = value[len(_BEARER) :] if place is headers and value.startswith(_BEARER) else value
            name = referred(secret)
            if name is None and looks_secret(key, value):
                name = f"{config.name}.{key}"
                moved[name] = secret
            if name is None:
                continue
            del place[key]
            if place is headers and key.lower() == "authorization" and secret != value:
                bearer = name
            else:
                named[key] = name
                if name in moved:
                    moved[name] = value
    update = {"env": env, "headers": headers, "env_secrets": env_secrets, "header_secrets": header_secrets}
    return config.model_copy(update={**update, "auth_secret": bearer}), moved


def in_clear(config: ServerConfig) -> Iterator[tuple[str, str, str]]:
    """(field, name, value) of each value written out that looks like a secret: in env, headers, args and url."""
    for name, value in config.env.items():
        if looks_secret(name, value):
            yield "env", name, value
    for name, value in config.headers.items():
        if looks_secret(name, value):
            yield "headers", name, value
    before = ""
    for index, value in enumerate(config.args):
        option, _, given = value.partition("=")
        if looks_secret(option.lstrip("-"), given) or (before.startswith("-") and looks_secret(before, value)):
            yield "args", str(index), given or value
        elif _FORM.search(value):
            yield "args", str(index), value
        before = "" if given or not value.startswith("-") else value
    if config.url:
        parts = urlsplit(config.url)
        if parts.password:
            yield "url", "", parts.password
        for name, value in parse_qsl(parts.query):
            if looks_secret(name, value):
                yield "url", "", value


class Redaction:
    """Replaces values in what a server said."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted({value for value in values if len(value) >= _SHORT}, key=len, reverse=True)

    def clean(self, value: Any) -> Any:
        """`value` (JSON) without them."""
        if not self._values:
            return value
        if isinstance(value, str):
            for secret in self._values:
                value = value.replace(secret, REDACTED)
            return value
        if isinstance(value, dict):
            return {self.clean(name): self.clean(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.clean(part) for part in value]
        return value

    def error(self, error: PenstockError) -> PenstockError:
        """The same error, told without them."""
        if self._values:
            error.message = self.clean(error.message)
            error.args = (error.message,)
            error.detail = self.clean(error.detail)
        return error
