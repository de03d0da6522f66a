"""One record on its way to those that are to keep it: ``forward_to`` of Store, docs/protocol.md.

A connection costs both ends many times what a call does, and those close to a key have connections with one another: so who can be
called at once is asked to pass the record on to others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from .errors import Code
from .node_id import NodeId, distance

# Who is to pass a record on may only say that he did. So many, the closest if there are no others, get it from this client itself.
_MIN_DIRECT = 4
_MAX_FORWARDS = 4


@dataclass(frozen=True, slots=True)
class Stored:
    """What a peer has answered: whether it keeps the record, and the ids (32 bytes) of those that keep it by its word."""

    code: Code
    kept_by: frozenset[bytes] = frozenset()


Errands = dict[NodeId, list[NodeId]]


def deal(peers: Iterable[NodeId], is_connected: Callable[[NodeId], bool]) -> Errands:
    """Who of the peers (the closest first) gets the record from this client, and to whom each is to pass it on, at most 4."""
    errands: Errands = {}
    others: list[NodeId] = []
    for peer in peers:
        if is_connected(peer):
            errands[peer] = []
        else:
            others.append(peer)
    missing = max(_MIN_DIRECT - len(errands), 0)
    errands.update((peer, []) for peer in others[:missing])
    for other in others[missing:]:
        nearest = _nearest(errands, other)
        if nearest is None:
            errands[other] = []
        else:
            errands[nearest].append(other)
    return errands


def _nearest(errands: Errands, other: NodeId) -> NodeId | None:
    """Of those that have room for one more the closest to it: the closer two are, the likelier they are connected."""
    roomy = (peer for peer, named in errands.items() if len(named) < _MAX_FORWARDS)
    return min(roomy, key=lambda peer: distance(peer.data, other.data), default=None)


async def deliver(
    errands: Errands, store: Callable[[NodeId, Sequence[NodeId]], Awaitable[Stored]], *, patience: float = 1.0
) -> dict[NodeId, Code]:
    """Has all peers keep a record; returns what each has answered, ``OK`` also for who keeps it by the word of another.

    ``store`` asks a peer to keep it and to pass it on to others. Who does not keep it then is asked as well, after ``patience``
    seconds even where there is no answer yet.
    """
    codes: dict[NodeId, Code] = {}

    async def ask(peer: NodeId) -> None:
        codes[peer] = (await store(peer, [])).code

    async def send(peer: NodeId, others: list[NodeId]) -> None:
        answer = asyncio.ensure_future(store(peer, others))
        try:
            await asyncio.wait([answer], timeout=patience if others else None)
            kept_by = answer.result().kept_by if answer.done() else frozenset()
            codes.update((other, Code.OK) for other in others if other.data in kept_by)
            await asyncio.gather(*(ask(other) for other in others if other.data not in kept_by))
            codes[peer] = (await answer).code
        finally:
            answer.cancel()

    await asyncio.gather(*(send(peer, others) for peer, others in errands.items()))
    return codes
