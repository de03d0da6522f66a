// dswarm: two nodes as createNode makes them, without multicast.
import { createClient } from "@connectrpc/connect";
import { EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { dial } from "../../src/channel/dial.ts";
import { networkKeyOf, resolveChannelOptions } from "../../src/channel/options.ts";
import { createNode, generateKeyPair, type KeyPair, parsePeerAddress } from "../../src/index.ts";
import { RpcConnection } from "../../src/rpc/mux.ts";
import { resolveRpcOptions } from "../../src/rpc/params.ts";
import { ServiceRegistry } from "../../src/rpc/serve.ts";
import { createRpcTransport } from "../../src/rpc/transport.ts";
import { systemClock as clock } from "../../src/util/clock.ts";
import { Counters } from "../../src/util/counters.ts";
import { silentLogger } from "../../src/util/log.ts";
import type { Stack, StackConnection } from "../lib/stack.ts";

export const stack: Stack = {
  label: "dswarm",
  note: "TLS 1.3, websocket, Secret Handshake and box stream; typed by generated code, Connect's client API.",

  async startServer() {
    const node = await createNode({ discovery: false });
    node.serve(EchoService, {
      echo: ({ payload }) => ({ payload }),
      async *repeat({ payload, count }) {
        for (let index = 0; index < count; index++) yield { payload, index };
      },
    });
    return { address: node.address, close: () => node.close() };
  },

  async startClient(address) {
    const node = await createNode({ discovery: false });
    const client = node.client(EchoService, address);
    await client.echo({});
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
      connect: () => connect(address),
      close: () => node.close(),
    };
  },
};

// Between two nodes there is one connection, so further ones come from other keys. What a node does to get a connection
// is done here without the node, whose port and certificate no dialer needs.
const spareKeys: KeyPair[] = [];
const shared = { networkKey: networkKeyOf("dev"), config: resolveChannelOptions(), clock };
const rpcConfig = resolveRpcOptions();

async function connect(address: string): Promise<StackConnection> {
  const keys = spareKeys.pop() ?? generateKeyPair();
  const link = await dial({ ...shared, keys, address: parsePeerAddress(address) });
  const acceptor = new ServiceRegistry({ clock, logger: silentLogger, counters: new Counters() });
  const connection = new RpcConnection(link, { config: rpcConfig, clock, acceptor });
  const transport = createRpcTransport({ connect: () => connection, clock, authority: link.remoteId.toBase64url() });
  const client = createClient(EchoService, transport);
  return {
    echo: async (payload) => (await client.echo({ payload })).payload,
    async close() {
      await connection.close();
      spareKeys.push(keys);
    },
  };
}
