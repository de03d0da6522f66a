"""Faults that a peer may commit on a connection: so many at once, and some are forgiven each second."""

from __future__ import annotations

import asyncio

from .errors import fault
from .limits import Limits


class FaultBudget:
    """Counts the faults of a peer."""

    def __init__(self, limits: Limits) -> None:
        self._loop = asyncio.get_running_loop()
        self._max_faults = limits.max_faults
        self._per_second = limits.faults_per_second
        self._left: float = limits.max_faults
        self._at = self._loop.time()

    def count(self, faults: int = 1) -> None:
        """Counts faults. Raises RpcError ``too_many_faults``."""
        if self._left < faults:
            now = self._loop.time()
            self._left = min(self._max_faults, self._left + (now - self._at) * self._per_second)
            self._at = now
            if self._left < faults:
                raise fault("too_many_faults", f"more than {self._max_faults} at once")
        self._left -= faults
