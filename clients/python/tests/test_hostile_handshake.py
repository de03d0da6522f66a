"""Peers that keep no rule of the handshake, of the box stream or of TLS and WebSocket."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from nacl.bindings import crypto_secretbox_easy

from dswarm import KeyPair, NodeId, RpcError
from dswarm.box_stream import Boxer, Unboxer
from dswarm.handshake import AUTH_BYTES, DialerHandshake, Handshake, ListenerHandshake

P = 2**255 - 19
# u coordinates of low order, with the forms that are not reduced (https://cr.yp.to/ecdh.html#validate).
LOW_ORDER = [
    0,
    1,
    int.from_bytes(bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"), "little"),
    int.from_bytes(bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"), "little"),
    P - 1,
    P,
    P + 1,
]
NETWORK = sha256(b"dev").digest()
DIALER, LISTENER = KeyPair.from_seed(bytes([1]) * 32), KeyPair.from_seed(bytes([2]) * 32)


def ends() -> tuple[DialerHandshake, ListenerHandshake]:
    return DialerHandshake(DIALER, NETWORK, LISTENER.id), ListenerHandshake(LISTENER, NETWORK)


def reason(end: Handshake, data: bytes) -> str | None:
    with pytest.raises(RpcError) as caught:
        end.push(data)
    return caught.value.reason


@pytest.mark.parametrize("u", LOW_ORDER)
@pytest.mark.parametrize("sign", [0, 1])
def test_an_ephemeral_key_of_low_order_is_refused_under_a_valid_hmac(u: int, sign: int) -> None:
    public = (u | sign << 255).to_bytes(32, "little")
    hello = hmac.digest(NETWORK, public, "sha512")[:32] + public
    for end in ends():
        end.start()
        assert reason(end, hello) == "hello_low_order"


def test_both_ends_agree_however_the_bytes_are_split() -> None:
    dialer, listener = ends()
    to_listener = dialer.start()
    to_dialer = b""
    found = []
    for _ in range(2):
        for end, data in ((listener, to_listener), (dialer, to_dialer)):
            if end is dialer:
                data, to_dialer = to_dialer, b""
            else:
                data, to_listener = to_listener, b""
            for byte in data:
                step = end.push(bytes((byte,)))
                if end is listener:
                    to_dialer += step.send
                else:
                    to_listener += step.send
                if step.secrets is not None:
                    found.append(step.secrets)
    ours, theirs = found
    assert (ours.remote, theirs.remote) == (DIALER.id, LISTENER.id)
    assert (ours.send_key, ours.send_nonce) == (theirs.receive_key, theirs.receive_nonce)
    assert (ours.receive_key, ours.receive_nonce) == (theirs.send_key, theirs.send_nonce)


@pytest.mark.parametrize("place", [0, 31, 32, 63, 64, 111])
def test_a_changed_authentication_is_refused(place: int) -> None:
    dialer, listener = ends()
    auth = bytearray(dialer.push(listener.push(dialer.start()).send).send)
    assert len(auth) == AUTH_BYTES
    auth[place] ^= 1
    assert reason(listener, bytes(auth)) == "authentication_failed"


@pytest.mark.parametrize("place", [0, 16, 79])
def test_a_changed_acceptance_is_refused(place: int) -> None:
    dialer, listener = ends()
    accept = bytearray(listener.push(dialer.push(listener.push(dialer.start()).send).send).send)
    accept[place] ^= 1
    assert reason(dialer, bytes(accept)) == "authentication_failed"


def test_a_listener_with_another_key_learns_nothing_and_is_refused() -> None:
    dialer = DialerHandshake(DIALER, NETWORK, KeyPair.from_seed(bytes([3]) * 32).id)
    listener = ListenerHandshake(LISTENER, NETWORK)
    assert reason(listener, dialer.push(listener.push(dialer.start()).send).send) == "authentication_failed"
    assert dialer.hang_up().reason == "authentication_failed"


def test_bytes_behind_a_hello_are_refused() -> None:
    dialer, listener = ends()
    assert reason(listener, dialer.start() + b"\0") == "hello_invalid"


@pytest.mark.parametrize("y", [0, 1, P - 1, P, P + 1])
def test_a_key_of_small_order_or_not_canonical_names_no_node(y: int) -> None:
    for sign in (0, 1):
        with pytest.raises(RpcError) as caught:
            NodeId((y | sign << 255).to_bytes(32, "little"))
        assert caught.value.reason == "node_id_invalid"


@pytest.mark.parametrize(("length", "expected"), [(0, "box_invalid"), (4097, "box_too_large"), (65_535, "box_too_large")])
def test_a_box_that_says_too_much_or_nothing_is_refused_by_its_header(length: int, expected: str) -> None:
    key, nonce = bytes(32), bytes(24)
    header = crypto_secretbox_easy(length.to_bytes(2, "big") + bytes([7]) * 16, nonce, key)
    with pytest.raises(RpcError) as caught:
        Unboxer(key, nonce).feed(header, [])
    assert caught.value.reason == expected


def test_a_stream_that_breaks_off_is_no_goodbye_and_gives_only_whole_boxes() -> None:
    boxer = Boxer(bytes(32), bytes(24))
    boxes = boxer.box(bytes(5000)) + boxer.goodbye()
    for end in (0, 33, 34, 35, 4129, 4130, 4131, len(boxes) - 1):
        unboxer, plain = Unboxer(bytes(32), bytes(24)), list[bytes]()
        unboxer.feed(boxes[:end], plain)
        assert not unboxer.is_ended
        assert sum(map(len, plain)) == (0 if end < 4130 else 5000 if end >= len(boxes) - 34 else 4096)


def test_boxes_that_come_again_or_in_another_order_are_refused() -> None:
    boxer = Boxer(bytes(32), bytes(24))
    first, second = boxer.box(b"first"), boxer.box(b"second")
    for boxes in (first + first, second):
        with pytest.raises(RpcError) as caught:
            Unboxer(bytes(32), bytes(24)).feed(boxes, [])
        assert caught.value.reason == "box_invalid"
