"""The policies that come with an installation. DATA/policies.yaml and each group change them key by key, or turn them off.

On: `secrets`, because a secret in a journal is a leak whoever put it there, its form is rarely anything else, and what is lost
by a wrong guess is a piece of text; and `lethal-trifecta`, which asks a person before an agent that has read private data and
seen text by strangers sends anything out. It concerns tools that are declared as such, so it is silent until somebody says what
tools do. Off: `personal-data`, because addresses and numbers are what many workflows are about; and `prompt-injection`, because
text that only speaks of such attacks looks the same.
"""

from __future__ import annotations

from typing import Any

EVERYWHERE = ["run.start", "model.call", "model.result", "tool.call", "tool.result"]

BUILT_IN: dict[str, dict[str, Any]] = {
    "secrets": {"on": EVERYWHERE, "then": "redact", "what": ["secrets"], "message": "secrets do not go further"},
    "lethal-trifecta": {
        "on": ["tool.call"],
        "when": 'touched.private && touched.untrusted && "sends" in call.touches',
        "then": "require_approval",
        "message": "it has read private data and text by strangers, and is about to send something out",
    },
    "personal-data": {
        "on": EVERYWHERE,
        "then": "redact",
        "what": ["pii"],
        "message": "personal data does not go further",
        "enabled": False,
    },
    "prompt-injection": {
        "on": ["tool.result"],
        "then": "redact",
        "what": ["injection"],
        "message": "text that gives orders to a model is taken out",
        "enabled": False,
    },
}
