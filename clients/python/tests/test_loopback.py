"""Addresses of loopback are taken from this machine alone."""

from __future__ import annotations

import pytest

from dswarm import KeyPair
from dswarm.loopback import elsewhere, is_near
from dswarm.peer_address import HostPort


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (["127.0.0.1"], True),
        (["::1"], True),
        (["192.0.2.1", "127.0.0.9"], True),
        (["::ffff:127.0.0.1"], True),
        (["localhost"], True),
        (["192.0.2.1", "2001:db8::1"], False),
    ],
)
def test_who_may_be_on_this_machine(hosts: list[str], expected: bool) -> None:
    assert is_near([HostPort(host, 1) for host in hosts]) is expected


def test_what_another_machine_tells() -> None:
    here, both = KeyPair.generate().id, KeyPair.generate().id
    outer = HostPort("192.0.2.1", 1)
    assert elsewhere([(here, [HostPort("127.0.0.1", 22)]), (both, [HostPort("::1", 22), outer])]) == [(both, [outer])]
