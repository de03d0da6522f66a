"""Unary echo of 32 bytes, 128 calls in flight on one connection: dswarm beside grpcio, in turn, in one run.

    .venv/bin/pip install -r bench/requirements.txt && (cd ../../bench && npm install)
    .venv/bin/python bench/run.py [--rounds 5] [--seconds 3] [--calls 128] [--profile]

Every server is a process of its own; the client is this one. Both use TLS 1.3 and the same generated messages; dswarm also
encrypts end to end.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import os
import platform
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import grpc

import dswarm
from dswarm.example.v1.echo_dswarm import EchoServiceClient
from dswarm.example.v1.echo_pb2 import EchoRequest, EchoResponse

HERE = Path(__file__).resolve().parent
NODE = HERE.parents[2] / "node_modules" / ".bin" / "node"
PATH = f"{NODE.parent}:{os.environ['PATH']}"
Echo = Callable[[EchoRequest], Awaitable[EchoResponse]]


@asynccontextmanager
async def program(*command: object) -> AsyncIterator[str]:
    """Runs a server; yields the line that it prints."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=HERE,
        env={**os.environ, "PATH": PATH, "PYTHONPATH": str(HERE.parent)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        if not line:
            raise RuntimeError(f"{command} ended without a line")
        yield line.decode().rstrip()
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def grpcio(port: int, certificate: str) -> AsyncIterator[Echo]:
    """grpcio's client, on one connection."""
    credentials = grpc.ssl_channel_credentials(certificate.encode())
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        yield channel.unary_unary(
            "/dswarm.example.v1.EchoService/Echo",
            request_serializer=EchoRequest.SerializeToString,
            response_deserializer=EchoResponse.FromString,
        )


class Round(NamedTuple):
    """What was measured."""

    rate: float
    """Calls a second."""
    cpu_us: float
    """Processor time of this process, all threads, a call."""
    times: list[float]
    """Seconds that each call took."""


async def measure(echo: Echo, calls: int, seconds: float) -> Round:
    """Calls for some seconds. Every call has a payload of its own, so that an answer to another one is noticed."""
    times: list[float] = []
    numbers = count()
    clock = time.perf_counter
    started, cpu = clock(), time.process_time()
    end = started + seconds

    async def caller() -> None:
        while (before := clock()) < end:
            payload = next(numbers).to_bytes(32, "big")
            response = await echo(EchoRequest(payload=payload))
            times.append(clock() - before)
            if response.payload != payload:
                raise RuntimeError("another echo")

    await asyncio.gather(*(caller() for _ in range(calls)))
    return Round(len(times) / (clock() - started), (time.process_time() - cpu) / len(times) * 1e6, times)


async def main(rounds: int, seconds: float, calls: int, profile: bool) -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        connection = await enter(dswarm.connect(await enter(program(NODE, "node-server.ts", "dswarm"))))
        clients: dict[str, Echo] = {"dswarm, to a dswarm node (Node)": EchoServiceClient(connection).echo}
        if not profile:
            js = json.loads(await enter(program(NODE, "node-server.ts", "grpc-js")))
            clients["grpcio, to grpc-js (Node)"] = await enter(grpcio(js["port"], js["cert"]))
            made = json.loads(await enter(program(NODE, "certificate.ts")))
            files = [Path(stack.enter_context(tempfile.TemporaryDirectory())) / name for name in ("cert", "key")]
            for file in files:
                file.write_text(made[file.name])
            port = int(await enter(program(sys.executable, "grpc_server.py", *files)))
            clients["grpcio, to grpcio (Python)"] = await enter(grpcio(port, made["cert"]))
        results: dict[str, list[Round]] = {name: [] for name in clients}
        profiler = cProfile.Profile()
        for each in range(rounds + 1):
            for name, echo in clients.items():
                # The first round warms up.
                if profile and each == 1:
                    profiler.enable()
                result = await measure(echo, calls, seconds if each else seconds / 2)
                if each:
                    results[name].append(result)
        profiler.disable()
    print(
        f"Python {platform.python_version()}, grpcio {grpc.__version__}, {os.cpu_count()} cores, {rounds} rounds of {seconds} s"
    )
    print(f"{'':34}{'calls/s':>9}{'least':>9}{'most':>9}{'CPU us':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for name, measured in results.items():
        rates = [each.rate for each in measured]
        centiles = statistics.quantiles([1000 * each for one in measured for each in one.times], n=100)
        cpu = statistics.median(each.cpu_us for each in measured)
        figures = (
            f"{statistics.median(rates):9.0f}{min(rates):9.0f}{max(rates):9.0f}{cpu:9.0f}{centiles[49]:9.1f}{centiles[98]:9.1f}"
        )
        print(f"{name:34}{figures}")
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Unary echo of 32 bytes, dswarm beside grpcio.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--calls", type=int, default=128, help="in flight")
    parser.add_argument("--profile", action="store_true", help="dswarm alone, and what it spends its time in")
    options = parser.parse_args()
    asyncio.run(main(options.rounds, options.seconds, options.calls, options.profile))
