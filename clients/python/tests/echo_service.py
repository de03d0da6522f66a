"""EchoService of all four kinds, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from dswarm import Code, RpcError, ServerContext
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceBase


class Echo(EchoServiceBase):
    """Serves the four kinds; a payload may ask for something else."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.release = asyncio.Event()

    async def echo(self, request: pb.EchoRequest, context: ServerContext) -> pb.EchoResponse:
        for key, value in context.metadata:
            if key.startswith("x-"):
                context.header.append((key, value))
                context.trailer.append((key, value))
        if request.payload == b"hang":
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if request.payload == b"fault":
            raise ValueError("a secret")
        if request.payload == b"fail":
            raise RpcError(Code.NOT_FOUND, "no such thing")
        return pb.EchoResponse(payload=request.payload)

    async def repeat(self, request: pb.RepeatRequest, context: ServerContext) -> AsyncIterator[pb.RepeatResponse]:
        for index in range(request.count):
            yield pb.RepeatResponse(payload=request.payload, index=index)

    async def collect(self, requests: AsyncIterator[pb.CollectRequest], context: ServerContext) -> pb.CollectResponse:
        total = pb.CollectResponse()
        async for request in requests:
            if request.payload == b"stall":
                await self.release.wait()
            total.count += 1
            total.bytes += len(request.payload)
        return total

    async def converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: ServerContext
    ) -> AsyncIterator[pb.ConverseResponse]:
        async for request in requests:
            yield pb.ConverseResponse(payload=request.payload)
