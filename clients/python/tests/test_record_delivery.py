"""Who is asked to keep a record, and who is to pass it on. The peers are functions: what they answer is what is tested here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from dswarm import Code, KeyPair, NodeId
from dswarm.node_id import distance
from dswarm.record_delivery import Errands, Stored, deal, deliver

TARGET = bytes(32)
PEERS = sorted((KeyPair.generate().id for _ in range(30)), key=lambda peer: distance(TARGET, peer.data))

Store = Callable[[NodeId, Sequence[NodeId]], Awaitable[Stored]]


def dealt(count: int, *connected: int) -> Errands:
    """What is dealt among so many peers, of whom these are connected."""
    return deal(PEERS[:count], {PEERS[index] for index in connected}.__contains__)


def named(errands: Errands) -> list[int]:
    """The places of those that get the record from others."""
    return sorted(PEERS.index(other) for others in errands.values() for other in others)


def test_who_is_connected_is_asked_and_passes_the_record_on_to_all_others_each_to_four_at_most() -> None:
    errands = dealt(20, 2, 5, 6, 11, 17)
    assert [PEERS.index(peer) for peer in errands] == [2, 5, 6, 11, 17]
    assert named(errands) == [index for index in range(20) if index not in (2, 5, 6, 11, 17)]
    assert max(len(others) for others in errands.values()) <= 4


def test_each_is_named_to_the_closest_to_it_of_those_that_have_room() -> None:
    errands = dealt(8, 0, 1, 2, 3)
    assert named(errands) == [4, 5, 6, 7]
    for peer, others in errands.items():
        for other in others:
            assert distance(peer.data, other.data) == min(distance(near.data, other.data) for near in PEERS[:4])


def test_where_few_are_connected_the_closest_others_are_asked_as_well_so_that_four_are() -> None:
    assert [PEERS.index(peer) for peer in dealt(20, 19)] == [19, 0, 1, 2]
    assert named(dealt(20, 19)) == list(range(3, 19))
    assert dealt(3) == {peer: [] for peer in PEERS[:3]}
    assert dealt(0) == {}


def test_without_room_for_all_as_few_more_as_can_pass_it_on_to_the_rest_are_asked() -> None:
    errands = dealt(30, 0, 1, 2, 3)
    assert (len(errands), len(named(errands))) == (4 + 2, 16 + 8)


def test_who_is_connected_with_all_names_nobody() -> None:
    assert dealt(20, *range(20)) == {peer: [] for peer in PEERS[:20]}


class Peers:
    """Peers of whom some have an answer of their own; the others keep the record and pass it on."""

    def __init__(self, **answers: Store) -> None:
        self.asked: list[tuple[int, list[int]]] = []
        self._answers = {int(index.removeprefix("p")): answer for index, answer in answers.items()}

    async def store(self, peer: NodeId, others: Sequence[NodeId]) -> Stored:
        index = PEERS.index(peer)
        self.asked.append((index, [PEERS.index(other) for other in others]))
        return await self._answers.get(index, passes_on)(peer, others)

    async def deliver(self, errands: Errands, *, patience: float = 60) -> dict[int, Code]:
        async with asyncio.timeout(30):
            codes = await deliver(errands, self.store, patience=patience)
        return {PEERS.index(peer): code for peer, code in codes.items()}


async def passes_on(peer: NodeId, others: Sequence[NodeId]) -> Stored:
    return Stored(Code.OK, frozenset(other.data for other in others))


async def refuses(peer: NodeId, others: Sequence[NodeId]) -> Stored:
    return Stored(Code.RESOURCE_EXHAUSTED)


def errands_of(*errands: tuple[int, list[int]]) -> Errands:
    return {PEERS[peer]: [PEERS[other] for other in others] for peer, others in errands}


async def test_who_keeps_it_by_the_word_of_another_is_not_asked() -> None:
    peers = Peers()
    assert await peers.deliver(errands_of((0, [4, 5]), (1, []))) == dict.fromkeys((0, 1, 4, 5), Code.OK)
    assert peers.asked == [(0, [4, 5]), (1, [])]


async def test_who_does_not_keep_it_so_is_asked_and_answers_for_himself() -> None:
    async def keeps_and_tells_of_one(peer: NodeId, others: Sequence[NodeId]) -> Stored:
        return Stored(Code.OK, frozenset((others[0].data, PEERS[9].data, b"no id")))

    peers = Peers(p0=keeps_and_tells_of_one, p5=refuses)
    codes = await peers.deliver(errands_of((0, [4, 5, 6])))
    assert codes == {0: Code.OK, 4: Code.OK, 5: Code.RESOURCE_EXHAUSTED, 6: Code.OK}
    assert peers.asked == [(0, [4, 5, 6]), (5, []), (6, [])]


async def test_the_others_are_asked_when_who_was_to_pass_it_on_refuses() -> None:
    peers = Peers(p0=refuses)
    assert await peers.deliver(errands_of((0, [4, 5]))) == {0: Code.RESOURCE_EXHAUSTED, 4: Code.OK, 5: Code.OK}
    assert peers.asked == [(0, [4, 5]), (4, []), (5, [])]


async def test_the_others_are_asked_when_who_was_to_pass_it_on_takes_too_long() -> None:
    others_are_asked = asyncio.Event()

    async def answers_when_others_are_asked(peer: NodeId, others: Sequence[NodeId]) -> Stored:
        await others_are_asked.wait()
        return Stored(Code.OK, frozenset(other.data for other in others))

    async def is_asked(peer: NodeId, others: Sequence[NodeId]) -> Stored:
        others_are_asked.set()
        return Stored(Code.ABORTED)

    peers = Peers(p0=answers_when_others_are_asked, p4=is_asked)
    assert await peers.deliver(errands_of((0, [4])), patience=0.01) == {0: Code.OK, 4: Code.ABORTED}
