"""A WebSocket against a listener that sends without measure."""

from __future__ import annotations

import pytest
from websockets.frames import Opcode

from dswarm.limits import Limits

from .memory_socket import MemorySocket

BURST = Limits().max_faults


@pytest.mark.parametrize(
    ("opcode", "data", "fin"),
    [
        (Opcode.PING, b"", True),
        (Opcode.PING, bytes(125), True),
        (Opcode.PONG, b"", True),
        (Opcode.BINARY, b"", True),
        (Opcode.BINARY, bytes(15), True),
    ],
)
async def test_a_flood_of_what_carries_nothing_ends_the_connection(opcode: Opcode, data: bytes, fin: bool) -> None:
    socket = MemorySocket()
    socket.bring(opcode, data, fin=fin, times=BURST - 100)
    assert not socket.sink.is_ended
    for _ in range(100):
        socket.bring(opcode, data, fin=fin, times=1000)
        if socket.sink.is_ended:
            break
    assert socket.sink.reason is not None and socket.sink.reason.reason == "too_many_faults"


async def test_messages_with_something_in_them_are_no_flood() -> None:
    socket = MemorySocket()
    socket.bring(Opcode.BINARY, bytes(16), times=2 * BURST)
    assert not socket.sink.is_ended
    assert len(socket.sink.received) == 32 * BURST


async def test_endless_fragments_end_the_connection() -> None:
    socket = MemorySocket()
    socket.bring(Opcode.BINARY, b"", fin=False)
    socket.bring(Opcode.CONT, b"", fin=False, times=1100)
    assert socket.sink.reason is not None and socket.sink.reason.reason == "websocket_invalid"


async def test_pongs_for_a_peer_that_does_not_read_are_bounded() -> None:
    socket = MemorySocket()
    socket.is_taking = False
    for _ in range(100):
        socket.bring(Opcode.PING, bytes(125), times=100)
        if socket.sink.is_ended:
            break
    assert socket.sink.reason is not None and socket.sink.reason.reason == "peer_too_slow"
    assert socket.buffered < 600_000


async def test_what_this_end_adds_is_not_what_the_network_has_taken() -> None:
    socket = MemorySocket()
    taken = socket.duplex.taken_bytes
    assert taken > 0
    socket.duplex.send(bytes(1000))
    assert socket.duplex.taken_bytes > taken + 1000
    taken = socket.duplex.taken_bytes
    socket.is_taking = False
    for size in (10, 1000, 50_000):
        socket.duplex.send(bytes(size))
        socket.bring(Opcode.PING, bytes(100))
        assert socket.duplex.taken_bytes == taken
