"""The client refuses a wrong argument at once, even without a peer."""

from __future__ import annotations

from typing import Any

import pytest

from dswarm import Dht, HostPort, RpcError, discover

from .test_sizes import ADDRESS


@pytest.mark.parametrize("act", ["get", "find_providers", "provide"])
async def test_a_key_of_another_length_is_refused(act: str) -> None:
    async with Dht([ADDRESS]) as dht:
        more = [[HostPort("127.0.0.1", 1)]] if act == "provide" else []
        with pytest.raises(RpcError, match="expected 32 bytes, got 5") as caught:
            await getattr(dht, act)(b"short", *more)
        assert caught.value.reason == "record_key_invalid"
        with pytest.raises(TypeError, match="a key is bytes, not str"):
            await getattr(dht, act)("&abc", *more)


@pytest.mark.parametrize(
    ("interface", "text"),
    [("nope", "'nope' is not an IPv4 address"), ("203.0.113.9", "no interface has the address 203.0.113.9")],
)
async def test_an_interface_that_is_none_is_unknown(interface: Any, text: str) -> None:
    with pytest.raises(RpcError) as caught:
        await discover(interface=interface)
    assert (caught.value.reason, caught.value.message) == ("interface_unknown", text)
