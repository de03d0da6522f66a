"""Credit that a connection gives its peer: its own, and what the windows of its streams share.

    received ──► the connection's credit comes back at once, whether or not anybody reads
             ├─► waits for its consumer                        bounded by the window of its stream
             └─► part of a message that a consumer waits for   above max_assembling_bytes, the oldest alone goes on

A stream starts with a small window. A stream in use gets a larger one, as long as the pool of the connection has room and
memory is not tight. So many streams have small windows, and few streams have large ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .errors import fault
from .limits import CONNECTION_CREDIT, STREAM_CREDIT, Limits
from .memory import MemoryBudget

_PAY_AT_BYTES = CONNECTION_CREDIT // 4


class Assembling(Protocol):
    """A stream whose consumer waits for a message of which a part has come."""

    def pay_pieces(self) -> None:
        """Gives the peer credit for the pieces that are there. Repeating it does nothing."""


class ReceiveBudget:
    """Accounts for the credit of a connection. Bounded by the streams of the connection."""

    def __init__(self, limits: Limits, memory: MemoryBudget, pay: Callable[[int], None]) -> None:
        self._max_assembling_bytes = limits.max_assembling_bytes
        self._memory = memory
        self._pay = pay
        self._credit = CONNECTION_CREDIT
        self._owed = 0
        self._raise_bytes = limits.stream_window_bytes - STREAM_CREDIT
        self._pool_bytes = limits.window_pool_bytes
        # In the order of their beginning.
        self._assembling: dict[Assembling, None] = {}
        self._assembling_bytes = 0

    def received(self, cost: int) -> None:
        """Takes bytes that have come, and gives them back. Raises RpcError ``credit_exceeded``."""
        self._credit -= cost
        if self._credit < 0:
            raise fault("credit_exceeded", "more than the credit of the connection")
        self._owed += cost
        if self._owed >= _PAY_AT_BYTES:
            owed, self._owed = self._owed, 0
            self._credit += owed
            self._pay(owed)

    def take_window(self) -> int:
        """Returns how far the window of a stream may grow: 0 while there is no room."""
        if self._raise_bytes > self._pool_bytes or self._memory.is_tight:
            return 0
        self._pool_bytes -= self._raise_bytes
        return self._raise_bytes

    def return_window(self, size: int) -> None:
        """Takes back what ``take_window`` gave to a stream that has ended."""
        self._pool_bytes += size

    def assembling(self, stream: Assembling, cost: int) -> None:
        """Takes more of a message that is waited for; tells the stream to pay, at once or later."""
        self._assembling[stream] = None
        self._assembling_bytes += cost
        if self._assembling_bytes <= self._max_assembling_bytes or next(iter(self._assembling)) is stream:
            stream.pay_pieces()

    def assembled(self, stream: Assembling, cost: int) -> None:
        """The message is complete, or given up. ``cost`` is the sum of what was told."""
        if stream not in self._assembling:
            return
        del self._assembling[stream]
        self._assembling_bytes -= cost
        for waiting in tuple(self._assembling):
            waiting.pay_pieces()
            if self._assembling_bytes > self._max_assembling_bytes:
                return
