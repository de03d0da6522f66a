"""Interceptors: functions that are run around calls of this end, and around the handlers of what it serves.

def with_token(info: CallInfo, start: Start) -> AnyCall:
    return start(replace(info, metadata=[*info.metadata, ("token", "…")]))

def timed(method: MethodSpec, handler: Handler) -> Handler:
    async def handle(request, context):
        ...
        return await handler(request, context)
    return handle if not method.server_streaming else handler
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from google.protobuf.message import Message

from .metadata import Metadata
from .spec import MethodSpec


@dataclass(frozen=True, slots=True)
class CallInfo:
    """A call that is about to begin. ``dataclasses.replace`` makes one with something changed."""

    method: MethodSpec[Any, Any]
    requests: Message | AsyncIterable[Message] | Iterable[Message]
    """One message, or many."""
    timeout: float | None
    """Seconds."""
    metadata: Metadata


Start: TypeAlias = Callable[[CallInfo], Any]
"""Begins a call: returns its UnaryCall or StreamCall, whose ``when_done`` tells how it ends."""

Interceptor: TypeAlias = Callable[..., Any]
"""``(info: CallInfo, start: Start) -> UnaryCall | StreamCall``: begins the call with ``start``, or raises."""

Handler: TypeAlias = Callable[..., Any]
"""``(request or requests, context)``: a coroutine, or an async generator where the method streams answers."""

ServerInterceptor: TypeAlias = Callable[[MethodSpec[Any, Any], Handler], Handler]
"""Makes a handler of a handler, once for each method of a connection."""
