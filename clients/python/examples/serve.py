"""python examples/serve.py [dswarm://KEY@HOST:PORT]

Connects to a node, and serves EchoService to it until Ctrl-C or the end of the connection. Prints how to call it with curl, by way
of the node, which gets the schema by reflection.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import dswarm
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceBase


class Echo(EchoServiceBase):
    """A method that is not written here is answered as unimplemented."""

    async def echo(self, request: pb.EchoRequest, context: dswarm.ServerContext) -> pb.EchoResponse:
        print(f"{context.peer} says {request.payload!r}", flush=True)
        return pb.EchoResponse(payload=request.payload)

    async def repeat(self, request: pb.RepeatRequest, context: dswarm.ServerContext) -> AsyncIterator[pb.RepeatResponse]:
        for index in range(request.count):
            yield pb.RepeatResponse(payload=request.payload, index=index)


async def main(address: str | None = None) -> None:
    if address is None:
        async with await dswarm.discover() as found:
            address = str(await found.first())
    endpoint = dswarm.PeerAddress.parse(address).endpoint
    echo = Echo()
    async with dswarm.connect(address, services=[echo, dswarm.Reflection([echo])]) as connection:
        print(f"{connection.local} serves EchoService to {connection.remote}", flush=True)
        path = f"api/peers/{connection.local.base64url()}/{echo.spec.name}/Echo"
        print(f"""curl -k --json '{{"payload": "aGVsbG8="}}' https://{endpoint}/{path}""", flush=True)
        await connection.wait_closed()


if len(sys.argv) > 2:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except dswarm.RpcError as error:
    sys.exit(f"serve.py: {error}")
except KeyboardInterrupt:
    pass
