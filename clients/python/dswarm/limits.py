"""Numbers of the protocol (docs/protocol.md), and those that each end chooses for itself."""

from __future__ import annotations

from dataclasses import dataclass

MAX_FRAME_BYTES = 131_072
"""Bytes of an encoded frame, without its length prefix."""
MAX_PIECE_BYTES = 69_632
"""Message bytes in one Open, Data or End frame."""
DATA_COST = 64
"""Credit that a Data frame costs beyond its payload."""
STREAM_CREDIT = 73_728
"""Credit that each direction of a stream starts with: a piece of the largest size fits."""
CONNECTION_CREDIT = 1_048_576
"""Credit that each direction of a connection starts with."""
MAX_METADATA_BYTES = 16_384
MAX_METADATA_ENTRIES = 128
MAX_ERROR_BYTES = 4096
"""Bytes of an error's text."""
MAX_DETAIL_BYTES = 20_480
"""Bytes of the details of an error."""
MAX_METHOD_BYTES = 256
MAX_STREAM_ID = 2**31 - 1
MAX_WEBSOCKET_BYTES = 1_048_576
"""Bytes of a WebSocket message."""
MAX_WEBSOCKET_FRAGMENTS = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an end may choose. Bytes and seconds. Raises ValueError for what is out of its range."""

    max_message_bytes: int = 16_777_216
    """One message, sent or received. At least 1."""
    max_concurrent_streams: int = 1024
    """Calls that the peer may have here at once, until their handlers have stopped. At least 1."""
    stream_window_bytes: int = 262_144
    """Window of a stream in use: the bytes that the peer may send ahead of its reader. At least 73728."""
    window_pool_bytes: int = 8_388_608
    """Bytes by which the windows of a connection's streams may grow in all. Above it, streams keep windows of 73728. At least 0."""
    max_assembling_bytes: int = 8_388_608
    """Bytes of incomplete messages that readers wait for, on one connection. Above it, the oldest alone goes on. At least 73728."""
    max_held_bytes_per_connection: int = 33_554_432
    """Bytes of the peer's calls on one connection, and 2048 for each, from which on new ones are refused. At least 131072.

    Handlers wait to begin while half as much waits for the network."""
    max_queued_bytes: int = 67_108_864
    """Bytes of frames that wait for the network, above which the connection ends. At least 1048576."""
    request_timeout: float = 30.0
    """Seconds that a request of the peer may stay incomplete without progress; its call fails then."""
    write_timeout: float = 15.0
    """Seconds in which the peer takes nothing of what waits: no byte, or no credit of the connection. The connection ends then."""
    max_timeout: float = 86_400.0
    """Longest deadline of a call that is served; longer ones are cut to it."""
    keepalive_interval: float = 15.0
    """Silence after which the peer is pinged."""
    keepalive_timeout: float = 10.0
    """Further silence after which it is given up."""
    idle_timeout: float = 300.0
    """Without a call for so long the connection closes; 0 is never.

    Where this end serves it stays: a call of the peer's health every third of that time keeps it in use at both ends."""
    max_faults: int = 20_000
    """Faults that the peer may commit at once before the connection ends: refused calls, broken rules, pings. At least 1."""
    faults_per_second: int = 5000
    """Faults that are forgiven each second. At least 1."""
    drain_timeout: float = 5.0
    """For calls in flight when the connection closes."""

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} is at least {least}, not {getattr(self, name)}")


_LEAST: dict[str, float] = {
    "max_message_bytes": 1,
    "max_concurrent_streams": 1,
    "stream_window_bytes": STREAM_CREDIT,
    "window_pool_bytes": 0,
    "max_assembling_bytes": STREAM_CREDIT,
    "max_held_bytes_per_connection": MAX_FRAME_BYTES,
    "max_queued_bytes": CONNECTION_CREDIT,
    "request_timeout": 0.001,
    "write_timeout": 0.001,
    "max_timeout": 0.001,
    "keepalive_interval": 0.001,
    "keepalive_timeout": 0.001,
    "idle_timeout": 0,
    "max_faults": 1,
    "faults_per_second": 1,
    "drain_timeout": 0,
}
