// connect-node over HTTP/2 and TLS, for either of its protocols.
import { once } from "node:events";
import { createSecureServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { type ConnectRouter, createClient, type Transport } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  Http2SessionManager,
} from "@connectrpc/connect-node";
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { createCertificate } from "../../src/channel/tls.ts";
import type { Stack, StackClient } from "./stack.ts";

/** Makes the stack of a protocol. */
export function connectStack(protocol: "connect" | "grpc"): Stack {
  return {
    label: `connect-node, ${protocol === "grpc" ? "gRPC" : "Connect"} protocol`,
    note: "HTTP/2 over TLS 1.3; compression off at both ends, which by default would be tried on 1 KiB and more.",
    startServer,
    async startClient(address) {
      const client = connect(address, protocol);
      await client.echo(new Uint8Array());
      return { ...client, connect: async () => connect(address, protocol) };
    },
  };
}

function routes(router: ConnectRouter): void {
  router.service(EchoService, {
    echo: ({ payload }) => ({ payload }),
    async *repeat({ payload, count }) {
      for (let index = 0; index < count; index++) yield { payload, index };
    },
  });
}

async function startServer(): ReturnType<Stack["startServer"]> {
  const { key, cert } = await createCertificate();
  const handler = connectNodeAdapter({ routes, acceptCompression: [] });
  const server = createSecureServer({ key, cert, minVersion: "TLSv1.3" }, handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { address: JSON.stringify({ port, cert }), close: () => void server.close() };
}

function connect(address: string, protocol: "connect" | "grpc"): StackClient {
  const { port, cert } = JSON.parse(address) as { port: number; cert: string };
  const baseUrl = `https://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl, {}, { ca: cert });
  const settings = { baseUrl, httpVersion: "2", sessionManager, acceptCompression: [], useBinaryFormat: true } as const;
  const transport: Transport =
    protocol === "grpc"
      ? createGrpcTransport({ ...settings, acceptCompression: [] })
      : createConnectTransport({ ...settings, acceptCompression: [] });
  const client = createClient(EchoService, transport);
  return {
    echo: async (payload) => (await client.echo({ payload })).payload,
    async stream(count, payload) {
      let received = 0;
      for await (const _ of client.repeat({ count, payload })) received += 1;
      return received;
    },
    async stall(count, payload) {
      const abort = new AbortController();
      const answers = client.repeat({ count, payload }, { signal: abort.signal });
      await answers[Symbol.asyncIterator]().next();
      return () => abort.abort();
    },
    close: () => sessionManager.abort(),
  };
}
