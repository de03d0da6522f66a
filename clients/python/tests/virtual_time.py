"""Time that passes when a test says so, for what plans timers on the running event loop."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class VirtualTimer:
    """A timer, as ``call_later`` returns it."""

    def __init__(self) -> None:
        self._is_cancelled = False

    def cancel(self) -> None:
        self._is_cancelled = True

    def cancelled(self) -> bool:
        return self._is_cancelled


class VirtualTime:
    """An event loop as far as its clock and its timers go."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._timers: list[tuple[float, int, VirtualTimer, Callable[[], None]]] = []
        self._planned = 0

    def time(self) -> float:
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer()
        self._planned += 1
        heapq.heappush(self._timers, (self._now + seconds, self._planned, timer, callback))
        return timer

    def advance(self, seconds: float) -> None:
        """Lets time pass, and calls what is due."""
        until = self._now + seconds
        while self._timers and self._timers[0][0] <= until:
            self._now, _, timer, callback = heapq.heappop(self._timers)
            if not timer.cancelled():
                callback()
        self._now = until
