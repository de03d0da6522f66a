"""Addresses of this machine alone: only who is on it may send us there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from .node_id import NodeId
from .peer_address import HostPort


def is_near(addresses: Iterable[HostPort]) -> bool:
    """Whether a peer is, or may be, on this machine: of a name that the program gave it is not known what it stands for."""
    return any(_is_loopback(address.host) is not False for address in addresses)


def elsewhere(contacts: Iterable[tuple[NodeId, list[HostPort]]]) -> list[tuple[NodeId, list[HostPort]]]:
    """Without addresses of loopback, and without contacts that have no others."""
    kept = [(peer, [each for each in addresses if not _is_loopback(each.host)]) for peer, addresses in contacts]
    return [(peer, addresses) for peer, addresses in kept if addresses]


def _is_loopback(host: str) -> bool | None:
    """None for a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
