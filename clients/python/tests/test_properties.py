"""Properties of frames, the box stream and what strangers may send, for whatever input Hypothesis finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dswarm import KeyPair, NodeId, PeerAddress, RpcError
from dswarm.box_stream import Boxer, Unboxer
from dswarm.discovery import Dropped, PeerTable
from dswarm.frame import FrameReader, encode_data, encode_end_ok, encode_frame, encode_open, method_field, varint
from dswarm.handshake import DialerHandshake, ListenerHandshake
from dswarm.limits import MAX_STREAM_ID
from dswarm.node_id import distance
from dswarm.record import key_of, key_text, parse_key
from dswarm.v1.dht_pb2 import Record
from dswarm.v1.frame_pb2 import Data, End, Frame, Open

stream_ids = st.integers(1, MAX_STREAM_ID)
small = st.binary(max_size=300)
keys = st.binary(min_size=32, max_size=32)
KEY, NONCE = bytes(range(32)), bytes([255]) * 23 + b"\xfe"


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in pieces, cut anywhere."""
    ends = sorted({each % (len(data) + 1) for each in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(stream_ids, st.sampled_from(["a.B/C", "dswarm.example.v1.EchoService/Echo", "x" * 256]), st.integers(0, 2**31 - 1))
def test_an_open_by_hand_is_that_of_the_generated_code(stream_id: int, method: str, timeout_ms: int) -> None:
    for message in (None, b"", b"hello", bytes(200)):
        for half_close in (False, True):
            opened = Open(method=method, timeout_ms=timeout_ms, message=message, half_close=half_close)
            by_hand = encode_open(stream_id, method_field(method), timeout_ms, message, half_close)
            assert by_hand == encode_frame(Frame(stream_id=stream_id, open=opened))


@given(stream_ids, small, st.integers(0, 69_632), st.booleans())
def test_data_and_ends_by_hand_are_those_of_the_generated_code(stream_id: int, some: bytes, size: int, more: bool) -> None:
    for payload in (some, bytes(size)):
        data = Frame(stream_id=stream_id, data=Data(payload=payload, more=more))
        assert encode_data(stream_id, payload, more) == encode_data(stream_id, memoryview(payload), more) == encode_frame(data)
        assert encode_end_ok(stream_id, payload) == encode_frame(Frame(stream_id=stream_id, end=End(response=payload)))


@given(st.lists(st.tuples(stream_ids, small, st.booleans()), max_size=8), st.lists(st.integers(0), max_size=20))
def test_frames_come_out_as_they_went_in_however_they_are_cut(frames: list[tuple[int, bytes, bool]], cuts: list[int]) -> None:
    reader, read = FrameReader(), list[Frame]()
    for part in cut(b"".join(encode_data(*frame) for frame in frames), cuts):
        reader.feed(part, read.append)
    assert [(frame.stream_id, frame.data.payload, frame.data.more) for frame in read] == frames


@given(st.binary(max_size=2000))
def test_no_bytes_bring_the_frame_reader_to_another_error_than_its_own(data: bytes) -> None:
    only_own_errors({"frame_invalid", "frame_too_large"}, lambda: FrameReader().feed(data, lambda _: None))


@given(st.integers(0, 2**64))
def test_a_varint_is_read_as_protobuf_writes_it(number: int) -> None:
    value = 0
    for place, byte in enumerate(varint(number)):
        value |= (byte & 0x7F) << 7 * place
    assert value == number and varint(number)[-1] < 0x80


@given(st.lists(st.one_of(small, st.integers(0, 10_000).map(bytes)), max_size=5), st.lists(st.integers(0), max_size=20))
def test_plaintext_comes_out_of_boxes_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    boxer, unboxer, plain = Boxer(KEY, NONCE), Unboxer(KEY, NONCE), list[bytes]()
    for part in cut(b"".join(map(boxer.box, messages)) + boxer.goodbye(), cuts):
        unboxer.feed(part, plain)
    assert b"".join(plain) == b"".join(messages) and unboxer.is_ended


@given(st.integers(1, 5000).map(bytes), st.integers(0), st.integers(1, 255))
def test_a_byte_that_is_changed_is_noticed_and_nothing_behind_it_comes_out(message: bytes, place: int, change: int) -> None:
    boxer = Boxer(KEY, NONCE)
    boxes = bytearray(boxer.box(message) + boxer.goodbye())
    at = place % len(boxes)
    boxes[at] ^= change
    unboxer, plain = Unboxer(KEY, NONCE), list[bytes]()
    with pytest.raises(RpcError) as caught:
        unboxer.feed(bytes(boxes), plain)
    assert caught.value.reason == "box_invalid"
    whole = len(message) if at >= len(boxes) - 34 else at // (34 + 4096) * 4096
    assert b"".join(plain) == message[:whole]


@given(st.binary(min_size=64, max_size=300))
def test_no_hello_but_a_real_one_is_answered(data: bytes) -> None:
    own, other = KeyPair.from_seed(bytes(32)), KeyPair.from_seed(bytes([1]) * 32)
    for end in (ListenerHandshake(own, KEY), DialerHandshake(own, KEY, other.id)):
        end.start()
        with pytest.raises(RpcError) as caught:
            end.push(data)
        assert caught.value.reason in ("hello_invalid", "hello_low_order")


@given(st.binary(max_size=600))
def test_no_datagram_is_taken_that_is_not_signed(packet: bytes) -> None:
    table = PeerTable(bytes(8))
    with pytest.raises(Dropped):
        table.hear(packet, ("127.0.0.1", 25519), 0.0, 1)
    assert table.peers(0.0) == []


@given(st.binary(max_size=400))
def test_no_record_brings_another_error_than_its_own(data: bytes) -> None:
    try:
        record = Record.FromString(data)
    except Exception:
        return
    only_own_errors({"record_invalid", "record_too_large", "record_forged"}, lambda: key_of(record))


@given(st.one_of(st.text(max_size=120), st.from_regex(r"dswarm://[@A-Za-z0-9_-]{40,46}@[a-z0-9.:\[\]-]{1,20}:[0-9]{1,6}")))
def test_no_text_brings_another_error_than_its_own(text: str) -> None:
    only_own_errors({"address_invalid", "node_id_invalid"}, lambda: PeerAddress.parse(text))
    only_own_errors({"node_id_invalid"}, lambda: NodeId.parse(text))
    only_own_errors({"record_key_invalid"}, lambda: parse_key(text))


@given(keys, keys, keys)
def test_the_distance_is_a_metric(a: bytes, b: bytes, c: bytes) -> None:
    assert distance(a, b) == distance(b, a) >= 0
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, c) <= distance(a, b) + distance(b, c)
    assert distance(a, c) == distance(a, b) ^ distance(b, c)
    assert parse_key(key_text(a)) == a


def only_own_errors(reasons: set[str], work: Callable[[], Any]) -> None:
    """Whatever is raised is an RpcError with one of the reasons."""
    try:
        work()
    except RpcError as error:
        assert error.reason in reasons
