"""python examples/dht.py [dswarm://KEY@HOST:PORT]

Puts a value into the DHT, gets it back, and publishes two versions of another one under our own key.
"""

from __future__ import annotations

import asyncio
import sys

import dswarm
from dswarm.record import key_text


async def main(address: str | None = None) -> None:
    if address is None:
        async with await dswarm.discover() as found:
            address = str(await found.first())
    async with dswarm.Dht([address]) as dht:
        put = await dht.put(b"hello from Python")
        print(f"put {key_text(put.key)}")
        print(f"got {await dht.get(put.key)}")
        for words in (b"first", b"second"):
            own = await dht.update(words, salt=b"example")
            print(f"version {own.sequence} under {key_text(own.key)}")
        print(f"got {await dht.get(own.key)}")


if len(sys.argv) > 2:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except dswarm.RpcError as error:
    sys.exit(f"dht.py: {error}")
