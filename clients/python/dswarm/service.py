"""What generated code imports: typed clients and bases of services are made of these."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from google.protobuf.message import Message

from .call import Caller, Connecting, StreamCall, UnaryCall
from .interceptor import CallInfo
from .metadata import Metadata
from .serve import ServerContext
from .spec import MethodSpec, ServiceBase, ServiceSpec

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
C = TypeVar("C", bound=UnaryCall[Any] | StreamCall[Any])

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

    def __init__(self, connection: Caller | Connecting) -> None:
        self._caller = connection

    def _unary(
        self,
        method: MethodSpec[Q, R],
        requests: Q | AsyncIterable[Q] | Iterable[Q],
        timeout: float | None,
        metadata: Metadata,
    ) -> UnaryCall[R]:
        def start(info: CallInfo) -> UnaryCall[R]:
            return UnaryCall(self._caller, method, info.requests, info.timeout, info.metadata)

        return self._intercepted(CallInfo(method, requests, timeout, metadata), start)

    def _stream(
        self,
        method: MethodSpec[Q, R],
        requests: Q | AsyncIterable[Q] | Iterable[Q],
        timeout: float | None,
        metadata: Metadata,
    ) -> StreamCall[R]:
        def start(info: CallInfo) -> StreamCall[R]:
            return StreamCall(self._caller, method, info.requests, info.timeout, info.metadata)

        return self._intercepted(CallInfo(method, requests, timeout, metadata), start)

    def _intercepted(self, info: CallInfo, start: Callable[[CallInfo], C]) -> C:
        for intercept in reversed(self._caller.interceptors):
            start = partial(intercept, start=start)
        return start(info)
