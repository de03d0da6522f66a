"""Serves grpc.health.v1.Health, so that gRPC's tools and dswarm's can ask whether a service can be called.

The schema is made here, in a pool of its own: in the pool of all, it would meet that of grpcio-health-checking.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from .errors import Code, RpcError
from .serve import ServerContext
from .spec import MethodSpec, ServiceBase, ServiceSpec

_NAME = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING, _UNKNOWN = 1, 2, 3


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3")
    request = file.message_type.add(name="HealthCheckRequest")
    _field(request, "service", FieldDescriptorProto.TYPE_STRING)
    response = file.message_type.add(name="HealthCheckResponse")
    status = response.enum_type.add(name="ServingStatus")
    for number, name in enumerate(("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")):
        status.value.add(name=name, number=number)
    _field(response, "status", FieldDescriptorProto.TYPE_ENUM, ".grpc.health.v1.HealthCheckResponse.ServingStatus")
    service = file.service.add(name="Health")
    kinds = {"input_type": ".grpc.health.v1.HealthCheckRequest", "output_type": ".grpc.health.v1.HealthCheckResponse"}
    service.method.add(name="Check", **kinds)
    service.method.add(name="Watch", server_streaming=True, **kinds)
    return file


def _field(message: DescriptorProto, name: str, kind: FieldDescriptorProto.Type.ValueType, type_name: str = "") -> None:
    field = message.field.add(name=name, number=1, label=FieldDescriptorProto.LABEL_OPTIONAL, type=kind)
    if type_name:
        field.type_name = type_name


_POOL = DescriptorPool()
_POOL.AddSerializedFile(_file().SerializeToString())
FILE = _POOL.FindFileByName("grpc/health/v1/health.proto")
"""For reflection."""
HealthCheckRequest: Any = GetMessageClass(FILE.message_types_by_name["HealthCheckRequest"])
HealthCheckResponse: Any = GetMessageClass(FILE.message_types_by_name["HealthCheckResponse"])


class Health(ServiceBase):
    """Tells the status of services; to be served beside them: ``services=[*mine, Health(mine)]``. All are serving at first."""

    spec = ServiceSpec(
        _NAME,
        (
            MethodSpec(f"{_NAME}/Check", "check", HealthCheckRequest, HealthCheckResponse, False, False, True),
            MethodSpec(f"{_NAME}/Watch", "watch", HealthCheckRequest, HealthCheckResponse, False, True, True),
        ),
    )

    def __init__(self, services: Iterable[ServiceBase]) -> None:
        # Bounded by the services; "" is this end as a whole.
        self._statuses = {"": _SERVING, **{service.spec.name: _SERVING for service in (*services, self)}}
        self._changed = asyncio.Event()

    def set_serving(self, service: str, is_serving: bool) -> None:
        """Says whether a service ("package.Service", or "" for all of this end) can be called. Raises KeyError for another."""
        self._statuses[service]
        self._statuses[service] = _SERVING if is_serving else _NOT_SERVING
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def check(self, request: Any, context: ServerContext) -> Any:
        """The status now."""
        status = self._statuses.get(request.service)
        if status is None:
            raise RpcError(Code.NOT_FOUND, "there is no such service")
        return HealthCheckResponse(status=status)

    async def watch(self, request: Any, context: ServerContext) -> AsyncIterator[Any]:
        """The status now and whenever it changes."""
        told = None
        while True:
            changed, status = self._changed, self._statuses.get(request.service, _UNKNOWN)
            if status != told:
                told = status
                yield HealthCheckResponse(status=status)
            await changed.wait()
