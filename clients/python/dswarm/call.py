"""Calls of this end: one answer that is awaited, or many that are iterated over."""

from __future__ import annotations

import asyncio
import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message

from .errors import Code, RpcError, fault, over_limit
from .interceptor import Interceptor
from .limits import DATA_COST, Limits
from .message_queue import MessageQueue
from .metadata import Metadata, Pairs, to_entries
from .spec import MethodSpec
from .status import error_of_end
from .stream import Stream, StreamHandler
from .v1.frame_pb2 import End
from .v1.frame_pb2 import Metadata as Entry

R = TypeVar("R", bound=Message)
C = TypeVar("C", bound="Call")

_MAX_WIRE_TIMEOUT_MS = 2**31 - 1
_MAX_TRIES = 3
"""Of a call that may be repeated."""

Requests = Message | AsyncIterable[Message] | Iterable[Message]
"""What a call sends: one message, or many."""


class Caller(Protocol):
    """What calls need of a connection."""

    limits: Limits
    interceptors: tuple[Interceptor, ...]

    def takes_inline(self, size: int) -> bool:
        """Whether so many message bytes may travel in an Open frame now."""

    def open(
        self,
        method: MethodSpec[Any, Any],
        timeout_ms: int,
        metadata: list[Entry],
        message: bytes | None,
        half_close: bool,
        handler: StreamHandler,
    ) -> Stream:
        """Opens a call. Raises RpcError ``link_closed`` when the connection takes no more, or ``memory_exhausted``."""


class Connecting(ABC):
    """A source of connections: a call waits for one, and may be repeated on the next."""

    interceptors: tuple[Interceptor, ...] = ()

    @abstractmethod
    async def connection(self) -> Caller:
        """A connection that takes calls. Raises RpcError."""


