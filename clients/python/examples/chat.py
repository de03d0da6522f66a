"""python examples/chat.py dswarm://KEY@HOST:PORT

Enters the room that `npx node examples/chat.ts` has opened, with one call that streams both ways. Type to speak, Ctrl-D leaves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import dswarm
from dswarm.example.v1.chat_dswarm import ChatServiceClient
from dswarm.example.v1.chat_pb2 import JoinRequest


async def typed() -> AsyncIterator[JoinRequest]:
    while line := await asyncio.to_thread(sys.stdin.readline):
        yield JoinRequest(text=line.rstrip("\n"))


async def main(address: str) -> None:
    async with dswarm.connect(address) as connection:
        async for heard in ChatServiceClient(connection).join(typed()):
            print(f"{getattr(heard, 'from')[:6]} {heard.text}", flush=True)


if len(sys.argv) != 2:
    sys.exit(__doc__)
try:
    asyncio.run(main(*sys.argv[1:]))
except dswarm.RpcError as error:
    sys.exit(f"chat.py: {error}")
except KeyboardInterrupt:
    pass
