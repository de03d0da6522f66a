"""The test vectors of the protocol, test/vectors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from dswarm import KeyPair, NodeId, PeerAddress, RpcError
from dswarm.box_stream import Boxer, Unboxer
from dswarm.discovery import Dropped, PeerTable
from dswarm.frame import FrameReader, encode_frame
from dswarm.handshake import DialerHandshake, Handshake, ListenerHandshake
from dswarm.keys import verify
from dswarm.network import network_id, network_key
from dswarm.node_id import distance
from dswarm.record import key_of, key_of_name, key_of_signer, key_of_value, key_text, parse_key, signed_bytes
from dswarm.v1.dht_pb2 import MutableRecord, Record
from dswarm.v1.frame_pb2 import Frame

from .node_process import ROOT


def cases(name: str, key: str = "cases") -> list[Any]:
    found = json.loads((ROOT / "test" / "vectors" / f"{name}.json").read_text())[key]
    return [pytest.param(case, id=case["name"]) for case in found]


def data(parts: Any) -> bytes:
    if isinstance(parts, str):
        return bytes.fromhex(parts)
    return b"".join(
        bytes.fromhex(part) if isinstance(part, str) else bytes.fromhex(part["repeat"]) * part["times"] for part in parts
    )


@pytest.mark.parametrize("case", cases("ids"))
def test_ids(case: Any) -> None:
    kind = case["kind"]
    if kind == "key_pair":
        assert KeyPair.from_seed(data(case["seed"])).id.data.hex() == case["bytes"]
    elif kind == "network":
        key = network_key(case["text"])
        assert (key.hex(), network_id(key).hex()) == (case["network_key"], case["network_id"])
    elif kind == "key_of_value":
        assert key_of_value(data(case["value"])).hex() == case["bytes"]
    elif kind == "key_of_signer":
        assert key_of_signer(NodeId(data(case["public_key"])), data(case["salt"])).hex() == case["bytes"]
    elif kind == "key_of_name":
        assert key_of_name(case["text"]).hex() == case["bytes"]
    elif "error" in case:
        parsers: dict[str, Any] = {"node_id": NodeId.parse, "address": PeerAddress.parse, "record_key": parse_key}
        with pytest.raises(RpcError) as caught:
            parsers[kind](case["text"])
        assert caught.value.reason == case["error"]
    elif kind == "node_id":
        assert NodeId.parse(case["text"]).data.hex() == case["bytes"]
    elif kind == "record_key":
        key = parse_key(case["text"])
        assert key.hex() == case["bytes"]
        assert parse_key(key_text(key)) == key and key_text(key).startswith("&")
    else:
        assert kind == "address"
        address = PeerAddress.parse(case["text"])
        assert (address.id.data.hex(), address.endpoint.host, address.endpoint.port, str(address)) == (
            case["key"],
            case["host"],
            case["port"],
            case["printed"],
        )


@pytest.mark.parametrize("case", cases("distances"))
def test_distances(case: Any) -> None:
    if "distance" in case:
        assert distance(data(case["a"]), data(case["b"])) == int(case["distance"], 16)
    else:
        target = data(case["target"])
        assert sorted(case["keys"], key=lambda key: distance(target, data(key))) == case["closest_first"]


@pytest.mark.parametrize("case", cases("ed25519-rfc8032", "vectors"))
def test_signatures(case: Any) -> None:
    keys, message = KeyPair.from_seed(data(case["seed"])), data(case["message"])
    assert keys.sign(message).hex() == case["signature"]
    assert verify(data(case["signature"]), message, keys.id)


@pytest.mark.parametrize("case", cases("handshakes"))
def test_handshakes(case: Any) -> None:
    keys, secret, key = KeyPair.from_seed(data(case["seed"])), data(case["ephemeral_secret_key"]), data(case["network_key"])
    end: Handshake
    if case["role"] == "listener":
        end = ListenerHandshake(keys, key, ephemeral_secret=secret)
    else:
        end = DialerHandshake(keys, key, NodeId(data(case["remote_public_key"])), ephemeral_secret=secret)
    sent, error, secrets = [end.start()], None, None
    for message in case["receives"]:
        try:
            step = end.push(data(message))
        except RpcError as refusal:
            error = refusal.reason
        else:
            sent.append(step.send)
            secrets = step.secrets
    assert [message.hex() for message in sent if message] == case["sends"]
    assert error == case.get("error")
    if "result" in case:
        assert secrets is not None
        assert {
            "remote_public_key": secrets.remote.data.hex(),
            "encrypt_key": secrets.send_key.hex(),
            "encrypt_nonce": secrets.send_nonce.hex(),
            "decrypt_key": secrets.receive_key.hex(),
            "decrypt_nonce": secrets.receive_nonce.hex(),
        } == case["result"]


@pytest.mark.parametrize("case", cases("box-streams"))
@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_box_streams(case: Any, size: int) -> None:
    key, nonce, boxes = data(case["key"]), data(case["nonce"]), data(case["boxes"])
    if "error" not in case and "truncated" not in case:
        boxer = Boxer(key, nonce)
        made = b"".join(boxer.box(data(piece)) for piece in case["plain"])
        assert made + (boxer.goodbye() if case["goodbye"] else b"") == boxes
    unboxer, plain, error = Unboxer(key, nonce), list[bytes](), None
    for start in range(0, len(boxes), size):
        try:
            unboxer.feed(boxes[start : start + size], plain)
        except RpcError as refusal:
            error = refusal.reason
            break
    assert b"".join(plain) == b"".join(data(piece) for piece in case["plain"])
    assert error == case.get("error")


# Of the 12 vectors only one has sound parts and holds without the cofactor.
_JUDGEMENTS = ["key", "key", "signature", "accepted", *["signature"] * 6, "key", "key"]


@pytest.mark.parametrize(
    ("case", "judgement"),
    [
        pytest.param(case.values[0], judgement, id=case.id)
        for case, judgement in zip(cases("ed25519-speccheck", "vectors"), _JUDGEMENTS, strict=True)
    ],
)
def test_hostile_signatures(case: Any, judgement: str) -> None:
    try:
        signer = NodeId(data(case["publicKey"]))
    except RpcError as refusal:
        assert (judgement, refusal.reason) == ("key", "node_id_invalid")
    else:
        holds = verify(data(case["signature"]), data(case["message"]), signer)
        assert judgement == ("accepted" if holds else "signature")


def told(frame: Any) -> Frame:
    """The frame that a vector tells of."""
    if "body" not in frame:
        return Frame(stream_id=frame["stream_id"])
    body = frame["body"]
    return Frame(stream_id=frame["stream_id"], **{body: _fields(Frame.DESCRIPTOR.fields_by_name[body], frame[body])})


def _fields(field: Any, value: Any) -> Any:
    if isinstance(value, list) and field.is_repeated:
        return [_one(field, each) for each in value]
    return _one(field, value)


def _one(field: Any, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        names = field.message_type.fields_by_name
        return {name: _fields(names[name], each) for name, each in value.items()}
    return data(value) if field.type == FieldDescriptor.TYPE_BYTES else value


@pytest.mark.parametrize("case", [case for case in cases("frames") if "frames" in case.values[0]])
@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_frames_decode(case: Any, size: int) -> None:
    reader, frames, encoded = FrameReader(), list[Frame](), data(case["bytes"])
    for start in range(0, len(encoded), size):
        reader.feed(encoded[start : start + size], frames.append)
    for frame in frames:
        frame.DiscardUnknownFields()
    assert frames == [told(frame) for frame in case["frames"]]


def is_sent(case: Any) -> bool:
    """Whether this version sends such frames."""
    frames = case.get("frames", [])
    return bool(frames) and all("body" in frame for frame in frames) and "unknown field" not in case["name"]


@pytest.mark.parametrize("case", [case for case in cases("frames") if is_sent(case.values[0])])
def test_frames_encode(case: Any) -> None:
    assert b"".join(encode_frame(told(frame)) for frame in case["frames"]) == data(case["bytes"])


@pytest.mark.parametrize("case", cases("records"))
def test_records(case: Any) -> None:
    record = Record.FromString(data(case["record"]))
    if "error" in case:
        with pytest.raises(RpcError) as caught:
            key_of(record)
        assert caught.value.reason == case["error"]
        return
    assert key_of(record).hex() == case["key"]
    if "signed" in case:
        held: MutableRecord | Any = record.mutable if case["kind"] == "mutable" else record.provider
        assert signed_bytes(held).hex() == case["signed"]


@pytest.mark.parametrize("case", cases("announces"))
def test_announces(case: Any) -> None:
    table = PeerTable(data(case["network_id"]))
    if "heard" in case:
        table.hear(data(case["heard"]), ("127.0.0.1", 25519), 0, case["wall_ms"])
    if "error" in case:
        with pytest.raises(Dropped) as caught:
            table.hear(data(case["packet"]), ("127.0.0.1", 25519), 0, case["wall_ms"])
        assert str(caught.value) == case["error"]
    else:
        peer = table.hear(data(case["packet"]), ("127.0.0.1", 25519), 0, case["wall_ms"])
        assert peer.data.hex() == case["announce"]["public_key"]
