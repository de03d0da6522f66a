"""The client dials an endpoint a few times, however many keys strangers invent for it."""

from __future__ import annotations

from dswarm import KeyPair
from dswarm.dial_limits import DialLimits
from dswarm.errors import fault
from dswarm.node_id import NodeId
from dswarm.peer_address import HostPort, PeerAddress

REFUSED = fault("unreachable", "connection refused")


class Clock:
    """Seconds that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def stranger() -> NodeId:
    return KeyPair.generate().id


def nobody(_: NodeId) -> bool:
    return False


def test_a_thousand_keys_that_name_one_port_are_dialed_a_few_times() -> None:
    clock = Clock()
    limits = DialLimits([], is_connected=nobody, now=clock)
    keys = [stranger() for _ in range(1000)]
    dials = 0
    for i in range(6000):
        address = HostPort(("127.0.0.1", "127.0.0.2", "::1")[i % 3], 9)
        refusal = limits.begin(keys[i % 1000], address)
        if refusal is None:
            dials += 1
            limits.failed(address, REFUSED)
        else:
            assert refusal is REFUSED
        clock.seconds += 0.01
    assert 2 <= dials <= 20


def test_one_dial_at_a_time_is_made_to_an_endpoint() -> None:
    limits = DialLimits([], is_connected=nobody)
    address = HostPort("192.0.2.1", 9)
    assert limits.begin(stranger(), address) is None
    second = limits.begin(stranger(), address)
    assert second is not None
    assert second.reason == "dial_limited"
    limits.given_up(address)
    assert limits.begin(stranger(), address) is None


def test_dials_to_one_machine_that_fail_are_bounded() -> None:
    limits = DialLimits([], is_connected=nobody, now=Clock())
    peer = stranger()

    def dial(host: str, port: int) -> bool:
        address = HostPort(host, port)
        if limits.begin(peer, address) is not None:
            return False
        limits.failed(address, REFUSED)
        return True

    assert sum(dial("192.0.2.1", port) for port in range(1, 1001)) == 128
    assert dial("192.0.2.2", 1)


def test_dials_that_succeed_cost_nothing() -> None:
    limits = DialLimits([], is_connected=nobody, now=Clock())
    for port in range(1, 1001):
        peer, address = stranger(), HostPort("192.0.2.1", port)
        assert limits.begin(peer, address) is None
        limits.proven(peer, address)


def test_an_endpoint_belongs_to_the_key_that_is_connected_there() -> None:
    connected: set[NodeId] = set()
    limits = DialLimits([], is_connected=connected.__contains__)
    owner, address = stranger(), HostPort("127.0.0.1", 9)
    assert limits.begin(owner, address) is None
    limits.proven(owner, address)
    connected.add(owner)
    refusal = limits.begin(stranger(), HostPort("::1", 9))
    assert refusal is not None
    assert refusal.reason == "authentication_failed"
    connected.clear()
    assert limits.begin(stranger(), HostPort("::1", 9)) is None


def test_addresses_that_the_program_named_have_no_limits() -> None:
    named = PeerAddress(stranger(), HostPort("127.0.0.1", 9))
    limits = DialLimits([named], is_connected=nobody)
    for _ in range(3):
        assert limits.begin(named.id, named.endpoint) is None
        limits.failed(named.endpoint, REFUSED)
