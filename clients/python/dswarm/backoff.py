"""Pauses between attempts that fail: 0.5 s, doubled to 60 s, each spread by 20 %."""

from __future__ import annotations

import asyncio
import random

from .errors import RpcError

_FIRST_SECONDS = 0.5
_LAST_SECONDS = 60.0


class Backoff:
    """The outcome of the last attempt, and the pause before the next."""

    def __init__(self) -> None:
        self.error: RpcError | None = None
        """Why the last attempt failed."""
        self._seconds = _FIRST_SECONDS
        self._until = 0.0

    def left(self) -> float:
        """Seconds until the next attempt may begin, 0 for at once."""
        return max(self._until - asyncio.get_running_loop().time(), 0.0)

    def failed(self, error: RpcError) -> None:
        """Begins a pause."""
        self.error = error
        self._until = asyncio.get_running_loop().time() + self._seconds * random.uniform(0.8, 1.2)
        self._seconds = min(2 * self._seconds, _LAST_SECONDS)

    def succeeded(self) -> None:
        """Ends the pause."""
        self.error = None
        self._seconds, self._until = _FIRST_SECONDS, 0.0
