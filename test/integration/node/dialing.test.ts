// Strangers can say of any port that a node is there. What they say makes nodes dial it a few times, and be told of by none.
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { createServer as createTls } from "node:tls";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { DhtService } from "../../../gen/dswarm/v1/dht_pb.ts";
import { networkKeyOf } from "../../../src/channel/options.ts";
import { sharedCertificate } from "../../../src/channel/tls.ts";
import { encodeAnnounce, networkIdOf } from "../../../src/discovery/announce.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { announceAs } from "./announces.ts";
import { dialIn } from "./dialed-peer.ts";
import { allAcquainted, apiJson, freeTcpPort, send, startNode, type TestNetwork, testNetwork, until } from "./rig.ts";

interface Bystander {
  readonly port: number;
  /** Connections that have come. */
  readonly connections: number;
}

type OnSocket = (socket: Socket) => void;

const http: OnSocket = (socket) => socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");

/** What listens at the port that strangers name. */
const kinds: Readonly<Record<string, (t: TestContext) => Promise<Bystander>>> = {
  "ends each connection": (t) => listen(t, (socket) => socket.destroy()),
  "accepts and never answers": (t) => listen(t, () => undefined),
  "answers HTTP without TLS": (t) => listen(t, http),
  "completes TLS and answers HTTP": (t) => listen(t, http, true),
};

async function listen(t: TestContext, onSocket: OnSocket, isTls = false): Promise<Bystander> {
  const bystander = { port: 0, connections: 0 };
  const sockets: Socket[] = [];
  const { key, cert } = await sharedCertificate(["127.0.0.1"]);
  const server = isTls ? createTls({ key, cert }, onSocket) : createServer(onSocket);
  server.on("connection", (socket: Socket) => {
    bystander.connections += 1;
    sockets.push(socket);
    socket.on("error", () => undefined);
  });
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  bystander.port = address.port;
  return bystander;
}

/** Announces keys that nobody else has, from a port of its own. */
async function announceStrangers({ network, discovery }: TestNetwork, ports: readonly number[]): Promise<void> {
  const networkId = networkIdOf(networkKeyOf(network));
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.setMulticastInterface("127.0.0.1");
  socket.setMulticastTTL(0);
  const addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"];
  for (const [i, port] of ports.entries()) {
    const content = { port, addresses, certificateSha256: undefined, epochMs: Date.now(), leaving: false };
    const packet = encodeAnnounce(content, networkId, generateKeyPair());
    await new Promise((sent) => socket.send(packet, discovery.udpPort, "239.255.255.19", sent));
    // Paced, for the kernel drops what its buffer does not hold.
    if (i % 50 === 49) await new Promise((go) => setTimeout(go, 20));
  }
  socket.close();
}

for (const [name, start] of Object.entries(kinds)) {
  test(`a thousand keys that name one port make three nodes dial it a few times, where it ${name}`, async (t) => {
    const options = await testNetwork({ intervalMs: 1000 });
    const channel = { handshakeTimeoutMs: 1000 };
    const nodes: DswarmNode[] = [];
    for (let i = 0; i < 3; i++) nodes.push(await startNode(t, { ...options, channel }));
    const bystander = await start(t);
    const startedAt = performance.now();
    await announceStrangers(
      options,
      Array.from({ length: 1000 }, () => bystander.port),
    );
    await until("the bystander is dialed", () => bystander.connections >= 3);
    await until("further dials are refused", () => nodes.every((node) => node.counters.get("dial.refused") > 10));
    await until("the pauses have grown", () => performance.now() - startedAt > 5000);
    const seconds = (performance.now() - startedAt) / 1000;
    t.diagnostic(`${bystander.connections} connections in ${Math.round(seconds)} s`);
    // Pauses of 0.5, 1, 2, 4 … s, spread by a fifth: eight in the first minute.
    assert.ok(
      bystander.connections <= 3 * (seconds < 60 ? 8 : 8 + seconds / 45),
      `${bystander.connections} connections`,
    );
    assert.ok(nodes.every(({ dht }) => dht.table.size <= 2));
    const newcomer = await startNode(t, options);
    await until("a newcomer is in all tables", () => nodes.every(({ dht }) => dht.table.has(newcomer.id)));
  });
}

