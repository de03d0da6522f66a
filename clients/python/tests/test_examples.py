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

import pytest

from dswarm import KeyPair

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


KEY = KeyPair.from_seed(bytes([5]) * 32).id.base64url()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nonsense"], "[invalid_argument, address_invalid] expected dswarm://KEY@HOST:PORT, with a port of 1 to 65535"),
        (
            [f"dswarm://{KEY}@127.0.0.1:65536"],
            "[invalid_argument, address_invalid] expected dswarm://KEY@HOST:PORT, with a port of 1 to 65535",
        ),
        (
            ["dswarm://abc@127.0.0.1:1"],
            '[invalid_argument, node_id_invalid] expected "@" and 44 characters of base64, or base64url, or hex',
        ),
        ([f"dswarm://{KEY}@127.0.0.1:1"], "[unavailable, unreachable] nothing answers at 127.0.0.1:1: Connection refused"),
        (["one", "two"], ""),
    ],
)
@pytest.mark.parametrize("name", ["hello", "dht", "serve", "chat"])
async def test_an_example_says_what_is_wrong_in_a_line(name: str, arguments: list[str], text: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        f"examples/{name}.py",
        *arguments,
        cwd=_PYTHON,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, said = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, output) == (1, b"")
    if len(arguments) > 1:
        assert said.decode().startswith(f"python examples/{name}.py ")
    else:
        assert said.decode() == f"{name}.py: {text}\n"


async def test_an_example_says_that_another_key_is_at_the_address() -> None:
    async with start_node() as node:
        address = f"dswarm://{KEY}@{node.address.rpartition('@')[2]}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "examples/hello.py", address, cwd=_PYTHON, stderr=asyncio.subprocess.PIPE
        )
        said = (await asyncio.wait_for(process.communicate(), 30))[1].decode()
    assert said == (
        "hello.py: [unauthenticated, authentication_failed] the peer does not hold the expected key, or refuses ours\n"
    )
