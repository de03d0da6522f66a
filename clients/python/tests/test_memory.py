"""What a connection holds for a peer that sends or takes less than it should: counted, bounded, and let go."""

from __future__ import annotations

import asyncio

import pytest
from websockets.frames import Frame as Wire
from websockets.frames import Opcode

from dswarm import Code, Connection, KeyPair, Limits, MemoryBudget, RpcError
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceClient
from dswarm.frame import encode_frame
from dswarm.handshake import Secrets
from dswarm.link import ChannelLink
from dswarm.v1.frame_pb2 import Cancel, Credit, Data, End, Frame, HalfClose, Open, Ping

from .echo_service import Echo
from .memory_link import MemoryLink
from .memory_socket import MemorySocket
from .test_hostile_frames import COLLECT, ECHO, assert_alive, served, settle
from .until import until

MIB = 1_048_576
MESSAGE = pb.EchoRequest(payload=bytes(60_000)).SerializeToString()
REPEAT = "dswarm.example.v1.EchoService/Repeat"
STALL = pb.CollectRequest(payload=b"stall").SerializeToString()
HANG = pb.EchoRequest(payload=b"hang").SerializeToString()


def ends(link: MemoryLink) -> dict[int, int]:
    """The statuses of the calls that have ended, by stream."""
    return {frame.stream_id: frame.end.code for frame in link.bodies("end")}


@pytest.mark.parametrize("method", [ECHO, COLLECT])
async def test_a_peer_over_its_share_is_refused_new_calls_until_there_is_room(method: str) -> None:
    async with served(Limits(max_held_bytes_per_connection=MIB)) as (link, connection):
        if method == COLLECT:
            # Its handler reads nothing of the others.
            link.receive(Frame(stream_id=1, open=Open(method=COLLECT, message=STALL)))
            await settle()
        first = 3
        before = connection.memory.received_bytes
        ids = range(first, first + 200, 2)
        for stream_id in ids:
            link.receive(Frame(stream_id=stream_id, open=Open(method=ECHO, message=MESSAGE)))
        await settle()
        refused = [stream_id for stream_id in ids if ends(link).get(stream_id) == Code.RESOURCE_EXHAUSTED]
        # What is held passes the share by one message at most.
        taken = (MIB - before) // (len(MESSAGE) + 2048) + 1
        assert refused == list(ids)[taken:]
        assert MIB < connection.memory.held_bytes < MIB + 2 * len(MESSAGE)
        for stream_id in ids:
            link.receive(Frame(stream_id=stream_id, cancel=Cancel()))
        await settle()
        link.receive(Frame(stream_id=first + 200, open=Open(method=ECHO, message=MESSAGE, half_close=True)))
        await settle()
        assert ends(link)[first + 200] == Code.OK


async def test_pieces_unread_messages_and_requests_of_running_handlers_count_until_they_are_let_go() -> None:
    async with served() as (link, connection):
        held = connection.memory
        link.receive(Frame(stream_id=1, open=Open(method=ECHO)), Frame(stream_id=1, data=Data(payload=MESSAGE, more=True)))
        assert held.held_bytes >= len(MESSAGE)
        link.receive(Frame(stream_id=1, cancel=Cancel()))
        await settle()
        assert held.held_bytes == 0
        link.receive(Frame(stream_id=3, open=Open(method=COLLECT, message=STALL)))
        await settle()
        link.receive(Frame(stream_id=3, data=Data(payload=MESSAGE)))
        await settle()
        assert held.held_bytes >= len(MESSAGE)
        link.receive(Frame(stream_id=3, cancel=Cancel()))
        await settle()
        assert held.held_bytes == 0
        hang = Open(method=ECHO, message=HANG + MESSAGE[:0], half_close=True)
        link.receive(Frame(stream_id=5, open=hang))
        await settle()
        assert held.held_bytes >= len(HANG)
        link.receive(Frame(stream_id=5, cancel=Cancel()))
        await settle()
        assert held.held_bytes == 0


