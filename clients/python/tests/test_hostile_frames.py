"""What a connection does with the frames of a peer that keeps no rule; the cases with bytes are test/vectors/frames.json."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dswarm import Code, Connection, Limits, RpcError
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceClient
from dswarm.frame import encode_frame, varint
from dswarm.limits import MAX_FRAME_BYTES, MAX_PIECE_BYTES
from dswarm.v1.frame_pb2 import Cancel, Credit, Data, End, Frame, Open, Ping

from .echo_service import Echo
from .memory_link import MemoryLink
from .test_vectors import cases, data

ECHO = "dswarm.example.v1.EchoService/Echo"
COLLECT = "dswarm.example.v1.EchoService/Collect"


async def settle() -> None:
    """Lets all run that can run."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def served(limits: Limits | None = None, echo: Echo | None = None) -> AsyncIterator[tuple[MemoryLink, Connection]]:
    """A listener's end that serves EchoService."""
    link = MemoryLink(is_dialer=False)
    connection = Connection(link, services=[echo or Echo()], limits=limits)
    try:
        yield link, connection
    finally:
        connection.abort()


async def assert_alive(link: MemoryLink) -> None:
    link.receive(Frame(ping=Ping(id=9)))
    await settle()
    assert not link.is_ended and [frame.pong.id for frame in link.bodies("pong")] == [9]


def assert_cut(link: MemoryLink, reason: str) -> None:
    assert link.is_ended and link.reason is not None and link.reason.reason == reason
    assert [frame.go_away.code for frame in link.bodies("go_away")] == [Code.INTERNAL]


@pytest.mark.parametrize("case", [case for case in cases("frames") if case.values[0].get("to") == "listener"])
async def test_a_listener_takes_the_vector(case: Any) -> None:
    async with served() as (link, _):
        link.receive(data(case["bytes"]))
        await settle()
        if case["ends"] == "connection":
            assert_cut(link, case["error"])
            return
        expected = [(case["stream_id"], case["status"])] if case["ends"] == "stream" else []
        assert [(frame.stream_id, frame.end.code) for frame in link.bodies("end")] == expected
        await assert_alive(link)


@pytest.mark.parametrize("case", [case for case in cases("frames") if case.values[0].get("to") == "dialer"])
async def test_a_dialer_takes_the_vector(case: Any) -> None:
    link = MemoryLink(is_dialer=True)
    connection = Connection(link)
    call = EchoServiceClient(connection).echo(pb.EchoRequest(payload=b"hello"))
    await settle()
    assert [frame.stream_id for frame in link.bodies("open")] == [1]
    link.receive(data(case["bytes"]))
    await settle()
    if case["ends"] == "connection":
        assert_cut(link, case["error"])
        with pytest.raises(RpcError):
            await call
    elif case["ends"] == "stream":
        with pytest.raises(RpcError) as caught:
            await call
        assert (caught.value.code, caught.value.reason or "") == (case["status"], case["error"])
        await assert_alive(link)
    else:
        assert (await call).payload == b"hello"
        await assert_alive(link)
    connection.abort()


async def test_a_flood_of_calls_is_refused_above_the_limit_and_costs_no_one_else() -> None:
    async with served(Limits(max_concurrent_streams=4)) as (link, _):
        hang = pb.EchoRequest(payload=b"hang").SerializeToString()
        for stream_id in range(1, 2001, 2):
            link.receive(Frame(stream_id=stream_id, open=Open(method=ECHO, message=hang, half_close=True)))
        await settle()
        assert {frame.end.code for frame in link.bodies("end")} == {Code.RESOURCE_EXHAUSTED}
        assert [frame.stream_id for frame in link.bodies("end")] == list(range(9, 2001, 2))
        await assert_alive(link)


async def test_calls_that_are_opened_and_cancelled_at_once_count_until_their_handlers_have_stopped() -> None:
    echo = Echo()
    async with served(Limits(max_concurrent_streams=4), echo) as (link, _):
        hang = Open(method=ECHO, message=pb.EchoRequest(payload=b"hang").SerializeToString(), half_close=True)
        for stream_id in range(1, 201, 2):
            link.receive(Frame(stream_id=stream_id, open=hang), Frame(stream_id=stream_id, cancel=Cancel()))
        await settle()
        assert len(link.bodies("end")) == 96
        link.frames.clear()
        link.receive(Frame(stream_id=201, open=Open(method=ECHO, message=b"", half_close=True)))
        await settle()
        assert [(frame.stream_id, frame.end.code) for frame in link.bodies("end")] == [(201, Code.OK)]


async def test_data_that_nobody_reads_ends_the_connection_at_the_credit() -> None:
    async with served() as (link, connection):
        stalled = Frame(stream_id=1, data=Data(payload=pb.CollectRequest(payload=b"stall").SerializeToString()))
        link.receive(Frame(stream_id=1, open=Open(method=COLLECT)), stalled)
        await settle()
        for _ in range(1000):
            link.receive(Frame(stream_id=1, data=Data(payload=bytes(1000))))
            if link.is_ended:
                break
            await asyncio.sleep(0)
            assert connection.memory.held_bytes <= 2 * 262_144
        assert_cut(link, "credit_exceeded")


async def test_a_message_in_pieces_above_the_limit_ends_its_stream_alone() -> None:
    async with served(Limits(max_message_bytes=100_000)) as (link, connection):
        link.receive(Frame(stream_id=1, open=Open(method=COLLECT)))
        piece = Frame(stream_id=1, data=Data(payload=bytes(MAX_PIECE_BYTES - 10_000), more=True))
        link.receive(piece)
        await settle()
        link.receive(piece)
        await settle()
        assert [(frame.stream_id, frame.end.code) for frame in link.bodies("end")] == [(1, Code.RESOURCE_EXHAUSTED)]
        assert connection.memory.held_bytes == 0
        await assert_alive(link)


