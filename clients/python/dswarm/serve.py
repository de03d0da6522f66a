"""Calls of the peer: from Open to the handler, and from its answer to End."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from google.protobuf.message import Message

from .errors import Code, RpcError, fault, over_limit
from .frame import encode_end_ok
from .interceptor import ServerInterceptor
from .message_queue import MessageQueue
from .metadata import Pairs, from_entries, to_entries
from .node_id import NodeId
from .spec import MethodSpec, ServiceBase
from .status import end_of_error
from .stream import Stream
from .v1.frame_pb2 import End, Open
from .v1.frame_pb2 import Metadata as Entry

if TYPE_CHECKING:
    from .connection import Connection

M = TypeVar("M", bound=Message)

_logger = logging.getLogger("dswarm")
_SHOWN_METHOD_CHARACTERS = 80
_CALL_BYTES = 2048
"""Counted for a call beyond its request."""


@dataclass(slots=True, eq=False)
class ServerContext:
    """What a handler knows of its call, and says besides its answer."""

    connection: Connection
    """On which the call came; its peer can be called on it as well."""
    method: str
    """"package.Service/Method"."""
    metadata: Pairs
    """Of the request."""
    deadline: float | None = None
    """By the clock of the event loop, ``loop.time()``; the handler is cancelled then."""
    header: list[tuple[str, str | bytes]] = field(default_factory=list)
    """Response metadata, sent with the first answer."""
    trailer: list[tuple[str, str | bytes]] = field(default_factory=list)
    """Sent at the end."""

    @property
    def peer(self) -> NodeId:
        """Who calls: the key that the handshake has proven."""
        return self.connection.remote


class Services:
    """What this end serves on a connection. Bounded by what it is made with."""

    def __init__(self, services: Iterable[ServiceBase] = (), interceptors: Iterable[ServerInterceptor] = ()) -> None:
        innermost_first = tuple(interceptors)[::-1]
        self._methods: dict[str, tuple[MethodSpec[Any, Any], Any]] = {}
        for service in services:
            for method in service.spec.methods:
                if method.name in self._methods:
                    raise ValueError(f"{service.spec.name} is served twice")
                handler = getattr(service, method.python_name)
                for intercept in innermost_first:
                    handler = intercept(method, handler)
                self._methods[method.name] = (method, handler)

    @property
    def is_any(self) -> bool:
        """Whether anything is served."""
        return bool(self._methods)

    def accept(self, connection: Connection, stream: Stream, opened: Open) -> RpcError | None:
        """Starts a call, or ends its stream for the error that is returned.

        ``connection.settled`` is called once when nothing of the call runs any more.
        """
        served = self._methods.get(opened.method)
        try:
            if served is None:
                shown = repr(opened.method[:_SHOWN_METHOD_CHARACTERS])
                raise RpcError(Code.UNIMPLEMENTED, f"{shown} is not served here")
            metadata = from_entries(opened.metadata)
        except RpcError as error:
            stream.fail(error)
            connection.settled()
            return error
        context = ServerContext(connection, opened.method, metadata)
        call = _ServedCall(connection, stream, served[0], served[1], context)
        stream.handler = call
        call.start(opened)
        return None


class _ServedCall:
    """One call of the peer."""

    __slots__ = (
        "_connection",
        "_context",
        "_handler",
        "_header_sent",
        "_held",
        "_method",
        "_request",
        "_requests",
        "_stream",
        "_task",
        "_timer",
    )

    def __init__(
        self, connection: Connection, stream: Stream, method: MethodSpec[Any, Any], handler: Any, context: ServerContext
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._method = method
        self._handler = handler
        self._context = context
        self._request: bytes | None = None
        self._requests: MessageQueue[Message] | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._header_sent = False
        # Bytes counted until nothing of the call runs any more.
        self._held = 0

    def start(self, opened: Open) -> None:
        """Handles the Open frame."""
        if opened.timeout_ms:
            timeout = min(opened.timeout_ms / 1000, self._connection.limits.max_timeout)
            loop = asyncio.get_running_loop()
            self._context.deadline = loop.time() + timeout
            self._timer = loop.call_later(timeout, self._on_deadline)
        message = opened.message if opened.HasField("message") else None
        size = 0 if message is None else len(message)
        self._held = _CALL_BYTES
        if opened.metadata:
            self._held += sum(len(entry.key) + len(entry.value) for entry in opened.metadata)
        self._stream.hold(self._held + size)
        if self._method.client_streaming:
            requests: MessageQueue[Message] = MessageQueue(self._method.decode_request)
            requests.stream = self._stream
            self._requests = requests
            if message is not None:
                requests.push(message, size, 0)
            if opened.half_close:
                requests.finish()
            self._run(_Requests(requests))
        else:
            self._request = message
            self._held += size
            if opened.half_close:
                self.on_half_close()
            else:
                self._connection.incomplete[self._stream] = 0.0
                self._stream.want_message()

    # ---- StreamHandler

    def on_message(self, message: bytes, held: int, unpaid: int) -> None:
        """A request."""
        if self._requests is not None:
            self._requests.push(message, held, unpaid)
            return
        self._held += held
        if self._request is not None:
            self._stream.fail(_not_one())
            return
        self._connection.incomplete[self._stream] = 0.0
        self._stream.pay(unpaid)
        self._request = message

    def on_half_close(self) -> None:
        """No request follows."""
        if self._requests is not None:
            self._requests.finish()
            return
        self._connection.incomplete.pop(self._stream, None)
        data, self._request = self._request, None
        if data is None:
            self._stream.fail(_not_one())
            return
        try:
            request = self._method.decode_request(data)
        except RpcError as error:
            self._stream.fail(error)
            return
        self._run(request)

    def on_header(self, metadata: Pairs) -> None:
        """Comes to callers only."""

    def on_end(self, end: End, header: Pairs, trailer: Pairs) -> None:
        """Comes to callers only."""

    def on_failed(self, error: RpcError) -> None:
        """The stream is closed: the handler is cancelled, and counts until it has stopped."""
        if self._task is None:
            self._settle()
        else:
            self._task.cancel(error.message)

    # ---- the handler

    def _run(self, argument: object) -> None:
        if self._connection.is_clogged:
            self._connection.delay(lambda: self._begin(argument))
        else:
            self._begin(argument)

    def _begin(self, argument: object) -> None:
        if self._stream.is_closed:
            # It has ended meanwhile, and was settled.
            return
        work = self._stream_answers if self._method.server_streaming else self._answer
        self._task = asyncio.get_running_loop().create_task(self._guard(work, argument))
        # One that is cancelled before its first step never runs, nor does its "finally".
        self._task.add_done_callback(lambda _: self._settle())

    async def _guard(self, work: Callable[[object], Coroutine[Any, Any, None]], argument: object) -> None:
        try:
            await work(argument)
        except asyncio.CancelledError:
            self._end_with(RpcError(Code.CANCELLED, "the call was cancelled"))
        except RpcError as error:
            self._end_with(error)
        except Exception:
            # Its text may tell what is nobody's business.
            if not self._stream.is_closed:
                _logger.exception("a handler of %s failed", self._method.name)
            self._end_with(RpcError(Code.INTERNAL, "internal error"))

    async def _answer(self, argument: object) -> None:
        response = await self._handler(argument, self._context)
        stream, context = self._stream, self._context
        if stream.is_closed:
            return
        data = response.SerializeToString()
        if len(data) > self._connection.limits.max_message_bytes:
            raise over_limit("message_too_large", "an answer", len(data), self._connection.limits.max_message_bytes)
        if not context.header and not context.trailer and self._connection.takes_inline(len(data)):
            stream.end_encoded(encode_end_ok(stream.id, data))
            return
        header, trailer = to_entries(context.header), to_entries(context.trailer)
        if self._connection.takes_inline(len(data)):
            stream.end(End(header=header, trailer=trailer, response=data))
            return
        self._send_header(header)
        sent = stream.send(data)
        if sent is not None:
            await sent
        stream.end(End(trailer=trailer))

    async def _stream_answers(self, argument: object) -> None:
        stream, context = self._stream, self._context
        answers: AsyncIterator[Message] = self._handler(argument, context)
        try:
            async for answer in answers:
                if stream.is_closed:
                    return
                if not self._header_sent:
                    self._send_header(to_entries(context.header))
                sent = stream.send(answer.SerializeToString())
                if sent is not None:
                    await sent
        finally:
            # Until the generator's own "finally" is through, the call counts as running.
            close = getattr(answers, "aclose", None)
            if close is not None:
                await close()
        header = [] if self._header_sent else to_entries(context.header)
        stream.end(End(header=header, trailer=to_entries(context.trailer)))

    def _send_header(self, header: list[Entry]) -> None:
        self._header_sent = True
        if header:
            self._stream.send_header(header)

    def _end_with(self, error: RpcError) -> None:
        stream, context = self._stream, self._context
        if stream.is_closed:
            return
        try:
            header = [] if self._header_sent else to_entries(context.header)
            end = end_of_error(error, header, to_entries([*context.trailer, *error.trailer]))
        except RpcError:
            # The handler's metadata cannot be sent; its error can.
            end = end_of_error(error)
        stream.end(end)

    def _on_deadline(self) -> None:
        self._stream.fail(RpcError(Code.DEADLINE_EXCEEDED, "the deadline has passed"))

    def _settle(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._requests is not None:
            self._requests.clear()
        self._connection.incomplete.pop(self._stream, None)
        self._stream.discard(self._held)
        self._held = 0
        self._connection.settled()


class _Requests(Generic[M]):
    """The requests of a call, for its handler."""

    def __init__(self, queue: MessageQueue[M]) -> None:
        self._queue = queue

    def __aiter__(self) -> _Requests[M]:
        return self

    async def __anext__(self) -> M:
        message = await self._queue.get()
        if message is None:
            raise StopAsyncIteration
        return message


def _not_one() -> RpcError:
    return fault("frame_invalid", "this method takes one message")