async def test_handlers_wait_while_the_peer_does_not_take_answers() -> None:
    async with served(Limits(max_held_bytes_per_connection=MIB)) as (link, connection):
        link.has_room = False
        ids = range(1, 31, 2)
        for stream_id in ids:
            link.receive(Frame(stream_id=stream_id, open=Open(method=ECHO, message=MESSAGE, half_close=True)))
            await settle()
        # Half of the share, and one answer: the others have not begun.
        assert MIB / 2 <= connection.memory.unsent_bytes < MIB / 2 + 2 * len(MESSAGE)
        link.receive(Frame(stream_id=ids[-1], cancel=Cancel()))
        link.has_room = True
        connection.on_room()
        await settle()
        assert ends(link) == dict.fromkeys(ids[:-1], Code.OK)
        assert connection.memory.held_bytes == 0


async def test_over_the_total_the_connection_that_holds_most_ends_and_the_others_go_on() -> None:
    memory = MemoryBudget(2 * MIB)
    links = [MemoryLink(is_dialer=False) for _ in range(3)]
    connections = [Connection(link, services=[Echo()], memory=memory) for link in links]
    for calls, link in zip((2, 5, 3), links, strict=True):
        for stream_id in range(1, 2 * calls, 2):
            link.receive(Frame(stream_id=stream_id, open=Open(method=ECHO, message=MESSAGE)))
    for stream_id in range(11, 101, 2):
        links[1].receive(Frame(stream_id=stream_id, open=Open(method=ECHO, message=MESSAGE)))
        await settle()
        assert memory.held_bytes <= 2 * MIB
    assert [link.is_ended for link in links] == [False, True, False]
    assert links[1].reason is not None and links[1].reason.reason == "memory_exhausted"
    assert [frame.go_away.code for frame in links[1].bodies("go_away")] == [Code.RESOURCE_EXHAUSTED]
    await assert_alive(links[0])
    for connection in connections:
        connection.abort()
    await settle()
    assert memory.held_bytes == 0


async def test_connections_of_one_event_loop_share_a_budget() -> None:
    async with served() as (link, _):
        link.receive(Frame(stream_id=1, open=Open(method=ECHO, message=MESSAGE)))
        assert MemoryBudget.of_loop().held_bytes >= len(MESSAGE)
    assert MemoryBudget.of_loop().held_bytes == 0
    with pytest.raises(ValueError, match="at least 1048576"):
        MemoryBudget(MIB - 1)


async def test_a_request_that_stays_incomplete_fails_and_one_that_goes_on_does_not() -> None:
    async with served(Limits(request_timeout=0.05)) as (link, connection):
        silent = {
            1: [Frame(stream_id=1, open=Open(method=ECHO))],
            3: [Frame(stream_id=3, open=Open(method=ECHO, message=MESSAGE))],
            5: [Frame(stream_id=5, open=Open(method=COLLECT)), Frame(stream_id=5, data=Data(payload=b"\x0a", more=True))],
            7: [Frame(stream_id=7, open=Open(method=ECHO)), Frame(stream_id=7, data=Data(payload=MESSAGE))],
        }
        link.receive(*(frame for frames in silent.values() for frame in frames))
        # Nothing of a message is under way on this one: it may wait for ever.
        link.receive(Frame(stream_id=9, open=Open(method=COLLECT, message=STALL)))
        await until(lambda: len(ends(link)) >= 4)
        assert ends(link) == dict.fromkeys(silent, Code.DEADLINE_EXCEEDED)
        link.receive(Frame(stream_id=11, open=Open(method=ECHO, message=MESSAGE)), Frame(stream_id=11, half_close=HalfClose()))
        await settle()
        assert ends(link)[11] == Code.OK
        assert not connection.incomplete


async def test_a_request_that_waits_for_credit_of_this_end_is_not_ended() -> None:
    async with served(Limits(request_timeout=0.05)) as (link, _):
        link.receive(Frame(stream_id=1, open=Open(method=COLLECT, message=STALL)))
        await settle()
        # The handler reads nothing: the window is full in the middle of a message.
        window = sum(frame.credit.bytes for frame in link.bodies("credit") if frame.stream_id == 1) + 73_728
        while window > 64:
            size = min(window - 64, 60_000)
            link.receive(Frame(stream_id=1, data=Data(payload=bytes(size), more=True)))
            window -= size + 64
        link.receive(Frame(stream_id=3, open=Open(method=ECHO)))
        await until(lambda: 3 in ends(link))
        link.receive(Frame(stream_id=5, open=Open(method=ECHO)))
        await until(lambda: 5 in ends(link))
        assert 1 not in ends(link)


