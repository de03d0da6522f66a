"""A link: what the RPC layer needs of a connection. Here that of the real network, a box stream on a WebSocket.

open ──close()──► goodbye sent ──peer's goodbye──► websocket closing ──► ended(None)
 └──peer's goodbye: ours is sent at once ─────────────┘
 any fault, or the end of the websocket before both goodbyes ──► ended(reason)
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from .box_stream import MAX_BODY_BYTES, Boxer, Unboxer
from .errors import RpcError, fault
from .handshake import Secrets
from .limits import MAX_WEBSOCKET_BYTES
from .node_id import NodeId
from .websocket import WebSocketDuplex

_BOX_OVERHEAD = 34
_MAX_PLAIN_BYTES = MAX_WEBSOCKET_BYTES // (MAX_BODY_BYTES + _BOX_OVERHEAD) * MAX_BODY_BYTES
_GOODBYE_SECONDS = 1.0
_MAX_GOODBYE_WAITS = 10


class LinkSink(Protocol):
    """Takes what a link brings. Its methods must not raise."""

    def on_data(self, data: bytes) -> None:
        """Bytes, in order."""

    def on_partial(self, size: int) -> None:
        """So many bytes are held, below the link, of what is not whole."""

    def on_room(self) -> None:
        """There is room again after ``has_room`` was False."""

    def on_closed(self, reason: RpcError | None) -> None:
        """The end, once. None after a goodbye from both ends."""


class Link(Protocol):
    """A reliable, ordered duplex of bytes between two proven keys."""

    @property
    def is_dialer(self) -> bool:
        """Which end this is."""

    @property
    def local(self) -> NodeId:
        """This end's key."""

    @property
    def remote(self) -> NodeId:
        """The other end's key, which it has proven."""

    @property
    def has_room(self) -> bool:
        """Whether little waits for the network."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes written and not yet handed to the operating system."""

    @property
    def taken_bytes(self) -> int:
        """Bytes that the operating system has taken. It grows with nothing else."""

    def attach(self, sink: LinkSink) -> None:
        """Starts delivery. To be called once."""

    def pause(self) -> None:
        """Reads nothing more from the network until ``resume``; what was read already may still come."""

    def resume(self) -> None:
        """Reads on."""

    def write(self, data: bytes) -> None:
        """Sends bytes. Dropped after ``close`` and after the end."""

    def close(self) -> None:
        """Says goodbye, and waits a moment for the other's; the sink hears of the end."""

    def abort(self, reason: RpcError) -> None:
        """Ends the link at once; what was written before may still leave."""


class ChannelLink:
    """The Link of the real network."""

    is_dialer = True

    def __init__(self, duplex: WebSocketDuplex, local: NodeId, secrets: Secrets, rest: bytes) -> None:
        self.local = local
        self.remote = secrets.remote
        self._duplex = duplex
        self._boxer = Boxer(secrets.send_key, secrets.send_nonce)
        self._unboxer = Unboxer(secrets.receive_key, secrets.receive_nonce)
        self._sink: LinkSink | None = None
        self._early = rest
        self._said_goodbye = False
        self._end: tuple[RpcError | None] | None = None
        self._moves = 0
        self._timer: asyncio.TimerHandle | None = None
        duplex.sink = self
        duplex.pause()

    @property
    def has_room(self) -> bool:
        """Whether little waits for the network."""
        return self._duplex.has_room

    @property
    def buffered_bytes(self) -> int:
        """Bytes written and not yet handed to the operating system."""
        return self._duplex.buffered_bytes

    @property
    def taken_bytes(self) -> int:
        """Bytes that the operating system has taken. It grows with nothing else."""
        return self._duplex.taken_bytes

    def attach(self, sink: LinkSink) -> None:
        """Starts delivery. To be called once."""
        self._sink = sink
        if self._end is not None:
            sink.on_closed(self._end[0])
            return
        early, self._early = self._early, b""
        if early:
            self._receive(early)
        self._duplex.resume()

    def pause(self) -> None:
        """Reads nothing more from the network until ``resume``; what was read already may still come."""
        if self._end is None:
            self._duplex.pause()

    def resume(self) -> None:
        """Reads on."""
        if self._end is None:
            self._duplex.resume()

    def write(self, data: bytes) -> None:
        """Sends bytes. Dropped after ``close`` and after the end."""
        if self._said_goodbye or self._end is not None:
            return
        self._moves += 1
        for start in range(0, len(data), _MAX_PLAIN_BYTES):
            part = data if len(data) <= _MAX_PLAIN_BYTES else data[start : start + _MAX_PLAIN_BYTES]
            self._duplex.send(self._boxer.box(part))

    def close(self) -> None:
        """Says goodbye, and waits a moment for the other's; the sink hears of the end."""
        if self._end is None:
            self._say_goodbye()

    def abort(self, reason: RpcError) -> None:
        """Ends the link at once; what was written before may still leave."""
        if self._end is None:
            self._duplex.end(reason)

    # ---- DuplexSink

    def on_open(self) -> None:
        """Was before the handshake."""

    def on_bytes(self, data: bytes) -> None:
        """Takes boxes, however they are split."""
        if self._sink is None:
            self._early += data
        else:
            self._receive(data)

    def on_partial(self, size: int) -> None:
        """So many bytes are held of a fragment of which a part has come. A part of a box is small."""
        if self._sink is not None and self._end is None:
            self._sink.on_partial(size)

    def on_room(self) -> None:
        """There is room again."""
        self._moves += 1
        if self._sink is not None:
            self._sink.on_room()

    def on_ended(self, reason: RpcError | None) -> None:
        """The WebSocket is over."""
        if self._end is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        if reason is None and not (self._said_goodbye and self._unboxer.is_ended):
            reason = fault("link_truncated", "the connection ended without a goodbye")
        self._end = (reason,)
        if self._sink is not None:
            self._sink.on_closed(reason)

    # ---- inside

    def _receive(self, data: bytes) -> None:
        self._moves += 1
        broken: RpcError | None = None
        plain: list[bytes] = []
        try:
            self._unboxer.feed(data, plain)
        except RpcError as error:
            broken = error
        if plain and self._sink is not None and self._end is None:
            self._sink.on_data(plain[0] if len(plain) == 1 else b"".join(plain))
        if self._end is not None:
            return
        if broken is not None:
            self._duplex.end(broken)
        elif self._unboxer.is_ended:
            self._say_goodbye()
            self._duplex.close()

    def _say_goodbye(self) -> None:
        if self._said_goodbye:
            return
        self._said_goodbye = True
        self._duplex.send(self._boxer.goodbye())
        self._wait_for_goodbye(_MAX_GOODBYE_WAITS)

    def _wait_for_goodbye(self, waits: int) -> None:
        moves = self._moves

        def look() -> None:
            if waits > 1 and self._moves != moves:
                self._wait_for_goodbye(waits - 1)
            else:
                self._duplex.end(None)

        self._timer = asyncio.get_running_loop().call_later(_GOODBYE_SECONDS, look)
