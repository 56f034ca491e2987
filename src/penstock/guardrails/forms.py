"""The forms in which a known secret may turn up: as it is, escaped for JSON, percent-encoded, in base64 and in hexadecimal.

In base64 the letters depend on where in its group of three bytes a text begins, so there are three forms; of each only those
letters count that do not depend on what stands beside it. Encoded forms of very short secrets would hit by chance and are left.
"""

from __future__ import annotations

import base64
import functools
import json
from urllib.parse import quote, quote_plus

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
