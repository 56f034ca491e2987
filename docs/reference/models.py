"""The providers of models, and what each needs."""

from __future__ import annotations

from penstock.models.providers import PROVIDERS

from .markdown import code, prose, table


def write(_: str) -> str:
    rows = [
        (
            code(f"{one.name}:NAME"),
            prose(one.title),
            code(one.secret) + (", if it wants one" if one.keyless else ""),
            code(f"penstock[{one.extra}]") if one.extra else "",
            code(one.address) if one.address else "",
        )
        for one in PROVIDERS.values()
    ]
    return table(("model", "provider", "secret", "extra", "address"), rows)
