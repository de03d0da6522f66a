"""Discovery and the DHT against real TypeScript nodes, which announce on the loopback interface."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing

import pytest
import pytest_asyncio

import dswarm
from dswarm import Code, Dht, HostPort, KeyPair, PeerAddress, RpcError, key_of_name
from dswarm.discovery import GROUP
from dswarm.record import key_of_value
from dswarm.v1.dht_dswarm import DhtServiceClient
from dswarm.v1.dht_pb2 import Contact, FindNodeRequest, FindValueRequest

from .node_process import NodeProcess, start_node

NETWORK = f"python-{os.getpid()}"
NODES = 8


def free_udp_port() -> int:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as link:
        link.bind(("127.0.0.1", 0))
        port: int = link.getsockname()[1]
        return port


UDP_PORT = free_udp_port()
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nodes() -> AsyncIterator[list[NodeProcess]]:
    async with AsyncExitStack() as stack:
        discovery = {"udpPort": UDP_PORT, "intervalMs": 250}
        yield [await stack.enter_async_context(start_node(network=NETWORK, discovery=discovery)) for _ in range(NODES)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def dht(nodes: list[NodeProcess]) -> AsyncIterator[Dht]:
    async with Dht([nodes[0].address], network=NETWORK) as opened:
        yield opened


async def until(is_so: Callable[[], bool]) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@asynccontextmanager
async def own_node(keys: KeyPair) -> AsyncIterator[HostPort]:
    """A node with a client's keys, where the client is reached that does not listen itself."""
    async with start_node(network=NETWORK, seed=keys.secret_key[:32].hex(), dht={"isClient": True}) as node:
        yield PeerAddress.parse(node.address).endpoint


async def hear(discovery: dswarm.Discovery, ids: set[dswarm.NodeId]) -> None:
    """Waits until exactly these nodes are known."""
    await until(lambda: {peer for peer, _ in discovery.peers()} == ids)


async def test_every_node_is_heard_where_it_listens_and_can_be_dialed(nodes: list[NodeProcess]) -> None:
    addresses = {PeerAddress.parse(node.address) for node in nodes}
    async with await dswarm.discover(network=NETWORK, udp_port=UDP_PORT) as discovery:
        await hear(discovery, {address.id for address in addresses})
        heard = {PeerAddress(peer, endpoints[0]) for peer, endpoints in discovery.peers()}
        assert heard == addresses
        for address in heard:
            async with dswarm.connect(address, network=NETWORK) as connection:
                assert connection.remote == address.id


async def test_a_node_that_leaves_is_forgotten_at_once(nodes: list[NodeProcess]) -> None:
    others = {PeerAddress.parse(node.address).id for node in nodes}
    async with await dswarm.discover(network=NETWORK, udp_port=UDP_PORT) as discovery:
        async with start_node(network=NETWORK, discovery={"udpPort": UDP_PORT, "intervalMs": 60_000}) as leaving:
            await hear(discovery, others | {PeerAddress.parse(leaving.address).id})
            now = time.monotonic()
        # At a time that stands still nobody is forgotten for silence.
        await until(lambda: {peer for peer, _ in discovery.table.peers(now)} == others)


async def test_nodes_of_another_network_are_not_heard(nodes: list[NodeProcess]) -> None:
    async with await dswarm.discover(network="another", udp_port=UDP_PORT) as discovery:
        await until(lambda: discovery.counts["dropped.network"] >= NODES)
        assert discovery.peers() == []
        with pytest.raises(RpcError) as caught:
            await discovery.first(timeout=0.05)
        assert caught.value.reason == "unreachable"


async def test_stray_datagrams_cost_a_counter_and_nothing_else(nodes: list[NodeProcess]) -> None:
    async with await dswarm.discover(network=NETWORK, udp_port=UDP_PORT) as discovery:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as stranger:
            stranger.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            for size in (0, 1, 100, 512, 513, 8192):
                stranger.sendto(bytes([0x0A]) * size, (GROUP, UDP_PORT))
        await until(lambda: (discovery.counts["dropped.structure"], discovery.counts["dropped.size"]) == (4, 2))
        await hear(discovery, {PeerAddress.parse(node.address).id for node in nodes})


async def test_what_is_put_is_got_from_every_node(dht: Dht, nodes: list[NodeProcess]) -> None:
    for value in (b"", b"hello", bytes(65_536)):
        published = await dht.put(value)
        key = published.key
        assert key == key_of_value(value)
        assert sorted(peer.data for peer in published.replicas) == sorted(PeerAddress.parse(n.address).id.data for n in nodes)
        for node in nodes:
            async with Dht([node.address], network=NETWORK) as other:
                found = await other.get(key)
                assert found is not None and (found.value, found.sequence) == (value, None)
    assert await dht.get(bytes(32)) is None


