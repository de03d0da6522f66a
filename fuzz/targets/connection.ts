// A whole RPC connection with services on it: frames of a peer in any order, then the end of the link.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { EchoRequestSchema, EchoService } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { FrameSchema } from "../../gen/dswarm/v1/frame_pb.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { createMemoryLink } from "../../src/link/memory-link.ts";
import { RpcConnection } from "../../src/rpc/mux.ts";
import { resolveRpcOptions } from "../../src/rpc/params.ts";
import { ServiceRegistry } from "../../src/rpc/serve.ts";
import { Counters } from "../../src/util/counters.ts";
import { silentLogger } from "../../src/util/log.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";
import { InputReader } from "../engine/input-reader.ts";
import type { FuzzTarget } from "../engine/target.ts";

type Body = NonNullable<MessageInitShape<typeof FrameSchema>["body"]>;

const tested = keyPairFromSeed(new Uint8Array(32).fill(1)).id;
const peer = keyPairFromSeed(new Uint8Array(32).fill(2)).id;
const config = resolveRpcOptions({ maxMessageBytes: 200_000, maxConcurrentStreams: 8 });
const methods = ["Echo", "Repeat", "Collect", "Converse", "Nothing"].map(
  (name) => `dswarm.example.v1.EchoService/${name}`,
);
const echo = toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload: new Uint8Array(9) }));

/** Takes a frame out of the input. Streams are few, so that frames meet. */
function nextFrame(reader: InputReader): Uint8Array {
  const kind = reader.byte();
  const streamId = reader.byte() % 12;
  if (kind >= 240) return reader.bytes(reader.byte());
  return sizeDelimitedEncode(FrameSchema, create(FrameSchema, { streamId, body: bodyOf(kind, reader) }));
}

function bodyOf(kind: number, reader: InputReader): Body {
  switch (kind % 10) {
    case 0:
    case 1: {
      const flags = reader.byte();
      const method = methods[flags % methods.length] ?? "";
      const message = (flags & 64) === 0 ? {} : { message: (flags & 32) === 0 ? echo : reader.bytes(reader.byte()) };
      const metadata = (flags & 16) === 0 ? [] : [{ key: "k-bin", value: reader.bytes(4) }];
      return {
        case: "open",
        value: { method, halfClose: (flags & 128) !== 0, timeoutMs: reader.byte(), metadata, ...message },
      };
    }
    case 2: {
      const flags = reader.byte();
      const payload = (flags & 2) === 0 ? echo : new Uint8Array(reader.uint16() * 2);
      return { case: "data", value: { payload, more: (flags & 1) !== 0 } };
    }
    case 3:
      return { case: "halfClose", value: {} };
    case 4:
      return { case: "cancel", value: {} };
    case 5:
      return { case: "credit", value: { bytes: reader.uint16() } };
    case 6:
      return { case: "ping", value: { id: reader.byte() } };
    case 7:
      return { case: "end", value: { code: reader.byte() % 20, response: reader.bytes(reader.byte()) } };
    case 8:
      return { case: "header", value: { metadata: [{ key: "a", value: reader.bytes(3) }] } };
    default:
      return { case: "goAway", value: { lastStreamId: reader.byte(), code: reader.byte() } };
  }
}

async function run(input: Uint8Array): Promise<void> {
  const reader = new InputReader(input);
  const clock = new VirtualClock();
  const links = createMemoryLink(peer, tested, { clock });
  const registry = new ServiceRegistry({ clock, logger: silentLogger, counters: new Counters() });
  registry.serve(EchoService, {
    echo: ({ payload }) => ({ payload }),
    async *repeat({ payload, count }) {
      for (let i = 0; i < Math.min(count, 20); i++) yield { payload };
    },
    async collect(requests) {
      for await (const _ of requests);
      return {};
    },
    async *converse(requests) {
      for await (const { payload } of requests) yield { payload };
    },
  });
  let ends = 0;
  const connection = new RpcConnection(links.listener, {
    config,
    clock,
    acceptor: registry,
    onClosed: () => void ends++,
  });
  links.dialer.open({ data: () => undefined, drain: () => undefined, closed: () => undefined });
  while (!reader.isEmpty && !connection.closed) {
    links.dialer.write(nextFrame(reader));
    if ((reader.byte() & 3) === 0) await clock.advance(0);
  }
  for (let i = 0; i < 4; i++) await clock.advance(0);
  links.cut();
  await clock.advance(100_000);
  for (let i = 0; i < 4; i++) await clock.advance(0);
  if (ends !== 1) throw new Error(`the connection ended ${ends} times`);
  if (connection.streams !== 0) throw new Error(`${connection.streams} streams are left`);
  if (connection.running !== 0) throw new Error(`${connection.running} handlers are left`);
  if (connection.unconsumedBytes !== 0) throw new Error(`${connection.unconsumedBytes} bytes are still counted`);
}

export const connection: FuzzTarget = {
  name: "connection",
  description: "sequences of frames on a connection with services of all four kinds",
  maxBytes: 400,
  covers: ["src/rpc/"],
  seeds: () =>
    [
      [0, 1, 192, 0, 0],
      [0, 1, 64, 0, 0, 3, 1, 0],
      [0, 1, 193, 0, 0, 5, 1, 1, 0, 0],
      [0, 1, 2, 0, 0, 2, 1, 0, 0, 2, 1, 1, 0, 3, 1, 0],
      [0, 1, 3, 0, 0, 2, 1, 0, 0, 4, 1, 0],
      [0, 1, 196, 0, 0, 0, 3, 208, 5, 1, 2, 3, 4, 0],
      [6, 0, 1, 0, 9, 0, 1, 1, 0],
      [240, 0, 4, 3, 8, 1, 34, 0],
    ].map((bytes) => Uint8Array.from(bytes)),
  run,
};
