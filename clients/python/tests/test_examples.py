"""The examples, each as a process of its own, as a reader would run them."""

from __future__ import annotations

import asyncio
import re
import ssl
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from .node_process import start_node

_PYTHON = Path(__file__).resolve().parents[1]


@asynccontextmanager
async def example(name: str, address: str) -> AsyncIterator[asyncio.StreamReader]:
    """Runs an example; yields its output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, f"examples/{name}.py", address, cwd=_PYTHON, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def post(url: str, body: bytes) -> bytes:
    """What curl -k --json does."""
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30, context=ssl._create_unverified_context()) as response:
        content: bytes = response.read()
    return content


async def test_hello() -> None:
    async with start_node() as node, example("hello", node.address) as output:
        text = (await asyncio.wait_for(output.read(), 30)).decode()
    assert re.search(r"^a ping takes [0-9.]+ ms$\n^it knows [0-9]+ nodes near us$", text, re.MULTILINE), text


async def test_dht() -> None:
    async with start_node() as node, example("dht", node.address) as output:
        text = (await asyncio.wait_for(output.read(), 60)).decode()
    assert "got Value(value=b'hello from Python', sequence=None)\n" in text
    assert text.endswith("got Value(value=b'second', sequence=2)\n")


async def test_serve_is_called_with_json_by_way_of_the_node() -> None:
    async with start_node() as node, example("serve", node.address) as output:
        serves, curl = [(await asyncio.wait_for(output.readline(), 30)).decode() for _ in range(2)]
        assert " serves EchoService to " in serves
        answer = await asyncio.to_thread(post, curl.split()[-1], b'{"payload": "aGVsbG8="}')
        assert answer.strip() == b'{"payload":"aGVsbG8="}'
        assert b"says b'hello'" in await output.readline()
