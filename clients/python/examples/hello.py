"""python examples/hello.py [dswarm://KEY@HOST:PORT]

Hears of a node by multicast, or takes the address given; connects, which proves the node's key, measures the way to it, and asks
it by an RPC who is near.
"""

from __future__ import annotations

import asyncio
import sys

import dswarm
from dswarm.v1.dht_dswarm import DhtServiceClient
from dswarm.v1.dht_pb2 import FindNodeRequest


async def main(address: str | None = None) -> None:
    if address is None:
        async with await dswarm.discover() as found:
            address = str(await found.first())
        print(f"heard of {address}")
    async with dswarm.connect(address) as connection:
        print(f"connected to {connection.remote}")
        print(f"a ping takes {await connection.ping() * 1000:.1f} ms")
        near = await DhtServiceClient(connection).find_node(FindNodeRequest(target=connection.local.data), timeout=5)
        print(f"it knows {len(near.contacts)} nodes near us")
        for contact in near.contacts[:3]:
            print(f"  {dswarm.NodeId(contact.id)} at {', '.join(contact.addresses)}")


if len(sys.argv) > 2:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except dswarm.RpcError as error:
    sys.exit(f"hello.py: {error}")