async def test_a_frame_that_never_ends_is_refused_by_its_length() -> None:
    async with served() as (link, _):
        link.receive(varint(MAX_FRAME_BYTES + 1))
        assert_cut(link, "frame_too_large")


async def test_a_flood_of_pings_to_a_peer_that_does_not_read_ends_the_connection() -> None:
    async with served(Limits(max_queued_bytes=1_048_576, max_faults=2**30)) as (link, _):
        link.has_room = False
        pings = b"".join(b"\x04\x42\x02\x08\x07" for _ in range(10_000))
        for _ in range(200):
            link.receive(pings)
            await asyncio.sleep(0)
            while link.is_paused and not link.is_ended:  # noqa: ASYNC110
                await asyncio.sleep(0)
            if link.is_ended:
                break
        assert link.reason is not None and link.reason.reason == "peer_too_slow"
        assert link.buffered_bytes < 2 * 1_048_576


@pytest.mark.parametrize(
    "flood",
    [
        Frame(ping=Ping(id=1)),
        Frame(),
        Frame(credit=Credit(bytes=1)),
        Frame(stream_id=1, credit=Credit(bytes=1)),
    ],
)
async def test_a_flood_of_frames_that_say_nothing_ends_the_connection(flood: Frame) -> None:
    async with served(Limits(max_faults=100, faults_per_second=1)) as (link, _):
        link.receive(Frame(stream_id=1, open=Open(method=COLLECT)), *[flood] * 90)
        assert not link.is_ended
        link.receive(*[flood] * 20)
        assert link.reason is not None and link.reason.reason == "too_many_faults"
        assert [frame.go_away.code for frame in link.bodies("go_away")] == [Code.RESOURCE_EXHAUSTED]


@pytest.mark.parametrize("method", ["a.Service/Unknown", ECHO])
async def test_a_flood_of_calls_that_are_refused_ends_the_connection_and_faults_are_forgiven(method: str) -> None:
    async with served(Limits(max_faults=100, faults_per_second=1000)) as (link, _):
        refused = Open(method=method, message=bytes(MAX_PIECE_BYTES + 1) if method == ECHO else b"")
        stream_id = 1
        for _ in range(4):
            for _ in range(95):
                link.receive(Frame(stream_id=stream_id, open=refused))
                stream_id += 2
            assert not link.is_ended
            await asyncio.sleep(0.12)
        while not link.is_ended:
            link.receive(Frame(stream_id=stream_id, open=refused))
            stream_id += 2
        assert link.reason is not None and link.reason.reason == "too_many_faults"


def unknown_calls(count: int) -> bytes:
    """So many calls of a method that is not served, in one run of bytes."""
    opened = Open(method="a.Service/Unknown", half_close=True)
    return b"".join(encode_frame(Frame(stream_id=2 * i + 1, open=opened)) for i in range(count))


async def test_many_frames_at_once_are_handled_in_turns_with_the_link_paused() -> None:
    async with served(Limits(max_faults=2**30)) as (link, _):
        flood = unknown_calls(20_000)
        link.receive(flood[:-1])
        assert link.is_paused
        # What was read already comes all the same, in its order.
        link.receive(flood[-1:], Frame(ping=Ping(id=9)))
        turns = 0
        while link.is_paused:
            turns += 1
            await asyncio.sleep(0)
        await settle()
        assert turns > 1
        assert len(link.bodies("end")) == 20_000
        assert [frame.pong.id for frame in link.bodies("pong")] == [9]


async def test_what_came_before_the_end_of_the_link_is_handled() -> None:
    link = MemoryLink(is_dialer=True)
    connection = Connection(link, limits=Limits(max_faults=2**30))
    call = EchoServiceClient(connection).echo(pb.EchoRequest())
    opened = Open(method="a.Service/Unknown", half_close=True)
    flood = b"".join(encode_frame(Frame(stream_id=2 * i + 2, open=opened)) for i in range(20_000))
    link.receive(flood + encode_frame(Frame(stream_id=1, end=End(response=b""))))
    assert link.is_paused
    link.close()
    await call


@pytest.mark.parametrize(("more", "times"), [(0, 1), (2**32 - 1, 256)])
async def test_credit_out_of_its_range_ends_the_connection(more: int, times: int) -> None:
    async with served() as (link, _):
        link.receive(*[Frame(credit=Credit(bytes=more))] * (times - 1))
        assert not link.is_ended
        link.receive(Frame(credit=Credit(bytes=more)))
        assert_cut(link, "frame_invalid")


async def test_an_answer_to_a_call_that_was_given_up_is_ignored() -> None:
    link = MemoryLink(is_dialer=True)
    connection = Connection(link)
    call = EchoServiceClient(connection).echo(pb.EchoRequest())
    call.cancel()
    with pytest.raises(RpcError) as caught:
        await call
    assert caught.value.code == Code.CANCELLED
    link.receive(Frame(stream_id=1, end=End(response=b"")))
    await assert_alive(link)
    connection.abort()


async def test_a_link_that_is_cut_fails_every_call() -> None:
    link = MemoryLink(is_dialer=True)
    connection = Connection(link)
    client = EchoServiceClient(connection)
    one, many = client.echo(pb.EchoRequest()), client.repeat(pb.RepeatRequest(count=3))
    connection.abort()
    with pytest.raises(RpcError) as caught:
        await one
    assert caught.value.code == Code.UNAVAILABLE
    with pytest.raises(RpcError) as caught:
        await anext(many)
    assert caught.value.code == Code.UNAVAILABLE
    with pytest.raises(RpcError):
        await client.echo(pb.EchoRequest())
