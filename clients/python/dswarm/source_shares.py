"""What strangers' datagrams may take of this process, by the address and the UDP port that they come from."""

from __future__ import annotations

from collections import Counter
from typing import Generic, TypeVar

_PER_SECOND = 200.0
_AT_ONCE = 2000.0
_PORT_PER_SECOND = 100.0
_PORT_AT_ONCE = 1000.0
_MAX_PORTS = 4096

Source = tuple[str, int]
T = TypeVar("T")


class SourceShares(Generic[T]):
    """Items by source. Bounded by whoever adds items."""

    def __init__(self) -> None:
        self._sources: dict[T, Source] = {}
        self._by_address: Counter[str] = Counter()
        # Items of a port, the one refreshed longest ago first.
        self._by_port: dict[str, dict[int, dict[T, None]]] = {}

    def add(self, item: T, source: Source) -> None:
        """Adds an item that is not there."""
        address, port = source
        self._sources[item] = source
        self._by_address[address] += 1
        self._by_port.setdefault(address, {}).setdefault(port, {})[item] = None

    def remove(self, item: T) -> None:
        """Takes an item out that is there."""
        address, port = self._sources.pop(item)
        self._by_address[address] -= 1
        items = self._by_port[address][port]
        del items[item]
        if not items:
            del self._by_port[address][port]
        if not self._by_address[address]:
            del self._by_address[address]
            del self._by_port[address]

    def refresh(self, item: T) -> None:
        """Makes an item that is there the newest of its port."""
        address, port = self._sources[item]
        items = self._by_port[address][port]
        del items[item]
        items[item] = None

    def excess(self) -> T:
        """Of the address that has most, the port that has most, the oldest item. There must be one."""
        address = max(self._by_address, key=self._by_address.__getitem__)
        items = max(self._by_port[address].values(), key=len)
        return next(iter(items))


class _Bucket:
    """A token bucket."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, now: float) -> None:
        self.tokens = tokens
        self.at = now

    def fill(self, per_second: float, burst: float, now: float) -> None:
        """Adds what has come since."""
        self.tokens = min(burst, self.tokens + max(now - self.at, 0.0) * per_second)
        self.at = now


class Verifications:
    """Bounds the signatures that strangers make this process verify: 400 a second, half of them of ports that were quiet.

    So a flood from other ports keeps out no newcomer. Bounded by 4096 ports.
    """

    def __init__(self) -> None:
        self._quiet = _Bucket(_AT_ONCE, 0.0)
        self._busy = _Bucket(_AT_ONCE, 0.0)
        self._ports: dict[Source, _Bucket] = {}

    def take(self, source: Source, now: float) -> bool:
        """Whether one more signature may be verified."""
        port = self._ports.pop(source, None) or _Bucket(_PORT_AT_ONCE, now)
        if len(self._ports) >= _MAX_PORTS:
            # What is forgotten begins again with a full bucket, which the shares of all bound.
            del self._ports[next(iter(self._ports))]
        self._ports[source] = port
        port.fill(_PORT_PER_SECOND, _PORT_AT_ONCE, now)
        if port.tokens < 1:
            return False
        share = self._quiet if port.tokens > _PORT_AT_ONCE - 1 else self._busy
        share.fill(_PER_SECOND, _AT_ONCE, now)
        if share.tokens < 1:
            return False
        share.tokens -= 1
        port.tokens -= 1
        return True
