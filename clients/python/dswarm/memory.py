"""Bytes that connections hold for their peers, counted for each connection and for all of them.

    received ──► pieces, queues, requests and running handlers ─┐
                                                                ├──► Account (one connection) ──► MemoryBudget (all of them)
    answers and frames that the network has not taken ──────────┘

A connection over its share refuses new calls of its peer. When all together are over the total, the connection that holds most
ends: "full" means that one holder gives way. What this program has asked for and does not read counts apart: no peer is blamed for
it, but the program is to read before it asks for more.
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
        """Bytes that peers make the connections hold now."""
        self.unread_bytes = 0
        """Bytes of answers that this program has not read."""
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

    @property
    def is_tight(self) -> bool:
        """Half of the memory is in use: windows are to stay small."""
        return 2 * (self.held_bytes + self.unread_bytes) >= self.max_bytes

    def open(self, end: Callable[[], None]) -> Account:
        """Opens the account of a connection. ``end`` is called when the connection has to give way; it must not raise."""
        account = Account(self, end)
        self._accounts.add(account)
        return account

    def remove(self, account: Account) -> None:
        """Takes an account out of the total."""
        self._accounts.discard(account)
        self.held_bytes -= account.held_bytes
        self.unread_bytes -= account.unread_bytes

    def relieve(self) -> None:
        """Ends the connections that hold most, until the total is kept."""
        while self.held_bytes > self.max_bytes and self._accounts:
            most = max(self._accounts, key=lambda account: account.held_bytes)
            most.close()
            most.end()


_OF_LOOP: WeakKeyDictionary[asyncio.AbstractEventLoop, MemoryBudget] = WeakKeyDictionary()


class Account:
    """Bytes that one connection holds."""

    __slots__ = ("_is_open", "budget", "end", "received_bytes", "unread_bytes", "unsent_bytes")

    def __init__(self, budget: MemoryBudget, end: Callable[[], None]) -> None:
        self.budget = budget
        self.end = end
        self.received_bytes = 0
        """Of the peer's calls: requests, whole or in pieces, and what their handlers hold."""
        self.unsent_bytes = 0
        """Answers and frames that the network has not taken."""
        self.unread_bytes = 0
        """Answers to this program that it has not read."""
        self._is_open = True

    @property
    def held_bytes(self) -> int:
        """What the peer makes this end hold."""
        return self.received_bytes + self.unsent_bytes

    def add_received(self, size: int) -> None:
        """Counts bytes of the peer's calls; a negative size is bytes that are let go."""
        self.received_bytes += size
        self._add(size)

    def add_unsent(self, size: int) -> None:
        """Counts bytes that wait for the network, likewise."""
        self.unsent_bytes += size
        self._add(size)

    def add_unread(self, size: int) -> None:
        """Counts bytes that wait for this program, likewise."""
        self.unread_bytes += size
        if self._is_open:
            self.budget.unread_bytes += size

    def close(self) -> None:
        """Takes the connection out of the total: it has ended, or is about to."""
        if self._is_open:
            self._is_open = False
            self.budget.remove(self)

    def _add(self, size: int) -> None:
        if self._is_open:
            budget = self.budget
            budget.held_bytes += size
            if budget.held_bytes > budget.max_bytes:
                budget.relieve()