test("a peer enters no table by the port that its ping names before it has proven its key there", async (t) => {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false });
  const asker = await startNode(t, { network, discovery: false, bootstrap: [node.address] });
  await until("the asker is known", () => node.dht.table.has(asker.id));
  const closed = await freeTcpPort();
  const bystander = await listen(t, () => undefined);
  for (const port of [closed, bystander.port, asker.port]) {
    for (let i = 0; i < 20; i++) {
      const { id, connection, registry } = await dialIn(t, node, network);
      registry.serve(DhtService, { ping: ({ nonce }) => ({ nonce }) });
      const transport = createRpcTransport({ clock: systemClock, connect: () => connection, authority: "node" });
      const client = createClient(DhtService, transport);
      await client.ping({ nonce: Uint8Array.of(1), port });
      const { contacts } = await client.findNode({ target: id.bytes });
      assert.deepEqual(
        contacts.map((contact) => contact.addresses),
        [[`127.0.0.1:${asker.port}`]],
      );
    }
  }
  await until("the node has tried", () => node.counters.get("dial.made") >= 3);
  await until("it tries what is taken or paused no more", () => node.counters.get("dial.refused") >= 20);
  assert.equal(node.dht.table.size, 1);
  assert.ok(bystander.connections <= 8, `${bystander.connections} connections`);
  assert.equal(
    asker.counters.get("handshake.failed.hello_invalid"),
    0,
    "the asker is connected there: it is not dialed",
  );
});

type Tokens = (lent: Client<typeof DhtService>) => Promise<Uint8Array[]>;

/** What a peer that does not listen at a port may tell of the tokens that came there. */
const pretences: Readonly<Record<string, Tokens>> = {
  "asks that node for its tokens": async (lent) => (await lent.listPortTokens({})).tokens,
  "tells none": () => Promise.resolve([]),
  "makes some up": () => Promise.resolve([new Uint8Array(16), new Uint8Array(0), new Uint8Array(17)]),
  "tells more than an answer may have": () =>
    Promise.resolve(Array.from({ length: 100_000 }, () => new Uint8Array(16))),
  "knows no such call": () => Promise.reject(new ConnectError("no", Code.Unimplemented)),
};

test("a peer that names the port of another node learns no token of it, and none that it makes up counts", async (t) => {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false });
  const failures = () =>
    Object.entries(node.counters.snapshot()).reduce(
      (n, [name, by]) => n + (name.startsWith("dial.failed.") ? by : 0),
      0,
    );
  for (const [i, pretend] of Object.values(pretences).entries()) {
    const bystander = await startNode(t, { network, discovery: false });
    const { id, keys, connection, registry } = await dialIn(t, node, network);
    const lent = await dialIn(t, bystander, network, keys);
    const clientOn = (on: typeof connection) =>
      createClient(DhtService, createRpcTransport({ clock: systemClock, connect: () => on, authority: "node" }));
    let asked = 0;
    registry.serve(DhtService, {
      ping: ({ nonce }) => ({ nonce }),
      listPortTokens: async () => {
        asked += 1;
        return { tokens: await pretend(clientOn(lent.connection)) };
      },
    });
    await clientOn(connection).ping({ nonce: Uint8Array.of(1), port: bystander.port });
    await until("the answer is judged", () => failures() === i + 1);
    assert.equal(asked, 1);
    assert.equal(bystander.counters.get("port.knocks"), 1);
    assert.equal(bystander.counters.get("handshake.failed.handshake_truncated"), 0);
    assert.equal(node.dht.table.has(id), false);
    assert.equal(node.peers.provenAddress(id), undefined);
  }
});

test("a peer that serves the DHT at the port that its ping names shows that it listens there, and its connection goes on", async (t) => {
  const { network } = await testNetwork();
  const node = await startNode(t, { network, discovery: false });
  const peer = await startNode(t, { network, discovery: false });
  await peer.ping(node.address);
  const ended: unknown[] = [];
  peer.on("disconnected", (id) => ended.push(id));
  await peer.dht.bootstrap([{ id: node.id, addresses: [{ host: "127.0.0.1", port: node.port }] }]);
  await until("it is in the table", () => node.dht.table.has(peer.id));
  assert.equal(peer.counters.get("port.knocks"), 1);
  assert.equal(peer.counters.get("handshake.ok"), 0, "nobody has dialed it");
  assert.deepEqual(node.dht.table.get(peer.id.bytes)?.addresses, [{ host: "127.0.0.1", port: peer.port }]);
  await peer.ping(node.id);
  await node.ping(peer.id);
  assert.deepEqual(ended, []);
  assert.deepEqual([node.connections, peer.connections], [1, 1]);
});

test("a peer that is not reached any more is not found", async (t) => {
  const options = await testNetwork({ intervalMs: 60_000 });
  const node = await startNode(t, options);
  const peer = await startNode(t, options);
  await allAcquainted([node, peer]);
  const path = `/api/peers/${peer.id.toHex()}`;
  assert.deepEqual((await apiJson(node.port, path)).peer.addresses, [`127.0.0.1:${peer.port}`]);
  const stranger = generateKeyPair();
  await announceAs(stranger, options, { port: await freeTcpPort() });
  await until("the stranger is heard", () => node.peers.get(stranger.id) !== undefined);
  assert.equal((await send(node.port, `/api/peers/${stranger.id.toHex()}`)).status, 404);
  await peer.abort();
  await until("the loss is noticed", () => !node.isConnected(peer.id));
  assert.notEqual(node.peers.get(peer.id), undefined, "its announce is believed for a while");
  assert.equal((await send(node.port, path)).status, 404);
});
