"""DhtService of a peer, whose answers are looked at before they are decoded: a few bytes can stand for much memory."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterable, Iterable
from typing import Any, TypeVar

from google.protobuf.message import Message

from .call import UnaryCall
from .errors import over_limit
from .metadata import Metadata
from .spec import MethodSpec
from .v1.dht_dswarm import DhtServiceClient

MAX_ANSWER_BYTES = 262_144
"""Of DhtService, docs/protocol.md: twice what an honest node answers at most. A contact of two bytes takes a hundred in memory."""

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)

# Bounded by the methods of the service.
_bounded: dict[str, MethodSpec[Any, Any]] = {}


class DhtClient(DhtServiceClient):
    """Calls DhtService of a peer. Calls fail with ``message_too_large`` where the answer is over ``MAX_ANSWER_BYTES``."""

    def _unary(
        self,
        method: MethodSpec[Q, R],
        requests: Q | AsyncIterable[Q] | Iterable[Q],
        timeout: float | None,
        metadata: Metadata,
    ) -> UnaryCall[R]:
        return super()._unary(_with_bounded_answers(method), requests, timeout, metadata)


def _with_bounded_answers(method: MethodSpec[Q, R]) -> MethodSpec[Q, R]:
    bounded = _bounded.get(method.name)
    if bounded is None:
        bounded = _bounded[method.name] = copy.copy(method)

        def decode(data: bytes) -> R:
            if len(data) > MAX_ANSWER_BYTES:
                raise over_limit("message_too_large", "an answer", len(data), MAX_ANSWER_BYTES)
            return method.decode_response(data)

        bounded.decode_response = decode
    return bounded
