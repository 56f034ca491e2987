"""An agent that goes round in circles is stopped: the same tool with the same arguments, again and again."""

from __future__ import annotations

from collections import deque

import orjson

from ..errors import StepFailed
from ..models.port import Call

WINDOW = 20  # calls looked back on


class Rounds:
    """The last calls of one conversation. It is a fold of what was kept, so it says the same after a crash."""

    def __init__(self, most: int) -> None:
        """`most`: how often the same call may be among the last 20; 0 for any number."""
        self._most = most
        self._calls: deque[bytes] = deque(maxlen=WINDOW)

    def check(self, call: Call) -> None:
        """Raises StepFailed `agent.loop`, never retried."""
        same = orjson.dumps([call.name, call.arguments, call.written], option=orjson.OPT_SORT_KEYS)
        times = self._calls.count(same) + 1
        if self._most and times > self._most:
            message = f"the agent called {call.name} with the same arguments {times} times within {WINDOW} calls"
            raise StepFailed(message, code="agent.loop", retryable=False, detail={"tool": call.name, "times": times})
        self._calls.append(same)
