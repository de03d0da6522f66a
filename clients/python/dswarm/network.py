"""The key of a network: 32 bytes that its nodes share."""

from __future__ import annotations

from hashlib import sha256


def network_key(network: str | bytes) -> bytes:
    """The key of a network: sha256 of its name, or the 32 bytes themselves."""
    if isinstance(network, str):
        return sha256(network.encode()).digest()
    if len(network) != 32:
        raise ValueError(f"a network key has 32 bytes, not {len(network)}")
    return network


def network_id(key: bytes) -> bytes:
    """What announces say of the network, 8 bytes; tells nothing of the key."""
    return sha256(b"dswarm-network-id-v1" + key).digest()[:8]
