// Costs of the channel on this machine: boxes in memory, then a listener and a dialer in one process over loopback.
// Usage: node bench/channel.ts
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Boxer, Unboxer } from "../src/channel/box-stream.ts";
import { dial } from "../src/channel/dial.ts";
import { createListener } from "../src/channel/listen.ts";
import { networkKeyOf, resolveChannelOptions } from "../src/channel/options.ts";
import { createCertificate, createTlsServer } from "../src/channel/tls.ts";
import { generateKeyPair } from "../src/identity/keys.ts";
import type { Link } from "../src/link/link.ts";
import { systemClock } from "../src/util/clock.ts";
import { Counters } from "../src/util/counters.ts";
import { silentLogger } from "../src/util/log.ts";

const boxSeconds = 1;
const handshakeCount = 200;
const streamedBytes = 256 * 1024 * 1024;
const streamedWriteBytes = 65_536;

interface Row {
  readonly what: string;
  readonly "per second": number;
  readonly "µs each": number;
  readonly "MB/s": number | "";
}

function row(what: string, count: number, ms: number, bytes?: number): Row {
  return {
    what,
    "per second": Math.round((count / ms) * 1000),
    "µs each": Number(((ms / count) * 1000).toFixed(2)),
    "MB/s": bytes === undefined ? "" : Math.round((bytes / ms) * 0.001),
  };
}

function ignore(): void {}

/** Boxes and unboxes flushes of one body each, or of many. */
function benchBoxes(bodyBytes: number, bodies: number): Row {
  const key = randomBytes(32);
  const nonce = randomBytes(24);
  const boxer = new Boxer(Buffer.from(key), nonce);
  const unboxer = new Unboxer(Buffer.from(key), nonce);
  const plain = randomBytes(bodyBytes * bodies);
  const received: Uint8Array[] = [];
  let flushes = 0;
  const start = performance.now();
  let ms = 0;
  for (; ms < boxSeconds * 1000; ms = performance.now() - start) {
    for (let i = 0; i < 100; i++) {
      received.length = 0;
      unboxer.push(boxer.box(plain), received);
      flushes += 1;
    }
  }
  return row(`box + unbox, ${bodies} × ${bodyBytes} B`, flushes * bodies, ms, flushes * plain.length);
}

/** Opens a link with a sink that counts, and resolves when so many bytes have come. */
function receive(link: Link, bytes: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let received = 0;
  link.open({
    data(chunk) {
      received += chunk.length;
      if (received >= bytes) resolve();
    },
    drain: ignore,
    closed: ignore,
  });
  return promise;
}

async function benchLinks(): Promise<Row[]> {
  const keys = generateKeyPair();
  const shared = { networkKey: networkKeyOf("bench"), config: resolveChannelOptions(), clock: systemClock };
  // One link is streamed over; the others are only made and closed.
  const streamed = Promise.withResolvers<void>();
  let expectedBytes = 0;
  const listener = createListener({
    ...shared,
    keys,
    logger: silentLogger,
    counters: new Counters(),
    onLink: (link) => void receive(link, expectedBytes).then(expectedBytes === 0 ? undefined : streamed.resolve),
  });
  const server = createTlsServer(await createCertificate());
  listener.attach(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ownKeys = generateKeyPair();
  const dialOnce = (): Promise<Link> =>
    dial({ ...shared, keys: ownKeys, address: { id: keys.id, host: "127.0.0.1", port } });

  const dialStart = performance.now();
  for (let i = 0; i < handshakeCount; i++) await (await dialOnce()).close();
  const dialMs = performance.now() - dialStart;

  expectedBytes = streamedBytes;
  const link = await dialOnce();
  let drained = ignore;
  link.open({ data: ignore, drain: () => drained(), closed: ignore });
  const chunk = randomBytes(streamedWriteBytes);
  const streamStart = performance.now();
  for (let sent = 0; sent < streamedBytes; sent += chunk.length) {
    if (!link.write(chunk)) await new Promise<void>((go) => (drained = go));
  }
  await streamed.promise;
  const streamMs = performance.now() - streamStart;

  await listener.close();
  server.close();
  return [
    row("dial, TLS to link, and close, both ends", handshakeCount, dialMs),
    row("64 KiB writes over loopback, both ends", streamedBytes / streamedWriteBytes, streamMs, streamedBytes),
  ];
}

console.table([benchBoxes(100, 1), benchBoxes(4096, 1), benchBoxes(4096, 16), ...(await benchLinks())]);
