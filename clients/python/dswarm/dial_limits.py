"""Limits of the dials that contacts of strangers cause (docs/protocol.md, section 2, "Dials").

Keys are free, so the limits are by endpoint: a port of a machine, whatever keys and addresses name it.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .errors import RpcError, fault
from .loopback import is_near
from .node_id import NodeId
from .peer_address import HostPort, PeerAddress

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0
_BURST_SECONDS = 16.0
_PER_SECOND = 32.0
_PER_MACHINE_PER_SECOND = 8.0
_MAX_ENDPOINTS = 4096
_MAX_MACHINES = 1024

Endpoint = tuple[str, int]


@dataclass(slots=True)
class _Failure:
    pause: float
    until: float
    error: RpcError


class _Rate:
    """A token bucket that holds 16 seconds' worth of tokens."""

    __slots__ = ("_at", "_per_second", "tokens")

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._at = now
        self.tokens = per_second * _BURST_SECONDS

    def fill(self, now: float) -> None:
        """Adds the tokens of the time since the last call."""
        self.tokens = min(self._per_second * _BURST_SECONDS, self.tokens + (now - self._at) * self._per_second)
        self._at = now


class DialLimits:
    """Decides which endpoints a client may dial now. Bounded by 4096 endpoints and 1024 machines.

    Each ``begin`` that returns None is followed by one of ``proven``, ``failed`` and ``given_up``.
    """

    def __init__(
        self,
        trusted: Iterable[PeerAddress],
        *,
        is_connected: Callable[[NodeId], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``trusted``: addresses that the program named itself, which have no limits."""
        self._trusted = frozenset((peer.id, peer.endpoint) for peer in trusted)
        self._is_connected = is_connected
        self._now = now
        self._failures: dict[Endpoint, _Failure] = {}
        self._owners: dict[Endpoint, NodeId] = {}
        self._busy: set[Endpoint] = set()
        self._all = _Rate(_PER_SECOND, now())
        self._machines: dict[str, _Rate] = {}

    def begin(self, peer: NodeId, address: HostPort) -> RpcError | None:
        """Begins a dial, or returns the reason against it.

        The reasons: what the last dial of the endpoint failed with, during the pause after it; ``authentication_failed`` where
        another key is connected; ``dial_limited``.
        """
        if (peer, address) in self._trusted:
            return None
        endpoint = _endpoint(address)
        owner = self._owners.get(endpoint)
        if owner is not None and owner != peer and self._is_connected(owner):
            return fault("authentication_failed", "another key has proven itself there")
        now = self._now()
        failure = self._failures.get(endpoint)
        if failure is not None and now < failure.until:
            return failure.error
        machine = self._machine(endpoint[0], now)
        self._all.fill(now)
        if endpoint in self._busy or machine.tokens < 1 or self._all.tokens < 1:
            return fault("dial_limited", "strangers' claims have used up the dials for now")
        self._busy.add(endpoint)
        machine.tokens -= 1
        self._all.tokens -= 1
        return None

    def proven(self, peer: NodeId, address: HostPort) -> None:
        """Ends a dial that has proven the key. It costs nothing."""
        endpoint = _endpoint(address)
        self._owners.pop(endpoint, None)
        self._owners[endpoint] = peer
        if len(self._owners) > _MAX_ENDPOINTS:
            del self._owners[next(iter(self._owners))]
        self._failures.pop(endpoint, None)
        if endpoint in self._busy:
            self._busy.remove(endpoint)
            self._machine(endpoint[0], self._now()).tokens += 1
            self._all.tokens += 1

    def failed(self, address: HostPort, error: RpcError) -> None:
        """Ends a dial that has failed: the endpoint has a pause, which doubles with each failure."""
        endpoint = _endpoint(address)
        if endpoint not in self._busy:
            return
        self._busy.remove(endpoint)
        before = self._failures.pop(endpoint, None)
        pause = _FIRST_PAUSE_SECONDS if before is None else min(2 * before.pause, _LONGEST_PAUSE_SECONDS)
        self._failures[endpoint] = _Failure(pause, self._now() + pause, error)
        if len(self._failures) > _MAX_ENDPOINTS:
            del self._failures[next(iter(self._failures))]

    def given_up(self, address: HostPort) -> None:
        """Ends a dial that this program has given up: nothing is known of the endpoint."""
        self._busy.discard(_endpoint(address))

    def _machine(self, name: str, now: float) -> _Rate:
        rate = self._machines.pop(name, None) or _Rate(_PER_MACHINE_PER_SECOND, now)
        self._machines[name] = rate
        if len(self._machines) > _MAX_MACHINES:
            del self._machines[next(iter(self._machines))]
        rate.fill(now)
        return rate


def _endpoint(address: HostPort) -> Endpoint:
    """All addresses of this machine are one machine."""
    return ("" if is_near([address]) or _is_own(address.host) else address.host, address.port)


def _is_own(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
