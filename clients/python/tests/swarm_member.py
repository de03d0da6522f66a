"""A Python program in a swarm: serves EchoService on its connection, and calls others through the node that it is connected to.

Arguments: the node's address and network. Prints its id; for each line "KEY WORDS" on stdin it has Echo and Converse of that peer
answer the words, and prints the answers.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import dswarm
from dswarm import ServerContext
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceBase, EchoServiceClient


class Member(EchoServiceBase):
    """Says who has answered."""

    async def echo(self, request: pb.EchoRequest, context: ServerContext) -> pb.EchoResponse:
        return pb.EchoResponse(payload=request.payload + b" by Python")

    async def converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: ServerContext
    ) -> AsyncIterator[pb.ConverseResponse]:
        async for request in requests:
            yield pb.ConverseResponse(payload=request.payload + b" by Python")


async def main(address: str, network: str) -> None:
    keys = dswarm.KeyPair.generate()
    async with dswarm.connect(address, network=network, keys=keys, services=[Member()]) as connection:
        echo = EchoServiceClient(connection)
        print(keys.id, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            peer, words = line.rstrip("\n").split(" ", 1)
            metadata = [("peer", peer)]
            try:
                payload = words.encode()
                answer = await echo.echo(pb.EchoRequest(payload=payload), timeout=20, metadata=metadata)
                answers = [answer.payload.decode()]
                async for each in echo.converse([pb.ConverseRequest(payload=payload)] * 2, timeout=20, metadata=metadata):
                    answers.append(each.payload.decode())
                print(", ".join(answers), flush=True)
            except dswarm.RpcError as error:
                print(f"failed: {error}", flush=True)


asyncio.run(main(*sys.argv[1:]))
