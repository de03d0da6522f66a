"""NodeId: the ed25519 public key that names a node, and the XOR metric over it."""

from __future__ import annotations

from dataclasses import dataclass

from .base64_key import parse_32_bytes, to_base64, to_base64url
from .errors import fault

_FIELD_PRIME = 2**255 - 19
# The y coordinates of the eight points whose order divides 8; the sign bit does not matter.
_SMALL_ORDER_Y = frozenset(
    int.from_bytes(bytes.fromhex(text), "little")
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
    )
)


@dataclass(frozen=True, slots=True)
class NodeId:
    """Names a node. ``data`` is its ed25519 public key, 32 bytes: canonical and not of small order.

    Raises RpcError ``node_id_invalid``.
    """

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != 32:
            raise fault("node_id_invalid", f"{len(self.data)} bytes where 32 belong")
        y = int.from_bytes(self.data, "little") & (2**255 - 1)
        if y >= _FIELD_PRIME:
            raise fault("node_id_invalid", "the key is not canonical")
        if y in _SMALL_ORDER_Y:
            raise fault("node_id_invalid", "the key is of small order")

    @classmethod
    def parse(cls, text: str) -> NodeId:
        """Reads base64, base64url or hex, each with or without a leading "@"."""
        data = parse_32_bytes(text.removeprefix("@"))
        if data is None:
            raise fault("node_id_invalid", 'expected "@" and 44 characters of base64, or base64url, or hex')
        return cls(data)

    def __str__(self) -> str:
        return f"@{to_base64(self.data)}"

    def __repr__(self) -> str:
        return f"NodeId({self})"

    def base64url(self) -> str:
        """43 characters of base64url, fit for addresses."""
        return to_base64url(self.data)


def distance(a: bytes, b: bytes) -> int:
    """The XOR distance of two 32-byte keys, 0 to 2^256 - 1."""
    return int.from_bytes(a, "big") ^ int.from_bytes(b, "big")
