"""Connecting to a peer by its address."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from types import TracebackType
from typing import Any

from .connection import Connection
from .dial import HANDSHAKE_SECONDS, dial
from .interceptor import Interceptor, ServerInterceptor
from .keys import KeyPair
from .limits import Limits
from .memory import MemoryBudget
from .network import network_key
from .peer_address import PeerAddress
from .spec import ServiceBase

DEFAULT_NETWORK = "dev"


class connect:
    """Connects to a peer: ``connection = await connect(address)``, or ``async with connect(address) as connection``.

    ``address`` is "dswarm://KEY@HOST:PORT"; ``network`` its network's name or 32-byte key; ``keys`` who this end is, new ones
    where there are none; ``services`` what the peer may call back; ``interceptors`` are run around calls of this end, and
    ``server_interceptors`` around handlers; ``timeout`` seconds for the whole handshake.

    Raises RpcError as ``dial``, ``address_invalid`` and ``node_id_invalid``.
    """

    def __init__(
        self,
        address: str | PeerAddress,
        *,
        network: str | bytes = DEFAULT_NETWORK,
        keys: KeyPair | None = None,
        services: Iterable[ServiceBase] = (),
        limits: Limits | None = None,
        memory: MemoryBudget | None = None,
        interceptors: Iterable[Interceptor] = (),
        server_interceptors: Iterable[ServerInterceptor] = (),
        timeout: float = HANDSHAKE_SECONDS,
    ) -> None:
        self._address = PeerAddress.parse(address) if isinstance(address, str) else address
        self._network_key = network_key(network)
        self._keys = keys or KeyPair.generate()
        self._services = tuple(services)
        self._limits = limits
        self._memory = memory
        self._interceptors = tuple(interceptors)
        self._server_interceptors = tuple(server_interceptors)
        self._timeout = timeout
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._connection is not None:
            await self._connection.__aexit__(exc_type, exc, traceback)

    async def _connect(self) -> Connection:
        link = await dial(self._address, self._keys, self._network_key, timeout=self._timeout)
        return Connection(
            link,
            services=self._services,
            limits=self._limits,
            memory=self._memory,
            interceptors=self._interceptors,
            server_interceptors=self._server_interceptors,
        )
