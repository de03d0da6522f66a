"""A client of the DHT, which serves none itself: it looks up, puts and gets, and verifies what peers answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from types import TracebackType

from . import record as records
from .connect import DEFAULT_NETWORK, connect
from .connection import Connection
from .dht_client import DhtClient
from .dial_limits import DialLimits
from .errors import Code, RpcError, fault
from .keys import KeyPair
from .loopback import elsewhere, is_near
from .node_id import NodeId, distance
from .peer_address import HostPort, PeerAddress
from .record_delivery import Stored, deal, deliver
from .v1.dht_pb2 import Contact, FindNodeRequest, FindValueRequest, Record, StoreRequest

_K = 20
_ALPHA = 3
_MAX_CONTACTS = 30
_MAX_RECORDS = 130
_MAX_QUERIES = 200
_QUERY_SECONDS = 4.0
_TTL_SECONDS = 86_400
_QUORUM = 3
_MAX_CONNECTIONS = 256
_MAX_PROVIDERS = 64
_MAX_TRIES = 3
# With these a peer has answered a Store. Who fails in another way does not count among the 20 closest.
_ANSWERS_TO_STORE = frozenset(
    (
        Code.OK,
        Code.INVALID_ARGUMENT,
        Code.PERMISSION_DENIED,
        Code.RESOURCE_EXHAUSTED,
        Code.FAILED_PRECONDITION,
        Code.ABORTED,
    )
)

# With these nothing has come from a peer of this network.
_SILENCE = frozenset((Code.UNAVAILABLE, Code.UNAUTHENTICATED, Code.DEADLINE_EXCEEDED))

Answer = tuple[list[tuple[NodeId, list[HostPort]]], list[Record]]


@dataclass(frozen=True, slots=True)
class Value:
    """What was found under a key. ``sequence`` is None for an immutable value."""

    value: bytes
    sequence: int | None


@dataclass(frozen=True, slots=True)
class Published:
    """Where a record was published. ``sequence`` is None for an immutable value.

    ``replicas`` are the nodes that keep it, at least one; some of them by the word of another node that passed it on to them.
    """

    key: bytes
    sequence: int | None
    replicas: tuple[NodeId, ...]


class Dht:
    """The DHT of a network, by way of nodes that are known. ``async with`` closes its connections."""

    def __init__(
        self,
        bootstrap: Iterable[str | PeerAddress],
        *,
        network: str | bytes = DEFAULT_NETWORK,
        keys: KeyPair | None = None,
        dial: Callable[[PeerAddress], Awaitable[Connection]] | None = None,
    ) -> None:
        """``bootstrap``: addresses of nodes to begin with. ``dial`` makes its connections, ``connect`` by default."""
        parsed = [PeerAddress.parse(peer) if isinstance(peer, str) else peer for peer in bootstrap]
        self.keys = keys or KeyPair.generate()
        self._network = network
        self._dial_one = dial or self._connect
        self._seeds = [(peer.id, [peer.endpoint]) for peer in parsed]
        # Of the last provider record.
        self._sequence = 0
        # The oldest goes when there are more than _MAX_CONNECTIONS.
        self._connections: dict[NodeId, asyncio.Task[Connection]] = {}
        self._dials = DialLimits(parsed, is_connected=self._is_connected)

    async def put(self, value: bytes) -> Published:
        """Publishes a value.

        Raises RpcError ``record_too_large``; ``store_refused`` or ``quota_exceeded`` when no node keeps it.
        """
        return await self._publish(records.immutable(value))

    async def get(self, key: bytes) -> Value | None:
        """The value under a key (32 bytes); None where there is none, or it was deleted.

        Raises RpcError ``record_key_invalid``; when no node is reached, ``unreachable`` and the other errors of ``connect``.
        """
        _check_key(key)
        found = await self._find(key, _QUORUM)
        if found is None or (found.HasField("mutable") and found.mutable.deleted):
            return None
        if found.HasField("immutable"):
            return Value(found.immutable.value, None)
        return Value(found.mutable.value, found.mutable.sequence)

    async def update(self, value: bytes, *, salt: bytes = b"", expected_sequence: int | None = None) -> Published:
        """Publishes a value under this client's key, in place of the one before.

        Raises RpcError as ``put``; ``record_conflict`` when ``expected_sequence`` is not the one there (0 where there is none).
        """
        # A value that is too large fails first, even where no node answers.
        records.mutable(self.keys, value, 1, salt)
        current = await self._find(records.key_of_signer(self.keys.id, salt), _K)
        sequence = 0 if current is None else current.mutable.sequence
        if expected_sequence is not None and expected_sequence != sequence:
            raise fault("record_conflict", f"the sequence is {sequence}, not {expected_sequence}")
        return await self._publish(records.mutable(self.keys, value, sequence + 1, salt), expected_sequence)

    async def provide(self, key: bytes, addresses: Iterable[HostPort]) -> Published:
        """Says that this client's key provides something at addresses (IP addresses, 1 to 4).

        This client listens nowhere: a node with its key is to serve at each. It dials them first, and publishes nothing if its
        key is not proven at one. Raises RpcError as ``put``, and as ``connect`` for an address that nobody can dial.
        """
        _check_key(key)
        endpoints = list(addresses)
        record = records.provider(self.keys, key, endpoints, self._sequence)
        for endpoint in records.addresses_of(record.provider.provider):
            async with connect(PeerAddress(self.keys.id, endpoint), network=self._network):
                pass
        for tries in range(1, _MAX_TRIES + 1):
            # Larger than all before, also where the clock was put back.
            self._sequence = max(int(time.time() * 1000), self._sequence + 1)
            try:
                return await self._publish(records.provider(self.keys, key, endpoints, self._sequence))
            except RpcError as error:
                if error.reason != "record_conflict" or tries == _MAX_TRIES:
                    raise
        raise AssertionError("the last try returns or raises")

    async def find_providers(self, key: bytes) -> list[tuple[NodeId, list[HostPort]]]:
        """Finds the providers under a key, each by its newest word; at most 64.

        The nodes that answer take turns at naming them, so that none can fill the list with strangers. Raises RpcError as ``get``.
        """
        _check_key(key)
        newest: dict[bytes, Record] = {}
        answers: list[list[bytes]] = []

        def take(found: list[Record]) -> bool:
            words = [held for held in found if held.HasField("provider")]
            for held in words:
                known = newest.get(held.provider.provider.id)
                if known is None or known.provider.sequence < held.provider.sequence:
                    newest[held.provider.provider.id] = held
            answers.append([held.provider.provider.id for held in words])
            providing = sum(not held.provider.withdrawn for held in newest.values())
            return len(answers) >= _QUORUM and providing >= _MAX_PROVIDERS

        await self._lookup(key, self._ask_value(key, immutable_suffices=False), take)
        in_turns = dict.fromkeys(name for turn in zip_longest(*answers) for name in turn if name is not None)
        words = [newest[name].provider for name in in_turns if not newest[name].provider.withdrawn]
        return [(NodeId(word.provider.id), records.addresses_of(word.provider)) for word in words[:_MAX_PROVIDERS]]

    async def find_peer(self, peer: NodeId) -> list[HostPort]:
        """Where a node is dialed, by its key; none where nobody knows it. Raises RpcError as ``get``."""

        async def ask(client: DhtClient) -> Answer:
            response = await client.find_node(FindNodeRequest(target=peer.data), timeout=_QUERY_SECONDS)
            return self._contacts(response.contacts), []

        heard = dict(await self._lookup(peer.data, ask, lambda _: False, answers=_ALPHA))
        return heard.get(peer, [])

    async def close(self) -> None:
        """Closes the connections."""
        tasks, self._connections = list(self._connections.values()), {}
        for task in tasks:
            task.cancel() if not task.done() else None
        connections = [task.result() for task in tasks if task.done() and not task.cancelled() and not task.exception()]
        await asyncio.gather(*(connection.close() for connection in connections))

    async def __aenter__(self) -> Dht:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _find(self, key: bytes, quorum: int) -> Record | None:
        best: Record | None = None
        answers = 0

        def take(found: list[Record]) -> bool:
            nonlocal best, answers
            values = [held for held in found if not held.HasField("provider")]
            for held in values:
                if best is None or (not best.HasField("immutable") and held.mutable.sequence > best.mutable.sequence):
                    best = held
            answers += bool(values)
            return answers >= quorum or (best is not None and best.HasField("immutable"))

        await self._lookup(key, self._ask_value(key, immutable_suffices=True), take)
        return best

    async def _publish(self, held: Record, expected_sequence: int | None = None) -> Published:
        key = records.key_of(held)
        held.ttl_s = _TTL_SECONDS

        async def ask(client: DhtClient) -> Answer:
            response = await client.find_node(FindNodeRequest(target=key), timeout=_QUERY_SECONDS)
            return self._contacts(response.contacts), []

        async def store(peer: NodeId, others: Sequence[NodeId]) -> Stored:
            forward_to = [other.data for other in others]
            request = StoreRequest(record=held, expected_sequence=expected_sequence, forward_to=forward_to)
            try:
                client = DhtClient(await self._connection(peer, heard[peer]))
                response = await client.store(request, timeout=_QUERY_SECONDS)
            except RpcError as error:
                return Stored(error.code)
            return Stored(Code.OK, frozenset(response.kept_by))

        # A few of the closest know all about the others there.
        heard = dict(await self._lookup(key, ask, lambda _: False, answers=_ALPHA))
        left = list(heard)[:_MAX_QUERIES]
        outcome: dict[NodeId, Code] = {}
        while left and (missing := _K - sum(code in _ANSWERS_TO_STORE for code in outcome.values())) > 0:
            nearest, left = left[:missing], left[missing:]
            outcome.update(await deliver(deal(nearest, self._is_connected), store))
        codes = set(outcome.values())
        is_refused = Code.ABORTED in codes or Code.FAILED_PRECONDITION in codes
        if not held.HasField("immutable") and is_refused and await self._is_overtaken(key, held):
            raise fault("record_conflict", "another update has come between")
        if Code.OK not in codes:
            reason = "quota_exceeded" if Code.RESOURCE_EXHAUSTED in codes else "store_refused"
            raise fault(reason, "no peer has kept the record")
        sequence = None if held.HasField("immutable") else _sequence_of(held)
        return Published(key, sequence, tuple(peer for peer, code in outcome.items() if code is Code.OK))

    async def _is_overtaken(self, key: bytes, held: Record) -> bool:
        """Whether anybody shows a record that came between: who refuses one for that may lie.

        Of provider records of this client's own key it notes the largest sequence, to go on from there.
        """
        is_provider = held.HasField("provider")
        ours, is_overtaken = held.provider if is_provider else held.mutable, False

        def take(found: list[Record]) -> bool:
            nonlocal is_overtaken
            for other in found:
                if is_provider and (not other.HasField("provider") or other.provider.provider.id != self.keys.id.data):
                    continue
                if not is_provider and not other.HasField("mutable"):
                    continue
                theirs = other.provider if is_provider else other.mutable
                if theirs.sequence >= ours.sequence and theirs.signature != ours.signature:
                    is_overtaken = True
                    if is_provider:
                        self._sequence = max(self._sequence, theirs.sequence)
            return is_overtaken and not is_provider

        await self._lookup(key, self._ask_value(key, immutable_suffices=False), take)
        return is_overtaken

    def _ask_value(self, key: bytes, *, immutable_suffices: bool) -> Callable[[DhtClient], Awaitable[Answer]]:
        async def ask(client: DhtClient) -> Answer:
            request = FindValueRequest(key=key, immutable_suffices=immutable_suffices)
            response = await client.find_value(request, timeout=_QUERY_SECONDS)
            # An answer with a record that is not genuine, or of another key, counts as none.
            if len(response.records) > _MAX_RECORDS or any(records.key_of(held) != key for held in response.records):
                raise fault("record_invalid", "records that do not belong to the key, or too many")
            return self._contacts(response.contacts), list(response.records)

        return ask

    def _contacts(self, contacts: Sequence[Contact]) -> list[tuple[NodeId, list[HostPort]]]:
        usable = []
        for contact in contacts[:_MAX_CONTACTS]:
            try:
                peer, addresses = NodeId(contact.id), records.addresses_of(contact)
            except RpcError:
                continue
            if peer != self.keys.id:
                usable.append((peer, addresses))
        return usable

    async def _lookup(
        self,
        target: bytes,
        ask: Callable[[DhtClient], Awaitable[Answer]],
        take: Callable[[list[Record]], bool],
        *,
        answers: int = _K,
    ) -> list[tuple[NodeId, list[HostPort]]]:
        """Asks the closest that are known, three at a time, until the 20 closest that have not failed have answered.

        ``answers``: so many of the 20 suffice; those that it is connected with are asked first then. Returns all that it has heard
        of and that have not failed, the closest first. Raises RpcError when no node is reached: that of the first.
        """
        known = dict(self._seeds)
        answered: set[NodeId] = set()
        failed: set[NodeId] = set()
        silence: BaseException = fault("unreachable", "no node of the DHT is known")
        is_heard = False
        asking: dict[asyncio.Task[Answer], NodeId] = {}
        queries = 0

        async def query(peer: NodeId) -> Answer:
            contacts, held = await ask(DhtClient(await self._connection(peer, known[peer])))
            return (contacts if is_near(known[peer]) else elsewhere(contacts)), held

        def alive() -> list[NodeId]:
            return sorted((peer for peer in known if peer not in failed), key=lambda peer: distance(target, peer.data))

        try:
            while True:
                closest = alive()[:_K]
                if sum(peer in answered for peer in closest) >= answers:
                    break
                if answers < _K:
                    closest.sort(key=self._is_connected, reverse=True)
                for peer in closest:
                    if len(asking) == _ALPHA or queries == _MAX_QUERIES:
                        break
                    if peer not in answered and peer not in asking.values():
                        asking[asyncio.ensure_future(query(peer))] = peer
                        queries += 1
                if not asking:
                    # That nobody answers says nothing of what there is.
                    if not answered and not is_heard:
                        raise silence
                    break
                done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    peer = asking.pop(task)
                    failure = task.exception()
                    if failure is not None:
                        if not failed:
                            silence = failure
                        is_heard = is_heard or not _is_silence(failure)
                        failed.add(peer)
                        continue
                    answered.add(peer)
                    contacts, found = task.result()
                    for other, addresses in contacts:
                        known.setdefault(other, addresses)
                    if found and take(found):
                        return [(peer, known[peer]) for peer in alive()]
            return [(peer, known[peer]) for peer in alive()]
        finally:
            for task in asking:
                task.cancel()

    def _is_connected(self, peer: NodeId) -> bool:
        task = self._connections.get(peer)
        return task is not None and _is_usable(task)

    async def _connection(self, peer: NodeId, addresses: list[HostPort]) -> Connection:
        task = self._connections.get(peer)
        if task is None or (task.done() and not _is_usable(task)):
            if len(self._connections) >= _MAX_CONNECTIONS:
                oldest = self._connections.pop(next(iter(self._connections)))
                if oldest.done() and not oldest.cancelled() and not oldest.exception():
                    oldest.result().abort()
            task = self._connections[peer] = asyncio.ensure_future(self._dial(peer, addresses))
        return await asyncio.shield(task)

    async def _dial(self, peer: NodeId, addresses: list[HostPort]) -> Connection:
        error: RpcError = fault("unreachable", "no address is known")
        for endpoint in addresses:
            refusal = self._dials.begin(peer, endpoint)
            if refusal is not None:
                error = refusal
                continue
            try:
                connection = await self._dial_one(PeerAddress(peer, endpoint))
            except RpcError as failure:
                self._dials.failed(endpoint, failure)
                error = failure
            except BaseException:
                self._dials.given_up(endpoint)
                raise
            else:
                self._dials.proven(peer, endpoint)
                return connection
        raise error

    async def _connect(self, address: PeerAddress) -> Connection:
        return await connect(address, network=self._network, keys=self.keys)


def _check_key(key: bytes) -> None:
    if not isinstance(key, bytes | bytearray):
        raise TypeError(f"a key is bytes, not {type(key).__name__}: dswarm.record.parse_key reads it from text")
    if len(key) != 32:
        raise fault("record_key_invalid", f"expected 32 bytes, got {len(key)}")


def _is_silence(failure: BaseException) -> bool:
    """Whether nothing was heard of a peer that failed; not where it has answered what counts as none, or refused."""
    return not isinstance(failure, RpcError) or failure.code in _SILENCE


def _sequence_of(held: Record) -> int:
    return held.mutable.sequence if held.HasField("mutable") else held.provider.sequence


def _is_usable(task: asyncio.Task[Connection]) -> bool:
    return task.done() and not task.cancelled() and not task.exception() and task.result().is_usable
