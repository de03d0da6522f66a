"""Waiting for what is to happen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object]) -> None:
    """Returns when the condition holds. Raises TimeoutError after 60 s."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + 60
    while not condition():
        if loop.time() > give_up_at:
            raise TimeoutError("waited in vain")
        await asyncio.sleep(0.005)
