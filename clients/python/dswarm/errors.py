"""The one error of the package, and the status codes of gRPC that it carries."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from google.protobuf.any_pb2 import Any as AnyMessage


class Code(IntEnum):
    """gRPC status codes (https://grpc.io/docs/guides/status-codes/), as ``End.code`` carries them."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @classmethod
    def of(cls, number: int) -> Code:
        """The code of a number; UNKNOWN for one that is none."""
        return cls(number) if 0 <= number <= 16 else cls.UNKNOWN


class RpcError(Exception):
    """What went wrong: on this side, on the way, or at the peer.

    ``reason`` names an error of dswarm's own found on this side (docs/errors.md, for example ``handshake_timeout``);
    None for what a peer answered. ``trailer`` and ``header`` are the metadata that came with a peer's answer.
    """

    def __init__(
        self,
        code: Code,
        message: str = "",
        details: Sequence[AnyMessage] = (),
        *,
        reason: str | None = None,
        header: Sequence[tuple[str, str | bytes]] = (),
        trailer: Sequence[tuple[str, str | bytes]] = (),
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.reason = reason
        self.header = tuple(header)
        self.trailer = tuple(trailer)
        self.is_unhandled = False
        """Whether no handler can have seen the call, so that it may be repeated, on another connection."""

    def __str__(self) -> str:
        name = self.code.name.lower() if self.reason is None else f"{self.code.name.lower()}, {self.reason}"
        return f"[{name}] {self.message}"


_CODES: dict[str, Code] = {
    "node_id_invalid": Code.INVALID_ARGUMENT,
    "address_invalid": Code.INVALID_ARGUMENT,
    "key_file_invalid": Code.FAILED_PRECONDITION,
    "interface_unknown": Code.INVALID_ARGUMENT,
    "discovery_failed": Code.FAILED_PRECONDITION,
    "record_key_invalid": Code.INVALID_ARGUMENT,
    "record_invalid": Code.INVALID_ARGUMENT,
    "record_too_large": Code.INVALID_ARGUMENT,
    "record_forged": Code.PERMISSION_DENIED,
    "record_conflict": Code.ABORTED,
    "record_not_found": Code.NOT_FOUND,
    "store_refused": Code.UNAVAILABLE,
    "quota_exceeded": Code.RESOURCE_EXHAUSTED,
    "unreachable": Code.UNAVAILABLE,
    "dial_limited": Code.UNAVAILABLE,
    "not_dswarm": Code.UNAVAILABLE,
    "too_many_connections": Code.RESOURCE_EXHAUSTED,
    "self_connection": Code.INVALID_ARGUMENT,
    "handshake_timeout": Code.UNAVAILABLE,
    "handshake_truncated": Code.UNAVAILABLE,
    "hello_invalid": Code.UNAUTHENTICATED,
    "hello_low_order": Code.UNAUTHENTICATED,
    "authentication_failed": Code.UNAUTHENTICATED,
    "websocket_invalid": Code.UNAVAILABLE,
    "websocket_text": Code.UNAVAILABLE,
    "websocket_too_large": Code.UNAVAILABLE,
    "box_invalid": Code.UNAVAILABLE,
    "box_too_large": Code.UNAVAILABLE,
    "box_after_goodbye": Code.UNAVAILABLE,
    "link_truncated": Code.UNAVAILABLE,
    "link_closed": Code.UNAVAILABLE,
    "frame_invalid": Code.INTERNAL,
    "frame_too_large": Code.INTERNAL,
    "credit_exceeded": Code.INTERNAL,
    "message_invalid": Code.INVALID_ARGUMENT,
    "message_too_large": Code.RESOURCE_EXHAUSTED,
    "metadata_too_large": Code.RESOURCE_EXHAUSTED,
    "metadata_invalid": Code.INVALID_ARGUMENT,
    "too_many_streams": Code.RESOURCE_EXHAUSTED,
    "too_many_faults": Code.RESOURCE_EXHAUSTED,
    "memory_exhausted": Code.RESOURCE_EXHAUSTED,
    "request_timeout": Code.DEADLINE_EXCEEDED,
    "peer_too_slow": Code.UNAVAILABLE,
    "keepalive_timeout": Code.UNAVAILABLE,
}


def fault(reason: str, message: str) -> RpcError:
    """An error of dswarm's own, by its name in docs/errors.md."""
    return RpcError(_CODES[reason], message, reason=reason)


def unhandled(error: RpcError) -> RpcError:
    """The same error, of a call that no handler can have seen."""
    copy = RpcError(error.code, error.message, error.details, reason=error.reason, header=error.header, trailer=error.trailer)
    copy.is_unhandled = True
    return copy


def over_limit(reason: str, what: str, size: int, limit: int, *, unit: str = "bytes", is_whole: bool = True) -> RpcError:
    """The error that something is larger than it may be: it says both. Unless ``is_whole``, more of it may be to come."""
    at_least = "" if is_whole else "at least "
    return fault(reason, f"{what} over the size limit: {at_least}{size} {unit}, the limit is {limit}")
