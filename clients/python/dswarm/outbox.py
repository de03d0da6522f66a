"""What leaves on a connection.

Frames written in one turn of the event loop go to the link together: one run of boxes, one WebSocket message. Messages that
cannot leave at once take turns: pieces of one stream after the other, within the credit of each stream and of the connection, and
only while the link has room. So a large message never holds up a small one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import fault
from .frame import encode_data
from .limits import CONNECTION_CREDIT, DATA_COST, MAX_PIECE_BYTES
from .link import Link
from .memory import Account

if TYPE_CHECKING:
    from .stream import Stream

# Handed to the link when there is this much, before the turn ends.
_FLUSH_BYTES = 65_536
# Handed to the link at most at once: it then says whether there is room for more.
_HAND_OVER_BYTES = 262_144
# Messages up to this size are sent at once even where the link is a little behind: a turn of their own would cost more.
_SMALL_BYTES = 1024
_LITTLE_BEHIND_BYTES = 1_048_576
# A piece smaller than this is not worth a frame: the stream waits for more credit.
MIN_PIECE_BYTES = 4096
_MAX_CREDIT = 2**40


@dataclass(slots=True)
class Outgoing:
    """A message that waits for credit or for its turn."""

    message: memoryview
    done: asyncio.Future[None]
    held: int
    """Bytes counted for it: those of an answer, none of a request of this end."""
    sent: int = 0


def with_credit(credit: int, more: int) -> int:
    """Credit with what the peer gives in addition. Raises RpcError ``frame_invalid`` for nothing, and for too much."""
    if more == 0 or credit + more > _MAX_CREDIT:
        raise fault("frame_invalid", "a credit out of its range")
    return credit + more


class Outbox:
    """Sends frames, as fast as the link takes them. Bounded by ``max_queued_bytes``, beyond one message a stream."""

    def __init__(self, link: Link, max_queued_bytes: int, memory: Account) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._max_queued_bytes = max_queued_bytes
        self._memory = memory
        self._frames: deque[bytes] = deque()
        self._size = 0
        self._counted = 0
        self._is_planned = False
        self._is_closed = False
        # Streams with a message under way and credit for it, in turn. Bounded by the streams.
        self._ready: dict[Stream, None] = {}
        self._credit = CONNECTION_CREDIT
        self.stalled_at: float | None = None
        """When messages began to wait for credit of the connection, by the loop's time; None while none do."""

    def write(self, frame: bytes) -> None:
        """Sends an encoded frame, with the others of this turn."""
        self._frames.append(frame)
        self._size += len(frame)
        if self._size >= _FLUSH_BYTES:
            self.flush()
        elif not self._is_planned:
            self._plan()

    def takes_inline(self, size: int) -> bool:
        """Whether so many message bytes may travel in an Open or End frame, which costs no credit.

        Where the link is behind, they are to wait for their turn as Data frames, so that many calls do not pile up in it.
        """
        if self._link.has_room:
            return size <= MAX_PIECE_BYTES
        return size <= _SMALL_BYTES and self._link.buffered_bytes + self._size < _LITTLE_BEHIND_BYTES

    def transmit(self, stream: Stream, message: bytes) -> asyncio.Future[None] | None:
        """Sends a message in turn with those of other streams. None when it is sent already."""
        size = len(message)
        cost = size + DATA_COST
        is_free = self._link.has_room and not self._ready and cost <= _FLUSH_BYTES
        if is_free and cost <= stream.send_credit and cost <= self._credit and stream.outgoing is None:
            stream.send_credit -= cost
            self._credit -= cost
            self.write(encode_data(stream.id, message, False))
            return None
        if stream.outgoing is not None:
            raise RuntimeError("a message of this call is under way already")
        done: asyncio.Future[None] = self._loop.create_future()
        held = 0 if stream.is_caller else size
        self._memory.add_unsent(held)
        stream.outgoing = Outgoing(memoryview(message), done, held)
        self._ready[stream] = None
        if not self._is_planned:
            self._plan()
        return done

    def add_credit(self, more: int) -> None:
        """The peer lets this end send more on the connection. Raises RpcError ``frame_invalid``."""
        self._credit = with_credit(self._credit, more)
        self.stalled_at = None
        self.flush_soon()

    def resume(self, stream: Stream) -> None:
        """A stream got credit: it may take its turn again."""
        if stream.outgoing is not None:
            self._ready[stream] = None
            self.flush_soon()

    def remove(self, stream: Stream) -> None:
        """The stream is closed."""
        self._ready.pop(stream, None)
        if not self._ready:
            self.stalled_at = None

    def flush_soon(self) -> None:
        """With this turn."""
        if not self._is_planned:
            self._plan()

    def flush(self) -> None:
        """Hands the link what it takes. Ends the link when the peer reads too little of what it is sent."""
        if self._is_closed:
            return
        link = self._link
        while link.has_room:
            if self._ready:
                self._pump()
            if not self._frames:
                break
            self._hand_over()
            if self._is_closed or not (self._frames or self._is_waiting):
                break
        if self._ready and not self._is_waiting and self.stalled_at is None:
            self.stalled_at = self._loop.time()
        self._count()

    def flush_all(self) -> None:
        """Hands the link all frames, whether or not it has room. For the end of the connection."""
        while self._frames and not self._is_closed:
            self._hand_over()

    @property
    def progress(self) -> int | None:
        """A number that grows when the network takes bytes; None when none wait."""
        return self._link.taken_bytes if self._link.buffered_bytes or self._frames else None

    def _hand_over(self) -> None:
        frames = self._frames
        if self._size <= _HAND_OVER_BYTES:
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            frames.clear()
            self._size = 0
        else:
            part, size = [], 0
            while frames and size < _HAND_OVER_BYTES:
                part.append(frames.popleft())
                size += len(part[-1])
            data = b"".join(part)
            self._size -= size
        self._link.write(data)

    def _count(self) -> None:
        queued = self._size + self._link.buffered_bytes
        if queued != self._counted:
            change, self._counted = queued - self._counted, queued
            self._memory.add_unsent(change)
            if queued > self._max_queued_bytes:
                self._link.abort(fault("peer_too_slow", f"{queued} bytes wait for the peer"))

    def close(self) -> None:
        """The link is gone: what is collected is dropped."""
        self._is_closed = True
        self._frames.clear()
        self._ready.clear()

    @property
    def _is_waiting(self) -> bool:
        return bool(self._ready) and self._credit > DATA_COST + MIN_PIECE_BYTES

    def _plan(self) -> None:
        self._is_planned = True
        self._loop.call_soon(self._planned_flush)

    def _planned_flush(self) -> None:
        self._is_planned = False
        self.flush()

    def _pump(self) -> None:
        """Writes pieces until there is enough for the link, or nothing can be sent."""
        while self._size < _FLUSH_BYTES and self._is_waiting:
            stream = next(iter(self._ready))
            del self._ready[stream]
            if self._send_piece(stream):
                self._ready[stream] = None

    def _send_piece(self, stream: Stream) -> bool:
        """Returns whether the stream could go on."""
        outgoing = stream.outgoing
        if outgoing is None:
            return False
        left = len(outgoing.message) - outgoing.sent
        least = min(left, MIN_PIECE_BYTES)
        room = min(stream.send_credit, self._credit) - DATA_COST
        if room < least:
            return stream.send_credit - DATA_COST >= least
        length = min(left, room, MAX_PIECE_BYTES)
        stream.send_credit -= length + DATA_COST
        self._credit -= length + DATA_COST
        piece = outgoing.message[outgoing.sent : outgoing.sent + length]
        frame = encode_data(stream.id, piece, length < left)
        self._frames.append(frame)
        self._size += len(frame)
        outgoing.sent += length
        if length < left:
            return True
        stream.outgoing = None
        self._memory.add_unsent(-outgoing.held)
        if not outgoing.done.done():
            outgoing.done.set_result(None)
        return False
