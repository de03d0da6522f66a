"""A link without a network: a test plays the peer, frame by frame."""

from __future__ import annotations

from dswarm import KeyPair, RpcError
from dswarm.frame import FrameReader, encode_frame
from dswarm.link import LinkSink
from dswarm.v1.frame_pb2 import Frame

_LOCAL, _REMOTE = KeyPair.from_seed(bytes([1]) * 32).id, KeyPair.from_seed(bytes([2]) * 32).id


class MemoryLink:
    """The Link of one end; what it writes is kept as frames."""

    def __init__(self, *, is_dialer: bool) -> None:
        self.is_dialer = is_dialer
        self.local, self.remote = _LOCAL, _REMOTE
        self.has_room = True
        self.buffered_bytes = self.taken_bytes = 0
        self.is_ended = False
        self.is_paused = False
        self.reason: RpcError | None = None
        self.frames: list[Frame] = []
        self._reader = FrameReader()
        self._sink: LinkSink | None = None

    def attach(self, sink: LinkSink) -> None:
        self._sink = sink

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def write(self, data: bytes) -> None:
        if not self.is_ended:
            self._reader.feed(data, self.frames.append)
            if self.has_room:
                self.taken_bytes += len(data)
            else:
                self.buffered_bytes += len(data)

    def close(self) -> None:
        self._end(None)

    def abort(self, reason: RpcError) -> None:
        self._end(reason)

    def receive(self, *sent: bytes | Frame) -> None:
        """The peer sends bytes, or frames."""
        assert self._sink is not None
        for each in sent:
            if not self.is_ended:
                self._sink.on_data(each if isinstance(each, bytes) else encode_frame(each))

    def bodies(self, kind: str) -> list[Frame]:
        """The frames of a kind that were written."""
        return [frame for frame in self.frames if frame.WhichOneof("body") == kind]

    def _end(self, reason: RpcError | None) -> None:
        if not self.is_ended:
            self.is_ended, self.reason = True, reason
            assert self._sink is not None
            self._sink.on_closed(reason)
