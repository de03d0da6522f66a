"""A TypeScript node in a process of its own: the test program that the Go client uses as well."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
NODE = ROOT / "node_modules" / ".bin" / "node"
_PROGRAM = "clients/go/testdata/echo-node.ts"


class NodeProcess:
    """A node that serves EchoService."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.address = ""

    async def line(self) -> str:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert line, "the node has ended"
        return line.decode().rstrip("\n")

    async def say(self, command: str) -> str:
        """Sends a command; returns the line that it prints."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())
        return await self.line()


@asynccontextmanager
async def start_node(**options: object) -> AsyncIterator[NodeProcess]:
    """Starts a node with options of createNode; it is gone at the end."""
    assert NODE.exists(), "no Node in node_modules/.bin: run npm install in the root of the repository"
    process = await asyncio.create_subprocess_exec(
        NODE,
        _PROGRAM,
        json.dumps({"discovery": False, **options}),
        cwd=ROOT,
        env={**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    node = NodeProcess(process)
    try:
        node.address = await node.line()
        yield node
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
