"""A client of a network: it reaches peers by address, by key alone or by what they serve, and connects again after the end.

peer(address) ─────────────────────┐
peer(key) ── looked up in the DHT ─┼─► Peer ── connection(), made anew when it is needed ──► calls
provider(service) ── likewise ─────┘
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType

from .backoff import Backoff
from .call import Connecting
from .connect import DEFAULT_NETWORK, connect
from .connection import Connection
from .dht import Dht
from .errors import RpcError, fault
from .interceptor import Interceptor, ServerInterceptor
from .keys import KeyPair
from .limits import Limits
from .node_id import NodeId
from .peer_address import PeerAddress
from .record import key_of_name
from .spec import ServiceBase, ServiceSpec

_logger = logging.getLogger("dswarm")
_MAX_ADDRESSES = 16
"""Providers that are tried for one connection."""

Find = Callable[[], Awaitable[list[PeerAddress]]]


class Swarm:
    """A client of a network. ``async with`` closes it.

    With ``services``, it keeps a connection to each node of ``bootstrap`` and serves there: when one ends, it dials again, after a
    pause that doubles from 0.5 s to 60 s.
    """

    def __init__(
        self,
        bootstrap: Iterable[str | PeerAddress],
        *,
        network: str | bytes = DEFAULT_NETWORK,
        keys: KeyPair | None = None,
        services: Iterable[ServiceBase] = (),
        limits: Limits | None = None,
        interceptors: Iterable[Interceptor] = (),
        server_interceptors: Iterable[ServerInterceptor] = (),
    ) -> None:
        """``bootstrap``: addresses of nodes to begin with. ``services`` are served on every connection."""
        self._bootstrap = [PeerAddress.parse(peer) if isinstance(peer, str) else peer for peer in bootstrap]
        self.keys = keys or KeyPair.generate()
        self.dht = Dht(self._bootstrap, network=network, keys=self.keys, dial=self.dial)
        self.interceptors = tuple(interceptors)
        self._network = network
        self._services = tuple(services)
        self._limits = limits
        self._server_interceptors = tuple(server_interceptors)
        # Bounded by what the program asks for.
        self._peers: dict[object, Peer] = {}
        # One for each node: a node keeps only the newest connection of a key. Those that have ended leave with the next.
        self._connections: dict[NodeId, asyncio.Task[Connection]] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._is_closed = False

    def peer(self, who: str | PeerAddress | NodeId) -> Peer:
        """A peer by "dswarm://KEY@HOST:PORT", or by its key alone, as NodeId or as text. Dials when it is called.

        Raises RpcError ``address_invalid``, ``node_id_invalid``.
        """
        if isinstance(who, str):
            who = PeerAddress.parse(who) if "://" in who else NodeId.parse(who)
        if isinstance(who, PeerAddress):
            address = who

            async def at_address() -> list[PeerAddress]:
                return [address]

            return self._peer(address, at_address)
        peer_id = who

        async def by_key() -> list[PeerAddress]:
            return [PeerAddress(peer_id, endpoint) for endpoint in await self.dht.find_peer(peer_id)]

        return self._peer(peer_id, by_key)

    def provider(self, service: str | ServiceSpec) -> Peer:
        """Any peer that provides a service, found in the DHT by its type name, "package.Service"."""
        name = service if isinstance(service, str) else service.name

        async def by_name() -> list[PeerAddress]:
            found = await self.dht.find_providers(key_of_name(name))
            # Not all clients are to call the same one.
            random.shuffle(found)
            return [PeerAddress(peer, endpoint) for peer, endpoints in found for endpoint in endpoints]

        return self._peer(name, by_name)

    async def serve(self) -> None:
        """Returns when this client serves to each node of ``bootstrap``, or has found out that it is not there at present."""
        if not self._keepers:
            loop = asyncio.get_running_loop()
            self._keepers = [loop.create_task(self._keep(self.peer(address))) for address in self._bootstrap]
        await asyncio.gather(*(self.peer(address).tried.wait() for address in self._bootstrap))

    @property
    def is_serving(self) -> bool:
        """Whether there is a connection to each node of ``bootstrap``, on which it serves."""
        tasks = [self._connections.get(address.id) for address in self._bootstrap]
        return all(task is not None and task.done() and _may_be_usable(task) for task in tasks)

    async def close(self) -> None:
        """Closes all connections."""
        self._is_closed = True
        for keeper in self._keepers:
            keeper.cancel()
        for peer in self._peers.values():
            peer.stop()
        open_ones = [task.result() for task in self._connections.values() if task.done() and _may_be_usable(task)]
        for task in self._connections.values():
            task.cancel()
        await asyncio.gather(*(connection.close() for connection in open_ones), self.dht.close())

    async def __aenter__(self) -> Swarm:
        if self._services:
            await self.serve()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _keep(self, peer: Peer) -> None:
        while not self._is_closed:
            try:
                connection = await peer.connection(patient=True)
            except RpcError as error:
                _logger.warning("nothing is served at %s: %s", peer, error)
                continue
            await connection.wait_closed()

    def _peer(self, name: object, find: Find) -> Peer:
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = Peer(self, str(name), find)
        return peer

    async def dial(self, address: PeerAddress) -> Connection:
        """The connection to a node, made at an address when there is none; what is served here is served on it."""
        task = self._connections.get(address.id)
        if task is None or not _may_be_usable(task):
            self._connections = {peer: each for peer, each in self._connections.items() if _may_be_usable(each)}
            task = self._connections[address.id] = asyncio.get_running_loop().create_task(self._connect(address))
        return await asyncio.shield(task)

    async def _connect(self, address: PeerAddress) -> Connection:
        return await connect(
            address,
            network=self._network,
            keys=self.keys,
            services=self._services,
            limits=self._limits,
            server_interceptors=self._server_interceptors,
        )


def _may_be_usable(task: asyncio.Task[Connection]) -> bool:
    return not task.done() or (not task.cancelled() and task.exception() is None and task.result().is_usable)


class Peer(Connecting):
    """A peer of a Swarm, for generated clients: ``EchoServiceClient(swarm.peer(…))``. Made by Swarm."""

    def __init__(self, swarm: Swarm, name: str, find: Find) -> None:
        self.interceptors = swarm.interceptors
        self.tried = asyncio.Event()
        """Set when a connection was made, or failed."""
        self._swarm = swarm
        self._name = name
        self._find = find
        self._backoff = Backoff()
        self._current: Connection | None = None
        self._connecting: asyncio.Task[Connection] | None = None

    def __str__(self) -> str:
        return self._name

    async def connection(self, *, patient: bool = False) -> Connection:
        """The connection to the peer, made when there is none. While a failure is recent it fails at once, or waits if ``patient``.

        Raises RpcError as ``connect``.
        """
        if self._current is not None and self._current.is_usable:
            return self._current
        if self._connecting is None:
            if patient:
                await asyncio.sleep(self._backoff.left())
            elif self._backoff.left() > 0 and self._backoff.error is not None:
                raise self._backoff.error
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())
            self._connecting.add_done_callback(self._on_connected)
        return await asyncio.shield(self._connecting)

    def stop(self) -> None:
        """Connects no more."""
        if self._connecting is not None:
            self._connecting.cancel()

    async def _connect(self) -> Connection:
        error: RpcError = fault("unreachable", f"nothing is known of {self._name}")
        for address in (await self._find())[:_MAX_ADDRESSES]:
            try:
                return await self._swarm.dial(address)
            except RpcError as failure:
                error = failure
        raise error

    def _on_connected(self, done: asyncio.Task[Connection]) -> None:
        self._connecting = None
        self.tried.set()
        if done.cancelled():
            return
        failure = done.exception()
        if failure is None:
            self._backoff.succeeded()
            self._current = done.result()
        elif isinstance(failure, RpcError):
            self._backoff.failed(failure)
