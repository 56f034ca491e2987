"""How often a server may be called: at most so many calls in any second, and in any minute.

Each window remembers when its last calls were or will be; the next one is given the first moment at which the window has room.
Who asks is given a place in the queue, so that many who wait go in the order they came and nobody asks twice.
"""

from __future__ import annotations

from collections import deque


class Rate:
    """Times are seconds of any one clock. Nothing said: no limit."""

    def __init__(self, per_second: float | None = None, per_minute: float | None = None) -> None:
        self._windows = [_Window(rate, period) for rate, period in ((per_second, 1.0), (per_minute, 60.0)) if rate]

    def wait(self, now: float) -> float:
        """Seconds until a call would be allowed; takes no place."""
        return max((window.next(now) - now for window in self._windows), default=0.0)

    def take(self, now: float) -> float:
        """Take the next place; the seconds to wait for it."""
        at = now + self.wait(now)
        for window in self._windows:
            window.add(at)
        return at - now


class _Window:
    def __init__(self, rate: float, period: float) -> None:
        most = max(1, int(rate))
        self._seconds = period * most / rate
        self._times: deque[float] = deque(maxlen=most)

    def next(self, now: float) -> float:
        if len(self._times) < (self._times.maxlen or 0):
            return max(now, self._times[-1]) if self._times else now
        return max(now, self._times[0] + self._seconds)

    def add(self, at: float) -> None:
        self._times.append(at)
