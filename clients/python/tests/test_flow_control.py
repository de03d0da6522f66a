"""Programs that a flow control which waits for readers would hold up for ever, against a real TypeScript node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import dswarm
from dswarm import StreamCall
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceClient

from .node_process import NodeProcess, start_node
from .until import until

LARGE = pb.EchoRequest(payload=bytes(100_000))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[NodeProcess]:
    async with start_node() as started:
        yield started


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def assert_serves(client: EchoServiceClient) -> None:
    """Fails unless a stream and a large call come through."""
    async with asyncio.timeout(30):
        assert [answer.index async for answer in client.repeat(pb.RepeatRequest(payload=b"x", count=1))] == [0]
        assert len((await client.echo(LARGE)).payload) == 100_000


async def test_readers_that_call_the_same_peer_for_each_message_come_to_their_end(node: NodeProcess) -> None:
    async with dswarm.connect(node.address) as connection:
        client = EchoServiceClient(connection)

        async def read() -> int:
            count = 0
            async for _ in client.repeat(pb.RepeatRequest(payload=bytes(60_000), count=8)):
                assert len((await client.echo(LARGE)).payload) == 100_000
                count += 1
            return count

        async with asyncio.timeout(120):
            assert await asyncio.gather(*(read() for _ in range(40))) == [8] * 40


# A node counts the requests of its handlers: a thousand of 60,000 bytes would be over its share.
@pytest.mark.parametrize(("unread", "size"), [(36, 60_000), (1000, 9000)])
async def test_streams_that_nobody_reads_hold_up_no_others(node: NodeProcess, unread: int, size: int) -> None:
    async with dswarm.connect(node.address) as connection:
        client = EchoServiceClient(connection)
        request = pb.RepeatRequest(payload=bytes(size), count=1000)
        calls: list[StreamCall[pb.RepeatResponse]] = [client.repeat(request) for _ in range(unread)]
        await until(lambda: connection.memory.unread_bytes >= unread * 54_000)
        await assert_serves(client)
        # A window each, beside the first message, which is taken whole, and the pool of larger windows.
        assert connection.memory.unread_bytes <= (unread + 2) * (73_728 + 60_064) + 8_388_608
        assert not connection.is_closed
        for call in calls:
            call.cancel()
        await assert_serves(client)


async def test_few_streams_in_use_get_large_windows_and_many_stay_small(node: NodeProcess) -> None:
    async with dswarm.connect(node.address, limits=dswarm.Limits(window_pool_bytes=1_000_000)) as connection:
        client = EchoServiceClient(connection)
        request = pb.RepeatRequest(payload=bytes(10_000), count=1000)
        calls: list[StreamCall[pb.RepeatResponse]] = [client.repeat(request) for _ in range(20)]
        for call in calls:
            await anext(call)
        # The pool raises five windows to 262,144.
        await until(lambda: connection.memory.unread_bytes > 20 * 60_000 + 5 * 150_000)
        held = -1
        while held != connection.memory.unread_bytes:
            held = connection.memory.unread_bytes
            await asyncio.sleep(0.3)
        assert held <= 20 * 73_728 + 1_000_000
