"""Against a real TypeScript node, in both directions."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import dswarm
from dswarm import Code, KeyPair, Limits, PeerAddress, RpcError
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceClient
from dswarm.v1.dht_dswarm import DhtServiceClient
from dswarm.v1.dht_pb2 import PingRequest
from dswarm.v1.reflection_dswarm import ReflectionServiceClient
from dswarm.v1.reflection_pb2 import GetDescriptorsRequest, ListServicesRequest

from .echo_service import Echo
from .node_process import NodeProcess, start_node

SIZES = [0, 1, 4096, 69_000, 69_632, 70_000, 1 << 20, 10 << 20]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[NodeProcess]:
    async with start_node() as started:
        yield started


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_calls_of_all_kinds_reach_a_typescript_node(node: NodeProcess) -> None:
    async with dswarm.connect(node.address) as connection:
        client = EchoServiceClient(connection)
        for size in SIZES:
            payload = bytes([size % 251]) * size
            assert (await client.echo(pb.EchoRequest(payload=payload))).payload == payload
        indexes = [a.index async for a in client.repeat(pb.RepeatRequest(payload=bytes(50_000), count=100))]
        assert indexes == list(range(100))
        collected = await client.collect(pb.CollectRequest(payload=bytes(50_000)) for _ in range(100))
        assert (collected.count, collected.bytes) == (100, 5_000_000)
        sizes = [len(a.payload) async for a in client.converse(pb.ConverseRequest(payload=bytes(n)) for n in SIZES)]
        assert sizes == SIZES
        assert await connection.ping() < 5
    assert await connection.wait_closed() is None


async def test_metadata_status_deadlines_and_cancels(node: NodeProcess) -> None:
    async with dswarm.connect(node.address) as connection:
        client = EchoServiceClient(connection)
        pairs = (("x-text", "some text"), ("x-bytes-bin", b"\x00\xff\x80"))
        call = client.echo(pb.EchoRequest(), metadata=pairs)
        await call
        assert sorted(call.header) == sorted(call.trailer) == sorted(pairs)
        for payload, code, timeout in ((b"fail", Code.INTERNAL, 5.0), (b"hang", Code.DEADLINE_EXCEEDED, 0.05)):
            with pytest.raises(RpcError) as caught:
                await client.echo(pb.EchoRequest(payload=payload), timeout=timeout)
            assert caught.value.code == code
        call = client.echo(pb.EchoRequest(payload=b"hang"))
        call.cancel()
        with pytest.raises(RpcError) as caught:
            await call
        assert caught.value.code == Code.CANCELLED
        task = asyncio.ensure_future(client.echo(pb.EchoRequest(payload=b"hang")))
        await connection.ping()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.is_idle
        pong = await DhtServiceClient(connection).ping(PingRequest(nonce=b"nonce"))
        assert pong.nonce == b"nonce"


async def test_leaving_the_loop_over_a_stream_ends_the_call(node: NodeProcess) -> None:
    async with dswarm.connect(node.address) as connection:
        async for _ in EchoServiceClient(connection).repeat(pb.RepeatRequest(payload=bytes(1000), count=2**31)):
            break
        await connection.ping()
        assert connection.is_idle


async def test_small_calls_go_on_beside_a_stalled_reader_whose_memory_is_bounded(node: NodeProcess) -> None:
    async with dswarm.connect(node.address) as connection:
        client = EchoServiceClient(connection)
        stalled = client.repeat(pb.RepeatRequest(payload=bytes(50_000), count=1000))
        large = asyncio.ensure_future(client.echo(pb.EchoRequest(payload=bytes(10 << 20))))
        for _ in range(50):
            await client.echo(pb.EchoRequest(payload=b"small"), timeout=20)
        await large
        await connection.ping()
        assert connection.memory.unread_bytes <= 262_144
        count = 0
        async for _ in stalled:
            count += 1
        assert count == 1000


async def test_a_typescript_node_calls_back_on_the_same_connection(node: NodeProcess) -> None:
    keys = KeyPair.generate()
    async with dswarm.connect(node.address, keys=keys, services=[Echo()]):
        assert await node.say(f"call {keys.id}") == "called"


async def test_a_service_outlives_the_idle_time_of_its_node() -> None:
    keys, limits = KeyPair.generate(), Limits(idle_timeout=0.3)
    # A node ends connections that are idle for so long; it looks at a quarter of that.
    async with start_node(rpc={"idleTimeoutMs": 600}) as node:
        idle = await dswarm.connect(node.address, limits=Limits(idle_timeout=0))
        async with dswarm.connect(node.address, keys=keys, services=[Echo()], limits=limits) as connection:
            # The node has ended one that nobody uses, and this one has been there for as long.
            assert await idle.wait_closed() is None
            assert connection.is_usable
            assert await node.say(f"call {keys.id}") == "called"


async def test_wrong_keys_networks_and_addresses_are_refused(node: NodeProcess) -> None:
    async def reason(address: str | PeerAddress, network: str = "dev") -> str | None:
        with pytest.raises(RpcError) as caught:
            await dswarm.connect(address, network=network)
        return caught.value.reason

    address = PeerAddress.parse(node.address)
    assert await reason(address, "another") == "hello_invalid"
    assert await reason(dataclasses.replace(address, id=KeyPair.generate().id)) == "authentication_failed"
    nowhere = dataclasses.replace(address, endpoint=dataclasses.replace(address.endpoint, port=1))
    assert await reason(nowhere) == "unreachable"


async def test_a_peer_reads_the_schema_of_what_python_serves(node: NodeProcess) -> None:
    echo = Echo()
    async with dswarm.connect(node.address, services=[echo, dswarm.Reflection([echo])]) as connection:
        # The same code on this side reads what the node serves.
        client = ReflectionServiceClient(connection)
        assert "dswarm.v1.DhtService" in (await client.list_services(ListServicesRequest())).services
        files = (await client.get_descriptors(GetDescriptorsRequest(service="dswarm.v1.DhtService"))).files
        assert files.file[-1].package == "dswarm.v1"