async def test_a_put_reaches_all_nodes_by_way_of_few(nodes: list[NodeProcess]) -> None:
    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(dswarm.connect(node.address, network=NETWORK)) for node in nodes]
        ids = {link.remote.data for link in links}
        for link in links:
            async with asyncio.timeout(30):
                while {contact.id for contact in await contacts_of(link)} != ids - {link.remote.data}:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        async with Dht([nodes[0].address], network=NETWORK) as dht:
            key = (await dht.put(b"passed on")).key
            assert len(dht._connections) < NODES
        for link in links:
            held = await DhtServiceClient(link).find_value(FindValueRequest(key=key), timeout=20)
            assert [record.immutable.value for record in held.records] == [b"passed on"]


async def contacts_of(link: dswarm.Connection) -> list[Contact]:
    """Whom a node has in its table."""
    answer = await DhtServiceClient(link).find_node(FindNodeRequest(target=bytes(32)), timeout=20)
    return list(answer.contacts)


async def test_a_value_over_64_KiB_is_refused(dht: Dht) -> None:
    with pytest.raises(RpcError) as caught:
        await dht.put(bytes(65_537))
    assert caught.value.reason == "record_too_large"


async def test_updates_count_up_and_only_the_expected_one_is_replaced(dht: Dht, nodes: list[NodeProcess]) -> None:
    first = await dht.update(b"one", salt=b"s", expected_sequence=0)
    second = await dht.update(b"two", salt=b"s", expected_sequence=first.sequence)
    key = first.key
    assert (second.key, first.sequence, second.sequence) == (key, 1, 2)
    with pytest.raises(RpcError) as caught:
        await dht.update(b"three", salt=b"s", expected_sequence=first.sequence)
    assert (caught.value.reason, caught.value.code) == ("record_conflict", Code.ABORTED)
    async with Dht([nodes[2].address], network=NETWORK) as other:
        found = await other.get(key)
        assert found is not None and (found.value, found.sequence) == (b"two", 2)


async def test_a_provider_is_found_under_the_name_of_its_service(dht: Dht, nodes: list[NodeProcess]) -> None:
    key = key_of_name("example.Service")
    async with own_node(dht.keys) as here, Dht([nodes[1].address], network=NETWORK, keys=KeyPair.generate()) as other:
        assert len((await dht.provide(key, [here])).replicas) == NODES
        assert await other.find_providers(key) == [(dht.keys.id, [here])]
        assert await other.find_providers(key_of_name("example.Nobody")) == []


async def test_an_address_at_which_nobody_has_the_key_is_not_published(dht: Dht, nodes: list[NodeProcess]) -> None:
    key = key_of_name("example.Elsewhere")
    somebody = PeerAddress.parse(nodes[0].address).endpoint
    for here, reason in ((HostPort("127.0.0.1", 1), "unreachable"), (somebody, "authentication_failed")):
        with pytest.raises(RpcError) as caught:
            await dht.provide(key, [here])
        assert caught.value.reason == reason
    assert await dht.find_providers(key) == []


async def test_provider_records_get_larger_sequences_whatever_the_clock_does(
    nodes: list[NodeProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    key, keys, year = key_of_name("example.Clock"), KeyPair.generate(), 365 * 86_400
    now = time.time()
    sequences = []
    # The clock was ahead, is put back, and back again; then the client starts anew and knows of nothing.
    for clock in ([now + year, now], [now - year]):
        async with own_node(keys) as here, Dht([nodes[0].address], network=NETWORK, keys=keys) as dht:
            for told in clock:
                monkeypatch.setattr("dswarm.dht.time.time", lambda told=told: told)
                sequences.append((await dht.provide(key, [here])).sequence or 0)
            monkeypatch.undo()
    assert sequences == sorted(set(sequences))


async def test_a_dead_acquaintance_is_no_hindrance_and_none_at_all_is_an_error(nodes: list[NodeProcess]) -> None:
    dead = PeerAddress(KeyPair.generate().id, HostPort("127.0.0.1", 1))
    async with Dht([dead, nodes[0].address], network=NETWORK) as dht:
        assert await dht.get((await dht.put(b"in spite of it")).key) is not None
    async with Dht([dead], network=NETWORK) as dht:
        for unanswered in (dht.get(bytes(32)), dht.find_providers(bytes(32)), dht.put(b"nowhere"), dht.update(b"nowhere")):
            with pytest.raises(RpcError) as caught:
                await unanswered
            assert (caught.value.reason, caught.value.code) == ("unreachable", Code.UNAVAILABLE)
    async with Dht([], network=NETWORK) as dht:
        with pytest.raises(RpcError) as caught:
            await dht.get(bytes(32))
        assert caught.value.reason == "unreachable"
    async with Dht([nodes[0].address], network=f"{NETWORK}-another") as dht:
        with pytest.raises(RpcError, match="another network") as caught:
            await dht.get(bytes(32))
        assert caught.value.reason == "hello_invalid"
