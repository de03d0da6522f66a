"""One call on a connection, seen from one end: which frames may come and go, and how many bytes.

    caller                                             callee
    Open ─────────────────────────────────────────►    open
    Data* ────────────────────────────────────────►    Data*        within the credit that the other end gave
    HalfClose ────────────────────────────────────►    half-closed  (may be part of Open)
          ◄──────────────────────── Header? Data* ─    answering
          ◄───────────────────────────────── End ──    closed       at any time, also before the half-close
    Cancel ───────────────────────────────────────►    closed       at any time, instead of waiting for End

A frame that this picture does not allow ends the stream; what follows on a closed stream is ignored, as it may have been under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from .errors import Code, RpcError, fault, over_limit
from .faults import FaultBudget
from .frame import encode_frame
from .limits import DATA_COST, MAX_PIECE_BYTES, STREAM_CREDIT, Limits
from .memory import Account
from .metadata import Pairs, from_entries
from .outbox import MIN_PIECE_BYTES, Outbox, Outgoing, with_credit
from .receive_budget import ReceiveBudget
from .status import end_of_error
from .v1.frame_pb2 import Cancel, Credit, Data, End, Frame, HalfClose, Header
from .v1.frame_pb2 import Metadata as Entry


class StreamHost(Protocol):
    """What a stream asks of its connection."""

    limits: Limits
    outbox: Outbox
    budget: ReceiveBudget
    memory: Account
    faults: FaultBudget
    incomplete: dict[Stream, float]
    """Streams of the peer's calls whose request is incomplete, and when that last went on: 0 since the last look."""

    def remove(self, stream: Stream) -> None:
        """The stream is closed."""


class StreamHandler(Protocol):
    """The call behind a stream. Its methods must not raise."""

    def on_message(self, message: bytes, held: int, unpaid: int) -> None:
        """A whole message. When it is consumed, both numbers go to ``release``: bytes counted, and credit not yet given."""

    def on_half_close(self) -> None:
        """Callee: the caller has sent its last message."""

    def on_header(self, metadata: Pairs) -> None:
        """Caller: response metadata."""

    def on_end(self, end: End, header: Pairs, trailer: Pairs) -> None:
        """Caller: the answer is complete. The stream is closed."""

    def on_failed(self, error: RpcError) -> None:
        """The stream is closed by a fault, by the loss of the connection or, for the callee, by the caller's Cancel."""