async def test_a_peer_that_does_not_read_is_given_up_whatever_it_sends() -> None:
    async with served(Limits(write_timeout=0.05)) as (link, _):
        link.has_room, link.buffered_bytes = False, 1000

        def goes_on() -> bool:
            link.receive(Frame(ping=Ping(id=1)))
            return link.is_ended

        await until(goes_on)
        assert link.reason is not None and link.reason.reason == "peer_too_slow"


async def test_a_peer_that_gives_no_credit_of_the_connection_is_given_up_whatever_it_sends() -> None:
    async with served(Limits(write_timeout=0.05)) as (link, _):
        for stream_id in range(1, 41, 2):
            message = pb.RepeatRequest(payload=bytes(60_000), count=2).SerializeToString()
            link.receive(Frame(stream_id=stream_id, open=Open(method=REPEAT, message=message, half_close=True)))

        def goes_on() -> bool:
            link.receive(Frame(ping=Ping(id=1)))
            return link.is_ended

        await until(goes_on)
        assert link.reason is not None and link.reason.reason == "peer_too_slow"


async def test_a_peer_that_cancels_what_waits_for_credit_of_the_connection_is_kept() -> None:
    async with served(Limits(write_timeout=0.5, request_timeout=1.5)) as (link, _):
        message = pb.RepeatRequest(payload=bytes(60_000), count=2).SerializeToString()
        for stream_id in range(1, 41, 2):
            link.receive(Frame(stream_id=stream_id, open=Open(method=REPEAT, message=message, half_close=True)))
        await settle()
        for stream_id in range(1, 41, 2):
            link.receive(Frame(stream_id=stream_id, cancel=Cancel()))
        link.receive(Frame(stream_id=41, open=Open(method=ECHO)))
        await until(lambda: 41 in ends(link))
        assert not link.is_ended


async def test_a_peer_whose_streams_alone_have_no_readers_is_kept() -> None:
    async with served(Limits(write_timeout=0.05, request_timeout=0.2)) as (link, _):
        message = pb.RepeatRequest(payload=bytes(60_000), count=2).SerializeToString()
        link.receive(Frame(stream_id=1, open=Open(method=REPEAT, message=message, half_close=True)))
        # So long that the connection would have ended.
        link.receive(Frame(stream_id=3, open=Open(method=ECHO)))
        await until(lambda: 3 in ends(link))
        assert not link.is_ended
        link.receive(Frame(stream_id=1, credit=Credit(bytes=60_064)))
        await settle()
        assert ends(link)[1] == Code.OK


class SlowlyRead(MemoryLink):
    """A link from which the peer takes a byte each time that the connection looks, however late it looks."""

    looks = 0

    @property
    def taken_bytes(self) -> int:
        self.looks += 1
        return self.looks

    @taken_bytes.setter
    def taken_bytes(self, value: int) -> None:
        pass


async def test_a_peer_that_reads_slowly_is_kept() -> None:
    async with served(Limits(write_timeout=0.05)) as (link, connection):
        link.__class__ = SlowlyRead
        link.has_room = False
        link.receive(Frame(ping=Ping(id=1)))
        # Ten times as long as a peer may take that reads nothing.
        await asyncio.sleep(0.5)
        assert not connection.is_closed


