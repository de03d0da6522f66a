"""Bytes that connections hold for their peers, counted for each connection and for all of them.

    received ──► pieces, queues, requests of running handlers ──┐
                                                                ├──► Account (one connection) ──► MemoryBudget (all of them)
    answers and frames that the network has not taken ──────────┘

A connection over its share refuses new calls of its peer. When all together are over the total, the connection that holds most
ends: "full" means that one holder gives way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from weakref import WeakKeyDictionary

MAX_TOTAL_BYTES = 134_217_728
"""Default of ``MemoryBudget``: 128 MiB, which fits a machine with 512 MiB."""


class MemoryBudget:
    """Bounds the bytes that the connections of one event loop hold for their peers.

    All connections of an event loop share one budget, unless ``connect`` gets another.
    """

    def __init__(self, max_bytes: int = MAX_TOTAL_BYTES) -> None:
        """``max_bytes``: at least 1048576. More lets peers use more memory; less ends connections sooner."""
        if max_bytes < 1_048_576:
            raise ValueError(f"max_bytes is at least 1048576, not {max_bytes}")
        self.max_bytes = max_bytes
        self.held_bytes = 0
        """Bytes held now."""
        # Bounded by the open connections.
        self._accounts: set[Account] = set()

    @staticmethod
    def of_loop() -> MemoryBudget:
        """Returns the budget that the connections of the running event loop share."""
        loop = asyncio.get_running_loop()
        budget = _OF_LOOP.get(loop)
        if budget is None:
            budget = _OF_LOOP[loop] = MemoryBudget()
        return budget

    def open(self, end: Callable[[], None]) -> Account:
        """Opens the account of a connection. ``end`` is called when the connection has to give way; it must not raise."""
        account = Account(self, end)
        self._accounts.add(account)
        return account

    def _remove(self, account: Account) -> None:
        self._accounts.discard(account)
        self.held_bytes -= account.held_bytes

    def _relieve(self) -> None:
        while self.held_bytes > self.max_bytes and self._accounts:
            most = max(self._accounts, key=lambda account: account.held_bytes)
            most.close()
            most.end()


_OF_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, MemoryBudget] = WeakKeyDictionary()


class Account:
    """Bytes that one connection holds for its peer."""

    __slots__ = ("_budget", "end", "held_bytes")

    def __init__(self, budget: MemoryBudget, end: Callable[[], None]) -> None:
        self._budget: MemoryBudget | None = budget
        self.end = end
        self.held_bytes = 0

    def add(self, size: int) -> None:
        """Counts bytes that are held from now on; a negative size is bytes that are let go."""
        self.held_bytes += size
        budget = self._budget
        if budget is not None:
            budget.held_bytes += size
            if budget.held_bytes > budget.max_bytes:
                budget._relieve()

    def close(self) -> None:
        """Takes the connection out of the total: it has ended, or is about to."""
        if self._budget is not None:
            self._budget._remove(self)
            self._budget = None
