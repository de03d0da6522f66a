"""A server for the benchmark: grpcio's asyncio API over TLS. Arguments: files of certificate and key. Prints its port."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import grpc

from dswarm.example.v1.echo_pb2 import EchoRequest, EchoResponse


async def echo(request: EchoRequest, context: object) -> EchoResponse:
    return EchoResponse(payload=request.payload)


async def main(certificate: bytes, key: bytes) -> None:
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        echo, request_deserializer=EchoRequest.FromString, response_serializer=EchoResponse.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("dswarm.example.v1.EchoService", {"Echo": handler}),))
    credentials = grpc.ssl_server_credentials([(key, certificate)])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop(None)


asyncio.run(main(*(Path(name).read_bytes() for name in sys.argv[1:])))
