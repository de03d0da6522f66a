"""What generated code imports: typed clients and bases of services are made of these."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable
from typing import TypeVar

from google.protobuf.message import Message

from .call import Caller, StreamCall, UnaryCall
from .metadata import Metadata
from .serve import ServerContext
from .spec import MethodSpec, ServiceBase, ServiceSpec

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

__all__ = [
    "Metadata",
    "MethodSpec",
    "ServerContext",
    "ServiceBase",
    "ServiceClient",
    "ServiceSpec",
    "StreamCall",
    "UnaryCall",
]


class ServiceClient:
    """Base of the generated clients. Every method takes ``timeout`` in seconds and ``metadata``."""

    def __init__(self, connection: Caller) -> None:
        self._caller = connection

    def _unary(
        self,
        method: MethodSpec[Q, R],
        requests: Q | AsyncIterable[Q] | Iterable[Q],
        timeout: float | None,
        metadata: Metadata,
    ) -> UnaryCall[R]:
        return UnaryCall(self._caller, method, requests, timeout, metadata)

    def _stream(
        self,
        method: MethodSpec[Q, R],
        requests: Q | AsyncIterable[Q] | Iterable[Q],
        timeout: float | None,
        metadata: Metadata,
    ) -> StreamCall[R]:
        return StreamCall(self._caller, method, requests, timeout, metadata)
