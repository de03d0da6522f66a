"""Many calls on one link, either end calling the other.

link bytes ─► FrameReader ─► Connection ─► Stream ─► handler (a call of this end, or a served one)
link bytes ◄─ Outbox ◄─ Stream ◄─
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from .errors import Code, RpcError, fault, unhandled
from .faults import FaultBudget
from .frame import FrameReader, encode_frame, encode_open
from .interceptor import Interceptor, ServerInterceptor
from .keepalive import Keepalive
from .limits import DATA_COST, MAX_STREAM_ID, Limits
from .link import Link
from .memory import MemoryBudget
from .node_id import NodeId
from .outbox import Outbox
from .receive_budget import ReceiveBudget
from .serve import Services
from .spec import MethodSpec, ServiceBase
from .stream import Stream, StreamHandler
from .unheeded import CHECK, Unheeded
from .v1.frame_pb2 import Credit, Frame, GoAway, Open, Ping, Pong
from .v1.frame_pb2 import Metadata as Entry

_KEEPALIVE_PING_ID = 1
_DRAIN_PING_ID = 2
_FIRST_PING_ID = 16
_DRAIN_PONG_SECONDS = 1.0
_TURN_SECONDS = 0.005
"""For frames in one turn of the event loop."""
_FROM_CALLEE = frozenset(("header", "data", "credit", "end"))
_FROM_CALLER = frozenset(("data", "credit", "half_close", "cancel"))


class Connection:
    """A connection to a peer; both ends call and serve. Bound to the event loop it was made in.

    ``async with connection`` closes it at the end.
    """

    def __init__(
        self,
        link: Link,
        *,
        services: Iterable[ServiceBase] = (),
        limits: Limits | None = None,
        memory: MemoryBudget | None = None,
        interceptors: Iterable[Interceptor] = (),
        server_interceptors: Iterable[ServerInterceptor] = (),
    ) -> None:
        """Takes over the link. ``services`` are served to the peer, for as long as the connection lasts.

        ``interceptors`` are run around calls of this end, ``server_interceptors`` around handlers; the first is the outermost.
        ``memory`` bounds what this connection and others hold; without it, those of the event loop share one budget.
        """
        self.limits = limits or Limits()
        self.local = link.local
        """This end's key."""
        self.remote: NodeId = link.remote
        """The peer's key, which it has proven."""
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._services = Services(services, server_interceptors)
        self.interceptors = tuple(interceptors)
        self._reader = FrameReader()
        # Bytes counted for parts of websocket messages and of frames.
        self._partial_bytes = 0
        self._partial_counted = 0
        self._is_paused = False
        self._is_broken = False
        # Bounded by max_concurrent_streams for the peer's calls; by the callers here for our own.
        self._streams: dict[int, Stream] = {}
        self._parity = 1 if link.is_dialer else 0
        self._next_id = 1 if link.is_dialer else 2
        self._last_remote_id = 0
        self._running = 0
        self._pings: dict[int, asyncio.Future[None]] = {}
        self._next_ping_id = _FIRST_PING_ID
        self._is_going_away = False
        self._is_refusing = False
        self._peer_is_going_away = False
        self._end: tuple[RpcError | None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()
        self._ended = asyncio.Event()
        self.memory = (memory or MemoryBudget.of_loop()).open(self._on_memory_full)
        """Bytes that this connection holds for the peer."""
        self.faults = FaultBudget(self.limits)
        """Faults of the peer."""
        self.incomplete: dict[Stream, float] = {}
        self.outbox = Outbox(link, self.limits.max_queued_bytes, self.memory)
        self.budget = ReceiveBudget(self.limits, self.memory.budget, self._give_credit)
        # Handlers that wait until the network has taken some of what is there. Bounded by max_concurrent_streams.
        self._delayed: deque[Callable[[], None]] = deque()
        self._keepalive = Keepalive(self.limits, self)
        link.attach(self)

    # ---- for users

    @property
    def is_usable(self) -> bool:
        """Whether new calls can be made."""
        return self._end is None and not self._is_going_away and not self._peer_is_going_away and self._next_id <= MAX_STREAM_ID

    @property
    def is_closed(self) -> bool:
        """The connection is over."""
        return self._end is not None

    async def ping(self, *, timeout: float = 5.0) -> float:
        """Seconds to the peer and back. Raises RpcError ``link_closed``, or with ``Code.DEADLINE_EXCEEDED``."""
        if self._end is not None:
            raise _closed(self._end[0])
        ping_id = self._next_ping_id
        self._next_ping_id = _FIRST_PING_ID + (ping_id + 1 - _FIRST_PING_ID) % 2**30
        pong = self._pings[ping_id] = self._loop.create_future()
        started = self._loop.time()
        self._send(Frame(stream_id=0, ping=Ping(id=ping_id)))
        try:
            async with asyncio.timeout(timeout):
                await pong
        except TimeoutError as error:
            raise RpcError(Code.DEADLINE_EXCEEDED, "no pong in time") from error
        finally:
            self._pings.pop(ping_id, None)
        return self._loop.time() - started

    async def close(self, *, drain_timeout: float | None = None) -> None:
        """Makes no new calls, lets those in flight finish, then says goodbye. May be called again.

        ``drain_timeout``: seconds that they may take; that of the limits where there is none.
        """
        if self._closing is None:
            self._closing = self._loop.create_task(self._drain_and_close())
        timer = self._loop.call_later(self.limits.drain_timeout if drain_timeout is None else drain_timeout, self._drained.set)
        try:
            await asyncio.shield(self._closing)
        finally:
            timer.cancel()

    def abort(self) -> None:
        """Ends the connection at once, without a goodbye."""
        self._link.abort(fault("link_closed", "this end has cut the connection"))

    async def wait_closed(self) -> RpcError | None:
        """Waits for the end of the connection; returns why it came, None after a goodbye from both ends."""
        await self._ended.wait()
        return None if self._end is None else self._end[0]

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close(drain_timeout=None if exc is None else 0)

    # ---- calls of this end

    def takes_inline(self, size: int) -> bool:
        """Whether so many message bytes may travel in an Open or End frame now."""
        return self.outbox.takes_inline(size)

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
        if not self.is_usable:
            raise unhandled(_closed(None if self._end is None else self._end[0]))
        budget = self.memory.budget
        if budget.unread_bytes >= budget.max_bytes:
            raise fault("memory_exhausted", f"{budget.unread_bytes} bytes of answers are not read")
        stream_id = self._next_id
        self._next_id = stream_id + 2
        stream = Stream(self, stream_id, True)
        stream.handler = handler
        if half_close:
            stream.half_closed()
        self._streams[stream_id] = stream
        if metadata:
            opened = Open(method=method.name, timeout_ms=timeout_ms, metadata=metadata, message=message, half_close=half_close)
            self.outbox.write(encode_frame(Frame(stream_id=stream_id, open=opened)))
        else:
            self.outbox.write(encode_open(stream_id, method.field, timeout_ms, message, half_close))
        return stream

    # ---- what streams and served calls say

    def remove(self, stream: Stream) -> None:
        """The stream is closed."""
        self._streams.pop(stream.id, None)
        if self.incomplete:
            self.incomplete.pop(stream, None)
        self.outbox.remove(stream)
        self._keepalive.used = True
        if self._is_refusing:
            self._check_drained()

    @property
    def is_clogged(self) -> bool:
        """Whether so much waits for the network that handlers are to wait."""
        return not self._link.has_room and 2 * self.memory.unsent_bytes >= self.limits.max_held_bytes_per_connection

    def delay(self, begin: Callable[[], None]) -> None:
        """Begins a handler when the network has taken some of what waits for it."""
        self._delayed.append(begin)

    def settled(self) -> None:
        """Nothing of a served call runs any more."""
        self._running -= 1
        self._keepalive.used = True
        if self._is_refusing:
            self._check_drained()

    # ---- what the keepalive says

    @property
    def is_idle(self) -> bool:
        """No call is under way."""
        return not self._streams and self._running == 0

    def probe(self) -> None:
        """Asks the peer for a sign of life."""
        self._send(Frame(stream_id=0, ping=Ping(id=_KEEPALIVE_PING_ID)))

    def on_dead(self) -> None:
        """The peer gave no sign of life."""
        self._link.abort(fault("keepalive_timeout", "the peer does not answer any more"))

    @property
    def write_progress(self) -> int | None:
        """A number that grows when the network takes bytes; None when none wait."""
        return self.outbox.progress

    @property
    def stalled_at(self) -> float | None:
        """When messages began to wait for credit of the connection; None while none do."""
        return self.outbox.stalled_at

    def on_stuck(self) -> None:
        """The peer takes nothing."""
        self._link.abort(fault("peer_too_slow", f"nothing was written for {self.limits.write_timeout} s"))

    def check_requests(self, now: float) -> None:
        """Ends the peer's calls whose request stays incomplete."""
        overdue = []
        for stream, since in self.incomplete.items():
            # Without credit, it is this end that holds the request up.
            if since == 0.0 or not stream.can_receive:
                self.incomplete[stream] = now
            elif now - since >= self.limits.request_timeout:
                overdue.append(stream)
        for stream in overdue:
            stream.fail(fault("request_timeout", f"nothing more of it came for {self.limits.request_timeout} s"))

    @property
    def is_serving(self) -> bool:
        """The peer may call this end."""
        return self._services.is_any and not self._is_going_away and not self._peer_is_going_away

    def use(self) -> None:
        """Asks the peer's health, which every node tells, so that both ends count a call."""
        with contextlib.suppress(RpcError):
            self.open(CHECK, 0, [], b"", True, Unheeded())

    def on_unused(self) -> None:
        """There was no call for long."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._drain_and_close())

    # ---- the end

    async def _drain_and_close(self) -> None:
        """As graceful as HTTP/2 (RFC 9113, section 6.8): the first GoAway turns no call away.

        After the pong, the peer has read the GoAway, and all that it opened before has come.
        """
        if self._end is None:
            if not self._is_going_away:
                self._go_away(MAX_STREAM_ID, Code.OK, "")
            self._send(Frame(stream_id=0, ping=Ping(id=_DRAIN_PING_ID)))
            timer = self._loop.call_later(_DRAIN_PONG_SECONDS, self._turn_away)
            if self._peer_is_going_away:
                self._refuse()
            await self._drained.wait()
            timer.cancel()
            if self._end is None:
                self._turn_away()
                self._fail_streams(fault("link_closed", "the connection is closed"))
                self.outbox.flush_all()
                self._link.close()
        await self._ended.wait()

    def _turn_away(self) -> None:
        """Refuses further calls of a peer that may still make some, and tells it so."""
        if not self._is_refusing:
            self._go_away(self._last_remote_id, Code.OK, "")
            self._refuse()

    def _refuse(self) -> None:
        self._is_refusing = True
        self._check_drained()

    def _check_drained(self) -> None:
        if self.is_idle:
            self._drained.set()

    def _go_away(self, last_stream_id: int, code: Code, message: str) -> None:
        self._is_going_away = True
        self._send(Frame(stream_id=0, go_away=GoAway(last_stream_id=last_stream_id, code=code, message=message)))

    def _fail_streams(self, error: RpcError) -> None:
        for stream in tuple(self._streams.values()):
            stream.lost(error)

    def _give_credit(self, more: int) -> None:
        if self._end is None:
            self._send(Frame(stream_id=0, credit=Credit(bytes=more)))

    def _send(self, frame: Frame) -> None:
        self.outbox.write(encode_frame(frame))

    # ---- LinkSink

    def on_data(self, data: bytes) -> None:
        """Takes bytes, however they are split."""
        self._keepalive.heard()
        if self._is_paused:
            # The rest of what was read when the turn ended.
            self._reader.append(data)
            self._count_partial()
        else:
            self._take_turn(data)

    def _take_turn(self, data: bytes = b"") -> None:
        """Handles frames for a moment; for the rest the link is paused, and others have their turn."""
        self._feed(data, time.monotonic() + _TURN_SECONDS)
        if self._reader.has_more and not self._is_broken:
            if not self._is_paused:
                self._is_paused = True
                self._link.pause()
            self._loop.call_soon(self._take_turn)
        elif self._is_paused:
            self._is_paused = False
            self._link.resume()

    def _feed(self, data: bytes, until: float) -> None:
        if self._is_broken:
            return
        try:
            skipped = self._reader.feed(data, self._on_frame, until)
            self._count_partial()
            if skipped and self._end is None:
                self.faults.count(skipped)
        except RpcError as error:
            self._break_off(error.code, error)

    def on_partial(self, size: int) -> None:
        """So many bytes are held of a websocket message of which a part has come."""
        self._partial_bytes = size
        self._count_partial()

    def _count_partial(self) -> None:
        size = self._partial_bytes + self._reader.pending_bytes
        if size != self._partial_counted:
            change, self._partial_counted = size - self._partial_counted, size
            self.memory.add_received(change)

    def _break_off(self, code: Code, error: RpcError) -> None:
        self._is_broken = True
        if self._end is None:
            self._go_away(self._last_remote_id, code, error.message)
            self.outbox.flush_all()
            self._link.abort(error)

    def _on_memory_full(self) -> None:
        error = fault("memory_exhausted", f"this connection holds {self.memory.held_bytes} bytes, more than others")
        self._loop.call_soon(self._break_off, Code.RESOURCE_EXHAUSTED, error)

    def on_room(self) -> None:
        """The link takes more."""
        self.outbox.flush()
        while self._delayed and not self.is_clogged:
            self._delayed.popleft()()

    def on_closed(self, reason: RpcError | None) -> None:
        """The link is over."""
        if self._is_paused:
            # Of what came before the end nothing is lost.
            self._feed(b"", math.inf)
        self._end = (reason,)
        self._keepalive.stop()
        self.memory.close()
        self._fail_streams(_closed(reason))
        self.outbox.close()
        for pong in self._pings.values():
            if not pong.done():
                pong.set_exception(_closed(reason))
        self._delayed.clear()
        self._drained.set()
        self._ended.set()

    # ---- frames

    def _on_frame(self, frame: Frame) -> None:
        if self._end is not None:
            return
        kind = frame.WhichOneof("body")
        # Later versions may add bodies, on any stream.
        if kind is None:
            self.faults.count()
            return
        stream_id = frame.stream_id
        if kind == "end" and stream_id & 1 == self._parity:
            # The most frequent one of a client.
            stream = self._streams.get(stream_id)
            if stream is not None:
                stream.on_end(frame.end)
                return
        if stream_id == 0:
            self._on_connection_frame(kind, frame)
        elif kind == "open":
            self._on_open(stream_id, frame.open)
        else:
            self._on_stream_frame(stream_id, kind, frame)

    def _on_connection_frame(self, kind: str, frame: Frame) -> None:
        if kind == "credit":
            self.outbox.add_credit(frame.credit.bytes)
            if frame.credit.bytes < DATA_COST:
                self.faults.count()
            return
        self.faults.count()
        if kind == "ping":
            self._send(Frame(stream_id=0, pong=Pong(id=frame.ping.id)))
        elif kind == "pong":
            self._on_pong(frame.pong.id)
        elif kind == "go_away":
            self._on_go_away(frame.go_away.last_stream_id)
        else:
            raise fault("frame_invalid", f"{kind} on stream 0")

    def _on_pong(self, ping_id: int) -> None:
        if ping_id == _DRAIN_PING_ID and self._closing is not None:
            self._refuse()
            return
        pong = self._pings.get(ping_id)
        if pong is not None and not pong.done():
            pong.set_result(None)

    def _on_go_away(self, last_stream_id: int) -> None:
        self._peer_is_going_away = True
        error = unhandled(fault("link_closed", "the peer did not handle the call"))
        for stream in tuple(self._streams.values()):
            if stream.id & 1 == self._parity and stream.id > last_stream_id:
                stream.lost(error)

    def _on_open(self, stream_id: int, opened: Open) -> None:
        if stream_id & 1 == self._parity or stream_id <= self._last_remote_id or stream_id > MAX_STREAM_ID:
            raise fault("frame_invalid", f"stream {stream_id} cannot be opened")
        if self._is_refusing:
            return
        self._last_remote_id = stream_id
        stream = self._streams[stream_id] = Stream(self, stream_id, False)
        if opened.half_close:
            stream.remote_half_closed()
        if self._running >= self.limits.max_concurrent_streams:
            broken: RpcError | None = fault("too_many_streams", "too many calls at once on the connection")
        elif self.memory.received_bytes >= self.limits.max_held_bytes_per_connection:
            broken = fault("memory_exhausted", "too many bytes are held for the peer")
        else:
            broken = stream.inline_fault(opened.message)
        if broken is None:
            self._running += 1
            broken = self._services.accept(self, stream, opened)
        else:
            stream.fail(broken)
        if broken is not None:
            self.faults.count()

    def _on_stream_frame(self, stream_id: int, kind: str, frame: Frame) -> None:
        is_ours = stream_id & 1 == self._parity
        if kind not in (_FROM_CALLEE if is_ours else _FROM_CALLER):
            raise fault("frame_invalid", f"{kind} on stream {stream_id}")
        stream = self._streams.get(stream_id)
        # The peer may have opened streams before it had our go-away.
        is_known = stream_id < self._next_id if is_ours else stream_id <= self._last_remote_id or self._is_refusing
        if stream is None and not is_known:
            raise fault("frame_invalid", f"stream {stream_id} was never opened")
        if kind == "data":
            data = frame.data
            cost = len(data.payload) + DATA_COST
            self.budget.received(cost)
            if stream is not None:
                stream.on_data(data)
        elif stream is None:
            return
        elif kind == "credit":
            stream.on_credit(frame.credit.bytes)
        elif kind == "half_close":
            stream.on_half_close()
        elif kind == "cancel":
            stream.on_cancel(frame.cancel.code)
        elif kind == "header":
            stream.on_header(frame.header)
        else:
            stream.on_end(frame.end)


def _closed(reason: RpcError | None) -> RpcError:
    return fault("link_closed", "the connection is closed") if reason is None else reason
