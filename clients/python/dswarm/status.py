"""gRPC status: an RpcError as the End of a call, and back."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import Code, RpcError
from .limits import MAX_DETAIL_BYTES, MAX_ERROR_BYTES
from .metadata import Pairs
from .v1.frame_pb2 import End
from .v1.frame_pb2 import Metadata as Entry

# Tag and length of a detail within the frame.
_DETAIL_OVERHEAD_BYTES = 4


def end_of_error(error: RpcError, header: Iterable[Entry] = (), trailer: Iterable[Entry] = ()) -> End:
    """The End frame's content of a failed call. Its size is bounded: what does not fit is left out."""
    code = Code.UNKNOWN if error.code == Code.OK else error.code
    end = End(code=code, message=_shortened(error.message), header=header, trailer=trailer)
    size = 0
    for detail in error.details:
        size += detail.ByteSize() + _DETAIL_OVERHEAD_BYTES
        if size > MAX_DETAIL_BYTES:
            break
        end.details.append(detail)
    return end


def error_of_end(end: End, header: Pairs, trailer: Pairs) -> RpcError:
    """The error that an End frame tells of."""
    return RpcError(Code.of(end.code), end.message, end.details, header=header, trailer=trailer)


def _shortened(message: str) -> str:
    data = message.encode(errors="replace")
    if len(data) <= MAX_ERROR_BYTES:
        return data.decode()
    return data[: MAX_ERROR_BYTES - 8].decode(errors="ignore") + "…"
