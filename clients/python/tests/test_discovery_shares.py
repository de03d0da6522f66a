"""What a flood of announces does to the table of peers: it keeps out no newcomer, and drives out no quiet source."""

from __future__ import annotations

import time

import pytest

from dswarm import discovery
from dswarm.discovery import Dropped, PeerTable
from dswarm.keys import KeyPair
from dswarm.network import network_id, network_key
from dswarm.v1.announce_pb2 import Announce, SignedAnnounce

NETWORK = network_id(network_key("tables"))
WALL_MS = 1_700_000_000_000


def packet_of(keys: KeyPair, *addresses: str) -> bytes:
    announce = Announce(
        version=1, network_id=NETWORK, public_key=keys.id.data, port=4000, epoch_ms=WALL_MS, addresses=addresses
    ).SerializeToString()
    signature = keys.sign(b"dswarm-announce-v1\0" + announce)
    return SignedAnnounce(announce=announce, signature=signature).SerializeToString()


def test_a_new_peer_gets_in_for_one_of_the_source_that_has_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "_MAX_PEERS", 8)
    table = PeerTable(NETWORK)
    quiet, first, second = KeyPair.generate(), KeyPair.generate(), KeyPair.generate()
    table.hear(packet_of(quiet), ("127.0.0.1", 1), 0, WALL_MS)
    for keys in (first, second):
        table.hear(packet_of(keys), ("127.0.0.1", 2), 0, WALL_MS)
    table.hear(packet_of(first), ("127.0.0.1", 2), 1, WALL_MS)
    for i in range(6):
        table.hear(packet_of(KeyPair.generate()), ("127.0.0.1", 2), 2 + i, WALL_MS)
    ids = {peer for peer, _ in table.peers(8)}
    assert len(ids) == 8
    assert quiet.id in ids
    assert first.id in ids, "it was heard again"
    assert second.id not in ids


def test_a_port_that_forges_leaves_a_share_to_others() -> None:
    table = PeerTable(NETWORK)
    forged = bytearray(packet_of(KeyPair.generate()))
    forged[-1] ^= 1
    now = time.monotonic()
    reasons: dict[str, int] = {}
    for i in range(4000):
        with pytest.raises(Dropped) as caught:
            table.hear(bytes(forged), ("192.0.2.1", 1 + i % 4), now, WALL_MS)
        reasons[str(caught.value)] = reasons.get(str(caught.value), 0) + 1
    assert reasons["rate"] > 1000
    assert table.hear(packet_of(keys := KeyPair.generate()), ("192.0.2.1", 9), now, WALL_MS) == keys.id


def test_of_listed_addresses_only_loopback_counts_and_only_from_loopback() -> None:
    packet = packet_of(KeyPair.generate(), "127.0.0.2", "192.0.2.7", "::ffff:127.0.0.3")
    for source, hosts in {
        "127.0.0.1": ["127.0.0.1", "127.0.0.2", "::ffff:127.0.0.3"],
        "192.0.2.1": ["192.0.2.1"],
    }.items():
        table = PeerTable(NETWORK)
        table.hear(packet, (source, 9), 0, WALL_MS)
        assert [address.host for address in table.peers(0)[0][1]] == hosts


def test_replays_from_many_addresses_keep_out_none() -> None:
    table = PeerTable(NETWORK)
    packet = packet_of(KeyPair.generate())
    for i in range(1, 7):
        table.hear(packet, (f"192.0.2.{i}", 9), i, WALL_MS)
    assert [address.host for address in table.peers(7)[0][1]] == [f"192.0.2.{i}" for i in range(3, 7)]
