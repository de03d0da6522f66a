"""What the peer may send on a connection, all streams together, and what of it is held here.

    received ──► waits for its consumer ──► consumed            counts against max_unconsumed_bytes
           └───► part of a message that a consumer waits for    takes turns once these are above max_unconsumed_bytes

The credit of the connection comes back at receipt, so that one consumer that stalls does not hold up the others. Only when too
much waits for consumers does the peer have to wait. Parts of messages that are waited for do not count there, as nothing but
more of the same can complete them: when they are too many, only the oldest of these messages goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .errors import fault
from .limits import CONNECTION_CREDIT

_PAY_AT_BYTES = CONNECTION_CREDIT // 4


class Assembling(Protocol):
    """A stream whose consumer waits for a message of which a part has come."""

    def pay_pieces(self) -> None:
        """Gives the peer credit for the pieces that are there. Repeating it does nothing."""


class ReceiveBudget:
    """Accounts for the bytes received on a connection. Bounded by the streams of the connection."""

    def __init__(self, max_unconsumed_bytes: int, pay: Callable[[int], None]) -> None:
        self._max_unconsumed_bytes = max_unconsumed_bytes
        self._pay = pay
        # In the order of their beginning.
        self._assembling: dict[Assembling, None] = {}
        self._assembling_bytes = 0
        self._credit = CONNECTION_CREDIT
        self._owed = 0
        self.unconsumed_bytes = 0
        """Cost of what was received and not yet consumed."""

    def received(self, cost: int) -> None:
        """Bytes have come. Raises RpcError ``credit_exceeded``."""
        self._credit -= cost
        if self._credit < 0:
            raise fault("credit_exceeded", "more than the credit of the connection")
        self.unconsumed_bytes += cost
        self._owed += cost
        self._pay_if_due()

    def consumed(self, cost: int) -> None:
        """Bytes are not held any more."""
        self.unconsumed_bytes -= cost
        self._pay_if_due()

    def assembling(self, stream: Assembling, cost: int) -> None:
        """More of a message that is waited for has come; the stream is told when to pay, at once or later."""
        self._assembling[stream] = None
        self._assembling_bytes += cost
        if self._assembling_bytes <= self._max_unconsumed_bytes or next(iter(self._assembling)) is stream:
            stream.pay_pieces()
        self._pay_if_due()

    def assembled(self, stream: Assembling, cost: int) -> None:
        """The message is complete, or given up. ``cost`` is the sum of what was told."""
        if stream not in self._assembling:
            return
        del self._assembling[stream]
        self._assembling_bytes -= cost
        for waiting in tuple(self._assembling):
            waiting.pay_pieces()
            if self._assembling_bytes > self._max_unconsumed_bytes:
                return

    def _pay_if_due(self) -> None:
        waiting = self.unconsumed_bytes - self._assembling_bytes
        if self._owed < _PAY_AT_BYTES or waiting > self._max_unconsumed_bytes:
            return
        owed, self._owed = self._owed, 0
        self._credit += owed
        self._pay(owed)