class Stream:
    """One end of a call."""

    __slots__ = (
        "_hungry",
        "_answering",
        "_host",
        "_local_done",
        "_owed",
        "_piece_cost",
        "_piece_cost_paid",
        "_pieces",
        "_raised",
        "_receive_credit",
        "_remote_done",
        "handler",
        "id",
        "is_caller",
        "is_closed",
        "outgoing",
        "send_credit",
    )

    def __init__(self, host: StreamHost, stream_id: int, is_caller: bool) -> None:
        self.id = stream_id
        self.send_credit = STREAM_CREDIT
        self.outgoing: Outgoing | None = None
        self.handler: StreamHandler | None = None
        self.is_closed = False
        self._host = host
        self.is_caller = is_caller
        self._receive_credit = STREAM_CREDIT
        self._owed = 0
        self._raised = 0
        # Of a message that is not complete. Bounded by the receive credit and max_message_bytes.
        self._pieces: bytearray | None = None
        self._piece_cost = 0
        self._piece_cost_paid = 0
        # The consumer waits for the next message: pieces are then paid for as they come.
        self._hungry = False
        self._local_done = False
        self._remote_done = False
        self._answering = False

    # ---- sending

    def send(self, message: bytes) -> asyncio.Future[None] | None:
        """Sends one message. The next may be sent when the future is done, or at once where there is none.

        The future fails when the stream closes before. Raises RpcError ``message_too_large``, ``link_closed``.
        """
        if self.is_closed or self._local_done:
            raise _ended()
        if len(message) > self._host.limits.max_message_bytes:
            raise over_limit("message_too_large", "a message", len(message), self._host.limits.max_message_bytes)
        return self._host.outbox.transmit(self, message)

    def half_closed(self) -> None:
        """Caller: no message follows; that was said in Open."""
        self._local_done = True

    def half_close(self) -> None:
        """Caller: no message follows."""
        if self.is_closed or self._local_done:
            return
        self._local_done = True
        self._write(Frame(stream_id=self.id, half_close=HalfClose()))

    def send_header(self, metadata: Iterable[Entry]) -> None:
        """Callee: response metadata, before the first message."""
        if not self.is_closed:
            self._write(Frame(stream_id=self.id, header=Header(metadata=metadata)))

    def end_encoded(self, frame: bytes) -> None:
        """Callee: the call is over, as an encoded End frame says. Closes the stream."""
        if not self.is_closed:
            self._close()
            self._host.outbox.write(frame)

    def end(self, end: End) -> None:
        """Callee: the call is over. Closes the stream."""
        self.end_encoded(encode_frame(Frame(stream_id=self.id, end=end)))

    def cancel(self, code: Code = Code.CANCELLED) -> None:
        """Caller: the call has ended here with a code. Closes the stream; the handler is not told."""
        if not self.is_closed:
            self._close()
            self._write(Frame(stream_id=self.id, cancel=Cancel(code=0 if code == Code.CANCELLED else code)))

    def _write(self, frame: Frame) -> None:
        self._host.outbox.write(encode_frame(frame))

    # ---- what the consumer says

    def release(self, held: int, unpaid: int) -> None:
        """Received bytes are consumed: the peer may send more."""
        self.hold(-held)
        if unpaid:
            self.pay(unpaid)

    def hold(self, size: int) -> None:
        """Counts bytes that are held until ``discard`` or ``release``."""
        if self.is_caller:
            self._host.memory.add_unread(size)
        else:
            self._host.memory.add_received(size)

    def discard(self, held: int) -> None:
        """Received bytes are dropped: the peer may not send more for them."""
        self.hold(-held)

    def want_message(self) -> None:
        """The consumer has nothing left and waits."""
        if self._hungry or self.is_closed:
            return
        self._hungry = True
        if self._piece_cost > 0:
            self._host.budget.assembling(self, self._piece_cost)

    def pay_pieces(self) -> None:
        """Gives the peer credit for the pieces that are there. Repeating it does nothing."""
        cost = self._piece_cost - self._piece_cost_paid
        if cost > 0:
            self._piece_cost_paid = self._piece_cost
            self.pay(cost)

    def pay(self, cost: int) -> None:
        """Lets the peer send as much more, at once or with what follows."""
        if self._remote_done or self.is_closed:
            return
        self._owed += cost
        if not self._raised:
            # A message was consumed, or a part of a large one, and more may come: a stream in use gets a larger window.
            self._raised = self._host.budget.take_window()
            self._owed += self._raised
        if self._owed * 4 < STREAM_CREDIT + self._raised:
            return
        self._write(Frame(stream_id=self.id, credit=Credit(bytes=self._owed)))
        self._receive_credit += self._owed
        self._owed = 0

    @property
    def can_receive(self) -> bool:
        """Whether the peer has the credit to go on with a message."""
        return self._receive_credit >= DATA_COST + MIN_PIECE_BYTES

    # ---- receiving; each raises RpcError for what ends the connection

    def on_data(self, data: Data) -> None:
        """A message or a piece of one."""
        payload = data.payload
        cost = len(payload) + DATA_COST
        self._receive_credit -= cost
        if self._receive_credit < 0:
            raise fault("credit_exceeded", f"more than the credit of stream {self.id}")
        if len(payload) > MAX_PIECE_BYTES:
            raise over_limit("frame_invalid", "a piece", len(payload), MAX_PIECE_BYTES)
        if self._remote_done:
            return self._refuse(fault("frame_invalid", "a message after the half-close"))
        self._answering = True
        pieces = self._pieces
        size = len(payload) + (0 if pieces is None else len(pieces))
        limit = self._host.limits.max_message_bytes
        if size > limit:
            return self._refuse(over_limit("message_too_large", "a message", size, limit, is_whole=not data.more))
        if data.more:
            self._on_piece(payload, cost)
        elif pieces is None:
            self._hungry = False
            if self.handler is not None:
                self.hold(cost)
                self.handler.on_message(payload, cost, cost)
        else:
            self._on_last_piece(pieces, payload, cost)

    def _on_piece(self, payload: bytes, cost: int) -> None:
        # An empty piece carries nothing on: taken, a peer could send pieces without end.
        if not payload:
            return self._refuse(fault("frame_invalid", "an empty piece"))
        if self._pieces is None:
            self._pieces = bytearray()
        self._pieces += payload
        self._piece_cost += cost
        self.hold(cost)
        if not self.is_caller:
            self._host.incomplete[self] = 0.0
        if self._hungry:
            self._host.budget.assembling(self, cost)

    def _on_last_piece(self, pieces: bytearray, payload: bytes, cost: int) -> None:
        pieces += payload
        held = self._piece_cost + cost
        unpaid = held - self._piece_cost_paid
        self._drop_pieces()
        self._hungry = False
        if self.handler is not None:
            self.hold(held)
            self.handler.on_message(bytes(pieces), held, unpaid)

    def _drop_pieces(self) -> None:
        if self._hungry and self._piece_cost > 0:
            self._host.budget.assembled(self, self._piece_cost)
        self.hold(-self._piece_cost)
        if not self.is_caller:
            self._host.incomplete.pop(self, None)
        self._pieces = None
        self._piece_cost = self._piece_cost_paid = 0

    def inline_fault(self, message: bytes) -> RpcError | None:
        """What is wrong with a message that came within Open or End."""
        if len(message) > MAX_PIECE_BYTES:
            return over_limit("frame_invalid", "a message in one frame", len(message), MAX_PIECE_BYTES)
        if len(message) > self._host.limits.max_message_bytes:
            return over_limit("message_too_large", "a message", len(message), self._host.limits.max_message_bytes)
        return None

    def on_half_close(self) -> None:
        """The caller sends no further message."""
        if self._remote_done or self._pieces is not None:
            return self._refuse(fault("frame_invalid", "a half-close within a message, or a second one"))
        self._remote_done = True
        if self.handler is not None:
            self.handler.on_half_close()

    def remote_half_closed(self) -> None:
        """Callee: the half-close came within Open."""
        self._remote_done = True

    def on_header(self, header: Header) -> None:
        """Response metadata."""
        if self._answering:
            return self._refuse(fault("frame_invalid", "a second header, or one after data"))
        self._answering = True
        try:
            metadata = from_entries(header.metadata)
        except RpcError as error:
            return self._refuse(error)
        if self.handler is not None:
            self.handler.on_header(metadata)

    def on_end(self, end: End) -> None:
        """The end of the call, with its status."""
        try:
            header, trailer = from_entries(end.header), from_entries(end.trailer)
            broken = self._end_fault(end)
        except RpcError as error:
            broken = error
        self._close()
        if self.handler is None:
            return
        if broken is None:
            self.handler.on_end(end, header, trailer)
        else:
            self.handler.on_failed(broken)
            self._host.faults.count()

    def _end_fault(self, end: End) -> RpcError | None:
        # A call may fail while an answer is under way; it cannot succeed then.
        if self._pieces is not None and end.code == 0:
            return fault("frame_invalid", "a success within a message")
        if self._answering and end.header:
            return fault("frame_invalid", "a second header")
        return self.inline_fault(end.response)

    def on_cancel(self, code: int) -> None:
        """The caller has given the call up, which ended there with a code."""
        self._close()
        if self.handler is not None:
            is_late = code == Code.DEADLINE_EXCEEDED
            self.handler.on_failed(
                RpcError(Code.DEADLINE_EXCEEDED, "the caller's deadline has passed") if is_late else _cancelled()
            )

    def on_credit(self, more: int) -> None:
        """The peer lets this end send more."""
        self.send_credit = with_credit(self.send_credit, more)
        if more < DATA_COST:
            self._host.faults.count()
        self._host.outbox.resume(self)

    def fail(self, error: RpcError) -> None:
        """Ends the stream for a fault of the peer or of this end, telling the peer and the handler."""
        if self.is_closed:
            return
        if self.is_caller:
            self.cancel(error.code)
        else:
            self.end(end_of_error(error))
        if self.handler is not None:
            self.handler.on_failed(error)

    def _refuse(self, error: RpcError) -> None:
        """Ends the stream for a fault of the peer, and counts the fault."""
        self.fail(error)
        self._host.faults.count()

    def lost(self, error: RpcError) -> None:
        """The connection is gone, or the peer does not handle the call."""
        if self.is_closed:
            return
        self._close()
        if self.handler is not None:
            self.handler.on_failed(error)

    def _close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if self._pieces is not None:
            self._drop_pieces()
        if self._raised:
            self._host.budget.return_window(self._raised)
            self._raised = 0
        if self.outgoing is not None:
            self._host.memory.add_unsent(-self.outgoing.held)
            if not self.outgoing.done.done():
                self.outgoing.done.set_exception(_ended())
            self.outgoing = None
        self._host.remove(self)


def _ended() -> RpcError:
    return fault("link_closed", "the call has ended")


def _cancelled() -> RpcError:
    return RpcError(Code.CANCELLED, "the caller cancelled the call")
