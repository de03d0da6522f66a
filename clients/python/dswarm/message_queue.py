"""Messages that came for one reader, which takes them one by one; the peer may send on as it does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from .stream import Stream

M = TypeVar("M")


class MessageQueue(Generic[M]):
    """A queue for one reader. Bounded by the window of its stream."""

    def __init__(self, decode: Callable[[bytes], M]) -> None:
        self._decode = decode
        self._messages: deque[tuple[bytes, int, int]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_over = False
        self._error: Exception | None = None
        self.stream: Stream | None = None
        """Is paid for what is taken."""

    @property
    def is_empty(self) -> bool:
        """No message waits for the reader."""
        return not self._messages

    @property
    def is_awaited(self) -> bool:
        """The reader waits for a message."""
        return self._waiter is not None

    def push(self, message: bytes, held: int, unpaid: int) -> None:
        """Takes a message; drops it when no more was to come. ``held`` and ``unpaid`` are those of ``Stream.release``."""
        if self._is_over:
            if self.stream is not None:
                self.stream.discard(held)
            return
        self._messages.append((message, held, unpaid))
        self._wake()

    def finish(self, error: Exception | None = None) -> None:
        """No message follows; after those in the queue the reader gets the error, where there is one."""
        if not self._is_over:
            self._is_over = True
            self._error = error
            self._wake()

    def fail(self, error: Exception) -> None:
        """Drops what is queued; the reader gets the error next."""
        self.clear()
        self._is_over = True
        self._error = error
        self._wake()

    def clear(self) -> None:
        """Drops what is queued, and what is to come."""
        if self.stream is not None:
            for _, held, _ in self._messages:
                self.stream.discard(held)
        self._messages.clear()
        self._is_over = True

    async def get(self) -> M | None:
        """The next message; None after the last. An error is told once. Raises RpcError ``message_invalid``."""
        while not self._messages:
            if self._is_over:
                error, self._error = self._error, None
                if error is not None:
                    raise error
                return None
            if self._waiter is not None:
                raise RuntimeError("two tasks read from one call")
            if self.stream is not None:
                self.stream.want_message()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message, held, unpaid = self._messages.popleft()
        if self.stream is not None:
            self.stream.release(held, unpaid)
        return self._decode(message)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
