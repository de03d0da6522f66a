"""An error that something is too large says its size and the limit, wherever it is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from nacl.bindings import crypto_secretbox_easy
from websockets.frames import Opcode

from dswarm import Dht, KeyPair, Limits, RpcError
from dswarm.box_stream import Unboxer
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.frame import FrameReader, encode_frame, varint
from dswarm.limits import MAX_FRAME_BYTES, MAX_PIECE_BYTES, MAX_WEBSOCKET_BYTES
from dswarm.metadata import to_entries
from dswarm.record import immutable, mutable
from dswarm.v1.frame_pb2 import Data, End, Frame, Open

from .memory_socket import MemorySocket
from .test_hostile_frames import COLLECT, ECHO, served, settle

KEYS = KeyPair.from_seed(bytes([1]) * 32)
ADDRESS = f"dswarm://{KeyPair.from_seed(bytes([2]) * 32).id.base64url()}@127.0.0.1:9"


def _read(data: bytes) -> None:
    FrameReader().feed(data, lambda _: None)


def _unbox(length: int) -> None:
    header = crypto_secretbox_easy(length.to_bytes(2, "big") + bytes(16), bytes(24), bytes(32))
    Unboxer(bytes(32), bytes(24)).feed(header, [])


@pytest.mark.parametrize(
    ("act", "reason", "text"),
    [
        (lambda: to_entries([("k", "")] * 129), "metadata_too_large", "129 entries, the limit is 128"),
        (lambda: to_entries([("k", "v" * 20_000)]), "metadata_too_large", "20001 bytes, the limit is 16384"),
        (
            lambda: encode_frame(Frame(stream_id=1, end=End(message="x" * 140_000))),
            "frame_too_large",
            "140010 bytes, the limit is 131072",
        ),
        (lambda: _read(varint(140_000)), "frame_too_large", ": 140000 bytes, the limit is 131072"),
        (lambda: _read(bytes([0x80] * 3)), "frame_too_large", ": at least 131073 bytes, the limit is 131072"),
        (lambda: _unbox(5000), "box_too_large", "5000 bytes, the limit is 4096"),
        (lambda: immutable(bytes(70_000)), "record_too_large", "70000 bytes, the limit is 65536"),
        (lambda: mutable(KEYS, b"", 1, bytes(70)), "record_invalid", "a salt over the size limit: 70 bytes, the limit is 64"),
    ],
)
def test_what_is_too_large_says_its_size_and_the_limit(act: Callable[[], object], reason: str, text: str) -> None:
    with pytest.raises(RpcError) as caught:
        act()
    assert caught.value.reason == reason
    assert caught.value.message.endswith(text), caught.value.message
    assert "over the size limit: " in caught.value.message


@pytest.mark.parametrize(
    ("value", "salt", "text"),
    [(bytes(70_000), b"", "70000 bytes, the limit is 65536"), (b"", bytes(65), "65 bytes, the limit is 64")],
)
async def test_an_update_that_is_too_large_says_so_whoever_is_there(value: bytes, salt: bytes, text: str) -> None:
    async with Dht([ADDRESS]) as dht:
        with pytest.raises(RpcError, match=text):
            await dht.update(value, salt=salt)


async def test_messages_over_the_limit_say_their_size_also_in_pieces() -> None:
    async with served(Limits(max_message_bytes=1000)) as (link, _):
        long = pb.EchoRequest(payload=bytes(1200)).SerializeToString()
        link.receive(Frame(stream_id=1, open=Open(method=ECHO, message=long, half_close=True)))
        for stream_id, more in ((3, True), (5, False)):
            link.receive(Frame(stream_id=stream_id, open=Open(method=COLLECT)))
            link.receive(Frame(stream_id=stream_id, data=Data(payload=bytes(700), more=True)))
            link.receive(Frame(stream_id=stream_id, data=Data(payload=bytes(700), more=more)))
        link.receive(Frame(stream_id=7, open=Open(method=ECHO, message=bytes(MAX_PIECE_BYTES + 1), half_close=True)))
        await settle()
        assert [(frame.stream_id, frame.end.message) for frame in link.bodies("end")] == [
            (1, "a message over the size limit: 1203 bytes, the limit is 1000"),
            (3, "a message over the size limit: at least 1400 bytes, the limit is 1000"),
            (5, "a message over the size limit: 1400 bytes, the limit is 1000"),
            (7, f"a message in one frame over the size limit: {MAX_PIECE_BYTES + 1} bytes, the limit is {MAX_PIECE_BYTES}"),
        ]


async def test_a_frame_and_a_piece_over_their_limits_say_their_size_in_the_go_away() -> None:
    for sent, text in (
        (varint(MAX_FRAME_BYTES + 5), f"{MAX_FRAME_BYTES + 5} bytes, the limit is {MAX_FRAME_BYTES}"),
        (
            encode_frame(Frame(stream_id=1, data=Data(payload=bytes(MAX_PIECE_BYTES + 1)))),
            f"{MAX_PIECE_BYTES + 1} bytes, the limit is {MAX_PIECE_BYTES}",
        ),
    ):
        async with served() as (link, _):
            link.receive(Frame(stream_id=1, open=Open(method=COLLECT)))
            link.receive(sent)
            await settle()
            assert next(frame.go_away.message for frame in link.bodies("go_away")).endswith(text)


@pytest.mark.parametrize("parts", [[MAX_WEBSOCKET_BYTES + 7], [MAX_WEBSOCKET_BYTES, 7]])
async def test_a_websocket_message_over_the_limit_says_how_large_it_is_at_least(parts: list[int]) -> None:
    socket = MemorySocket()
    for number, size in enumerate(parts):
        socket.bring(Opcode.CONT if number else Opcode.BINARY, bytes(size), fin=number == len(parts) - 1)
    await asyncio.sleep(0)
    assert socket.sink.reason is not None
    assert (socket.sink.reason.reason, socket.sink.reason.message) == (
        "websocket_too_large",
        f"a websocket message over the size limit: at least {MAX_WEBSOCKET_BYTES + 7} bytes, the limit is {MAX_WEBSOCKET_BYTES}",
    )
