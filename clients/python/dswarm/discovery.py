"""Discovery: listens for the signed announces of nodes, by UDP multicast (docs/protocol.md, section 2). Announces nothing."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

from google.protobuf.message import DecodeError

from .connect import DEFAULT_NETWORK
from .errors import RpcError, fault
from .keys import verify
from .network import network_id, network_key
from .node_id import NodeId
from .peer_address import HostPort, PeerAddress, is_ip
from .source_shares import SourceShares, Verifications
from .v1.announce_pb2 import Announce

GROUP = "239.255.255.19"
UDP_PORT = 25519
MAX_PACKET_BYTES = 512
_MAX_ANNOUNCE_BYTES = 420
_DOMAIN = b"dswarm-announce-v1\0"
_MAX_PEERS = 4096
_MAX_SOURCES = 4
_DAY_MS = 86_400_000
_INTERVAL_SECONDS = 5.0
_MAX_PACKETS_PER_SECOND = 50
_EXPIRY_INTERVALS = 3.5


class Dropped(Exception):
    """A packet that is of no use; the text is the reason, as docs/protocol.md names it."""


def split_packet(packet: bytes) -> tuple[bytes, bytes]:
    """The encoded announce and its signature; only one form of the packet is taken. Raises Dropped."""
    if len(packet) > MAX_PACKET_BYTES:
        raise Dropped("size")
    head, low, high = (*packet[:3], 0, 0, 0)[:3]
    is_long = low >= 0x80
    length = (low & 0x7F) | high << 7 if is_long else low
    start = 3 if is_long else 2
    end = start + length
    is_canonical = head == 0x0A and not (is_long and (high == 0 or high >= 0x80))
    if not is_canonical or length > _MAX_ANNOUNCE_BYTES or len(packet) != end + 66 or packet[end : end + 2] != b"\x12\x40":
        raise Dropped("structure")
    return packet[start:end], packet[end + 2 :]


def decode_announce(data: bytes, network: bytes) -> tuple[Announce, NodeId]:
    """An announce whose fields are sound; its signature is not looked at. Raises Dropped."""
    try:
        announce = Announce.FromString(data)
    except DecodeError as error:
        raise Dropped("structure") from error
    checks = {
        "version": announce.version == 1,
        "network": announce.network_id == network,
        "port": 1 <= announce.port <= 65535,
        "epoch": 1 <= announce.epoch_ms < 2**53,
        "certificate": len(announce.certificate_sha256) in (0, 32),
        "address": len(announce.addresses) <= 4 and all(map(_is_reachable, announce.addresses)),
    }
    for reason, is_sound in checks.items():
        if not is_sound:
            raise Dropped(reason)
    try:
        return announce, NodeId(announce.public_key)
    except RpcError as error:
        raise Dropped("key") from error


def _is_reachable(text: str) -> bool:
    if len(text) > 45 or not is_ip(text):
        return False
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return address.packed[0] != 0 and address.packed[0] < 224
    return not address.is_unspecified and not address.is_multicast


@dataclass(slots=True)
class _Peer:
    announce: Announce
    packet: bytes
    heard_at: float
    sources: dict[str, float] = field(default_factory=dict)
    """When each was heard last, the one silent for longest first."""
    interval: float = _INTERVAL_SECONDS


class PeerTable:
    """Who has been heard on one network. Bounded by 4096 peers.

    For a new peer another one gives way: of the address that has most, the port that has most, the peer silent for longest. So a
    flood of keys, which are free, keeps out no newcomer.
    """

    def __init__(self, network: bytes) -> None:
        self._network = network
        self._peers: dict[NodeId, _Peer] = {}
        self._by_packet: dict[bytes, _Peer] = {}
        # Epochs of those who left, so that a late packet does not bring them back.
        self._left: dict[NodeId, tuple[int, float]] = {}
        self._shares: SourceShares[NodeId] = SourceShares()
        self._verifications = Verifications()

    def hear(self, packet: bytes, source: tuple[str, int], now: float, wall_ms: int) -> NodeId:
        """Takes a packet; returns whose it is. ``source`` is the address and the UDP port that it comes from. Raises Dropped."""
        known = self._by_packet.get(packet)
        if known is not None:
            known_id = NodeId(known.announce.public_key)
            self._note(known, source[0], now)
            self._shares.refresh(known_id)
            return known_id
        data, signature = split_packet(packet)
        announce, peer_id = decode_announce(data, self._network)
        before = self._peers.get(peer_id)
        self._judge(announce, peer_id, before, now, wall_ms)
        if not self._verifications.take(source, now):
            raise Dropped("rate")
        if not verify(signature, _DOMAIN + data, peer_id):
            raise Dropped("signature")
        if before is not None:
            self._forget(peer_id, before)
        if announce.leaving:
            if len(self._left) >= _MAX_PEERS:
                del self._left[next(iter(self._left))]
            self._left[peer_id] = announce.epoch_ms, now + _EXPIRY_INTERVALS * _INTERVAL_SECONDS
            return peer_id
        if len(self._peers) >= _MAX_PEERS:
            excess = self._shares.excess()
            self._forget(excess, self._peers[excess])
        peer = self._peers[peer_id] = self._by_packet[packet] = _Peer(announce, packet, now)
        self._shares.add(peer_id, source)
        self._note(peer, source[0], now)
        return peer_id

    def peers(self, now: float) -> list[tuple[NodeId, list[HostPort]]]:
        """Those that are there, with the addresses to try, the best first."""
        interval = self._interval()
        for peer_id, peer in tuple(self._peers.items()):
            if now - peer.heard_at >= _EXPIRY_INTERVALS * max(interval, peer.interval):
                self._forget(peer_id, peer)
        return [(peer_id, _addresses(peer)) for peer_id, peer in self._peers.items()]

    def _judge(self, announce: Announce, peer_id: NodeId, before: _Peer | None, now: float, wall_ms: int) -> None:
        epoch = None if before is None else before.announce.epoch_ms
        left = self._left.get(peer_id)
        if epoch is None and left is not None and left[1] > now:
            epoch = left[0]
        # An epoch a day ahead of our clock loses to any that is not: no clock's fault locks a node out.
        if epoch is not None:
            is_ahead, was_ahead = (value > wall_ms + _DAY_MS for value in (announce.epoch_ms, epoch))
            if not (was_ahead if is_ahead != was_ahead else announce.epoch_ms > epoch):
                raise Dropped("stale")
        if before is None and announce.leaving:
            raise Dropped("stale")

    def _note(self, peer: _Peer, source: str, now: float) -> None:
        peer.heard_at = now
        peer.interval = self._interval()
        # Somebody else may replay the packet: no address is kept for ever.
        peer.sources.pop(source, None)
        if len(peer.sources) >= _MAX_SOURCES:
            del peer.sources[next(iter(peer.sources))]
        peer.sources[source] = now

    def _interval(self) -> float:
        return max(_INTERVAL_SECONDS, len(self._peers) / _MAX_PACKETS_PER_SECOND)

    def _forget(self, peer_id: NodeId, peer: _Peer) -> None:
        del self._peers[peer_id]
        del self._by_packet[peer.packet]
        self._shares.remove(peer_id)


def _addresses(peer: _Peer) -> list[HostPort]:
    """Where datagrams came from; and of the listed addresses, when all came from this machine, those of this machine.

    What a stranger lists of other machines makes nobody dial them.
    """
    is_local = all(ipaddress.ip_address(source).is_loopback for source in peer.sources)
    listed = [text for text in peer.announce.addresses if is_local and _is_loopback(text)]
    return [HostPort(host, peer.announce.port) for host in dict.fromkeys([*peer.sources, *listed])]


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


class Discovery(asyncio.DatagramProtocol):
    """Listens on an interface; made by ``discover``. ``async with`` closes it."""

    def __init__(self, network: bytes) -> None:
        self.table = PeerTable(network)
        """Whom this has heard of."""
        self._changed = asyncio.Event()
        self.counts: Counter[str] = Counter()
        """Packets that were accepted, and that were dropped, by reason."""
        self._transport: asyncio.BaseTransport | None = None

    def peers(self) -> list[tuple[NodeId, list[HostPort]]]:
        """Nodes heard of: candidates, until a handshake at one of the addresses."""
        return self.table.peers(time.monotonic())

    async def first(self, *, timeout: float = 10.0) -> PeerAddress:
        """Waits for a node; returns where to dial it. Raises RpcError ``unreachable`` when none is heard in time."""
        try:
            async with asyncio.timeout(timeout):
                while not (peers := self.peers()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise fault("unreachable", f"no node of the network was heard in {timeout:g} s") from error
        return PeerAddress(peers[0][0], peers[0][1][0])

    def close(self) -> None:
        """Listens no more."""
        if self._transport is not None:
            self._transport.close()

    async def __aenter__(self) -> Discovery:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is there."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Takes a datagram, whatever it holds."""
        try:
            self.table.hear(data, (addr[0], addr[1]), time.monotonic(), int(time.time() * 1000))
        except Dropped as reason:
            self.counts[f"dropped.{reason}"] += 1
            return
        self.counts["accepted"] += 1
        self._changed.set()


async def discover(
    *, network: str | bytes = DEFAULT_NETWORK, interface: str = "127.0.0.1", udp_port: int = UDP_PORT
) -> Discovery:
    """Listens for nodes of a network. ``interface`` is the IPv4 address of one of this machine.

    Raises RpcError ``interface_unknown``, ``discovery_failed``.
    """
    try:
        own = ipaddress.IPv4Address(interface).packed
    except ValueError as error:
        raise fault("interface_unknown", f"{interface!r} is not an IPv4 address") from error
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform != "linux" and hasattr(socket, "SO_REUSEPORT"):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        link.bind(("0.0.0.0", udp_port))
        member = struct.pack("4s4s", socket.inet_aton(GROUP), own)
        try:
            link.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        except OSError as error:
            if error.errno in (errno.ENODEV, errno.EADDRNOTAVAIL):
                link.close()
                raise fault("interface_unknown", f"no interface has the address {interface}") from error
            raise
        link.setblocking(False)
        identity = network_id(network_key(network))
        _, discovery = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Discovery(identity), sock=link)
    except OSError as error:
        link.close()
        raise fault("discovery_failed", str(error)) from error
    return discovery
