"""Methods and services, as the generated code describes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from .errors import Code, RpcError, fault
from .frame import method_field

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
M = TypeVar("M", bound=Message)


class MethodSpec(Generic[Request, Response]):
    """A method of a service."""

    __slots__ = (
        "client_streaming",
        "decode_request",
        "decode_response",
        "field",
        "is_idempotent",
        "name",
        "python_name",
        "request_type",
        "response_type",
        "server_streaming",
    )

    def __init__(
        self,
        name: str,
        python_name: str,
        request_type: type[Request],
        response_type: type[Response],
        client_streaming: bool,
        server_streaming: bool,
        is_idempotent: bool = False,
    ) -> None:
        self.name = name
        """"package.Service/Method"."""
        self.python_name = python_name
        self.request_type = request_type
        self.response_type = response_type
        self.client_streaming = client_streaming
        self.server_streaming = server_streaming
        self.is_idempotent = is_idempotent
        """Whether a call may be repeated though its handler may have run (``idempotency_level`` in the proto file)."""
        self.field = method_field(name)
        """The name as an Open frame has it."""
        self.decode_request: Callable[[bytes], Request] = _decoder(request_type, "message_invalid")
        self.decode_response: Callable[[bytes], Response] = _decoder(response_type, None)


class ServiceSpec:
    """A service and its methods."""

    def __init__(self, name: str, methods: Sequence[MethodSpec[Any, Any]]) -> None:
        self.name = name
        """"package.Service"."""
        self.methods = tuple(methods)


class ServiceBase:
    """Base of the generated bases of services."""

    spec: ClassVar[ServiceSpec]

    def _unimplemented(self) -> RpcError:
        return RpcError(Code.UNIMPLEMENTED, f"a method of {self.spec.name} that is not served here")


def _decoder(message_type: type[M], reason: str | None) -> Callable[[bytes], M]:
    from_string = message_type.FromString

    def decode(data: bytes) -> M:
        try:
            return from_string(data)
        except DecodeError as error:
            if reason is not None:
                raise fault(reason, f"a {message_type.DESCRIPTOR.full_name} that does not decode") from error
            raise RpcError(Code.INTERNAL, f"a {message_type.DESCRIPTOR.full_name} that does not decode") from error

    return decode
