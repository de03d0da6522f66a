"""Where a node can be dialed: dswarm://KEY@HOST:PORT."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .errors import fault
from .node_id import NodeId

_SCHEME = "dswarm://"
_FORM = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|((?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?)):([1-9][0-9]{0,4})")
# What resolvers read as IPv4 in forms of their own ("127.1", "0x7f.1").
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?$")


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host (IP address without brackets, or host name) and a TCP port, 1 to 65535."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> HostPort | None:
        """Reads "host:port" or "[ipv6]:port"; None for any other text."""
        match = _FORM.fullmatch(text) if len(text) <= 300 else None
        if match is None or int(match[3]) > 65535:
            return None
        host = match[1] or match[2]
        must_be_ip = match[1] is not None or _ENDS_IN_NUMBER.search(host) is not None
        if (must_be_ip and not is_ip(host)) or len(host) > 253:
            return None
        return cls(host, int(match[3]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """A node and where it listens."""

    id: NodeId
    endpoint: HostPort

    @classmethod
    def parse(cls, text: str) -> PeerAddress:
        """Reads "dswarm://KEY@HOST:PORT". Raises RpcError ``address_invalid`` or ``node_id_invalid``."""
        key, at, rest = text.removeprefix(_SCHEME).rpartition("@")
        endpoint = HostPort.parse(rest)
        if not text.startswith(_SCHEME) or not at or not key or "@" in key or endpoint is None:
            raise fault("address_invalid", "expected dswarm://KEY@HOST:PORT, with a port of 1 to 65535")
        return cls(NodeId.parse(key), endpoint)

    def __str__(self) -> str:
        return f"{_SCHEME}{self.id.base64url()}@{self.endpoint}"


def is_ip(text: str) -> bool:
    """Whether a text is an IPv4 or IPv6 address without a zone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text
