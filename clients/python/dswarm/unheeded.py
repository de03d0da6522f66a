"""The call that keeps a connection in use on which this end serves: the peer's health, whatever it is."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from .errors import RpcError
from .metadata import Pairs
from .spec import MethodSpec
from .v1.frame_pb2 import End

CHECK = MethodSpec("grpc.health.v1.Health/Check", "check", Empty, Empty, False, False)
"""Its request is empty where it asks for the whole node."""


class Unheeded:
    """A call whose answer is of no interest."""

    def on_message(self, message: bytes, held: int, unpaid: int) -> None:
        """Comes to nobody."""

    def on_half_close(self) -> None:
        """Comes to callees only."""

    def on_header(self, metadata: Pairs) -> None:
        """Comes to nobody."""

    def on_end(self, end: End, header: Pairs, trailer: Pairs) -> None:
        """The call is over."""

    def on_failed(self, error: RpcError) -> None:
        """So is this one."""
