"""A WebSocket (RFC 6455) of a dialer as a plain byte duplex, over the sans-I/O core of ``websockets``.

connection_made ─► on_open ─► on_bytes* ─► on_ended          on_room: there is room again after ``has_room`` was False
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from .errors import RpcError, fault, over_limit
from .faults import FaultBudget
from .limits import MAX_WEBSOCKET_BYTES, MAX_WEBSOCKET_FRAGMENTS, Limits

SUBPROTOCOL = Subprotocol("dswarm.v1")
PATH = "/dht"
_HIGH_WATER_BYTES = 262_144
_CLOSE_SECONDS = 1.0
_SERVICE_UNAVAILABLE = 503
_SMALL_BYTES = 16
"""A fragment below this costs more to take in than it carries. No box is so small."""
_SLICE_BYTES = 16_384
"""Taken in between two looks at what it was: a flood of tiny frames is not worked off in one go."""
_MAX_PONG_BYTES = 65_536
"""That wait behind a full buffer, for a peer that pings and does not read."""
_TLS_RECORD_BYTES = 16_384
_TLS_OVERHEAD_BYTES = 22
"""Header, type and tag of a record of TLS 1.3."""


class DuplexSink(Protocol):
    """Takes what a duplex brings. Its methods must not raise."""

    def on_open(self) -> None:
        """The WebSocket is open."""

    def on_bytes(self, data: bytes) -> None:
        """Bytes, in order."""

    def on_partial(self, size: int) -> None:
        """So many bytes are held of a fragment of which a part has come."""

    def on_room(self) -> None:
        """There is room again."""

    def on_ended(self, reason: RpcError | None) -> None:
        """The end, once. None where the connection just ended."""


class WebSocketDuplex(asyncio.Protocol):
    """A WebSocket as a byte duplex. Boundaries of messages mean nothing."""

    def __init__(self, host_port: str, sink: DuplexSink) -> None:
        self._ws = ClientProtocol(
            parse_uri(f"wss://{host_port}{PATH}"), subprotocols=[SUBPROTOCOL], max_size=MAX_WEBSOCKET_BYTES
        )
        self.sink = sink
        self.has_room = True
        self._transport: asyncio.Transport | None = None
        self._is_open = False
        self._was_open = False
        self._is_ended = False
        self._fragments = 0
        self._floods = FaultBudget(Limits())
        self._pong_bytes = 0
        self._partial_bytes = 0
        self._written_bytes = 0
        self._close_timer: asyncio.TimerHandle | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes sent and not yet handed to the operating system."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    @property
    def taken_bytes(self) -> int:
        """Bytes that the operating system has taken. It grows with nothing else."""
        return self._written_bytes - self.buffered_bytes

    @property
    def is_going_away(self) -> bool:
        """Whether the peer has closed the WebSocket and said that it closes down."""
        return self._ws.close_rcvd is not None and self._ws.close_rcvd.code == CloseCode.GOING_AWAY

    def send(self, data: bytes) -> None:
        """Sends bytes as one message. Dropped after the end."""
        # The peer may have closed the WebSocket in the read that is being handled.
        if self._is_ended or not self._is_open or self._ws.state is not State.OPEN:
            return
        self._ws.send_binary(data)
        self._transmit()

    def pause(self) -> None:
        """Reads nothing until ``resume``."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Reads on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Closes after what was sent, waiting a moment for the other end to do the same."""
        if self._is_ended or not self._is_open:
            return
        self._is_open = False
        if self._ws.state is State.OPEN:
            self._ws.send_close(CloseCode.NORMAL_CLOSURE)
        self._transmit()
        self._abort_after(_CLOSE_SECONDS)

    def end(self, reason: RpcError | None) -> None:
        """Ends the connection: the sink hears the reason now; what was sent before leaves if it can within a moment."""
        transport, self._is_open = self._transport, False
        self._finish(reason)
        if transport is not None:
            # Closed with bytes unread, TCP would reset the connection, and the peer lose what was sent last: what comes is
            # dropped until the peer has closed.
            if self._ws.state is State.OPEN:
                self._ws.send_close(CloseCode.NORMAL_CLOSURE)
                self._transmit()
            else:
                transport.close()
            self._abort_after(_CLOSE_SECONDS)

    def abort(self) -> None:
        """Drops everything. The sink hears no more."""
        self._is_ended = True
        self._is_open = False
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER_BYTES)
        request = self._ws.connect()
        self._ws.send_request(request)
        self._transmit()

    def data_received(self, data: bytes) -> None:
        """Takes what the network brings."""
        if len(data) <= _SLICE_BYTES:
            self._take(data)
            return
        for start in range(0, len(data), _SLICE_BYTES):
            self._take(data[start : start + _SLICE_BYTES])

    def _take(self, data: bytes) -> None:
        if self._is_ended:
            return
        self._ws.receive_data(data)
        self._transmit()
        for event in self._ws.events_received():
            if isinstance(event, Frame):
                self._on_frame(event)
            elif isinstance(event, Response):
                self._on_response()
            if self._is_ended:
                return
        partial = len(self._ws.reader.buffer)
        if partial != self._partial_bytes:
            self._partial_bytes = partial
            self.sink.on_partial(partial)
        self._check()

    def eof_received(self) -> None:
        """The peer sends no more: there is no half-close."""
        return

    def pause_writing(self) -> None:
        """Much waits for the network."""
        self.has_room = False

    def resume_writing(self) -> None:
        """Little waits for the network."""
        self.has_room = True
        self._pong_bytes = 0
        if not self._is_ended:
            self.sink.on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """The TCP connection is over."""
        if self._close_timer is not None:
            self._close_timer.cancel()
        if not self._was_open:
            self._finish(fault("unreachable", "the connection ended before it was upgraded"))
        self._finish(None)

    # ---- inside

    def _on_response(self) -> None:
        refusal = self._ws.handshake_exc
        if refusal is None and self._ws.subprotocol != SUBPROTOCOL:
            refusal = InvalidHandshake("another subprotocol")
        if refusal is None:
            self._is_open = self._was_open = True
            self.sink.on_open()
            return
        self._refuse(refusal)

    def _refuse(self, refusal: Exception) -> None:
        is_full = isinstance(refusal, InvalidStatus) and refusal.response.status_code == _SERVICE_UNAVAILABLE
        self.end(fault("too_many_connections" if is_full else "not_dswarm", str(refusal)))

    def _on_frame(self, frame: Frame) -> None:
        if len(frame.data) < _SMALL_BYTES or frame.opcode is Opcode.PING or frame.opcode is Opcode.PONG:
            try:
                self._floods.count()
            except RpcError:
                self.end(fault("too_many_faults", "too many pings or tiny messages on the websocket"))
                return
        if frame.opcode is Opcode.PING and not self.has_room:
            self._pong_bytes += len(frame.data)
            if self._pong_bytes > _MAX_PONG_BYTES:
                self.end(fault("peer_too_slow", "the peer pings on the websocket and reads no pongs"))
                return
        if frame.opcode is Opcode.BINARY or frame.opcode is Opcode.CONT:
            self._fragments = self._fragments + 1 if frame.opcode is Opcode.CONT else 1
            if self._fragments > MAX_WEBSOCKET_FRAGMENTS:
                self.end(fault("websocket_invalid", "a message of too many fragments"))
            elif self._is_open:
                self.sink.on_bytes(bytes(frame.data))
        elif frame.opcode is Opcode.TEXT:
            self.end(fault("websocket_text", "a text message on a binary websocket"))

    def _check(self) -> None:
        error = self._ws.parser_exc
        if error is not None and self._is_open:
            self.end(_too_large(error) if isinstance(error, PayloadTooBig) else fault("websocket_invalid", str(error)))
        elif self._ws.handshake_exc is not None:
            self._refuse(self._ws.handshake_exc)
        elif self._ws.close_expected():
            self._abort_after(_CLOSE_SECONDS)

    def _transmit(self) -> None:
        if self._transport is None:
            return
        for data in self._ws.data_to_send():
            # Empty data stands for the end of the direction, which TLS does not have.
            if data:
                self._written_bytes += len(data) + -(-len(data) // _TLS_RECORD_BYTES) * _TLS_OVERHEAD_BYTES
                self._transport.write(data)

    def _abort_after(self, seconds: float) -> None:
        if self._close_timer is None and self._transport is not None:
            loop = asyncio.get_running_loop()
            self._close_timer = loop.call_later(seconds, self._transport.abort)

    def _finish(self, reason: RpcError | None) -> None:
        if self._is_ended:
            return
        self._is_ended = True
        self._is_open = False
        self.sink.on_ended(reason)


def _too_large(error: PayloadTooBig) -> RpcError:
    """A fragment says how long it is, and nobody how many follow it."""
    size = (error.size or 0) + (error.current_size or 0)
    what = "a websocket message"
    return over_limit("websocket_too_large", what, max(size, MAX_WEBSOCKET_BYTES + 1), MAX_WEBSOCKET_BYTES, is_whole=False)
