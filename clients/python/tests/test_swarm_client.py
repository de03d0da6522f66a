"""A client that finds its peers, connects again, repeats what is safe, and serves again: against real TypeScript nodes."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

import dswarm
from dswarm import Code, KeyPair, NodeId, PeerAddress, RpcError, Swarm
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceClient, EchoServiceSpec
from dswarm.health import HealthCheckRequest
from dswarm.service import ServiceClient
from dswarm.v1.frame_pb2 import End, Frame, GoAway
from dswarm.v1.reflection_dswarm import ReflectionServiceClient
from dswarm.v1.reflection_pb2 import GetDescriptorsRequest, ListServicesRequest

from .echo_service import Echo
from .memory_link import MemoryLink
from .node_process import start_node
from .until import until

NETWORK = f"python-swarm-{os.getpid()}"


async def test_peers_are_called_by_key_alone_and_by_what_they_provide() -> None:
    async with start_node(network=NETWORK) as first, start_node(network=NETWORK, bootstrap=[first.address]) as second:
        assert await second.say("provide") == "provided"
        key = PeerAddress.parse(second.address).id
        async with Swarm([first.address], network=NETWORK) as swarm:
            # The first node is to know the second, to which it has a connection.
            async with asyncio.timeout(60):
                while not await swarm.dht.find_peer(key):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            for peer in (swarm.peer(key), swarm.peer(str(key)), swarm.peer(second.address), swarm.provider(EchoServiceSpec)):
                answer = await EchoServiceClient(peer).echo(pb.EchoRequest(payload=b"hello"), timeout=20)
                assert answer.payload == b"hello"
                assert (await peer.connection()).remote == key
            # All of them share one connection: a node keeps only the newest of a key.
            assert await swarm.peer(key).connection() is await swarm.provider(EchoServiceSpec.name).connection()
            answers = EchoServiceClient(swarm.peer(key)).repeat(pb.RepeatRequest(payload=b"a", count=3))
            assert [answer.index async for answer in answers] == [0, 1, 2]
            with pytest.raises(RpcError, match="nothing is known") as caught:
                await EchoServiceClient(swarm.peer(KeyPair.generate().id)).echo(pb.EchoRequest())
            assert caught.value.code is Code.UNAVAILABLE
            with pytest.raises(RpcError) as caught:
                await EchoServiceClient(swarm.provider("example.Nobody")).echo(pb.EchoRequest(), timeout=20)
            assert caught.value.code is Code.UNAVAILABLE


async def test_a_service_is_there_again_after_the_connection_was_lost() -> None:
    keys = KeyPair.generate()
    async with (
        start_node(network=NETWORK) as node,
        Swarm([node.address], network=NETWORK, keys=keys, services=[Echo()]) as swarm,
    ):
        assert await node.say(f"call {keys.id}") == "called"
        before = await swarm.peer(node.address).connection()
        before.abort()
        await before.wait_closed()
        await until(lambda: swarm.is_serving)
        assert await swarm.peer(node.address).connection() is not before
        assert await node.say(f"call {keys.id}") == "called"


async def test_calls_and_services_go_on_when_a_node_comes_back_at_its_address() -> None:
    seed, keys = os.urandom(32).hex(), KeyPair.generate()
    async with start_node(network=NETWORK, seed=seed) as node:
        address = PeerAddress.parse(node.address)
        swarm = Swarm([address], network=NETWORK, keys=keys, services=[Echo()])
        await swarm.serve()
        client = EchoServiceClient(swarm.peer(address))
        await client.echo(pb.EchoRequest())
    async with swarm:
        # While a failure is recent, a call fails at once.
        await until(lambda: not swarm.is_serving)
        with pytest.raises(RpcError) as caught:
            await client.echo(pb.EchoRequest(), timeout=5)
        assert caught.value.code is Code.UNAVAILABLE
        async with start_node(network=NETWORK, seed=seed, port=address.endpoint.port) as again:
            await until(lambda: swarm.is_serving)
            assert (await client.echo(pb.EchoRequest(payload=b"again"), timeout=5)).payload == b"again"
            assert await again.say(f"call {keys.id}") == "called"


class _Links(dswarm.call.Connecting):
    """Connections to peers that a test plays, one after the other."""

    def __init__(self) -> None:
        self.links: list[MemoryLink] = []

    async def connection(self) -> dswarm.Connection:
        self.links.append(MemoryLink(is_dialer=True))
        return dswarm.Connection(self.links[-1])


_ANSWER = Frame(stream_id=1, end=End(response=pb.EchoResponse(payload=b"answer").SerializeToString()))


async def test_a_call_that_no_handler_has_seen_is_repeated_and_no_other() -> None:
    peer = _Links()
    call = asyncio.ensure_future(EchoServiceClient(peer).echo(pb.EchoRequest(payload=b"x")))
    await until(lambda: len(peer.links) == 1 and peer.links[0].bodies("open"))
    peer.links[0].receive(Frame(stream_id=0, go_away=GoAway(last_stream_id=0)))
    await until(lambda: len(peer.links) == 2 and peer.links[1].bodies("open"))
    peer.links[1].receive(_ANSWER)
    assert (await call).payload == b"answer"
    # Of a connection that is lost it is not known what the peer has done.
    call = asyncio.ensure_future(EchoServiceClient(peer).echo(pb.EchoRequest(payload=b"x")))
    await until(lambda: len(peer.links) == 3 and peer.links[2].bodies("open"))
    peer.links[2].abort(RpcError(Code.UNAVAILABLE, "lost"))
    with pytest.raises(RpcError, match="lost"):
        await call
    assert len(peer.links) == 3


async def test_a_method_marked_idempotent_is_repeated_on_a_new_connection_at_most_twice() -> None:
    peer, client = _Links(), ServiceClient(_Links())
    client._caller = peer
    method = EchoServiceSpec.methods[0]
    idempotent = dswarm.service.MethodSpec(
        method.name, method.python_name, method.request_type, method.response_type, False, False, True
    )
    call: Any = client._unary(idempotent, pb.EchoRequest(), None, ())
    for number in range(3):
        await until(lambda number=number: len(peer.links) == number + 1 and peer.links[number].bodies("open"))  # type: ignore[misc]
        peer.links[number].abort(RpcError(Code.UNAVAILABLE, "lost"))
    with pytest.raises(RpcError, match="lost"):
        await call
    assert len(peer.links) == 3


async def test_interceptors_run_around_calls_and_handlers_the_first_outermost() -> None:
    seen: list[str] = []

    def noting(name: str) -> dswarm.Interceptor:
        def intercept(info: dswarm.CallInfo, start: dswarm.Start) -> Any:
            seen.append(f"{name} {info.method.python_name}")
            call = start(dataclasses.replace(info, metadata=[*info.metadata, ("x-by", name)]))
            call.when_done(lambda error: seen.append(f"{name} {error and error.code.name}"))
            return call

        return intercept

    def guarded(method: Any, handler: dswarm.Handler) -> dswarm.Handler:
        async def handle(request: Any, context: dswarm.ServerContext) -> Any:
            if ("x-token", "open") not in context.metadata:
                raise RpcError(Code.PERMISSION_DENIED, f"no token for {method.python_name}")
            return await handler(request, context)

        return handler if method.server_streaming else handle

    keys = KeyPair.generate()
    async with (
        start_node(network=NETWORK) as node,
        dswarm.connect(
            node.address,
            network=NETWORK,
            keys=keys,
            services=[Echo()],
            interceptors=[noting("a"), noting("b")],
            server_interceptors=[guarded],
        ) as connection,
    ):
        client = EchoServiceClient(connection)
        call = client.echo(pb.EchoRequest(payload=b"x"))
        await call
        assert [value for key, value in call.header if key == "x-by"] == ["a", "b"] or ("x-by", "a, b") in call.header
        with pytest.raises(RpcError):
            await client.echo(pb.EchoRequest(payload=b"fail"))
        assert seen == ["a echo", "b echo", "b None", "a None", "a echo", "b echo", "b INTERNAL", "a INTERNAL"]
        assert "no token for echo" in await node.say(f"call {keys.id}")


async def test_health_and_reflection_are_served_to_a_node() -> None:
    echo = Echo()
    health = dswarm.Health([echo])
    link = MemoryLink(is_dialer=False)
    connection = dswarm.Connection(link, services=[echo, health, dswarm.Reflection([echo, health])])
    context: Any = None
    assert (await health.check(HealthCheckRequest(service=EchoServiceSpec.name), context)).status == 1
    with pytest.raises(RpcError) as caught:
        await health.check(HealthCheckRequest(service="a.Nobody"), context)
    assert caught.value.code is Code.NOT_FOUND
    watched: AsyncIterator[Any] = health.watch(HealthCheckRequest(service=EchoServiceSpec.name), context)
    assert (await anext(watched)).status == 1
    health.set_serving(EchoServiceSpec.name, False)
    assert (await anext(watched)).status == 2
    with pytest.raises(KeyError):
        health.set_serving("a.Nobody", True)
    connection.abort()
    reflection = dswarm.Reflection([echo, health])
    listed = await reflection.list_services(ListServicesRequest(), context)
    assert list(listed.services) == ["dswarm.example.v1.EchoService", "dswarm.v1.ReflectionService", "grpc.health.v1.Health"]
    files = (await reflection.get_descriptors(GetDescriptorsRequest(service="grpc.health.v1.Health"), context)).files
    assert [file.package for file in files.file] == ["grpc.health.v1"]
    assert ReflectionServiceClient is not None and NodeId is not None
