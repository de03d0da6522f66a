"""A WebSocket without a network: the test plays the listener with frames of its own, and takes what is sent or leaves it."""

from __future__ import annotations

import asyncio

from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from dswarm import RpcError
from dswarm.websocket import SUBPROTOCOL, WebSocketDuplex


class Sink:
    """Takes what the duplex brings."""

    def __init__(self) -> None:
        self.received = b""
        self.reason: RpcError | None = None
        self.is_open = self.is_ended = False

    def on_open(self) -> None:
        self.is_open = True

    def on_bytes(self, data: bytes) -> None:
        self.received += data

    def on_partial(self, size: int) -> None:
        pass

    def on_room(self) -> None:
        pass

    def on_ended(self, reason: RpcError | None) -> None:
        self.is_ended, self.reason = True, reason


class MemorySocket(asyncio.Transport):
    """The transport of a dialer, and the listener behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.sink = Sink()
        self.duplex = WebSocketDuplex("127.0.0.1:1", self.sink)
        self.is_taking = True
        """Whether the listener takes what is sent; else it waits in the buffer."""
        self.buffered = 0
        self._high = 0
        self._listener = ServerProtocol(subprotocols=[Subprotocol(SUBPROTOCOL)])
        self.duplex.connection_made(self)
        request = next(iter(self._listener.events_received()))
        self._listener.send_response(self._listener.accept(request))  # type: ignore[arg-type]
        self._deliver()

    # ---- the listener

    def bring(self, opcode: Opcode, data: bytes = b"", *, fin: bool = True, times: int = 1) -> None:
        """The listener sends a frame, so often, in one go."""
        self.duplex.data_received(Frame(opcode, data, fin).serialize(mask=False) * times)

    def _deliver(self) -> None:
        for data in self._listener.data_to_send():
            if data:
                self.duplex.data_received(data)

    # ---- asyncio.Transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_taking:
            self._listener.receive_data(bytes(data))
            return
        self.buffered += len(data) + -(-len(data) // 16_384) * 22  # as TLS does
        if self.buffered > self._high and self.duplex.has_room:
            self.duplex.pause_writing()

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = high or 0

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass
