"""Serves what a peer needs to call services by JSON: their names and their schemas."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import Default

from .errors import Code, RpcError
from .health import FILE as HEALTH_FILE
from .health import Health
from .serve import ServerContext
from .spec import ServiceBase
from .v1 import reflection_pb2 as pb
from .v1.reflection_dswarm import ReflectionServiceBase


class Reflection(ReflectionServiceBase):
    """Tells peers of services and of itself; to be served beside them: ``services=[*mine, Reflection(mine)]``."""

    def __init__(self, services: Iterable[ServiceBase]) -> None:
        self._names = sorted({service.spec.name for service in (*services, self)})

    async def list_services(self, request: pb.ListServicesRequest, context: ServerContext) -> pb.ListServicesResponse:
        return pb.ListServicesResponse(services=self._names)

    async def get_descriptors(self, request: pb.GetDescriptorsRequest, context: ServerContext) -> pb.GetDescriptorsResponse:
        if request.service not in self._names:
            raise RpcError(Code.NOT_FOUND, "there is no such service")
        files: dict[str, FileDescriptorProto] = {}
        is_health = request.service == Health.spec.name
        _collect(HEALTH_FILE if is_health else Default().FindServiceByName(request.service).file, files)
        return pb.GetDescriptorsResponse(files=FileDescriptorSet(file=files.values()))


def _collect(file: FileDescriptor, files: dict[str, FileDescriptorProto]) -> None:
    """Adds a file, after those that it imports."""
    if file.name in files:
        return
    for imported in file.dependencies:
        _collect(imported, files)
    files[file.name] = FileDescriptorProto()
    file.CopyToProto(files[file.name])
