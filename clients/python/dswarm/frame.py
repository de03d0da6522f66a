"""Frames on the plaintext stream: each behind its length as a varint.

Frames of every call are written by hand, byte for byte what the generated code would make (a property test holds them to it),
as that is several times quicker; the rare ones go through the generated code, and so does all that is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from google.protobuf.message import DecodeError

from .errors import fault, over_limit
from .limits import MAX_FRAME_BYTES
from .v1.frame_pb2 import Frame

_FRAMES_BETWEEN_LOOKS = 63
"""Frames that are handled without a look at the clock, as a mask."""
_ONE_BYTE = tuple(bytes((n,)) for n in range(0x80))


def varint(number: int) -> bytes:
    """A number of at least 0 as protobuf writes it."""
    if number < 0x80:
        return _ONE_BYTE[number]
    if number < 0x4000:
        return bytes((number & 0x7F | 0x80, number >> 7))
    output = bytearray()
    while number > 0x7F:
        output.append(number & 0x7F | 0x80)
        number >>= 7
    output.append(number)
    return bytes(output)


def encode_frame(frame: Frame) -> bytes:
    """Any frame, with its length before it. Raises RpcError ``frame_too_large``."""
    data = frame.SerializeToString()
    if len(data) > MAX_FRAME_BYTES:
        raise over_limit("frame_too_large", "a frame", len(data), MAX_FRAME_BYTES)
    return varint(len(data)) + data


def method_field(name: str) -> bytes:
    """The method's name as ``encode_open`` wants it."""
    data = name.encode("ascii")
    return b"\x0a" + varint(len(data)) + data


def encode_open(stream_id: int, method: bytes, timeout_ms: int, message: bytes | None, half_close: bool) -> bytes:
    """An Open frame without metadata. ``method`` comes from ``method_field``."""
    body = method
    if timeout_ms:
        body += b"\x10" + varint(timeout_ms)
    if message is not None:
        body += b"\x22" + varint(len(message)) + message
    if half_close:
        body += b"\x28\x01"
    head = b"\x08" + varint(stream_id) + b"\x12" + varint(len(body))
    return varint(len(head) + len(body)) + head + body


def encode_data(stream_id: int, payload: bytes | memoryview, more: bool) -> bytes:
    """A Data frame."""
    size = len(payload)
    head = b"\x0a" + varint(size) if size else b""
    tail = b"\x10\x01" if more else b""
    outer = b"\x08" + varint(stream_id) + b"\x1a" + varint(len(head) + size + len(tail))
    return b"".join((varint(len(outer) + len(head) + size + len(tail)), outer, head, payload, tail))


def encode_end_ok(stream_id: int, response: bytes) -> bytes:
    """The End frame of a call that succeeded with one message, without metadata."""
    body = b"\x32" + varint(len(response)) + response
    head = b"\x08" + varint(stream_id) + b"\x2a" + varint(len(body))
    return varint(len(head) + len(body)) + head + body


class FrameReader:
    """Cuts the plaintext stream into frames. Holds a frame that is not complete, and what is left of a turn."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self.has_more = False
        """The last turn ended before all frames were handled: ``feed`` is to be called again."""

    def feed(self, data: bytes, on_frame: Callable[[Frame], None], until: float = math.inf) -> int:
        """Takes bytes as they came; calls back for each frame that is complete. Returns how many of no bytes it skipped.

        ``until``: the moment, by ``time.monotonic``, at which the turn ends; what is left waits for the next call. Raises RpcError
        ``frame_invalid`` or ``frame_too_large``, and what ``on_frame`` raises.
        """
        buffer: bytes | bytearray = data
        if self._pending:
            self._pending += data
            buffer = self._pending
        position = skipped = handled = 0
        size = len(buffer)
        self.has_more = False
        while position < size:
            handled += 1
            if not handled & _FRAMES_BETWEEN_LOOKS and time.monotonic() > until:
                self.has_more = True
                break
            length = buffer[position]
            start = position + 1
            if length >= 0x80:
                head = _read_length(buffer, position)
                if head is None:
                    break
                length, start = head
            end = start + length
            if end > size:
                break
            position = end
            if length:
                on_frame(_decode(bytes(buffer[start:end])))
            else:
                skipped += 1
        if buffer is self._pending:
            del self._pending[:position]
        elif position < size:
            self._pending += memoryview(data)[position:]
        return skipped

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not complete, and of what is left of a turn."""
        return len(self._pending)

    def append(self, data: bytes) -> None:
        """Takes bytes that wait for the next ``feed``."""
        self._pending += data


def _decode(data: bytes) -> Frame:
    try:
        return Frame.FromString(data)
    except DecodeError as error:
        raise fault("frame_invalid", "a frame that does not decode") from error


def _read_length(buffer: bytes | bytearray, position: int) -> tuple[int, int] | None:
    """The length and where the frame begins; None when more bytes are needed."""
    length = 0
    for shift in range(0, 21, 7):
        if position >= len(buffer):
            return None
        byte = buffer[position]
        position += 1
        length |= (byte & 0x7F) << shift
        is_last = byte < 0x80
        if is_last and length <= MAX_FRAME_BYTES:
            return length, position
        if is_last or length > MAX_FRAME_BYTES:
            raise over_limit("frame_too_large", "a frame", length, MAX_FRAME_BYTES, is_whole=is_last)
    raise over_limit("frame_too_large", "a frame", MAX_FRAME_BYTES + 1, MAX_FRAME_BYTES, is_whole=False)