class Call:
    """What calls of all kinds have in common. Subclasses say what becomes of the answer."""

    __slots__ = (
        "__weakref__",
        "_again",
        "_callbacks",
        "_held",
        "_opener",
        "_sender",
        "_stream",
        "_timer",
        "_tries",
        "header",
        "is_over",
        "trailer",
    )

    def __init__(self) -> None:
        self._stream: Stream | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sender: asyncio.Task[None] | None = None
        # Waits for a connection.
        self._opener: asyncio.Task[None] | None = None
        # Makes the call once more, on another connection.
        self._again: Callable[[], None] | None = None
        self._tries = 1
        self._callbacks: list[Callable[[Exception | None], None]] = []
        # Bytes of an answer that was taken, counted until the call is over.
        self._held = 0
        self.is_over = False
        """The answer is complete, or the call has failed."""
        self.header: Pairs = ()
        """Response metadata, once it has come."""
        self.trailer: Pairs = ()
        """Response trailers, once the call is over."""

    def cancel(self) -> None:
        """Gives the call up: it ends as ``Code.CANCELLED``."""
        self._give_up(RpcError(Code.CANCELLED, "the call was cancelled"))

    def when_done(self, callback: Callable[[Exception | None], None]) -> None:
        """Calls back when the call is over, with the error where it fails. For interceptors; it must not raise."""
        self._callbacks.append(callback)

    def _told(self, error: Exception | None) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(error)

    def _fail(self, error: Exception) -> None:
        raise NotImplementedError

    def _start(
        self,
        caller: Caller | Connecting,
        method: MethodSpec[Any, Any],
        requests: Requests,
        timeout: float | None,
        metadata: Metadata,
    ) -> None:
        """Opens the call. What is wrong with it is told as its outcome."""
        if isinstance(caller, Connecting):
            self._start_when_connected(caller, method, requests, timeout, metadata)
            return
        self._open(caller, method, requests, timeout, metadata)
        if timeout is not None and not self.is_over:
            self._timer = asyncio.get_running_loop().call_later(timeout, self._on_deadline)

    def _start_when_connected(
        self,
        connecting: Connecting,
        method: MethodSpec[Any, Any],
        requests: Requests,
        timeout: float | None,
        metadata: Metadata,
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = None
        if timeout is not None:
            deadline = loop.time() + timeout
            self._timer = loop.call_later(max(timeout, 0), self._on_deadline)

        async def open_soon() -> None:
            try:
                connection = await connecting.connection()
            except RpcError as error:
                self._give_up(error)
                return
            if not self.is_over:
                left = None if deadline is None else deadline - loop.time()
                self._open(connection, method, requests, left, metadata)

        def again() -> None:
            self._stream = None
            self._opener = loop.create_task(open_soon())

        # One message can be sent once more; many may be used up.
        if isinstance(requests, Message):
            self._again = again
        again()

    def _is_repeated(self, error: Exception, is_idempotent: bool) -> bool:
        """Makes the call once more where that is safe (gRPC A6): no handler has seen it, or its method may be repeated."""
        if self._again is None or self._tries >= _MAX_TRIES or self.is_over or not isinstance(error, RpcError):
            return False
        if not error.is_unhandled and not (is_idempotent and error.code is Code.UNAVAILABLE):
            return False
        self._tries += 1
        self._again()
        return True

    def _open(
        self, caller: Caller, method: MethodSpec[Any, Any], requests: Requests, timeout: float | None, metadata: Metadata
    ) -> None:
        try:
            timeout_ms = 0
            if timeout is not None:
                if not timeout > 0:
                    raise RpcError(Code.DEADLINE_EXCEEDED, "the deadline has passed")
                timeout_ms = math.ceil(min(timeout * 1000, _MAX_WIRE_TIMEOUT_MS))
            entries = to_entries(metadata) if metadata else []
            if method.client_streaming:
                self._stream = caller.open(method, timeout_ms, entries, None, False, self._handler())
                self._stream.want_message()
                self._sender = asyncio.get_running_loop().create_task(self._send_all(self._stream, requests))
            else:
                self._send_one(caller, method, requests, timeout_ms, entries)
        except RpcError as error:
            if not self._is_repeated(error, method.is_idempotent):
                self._give_up(error)

    def _handler(self) -> StreamHandler:
        raise NotImplementedError

    def _send_one(
        self, caller: Caller, method: MethodSpec[Any, Any], request: Requests, timeout_ms: int, entries: list[Entry]
    ) -> None:
        if not isinstance(request, Message):
            raise TypeError(f"a request is a {method.request_type.__name__}, not a {type(request).__name__}")
        data = request.SerializeToString()
        if len(data) > caller.limits.max_message_bytes:
            raise over_limit("message_too_large", "a message", len(data), caller.limits.max_message_bytes)
        if caller.takes_inline(len(data)):
            self._stream = stream = caller.open(method, timeout_ms, entries, data, True, self._handler())
            stream.want_message()
            return
        self._stream = stream = caller.open(method, timeout_ms, entries, None, False, self._handler())
        stream.want_message()
        sent = stream.send(data)
        if sent is None:
            stream.half_close()
        else:
            # Where the stream has closed before, the call was told.
            sent.add_done_callback(lambda done: None if done.exception() else stream.half_close())

    async def _send_all(self, stream: Stream, requests: Requests) -> None:
        try:
            if isinstance(requests, AsyncIterable):
                async for request in requests:
                    sent = stream.send(request.SerializeToString())
                    if sent is not None:
                        await sent
            elif isinstance(requests, Message):
                raise TypeError("this method takes many requests, in an iterable")
            else:
                for request in requests:
                    sent = stream.send(request.SerializeToString())
                    if sent is not None:
                        await sent
            stream.half_close()
        except Exception as error:
            # After the end it is no news that nothing can be sent.
            self._give_up(error)

    def _on_deadline(self) -> None:
        self._give_up(RpcError(Code.DEADLINE_EXCEEDED, "the deadline has passed"))

    def _give_up(self, error: Exception) -> None:
        if self.is_over:
            return
        self._stop(error)
        if self._stream is not None:
            self._stream.cancel(error.code if isinstance(error, RpcError) else Code.CANCELLED)
        self._fail(error)

    def on_half_close(self) -> None:
        """Comes to callees only."""

    def on_header(self, metadata: Pairs) -> None:
        """Response metadata."""
        self.header = metadata

    def _ended(self, end: End, header: Pairs, trailer: Pairs) -> None:
        self.trailer = trailer
        if header:
            self.header = header
        self._stop(error_of_end(end, self.header, trailer) if end.code else None)

    def _stop(self, error: Exception | None) -> None:
        self.is_over = True
        self._again = None
        if self._opener is not None and not self._opener.done() and self._opener is not _current_task():
            self._opener.cancel()
        if self._timer is not None:
            self._timer.cancel()
        if self._sender is not None and not self._sender.done() and self._sender is not _current_task():
            self._sender.cancel()
        if self._held and self._stream is not None:
            self._stream.discard(self._held)
            self._held = 0
        self._told(error)


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


class UnaryCall(Call, Generic[R]):
    """A call with one answer: ``answer = await call``. Cancelling the task that awaits it cancels the call.

    Raises RpcError, and what an iterable of requests raised.
    """

    __slots__ = ("_future", "_message", "_method")

    def __init__(
        self,
        caller: Caller | Connecting,
        method: MethodSpec[Any, R],
        requests: Requests,
        timeout: float | None,
        metadata: Metadata,
    ) -> None:
        super().__init__()
        self._method = method
        self._message: bytes | None = None
        self._future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._start(caller, method, requests, timeout, metadata)

    def __await__(self) -> Generator[Any, None, R]:
        try:
            return (yield from self._future.__await__())
        except asyncio.CancelledError:
            self.cancel()
            raise

    def _handler(self) -> StreamHandler:
        return self

    def _fail(self, error: Exception) -> None:
        if not self._future.done():
            self._future.set_exception(error)

    # ---- StreamHandler

    def on_message(self, message: bytes, held: int, unpaid: int) -> None:
        """The answer, in Data frames. It is held until the call has ended."""
        stream = self._stream
        if stream is None:
            return
        self._held += held
        if self._message is not None:
            stream.fail(fault("frame_invalid", "a unary answer carries one message"))
            return
        stream.pay(unpaid)
        self._message = message

    def on_end(self, end: End, header: Pairs, trailer: Pairs) -> None:
        """The answer is complete."""
        self._ended(end, header, trailer)
        if end.code:
            self._fail(error_of_end(end, self.header, trailer))
            return
        message = self._message
        if end.HasField("response"):
            message = end.response if message is None else None
        if message is None:
            self._fail(fault("frame_invalid", "a unary answer carries one message"))
            return
        try:
            answer = self._method.decode_response(message)
        except RpcError as error:
            self._fail(error)
            return
        if not self._future.done():
            self._future.set_result(answer)

    def on_failed(self, error: RpcError) -> None:
        """There is no answer."""
        if self._message is None and self._is_repeated(error, self._method.is_idempotent):
            return
        self._stop(error)
        self._fail(error)


class StreamCall(Generic[R]):
    """A call with many answers: ``async for answer in call``.

    Whoever stops reading ends the call: leaving ``async with call``, ``cancel``, cancelling the task that reads, or dropping the
    object, as leaving ``async for answer in client.repeat(…)`` does. Iterating raises RpcError, and what an iterable of requests
    raised.
    """

    # The connection keeps the call itself; this object is the reader's alone, so that its end is the end of reading.
    __slots__ = ("_call",)

    def __init__(
        self,
        caller: Caller | Connecting,
        method: MethodSpec[Any, R],
        requests: Requests,
        timeout: float | None,
        metadata: Metadata,
    ) -> None:
        self._call: _StreamCall[R] = _StreamCall(caller, method, requests, timeout, metadata)

    @property
    def header(self) -> Pairs:
        """Response metadata, once it has come: before the first answer."""
        return self._call.header

    @property
    def trailer(self) -> Pairs:
        """Response trailers, once the call is over."""
        return self._call.trailer

    @property
    def is_over(self) -> bool:
        """The answer is complete, or the call has failed."""
        return self._call.is_over

    def cancel(self) -> None:
        """Gives the call up: it ends as ``Code.CANCELLED``."""
        self._call.cancel()

    def when_done(self, callback: Callable[[Exception | None], None]) -> None:
        """Calls back when the call is over, with the error where it fails. For interceptors; it must not raise."""
        self._call.when_done(callback)

    def __aiter__(self) -> StreamCall[R]:
        return self

    async def __anext__(self) -> R:
        message = await self._call.next()
        if message is None:
            raise StopAsyncIteration
        return message

    async def __aenter__(self) -> StreamCall[R]:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._call.give_up()

    def __del__(self) -> None:
        call = getattr(self, "_call", None)
        if call is not None and call.is_unread:
            call.abandon()


class _StreamCall(Call, Generic[R]):
    __slots__ = ("_has_answer", "_is_idempotent", "_loop", "_queue")

    def __init__(
        self,
        caller: Caller | Connecting,
        method: MethodSpec[Any, R],
        requests: Requests,
        timeout: float | None,
        metadata: Metadata,
    ) -> None:
        super().__init__()
        self._has_answer = False
        self._is_idempotent = method.is_idempotent
        self._loop = asyncio.get_running_loop()
        self._queue: MessageQueue[R] = MessageQueue(method.decode_response)
        self._start(caller, method, requests, timeout, metadata)
        self._queue.stream = self._stream

    def _open(
        self, caller: Caller, method: MethodSpec[Any, Any], requests: Requests, timeout: float | None, metadata: Metadata
    ) -> None:
        super()._open(caller, method, requests, timeout, metadata)
        self._queue.stream = self._stream
        if self._stream is not None and self._queue.is_awaited:
            self._stream.want_message()

    async def next(self) -> R | None:
        try:
            return await self._queue.get()
        except asyncio.CancelledError:
            self.cancel()
            raise
        except RpcError as error:
            # An answer that does not decode ends the call; at its end this does nothing.
            self._give_up(error)
            raise

    @property
    def is_unread(self) -> bool:
        """Whether answers wait here, or may still come."""
        return not self.is_over or not self._queue.is_empty

    def give_up(self) -> None:
        """Ends the call, and drops the answers that nobody has read."""
        self.cancel()
        self._queue.clear()

    def abandon(self) -> None:
        # The object may be dropped in another thread, or when the loop is no more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.give_up)

    def _handler(self) -> StreamHandler:
        return self

    def _fail(self, error: Exception) -> None:
        self._queue.fail(error)

    # ---- StreamHandler

    def on_message(self, message: bytes, held: int, unpaid: int) -> None:
        """An answer."""
        self._has_answer = True
        self._queue.push(message, held, unpaid)

    def on_end(self, end: End, header: Pairs, trailer: Pairs) -> None:
        """The answer is complete; what has come is still to be read."""
        self._ended(end, header, trailer)
        if end.code:
            self._queue.finish(error_of_end(end, self.header, trailer))
            return
        if end.HasField("response") and self._stream is not None:
            held = len(end.response) + DATA_COST
            self._stream.hold(held)
            self._queue.push(end.response, held, 0)
        self._queue.finish()

    def on_failed(self, error: RpcError) -> None:
        """The answer breaks off; what has come is still to be read."""
        if not self._has_answer and self._is_repeated(error, self._is_idempotent):
            return
        self._stop(error)
        self._queue.finish(error)
