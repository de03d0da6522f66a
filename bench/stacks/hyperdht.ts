// hyperdht's encrypted UDP streams with protomux-rpc on them. The DHT is one bootstrap node in the server's process, on
// 127.0.0.1: nothing leaves the machine.
import { once } from "node:events";
import encodings from "compact-encoding";
import DHT, { type DhtStream } from "hyperdht";
import ProtomuxRPC from "protomux-rpc";
import type { Stack, StackConnection } from "../lib/stack.ts";

const host = "127.0.0.1";
const valueEncoding = { valueEncoding: encodings.buffer };
const repeatHeaderBytes = 4;

export const stack: Stack = {
  label: "hyperdht + protomux-rpc",
  note: "Noise over UDP (udx); untyped: values are bytes. It has no streams: the server sends events, then answers.",

  async startServer() {
    const bootstrapper = new DHT({ bootstrap: [], host, ephemeral: false, firewalled: false });
    await bootstrapper.fullyBootstrapped();
    const bootstrap = [{ host, port: bootstrapper.address().port }];
    const dht = new DHT({ bootstrap, host, ephemeral: false, firewalled: false });
    await dht.fullyBootstrapped();
    const server = dht.createServer((stream) => serve(stream));
    const keyPair = DHT.keyPair();
    await server.listen(keyPair);
    return {
      address: JSON.stringify({ bootstrap, publicKey: keyPair.publicKey.toString("hex") }),
      async close() {
        await dht.destroy({ force: true });
        await bootstrapper.destroy({ force: true });
      },
    };
  },

  async startClient(address) {
    const { bootstrap, publicKey } = JSON.parse(address) as {
      bootstrap: { host: string; port: number }[];
      publicKey: string;
    };
    const dht = new DHT({ bootstrap, host });
    await dht.fullyBootstrapped();
    const key = Buffer.from(publicKey, "hex");
    const stream = dht.connect(key);
    const rpc = new ProtomuxRPC(stream, valueEncoding);
    let received = 0;
    rpc.respond("answer", () => void received++);
    const echo = (payload: Uint8Array): Promise<Uint8Array> => rpc.request("echo", payload);
    await echo(new Uint8Array(1));
    return {
      echo,
      async stream(count, payload) {
        received = 0;
        const request = Buffer.allocUnsafe(repeatHeaderBytes + payload.length);
        request.writeUInt32LE(count);
        request.set(payload, repeatHeaderBytes);
        await rpc.request("repeat", request);
        return received;
      },
      connect: async () => connect(dht, key),
      close: () => dht.destroy({ force: true }),
    };
  },
};

function connect(dht: DHT, key: Buffer): StackConnection {
  const stream = dht.connect(key);
  stream.on("error", () => undefined); // A call that is under way is told.
  const rpc = new ProtomuxRPC(stream, valueEncoding);
  return {
    echo: (payload) => rpc.request("echo", payload),
    async close() {
      const closed = once(stream, "close");
      stream.end();
      await closed;
    },
  };
}

function serve(stream: DhtStream): void {
  stream.on("error", () => stream.destroy());
  stream.on("end", () => stream.end());
  const rpc = new ProtomuxRPC(stream, valueEncoding);
  rpc.respond("echo", (payload) => payload);
  rpc.respond("repeat", async (request) => {
    const count = request.readUInt32LE();
    const payload = request.subarray(repeatHeaderBytes);
    for (let i = 0; i < count; i++) {
      rpc.event("answer", payload);
      if (!rpc.mux.drained) await once(stream, "drain");
    }
    return Buffer.alloc(1);
  });
}