async def test_unread_answers_are_let_go_with_their_call() -> None:
    link = MemoryLink(is_dialer=True)
    connection = Connection(link)
    client = EchoServiceClient(connection)
    answer = pb.RepeatResponse(payload=bytes(50_000)).SerializeToString()
    calls = [client.repeat(pb.RepeatRequest(count=3)) for _ in range(4)]
    for stream_id in range(1, 8, 2):
        link.receive(Frame(stream_id=stream_id, data=Data(payload=answer)))
        link.receive(Frame(stream_id=stream_id, end=End(response=answer)))
    assert connection.memory.unread_bytes >= 8 * 50_000
    assert len([each async for each in calls.pop()]) == 2
    async with calls.pop() as one:
        await anext(one)
    calls.pop()
    await settle()
    assert 2 * 50_000 < connection.memory.unread_bytes < 3 * 50_000
    del one, calls
    await settle()
    assert connection.memory.unread_bytes == 0
    unary = client.echo(pb.EchoRequest())
    link.receive(Frame(stream_id=9, data=Data(payload=MESSAGE)))
    assert connection.memory.unread_bytes > 60_000
    link.receive(Frame(stream_id=9, end=End(code=Code.INTERNAL)))
    with pytest.raises(RpcError):
        await unary
    assert connection.memory.unread_bytes == 0
    connection.abort()


async def test_a_program_that_reads_nothing_is_to_read_before_it_asks_for_more() -> None:
    link = MemoryLink(is_dialer=True)
    connection = Connection(link, memory=MemoryBudget(MIB))
    client = EchoServiceClient(connection)
    answer = pb.RepeatResponse(payload=bytes(60_000)).SerializeToString()
    calls = [client.repeat(pb.RepeatRequest()) for _ in range(MIB // len(answer) + 1)]
    for stream_id in range(1, 2 * len(calls), 2):
        link.receive(Frame(stream_id=stream_id, data=Data(payload=answer)))
    with pytest.raises(RpcError) as caught:
        await client.echo(pb.EchoRequest())
    assert caught.value.reason == "memory_exhausted"
    assert not link.is_ended
    await anext(calls[0])
    call = client.echo(pb.EchoRequest())
    await settle()
    link.receive(Frame(stream_id=link.bodies("open")[-1].stream_id, end=End(response=b"")))
    await call
    connection.abort()


async def test_windows_stay_small_while_memory_is_tight() -> None:
    link = MemoryLink(is_dialer=True)
    connection = Connection(link, memory=MemoryBudget(MIB))
    client = EchoServiceClient(connection)
    answer = pb.RepeatResponse(payload=bytes(60_000)).SerializeToString()
    calls = [client.repeat(pb.RepeatRequest()) for _ in range(11)]
    for stream_id in range(1, 22, 2):
        link.receive(Frame(stream_id=stream_id, data=Data(payload=answer)))
    await anext(calls[0])
    await anext(calls[1])
    await settle()
    # The first was read while more than half of the memory was in use.
    credit = {frame.stream_id: frame.credit.bytes for frame in link.bodies("credit") if frame.stream_id}
    assert credit == {1: len(answer) + 64, 3: len(answer) + 64}
    for call in calls[2:]:
        await anext(call)
    await settle()
    credit = {frame.stream_id: frame.credit.bytes for frame in link.bodies("credit") if frame.stream_id}
    assert credit[21] == len(answer) + 64 + 262_144 - 73_728
    connection.abort()


async def test_parts_of_websocket_messages_and_of_frames_count() -> None:
    budget = MemoryBudget(1_048_576)
    sockets = [MemorySocket() for _ in range(2)]
    local, remote = (KeyPair.from_seed(bytes([byte]) * 32).id for byte in (1, 2))
    secrets = Secrets(remote, bytes(32), bytes(24), bytes(32), bytes(24))
    less, most = (Connection(ChannelLink(socket.duplex, local, secrets, b""), memory=budget) for socket in sockets)
    parts = [Wire(Opcode.BINARY, bytes(1_000_000)).serialize(mask=False)[:size] for size in (400_000, 500_000)]
    sockets[0].duplex.data_received(parts[0])
    sockets[1].duplex.data_received(parts[1])
    assert (less.memory.held_bytes, most.memory.held_bytes) == (400_000 - 10, 500_000 - 10)
    sockets[1].duplex.data_received(bytes(200_000))
    reason = await most.wait_closed()
    assert reason is not None and reason.reason == "memory_exhausted"
    assert not less.is_closed
    assert budget.held_bytes == less.memory.held_bytes
    less.abort()
    async with served() as (link, connection):
        link.receive(encode_frame(Frame(stream_id=1, open=Open(method=ECHO, message=bytes(60_000))))[:50_000])
        assert connection.memory.received_bytes == 50_000
