"""Frames on the plaintext stream: each behind its length as a varint."""

from __future__ import annotations

from google.protobuf.message import DecodeError

from .errors import fault
from .limits import MAX_FRAME_BYTES
from .v1.frame_pb2 import Frame


def encode_frame(frame: Frame) -> bytes:
    """A frame with its length before it."""
    data = frame.SerializeToString()
    length = len(data)
    if length < 0x80:
        return bytes((length,)) + data
    if length > MAX_FRAME_BYTES:
        raise fault("frame_too_large", f"a frame of {length} bytes")
    prefix = bytearray()
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + data


class FrameReader:
    """Cuts the plaintext stream into frames. Holds at most one frame that is not complete, and what one read brought."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Takes bytes as they came; returns the frames that are complete. Raises RpcError ``frame_*``."""
        self._pending += data
        frames: list[Frame] = []
        position = 0
        while True:
            head = _read_length(self._pending, position)
            if head is None:
                break
            length, start = head
            if start + length > len(self._pending):
                break
            try:
                frames.append(Frame.FromString(bytes(self._pending[start : start + length])))
            except DecodeError as error:
                raise fault("frame_invalid", "a frame that does not decode") from error
            position = start + length
        if position:
            del self._pending[:position]
        return frames


def _read_length(buffer: bytearray, position: int) -> tuple[int, int] | None:
    """The length and where the frame begins; None when more bytes are needed."""
    length = 0
    for shift in range(0, 21, 7):
        if position >= len(buffer):
            return None
        byte = buffer[position]
        position += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            if length > MAX_FRAME_BYTES:
                break
            return length, position
    raise fault("frame_too_large", f"a frame over {MAX_FRAME_BYTES} bytes")
