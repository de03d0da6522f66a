"""The adapter of the conformance runner, docs/conformance.md: npm run conformance -- COMMAND with this file in it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

from google.protobuf.any_pb2 import Any as AnyMessage

import dswarm
from dswarm import Code, Connection, HostPort, KeyPair, Limits, NodeId, PeerAddress, RpcError, ServerContext
from dswarm.dht import Dht
from dswarm.discovery import Discovery, discover
from dswarm.example.v1 import echo_pb2 as pb
from dswarm.example.v1.echo_dswarm import EchoServiceBase, EchoServiceClient

Command: TypeAlias = dict[str, Any]
_ORDER = re.compile(rb"fail (\d+) (.*)", re.DOTALL)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Echo(EchoServiceBase):
    """EchoService with the behaviours that docs/conformance.md agrees on."""

    def __init__(self) -> None:
        self.running = self.cancelled = self.messages = 0
        self.released = asyncio.Event()

    async def echo(self, request: pb.EchoRequest, context: ServerContext) -> pb.EchoResponse:
        with _Counted(self, context):
            await self._obey(request.payload, context)
            return pb.EchoResponse(payload=request.payload)

    async def repeat(self, request: pb.RepeatRequest, context: ServerContext) -> AsyncIterator[pb.RepeatResponse]:
        with _Counted(self, context):
            await self._obey(request.payload, context)
            for index in range(request.count):
                yield pb.RepeatResponse(payload=request.payload, index=index)

    async def collect(self, requests: AsyncIterator[pb.CollectRequest], context: ServerContext) -> pb.CollectResponse:
        with _Counted(self, context):
            total = pb.CollectResponse()
            async for request in requests:
                await self._take(request.payload, total.count == 0, context)
                total.count += 1
                total.bytes += len(request.payload)
            return total

    async def converse(
        self, requests: AsyncIterator[pb.ConverseRequest], context: ServerContext
    ) -> AsyncIterator[pb.ConverseResponse]:
        with _Counted(self, context):
            is_first = True
            async for request in requests:
                await self._take(request.payload, is_first, context)
                is_first = False
                yield pb.ConverseResponse(payload=request.payload)

    async def _take(self, payload: bytes, is_first: bool, context: ServerContext) -> None:
        if not is_first:
            self.messages += 1
            return
        await self._obey(payload, context)
        if payload == b"stall":
            await self.released.wait()

    async def _obey(self, payload: bytes, context: ServerContext) -> None:
        self.messages += 1
        if payload.startswith(b"trailer "):
            context.trailer.append(("x-trailer", payload.removeprefix(b"trailer ").decode()))
        if payload == b"hang":
            await asyncio.get_running_loop().create_future()
        if payload == b"error":
            raise OSError("a secret")
        if payload == b"fault":
            raise ValueError("a fault, as asked")
        order = _ORDER.fullmatch(payload)
        if order is not None and 1 <= int(order[1]) <= 16:
            detail = AnyMessage()
            detail.Pack(pb.EchoRequest(payload=order[2]))
            raise RpcError(Code(int(order[1])), order[2].decode(), [detail])


class _Counted:
    """Counts a handler while it runs, and answers metadata."""

    def __init__(self, echo: Echo, context: ServerContext) -> None:
        self._echo = echo
        asked = [pair for pair in context.metadata if pair[0].startswith("x-")]
        context.header.extend(asked)
        context.trailer.extend(asked)

    def __enter__(self) -> None:
        self._echo.running += 1

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: object) -> None:
        self._echo.running -= 1
        if exc_type is not None and issubclass(exc_type, asyncio.CancelledError | GeneratorExit):
            self._echo.cancelled += 1


class _Call:
    def __init__(self) -> None:
        self.resume, self.finish = asyncio.Event(), asyncio.Event()
        self.cancel: Callable[[], None] = lambda: None
        self.sent = self.received = 0


class Adapter:
    """Obeys commands."""

    def __init__(self) -> None:
        self._connections: dict[str, tuple[Connection, Echo]] = {}
        self._calls: dict[str, _Call] = {}
        self._dhts: dict[str, Dht] = {}
        self._discoveries: dict[str, Discovery] = {}
        self._names = (f"c{number}" for number in itertools.count(1))

    async def hello(self, command: Command) -> object:
        return {"name": "Python", "features": ["ids", "calls", "serve", "options", "timeouts", "discovery", "dht", "provide"]}

    async def parseId(self, command: Command) -> object:
        return {"id": _text(NodeId.parse(command["text"]).data)}

    async def parseAddress(self, command: Command) -> object:
        address = PeerAddress.parse(command["text"])
        return {"id": _text(address.id.data), "host": address.endpoint.host, "port": address.endpoint.port}

    async def keyOfSeed(self, command: Command) -> object:
        return {"id": _text(_keys(command).id.data)}

    async def dial(self, command: Command) -> object:
        echo = Echo()
        options = dict(command.get("options", {}))
        timeout = options.pop("handshakeTimeoutMs", 5000) / 1000
        limits = Limits(**dict(_option(name, value) for name, value in options.items()))
        key = command.get("networkKey")
        connection = await dswarm.connect(
            command["address"],
            network=command.get("network", "dev") if key is None else base64.b64decode(key),
            keys=_keys(command),
            services=[echo] if command.get("serve") else [],
            limits=limits,
            timeout=timeout,
        )
        name = next(self._names)
        self._connections[name] = connection, echo
        return {"connection": name, "peer": _text(connection.remote.data)}

    async def discover(self, command: Command) -> object:
        key = command.get("networkKey")
        network = command.get("network", "dev") if key is None else base64.b64decode(key)
        name = next(self._names)
        self._discoveries[name] = await discover(network=network, udp_port=command["udpPort"])
        return {"discovery": name}

    async def peers(self, command: Command) -> object:
        found = self._discoveries[command["discovery"]].peers()
        return {"peers": [{"id": _text(peer.data), "addresses": [str(a) for a in where]} for peer, where in found]}

    async def join(self, command: Command) -> object:
        key = command.get("networkKey")
        network = command.get("network", "dev") if key is None else base64.b64decode(key)
        name = next(self._names)
        self._dhts[name] = Dht(command["bootstrap"], network=network, keys=_keys(command))
        return {"dht": name}

    async def put(self, command: Command) -> object:
        published = await self._dhts[command["dht"]].put(base64.b64decode(command["value"]))
        return {"key": _text(published.key), "replicas": len(published.replicas)}

    async def get(self, command: Command) -> object:
        found = await self._dhts[command["dht"]].get(base64.b64decode(command["key"]))
        if found is None:
            return {"found": False}
        sequence = {} if found.sequence is None else {"sequence": str(found.sequence)}
        return {"found": True, "value": _text(found.value), **sequence}

    async def update(self, command: Command) -> object:
        expected = command.get("expectedSequence")
        updated = await self._dhts[command["dht"]].update(
            base64.b64decode(command["value"]),
            salt=base64.b64decode(command.get("salt", "")),
            expected_sequence=None if expected is None else int(expected),
        )
        return {"key": _text(updated.key), "sequence": str(updated.sequence), "replicas": len(updated.replicas)}

    async def provide(self, command: Command) -> object:
        address = HostPort.parse(command["address"])
        assert address is not None
        provided = await self._dhts[command["dht"]].provide(base64.b64decode(command["key"]), [address])
        return {"replicas": len(provided.replicas)}

    async def findProviders(self, command: Command) -> object:
        found = await self._dhts[command["dht"]].find_providers(base64.b64decode(command["key"]))
        return {"providers": [{"id": _text(peer.data), "addresses": [str(a) for a in where]} for peer, where in found]}

    async def close(self, command: Command) -> object:
        if "discovery" in command:
            self._discoveries[command["discovery"]].close()
            return {}
        if "dht" in command:
            await self._dhts[command["dht"]].close()
            return {}
        await self._connections[command["connection"]][0].close()
        return {}

    async def closed(self, command: Command) -> object:
        reason = await self._connections[command["connection"]][0].wait_closed()
        return {"code": "goodbye" if reason is None else reason.reason}

    async def call(self, command: Command) -> object:
        state = self._calls[command["call"]] = _Call()
        outcome = _Outcome()
        client = EchoServiceClient(self._connections[command["connection"]][0])
        options: Any = {"metadata": [_pair(*pair) for pair in command.get("metadata", ())]}
        if "timeoutMs" in command:
            options["timeout"] = command["timeoutMs"] / 1000
        payloads = _payloads(command["requests"])

        async def requests(message: Any) -> AsyncIterator[Any]:
            for payload in payloads:
                yield message(payload=payload)
                state.sent += 1
            if command.get("hold"):
                await state.finish.wait()

        def take(payload: bytes) -> None:
            outcome.take(payload)
            state.received += 1
            if state.received == command.get("cancelAfter"):
                state.cancel()

        method = command["method"]
        call: Any
        if method == "Echo":
            call = client.echo(pb.EchoRequest(payload=next(payloads, b"")), **options)
        elif method == "Repeat":
            request = pb.RepeatRequest(payload=next(payloads, b""), count=command.get("count", 0))
            call = client.repeat(request, **options)
        elif method == "Collect":
            call = client.collect(requests(pb.CollectRequest), **options)
        else:
            call = client.converse(requests(pb.ConverseRequest), **options)
        state.cancel = call.cancel
        try:
            if method == "Echo":
                take((await call).payload)
            elif method == "Collect":
                total = await call
                state.received += 1
                outcome.said["collected"] = {"count": total.count, "bytes": total.bytes}
            else:
                if command.get("paused"):
                    await state.resume.wait()
                async for answer in call:
                    take(answer.payload)
        except RpcError as error:
            outcome.fail(error)
        return outcome.told(call, state.received)

    async def resume(self, command: Command) -> object:
        self._calls[command["call"]].resume.set()
        return {}

    async def finish(self, command: Command) -> object:
        self._calls[command["call"]].finish.set()
        return {}

    async def cancel(self, command: Command) -> object:
        self._calls[command["call"]].cancel()
        return {}

    async def progress(self, command: Command) -> object:
        state = self._calls[command["call"]]
        return {"sent": state.sent, "received": state.received}

    async def stats(self, command: Command) -> object:
        echo = self._connections[command["connection"]][1]
        return {"running": echo.running, "cancelled": echo.cancelled, "messages": echo.messages}

    async def release(self, command: Command) -> object:
        self._connections[command["connection"]][1].released.set()
        return {}

    async def obey(self, command: Command) -> None:
        """Does what a line says, and answers."""
        handler: Callable[[Command], Awaitable[object]] | None = getattr(self, command["do"], None)
        answer: dict[str, Any] = {"id": command["id"]}
        try:
            if handler is None:
                answer["error"] = {"code": "unsupported", "message": f"there is no command {command['do']}"}
            else:
                answer["ok"] = await handler(command)
        except Exception as error:
            code = error.reason if isinstance(error, RpcError) else None
            answer["error"] = {"code": code or "adapter", "message": str(error)}
        print(json.dumps(answer), flush=True)


class _Outcome:
    def __init__(self) -> None:
        self.said: dict[str, Any] = {"code": 0, "message": "", "details": []}
        self._hash = hashlib.sha256()
        self._bytes = 0

    def take(self, payload: bytes) -> None:
        self._hash.update(payload)
        self._bytes += len(payload)

    def fail(self, error: RpcError) -> None:
        details = [{"type": d.type_url.rpartition("/")[2], "value": _text(d.value)} for d in error.details]
        self.said |= {"code": int(error.code), "message": error.message, "details": details}
        if error.reason is not None:
            self.said["reason"] = error.reason

    def told(self, call: Any, messages: int) -> object:
        lists = {name: [_told(*pair) for pair in getattr(call, name)] for name in ("header", "trailer")}
        return {**self.said, **lists, "messages": messages, "bytes": self._bytes, "sha256": self._hash.hexdigest()}


def _keys(command: Command) -> KeyPair:
    return KeyPair.from_seed(base64.b64decode(command["seed"])) if "seed" in command else KeyPair.generate()


def _option(name: str, value: int) -> tuple[str, Any]:
    snake = re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)
    return (snake.removesuffix("_ms"), value / 1000) if snake.endswith("_ms") else (snake, value)


def _pair(key: str, value: str) -> tuple[str, str | bytes]:
    return key, base64.b64decode(value) if key.endswith("-bin") else value


def _told(key: str, value: str | bytes) -> tuple[str, str]:
    return key, value if isinstance(value, str) else _text(value)


def _payloads(requests: list[Command]) -> Iterator[bytes]:
    for request in requests:
        size = request.get("size", 0)
        payload = request["text"].encode() if "text" in request else bytes([size % 251]) * size
        for _ in range(request.get("times", 1)):
            yield payload


async def main() -> None:
    """Obeys the lines of standard input until it ends."""
    adapter = Adapter()
    reader = asyncio.StreamReader(limit=2**27)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    tasks: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(adapter.obey(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    asyncio.run(main())
