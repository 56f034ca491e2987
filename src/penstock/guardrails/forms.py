"""The forms in which a known secret may turn up: as it is, escaped for JSON, percent-encoded, in base64 and in hexadecimal.

In base64 the letters depend on where in its group of three bytes a text begins, so there are three forms; of each only those
letters count that do not depend on what stands beside it. Encoded forms of very short secrets would hit by chance and are left.
"""

from __future__ import annotations

import base64
import functools
import json
from typing import Any
from urllib.parse import quote, quote_plus

REDACTED = "[redacted]"
SHORT = 6  # bytes of a secret below which only its plain and escaped forms are looked for


@functools.lru_cache(maxsize=256)
def forms(secret: str) -> tuple[str, ...]:
    """Every form of a secret, the longest first, so that what holds another is replaced before it."""
    if not secret:
        return ()
    found = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    data = secret.encode(errors="surrogatepass")
    percent = {quote(data, safe=""), quote_plus(data), quote(data)}
    found |= percent | {_lower_hex(form) for form in percent}
    if len(data) >= SHORT:
        found |= {data.hex(), data.hex().upper()}
        for offset in range(3):
            encoded = base64.b64encode(b"\0" * offset + data).decode()
            first = (0, 2, 3)[offset]
            whole = (offset + len(data)) // 3 * 4
            spare = (0, 1, 2)[(offset + len(data)) % 3]  # further letters that are the secret's alone
            core = encoded[first : whole + spare]
            found |= {core, core.replace("+", "-").replace("/", "_")}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _lower_hex(text: str) -> str:
    parts = text.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])


class Known:
    """The secrets that a step has seen, in all their forms, and values without them."""

    __slots__ = ("_forms", "_held", "_seen")

    def __init__(self) -> None:
        self._forms: tuple[str, ...] = ()
        self._seen: frozenset[str] = frozenset()
        self._held: dict[Any, str] = {}  # what may be the beginning of a secret, by the text that it is the end of

    def add(self, secret: str) -> None:
        if secret and secret not in self._seen:
            self._seen |= {secret}
            found = {form for one in self._seen for form in forms(one)}
            self._forms = tuple(sorted(found, key=lambda form: (-len(form), form)))

    def clean(self, value: Any) -> Any:
        """A JSON value without them, keys included."""
        if not self._forms:
            return value
        if isinstance(value, str):
            for form in self._forms:
                if form in value:
                    value = value.replace(form, REDACTED)
            return value
        if isinstance(value, dict):
            return {self.clean(key): self.clean(part) for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(part) for part in value]
        return value

    def clean_bytes(self, data: bytes) -> bytes:
        for form in self._forms:
            data = data.replace(form.encode(errors="surrogatepass"), REDACTED.encode())
        return data

    def clean_live(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """A piece of what a step says for the moment: its `text` goes on that of the piece before, of the same `task` and `turn`.
        What may become a secret waits for what follows; None when there is nothing to say yet."""
        if not self._forms:
            return data
        lane = (data.get("task"), data.get("turn"))
        if data.get("again"):
            self._held.pop(lane, None)
        if not isinstance(data.get("text"), str):
            return self.clean(data)
        text = self.clean(self._held.pop(lane, "") + data["text"])
        whole = len(text) - max(_begun(text, form) for form in self._forms)
        if whole < len(text):
            self._held[lane] = text[whole:]
        return self.clean({**data, "text": text[:whole]}) if whole else None


def _begun(text: str, form: str) -> int:
    """How many characters at the end of `text` are the beginning of `form`, but not all of it."""
    at = text.find(form[0], max(0, len(text) - len(form) + 1))
    while at >= 0:
        if form.startswith(text[at:]):
            return len(text) - at
        at = text.find(form[0], at + 1)
    return 0
