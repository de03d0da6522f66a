// Services of peers, called by public key alone; their health, and their schemas by reflection.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { createFileRegistry, fromJson, toJson } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { DhtService } from "../../../gen/dswarm/v1/dht_pb.ts";
import { ReflectionService } from "../../../gen/dswarm/v1/reflection_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../gen/grpc/health/v1/health_pb.ts";
import type { DswarmNode } from "../../../src/node/node.ts";
import { callerKey } from "../../../src/rpc/handler-context.ts";
import { knows, startNode, testNetwork, until } from "./rig.ts";

async function startTwo(t: TestContext): Promise<[DswarmNode, DswarmNode]> {
  const options = await testNetwork();
  const [server, caller] = [await startNode(t, options), await startNode(t, options)];
  await knows(caller, server.id);
  return [server, caller];
}

/** A text as bytes, and back. */
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);

async function* three() {
  for (const each of ["1", "2", "3"]) yield { payload: bytes(each) };
}

test("a service is called by id, by every text form of it, and by address; the handler knows the caller", async (t) => {
  const [server, caller] = await startTwo(t);
  server.serve(EchoService, {
    echo: ({ payload }, { values }) => ({ payload: bytes(`${text(payload)} ${values.get(callerKey)?.toString()}`) }),
  });
  const { id, address } = server;
  for (const name of [id, id.toString(), id.toHex(), id.toBase64url(), address]) {
    const { payload } = await caller.client(EchoService, name).echo({ payload: bytes("hello") });
    assert.equal(text(payload), `hello ${caller.id.toString()}`);
  }
  const own = await startNode(t, { discovery: false, network: caller.config.network });
  const { payload } = await own.client(EchoService, address).echo({ payload: bytes("hello") });
  assert.equal(text(payload), `hello ${own.id.toString()}`);
  assert.throws(() => caller.client(EchoService, "@nobody"), { code: "node_id_invalid" });
  assert.throws(() => caller.client(EchoService, "dswarm://x"), { code: "address_invalid" });
});

test("a node calls its own services without a connection to itself, until it closes", async (t) => {
  const node = await startNode(t, { discovery: false });
  const started = Promise.withResolvers<void>();
  node.serve(EchoService, {
    echo: ({ payload }, { values }) => ({ payload: bytes(`${text(payload)} ${values.get(callerKey)?.toString()}`) }),
    async *repeat(_, { signal }) {
      started.resolve();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      yield {};
    },
  });
  for (const name of [node.id, node.address]) {
    const { payload } = await node.client(EchoService, name).echo({ payload: bytes("hello") });
    assert.equal(text(payload), `hello ${node.id.toString()}`);
  }
  assert.equal(node.connections, 0);
  const stream = node.client(EchoService, node.id).repeat({})[Symbol.asyncIterator]();
  const cut = assert.rejects(stream.next(), { code: Code.Unavailable });
  await started.promise;
  await node.abort();
  await cut;
  await assert.rejects(node.client(EchoService, node.id).echo({}), /the node is closed/);
});

test("calls of all kinds work, in both directions on one connection", async (t) => {
  const nodes = await startTwo(t);
  for (const node of nodes) {
    node.serve(EchoService, {
      echo: ({ payload }) => ({ payload }),
      async *repeat({ payload, count }) {
        for (let index = 0; index < count; index++) yield { payload, index };
      },
      async collect(requests) {
        let count = 0;
        for await (const _ of requests) count += 1;
        return { count };
      },
      async *converse(requests) {
        for await (const { payload } of requests) yield { payload };
      },
    });
  }
  const [a, b] = nodes;
  await a.ping(b.address);
  for (const client of [a.client(EchoService, b.id), b.client(EchoService, a.id)]) {
    assert.equal(text((await client.echo({ payload: bytes("x") })).payload), "x");
    assert.equal((await client.collect(three())).count, 3);
    let answers = "";
    for await (const { payload, index } of client.repeat({ payload: bytes("r"), count: 3 }))
      answers += text(payload) + index;
    for await (const { payload } of client.converse(three())) answers += text(payload);
    assert.equal(answers, "r0r1r2123");
  }
  assert.deepEqual([a.connections, b.connections], [1, 1]);
});

test("a service that is withdrawn is not called any more, and can be served again", async (t) => {
  const [server, caller] = await startTwo(t);
  const client = caller.client(EchoService, server.id);
  await assert.rejects(client.echo({}), { code: Code.Unimplemented });
  const withdraw = server.serve(EchoService, { echo: () => ({}) });
  await client.echo({});
  assert.throws(() => server.serve(EchoService, {}), RangeError);
  withdraw();
  await assert.rejects(client.echo({}), { code: Code.Unimplemented });
  server.serve(EchoService, { echo: () => ({}) });
  await client.echo({});
});

test("the DHT's methods are served, and refuse what breaks the protocol", async (t) => {
  const [server, caller] = await startTwo(t);
  const client = caller.client(DhtService, server.id);
  const nonce = new Uint8Array(64).fill(7);
  assert.deepEqual(new Uint8Array((await client.ping({ nonce })).nonce), nonce);
  await assert.rejects(client.ping({ nonce: new Uint8Array(65) }), { code: Code.InvalidArgument });
  assert.ok((await client.findNode({ target: server.id.bytes })).contacts.length <= 20);
  const refused = { code: Code.InvalidArgument };
  await assert.rejects(client.ping({ port: 65_536 }), refused);
  await assert.rejects(client.findNode({ target: new Uint8Array(31) }), refused);
  await assert.rejects(client.findValue({ key: new Uint8Array(33) }), refused);
  await assert.rejects(client.store({}), refused);
  await assert.rejects(client.store({ record: { ttlS: 60 } }), refused);
  const immutable = { kind: { case: "immutable" as const, value: { value: new Uint8Array(65_537) } }, ttlS: 60 };
  await assert.rejects(client.store({ record: immutable }), refused);
  const value = { publicKey: server.id.bytes, signature: new Uint8Array(64), sequence: 1n };
  const forged = { kind: { case: "mutable" as const, value }, ttlS: 60 };
  await assert.rejects(client.store({ record: forged }), { code: Code.PermissionDenied });
  assert.equal(server.dht.store.size, 0);
});

test("health says what is served, and tells those who watch of every change", async (t) => {
  const [server, caller] = await startTwo(t);
  const client = caller.client(Health, server.id);
  const { typeName: service } = EchoService;
  assert.equal((await client.check({})).status, Status.SERVING);
  assert.equal((await client.check({ service: DhtService.typeName })).status, Status.SERVING);
  await assert.rejects(client.check({ service }), { code: Code.NotFound });

  const seen: Status[] = [];
  const stop = new AbortController();
  const watching = (async () => {
    for await (const { status } of client.watch({ service }, { signal: stop.signal })) seen.push(status);
  })();
  const isSeen = (count: number) => until(`${count} states are seen`, () => seen.length === count);
  await isSeen(1);
  const withdraw = server.serve(EchoService, {});
  await isSeen(2);
  server.setHealth(EchoService, false);
  await isSeen(3);
  assert.equal((await client.check({ service })).status, Status.NOT_SERVING);
  server.setHealth(EchoService, true);
  await isSeen(4);
  // No change is no news.
  server.setHealth(EchoService, true);
  withdraw();
  await isSeen(5);
  assert.deepEqual(seen, [
    Status.SERVICE_UNKNOWN,
    Status.SERVING,
    Status.NOT_SERVING,
    Status.SERVING,
    Status.SERVICE_UNKNOWN,
  ]);
  stop.abort();
  await assert.rejects(watching, { code: Code.Canceled });
  assert.equal(server.counters.get("rpc.handler_faults"), 0);
});

test("a service never seen before is called through its reflected schema", async (t) => {
  const [server, caller] = await startTwo(t);
  server.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
  const reflection = caller.client(ReflectionService, server.id);
  const { services } = await reflection.listServices({});
  assert.deepEqual(services, [
    "dswarm.example.v1.EchoService",
    "dswarm.v1.DhtService",
    "dswarm.v1.ReflectionService",
    "grpc.health.v1.Health",
  ]);
  for (const service of services) {
    const { files } = await reflection.getDescriptors({ service });
    assert.ok(files);
    assert.ok(createFileRegistry(files).getService(service));
  }
  const { files } = await reflection.getDescriptors({ service: "dswarm.example.v1.EchoService" });
  assert.ok(files);
  const service = createFileRegistry(files).getService("dswarm.example.v1.EchoService");
  const method = service?.methods.find(({ name }) => name === "Echo");
  assert.ok(service && method?.methodKind === "unary");
  assert.notEqual(service, EchoService);
  const client = caller.client(service, server.id);
  const call = client[method.localName];
  assert.ok(call);
  const request = fromJson(method.input, { payload: Buffer.from("dynamic").toString("base64") });
  const answer = await (call as (message: typeof request) => Promise<typeof request>)(request);
  assert.deepEqual(toJson(method.output, answer), { payload: Buffer.from("dynamic").toString("base64") });
  await assert.rejects(reflection.getDescriptors({ service: "no.such.Service" }), { code: Code.NotFound });
});

test("interceptors and timeouts of a client apply", async (t) => {
  const [server, caller] = await startTwo(t);
  const started = Promise.withResolvers<void>();
  server.serve(EchoService, {
    async echo(_request, { signal }) {
      started.resolve();
      await once(signal, "abort");
      return {};
    },
  });
  // With a connection, the call is sent before its time is over.
  await caller.ping(server.id);
  const urls: string[] = [];
  const client = caller.client(EchoService, server.id, {
    defaultTimeoutMs: 200,
    interceptors: [
      (next) => (request) => {
        urls.push(request.url);
        return next(request);
      },
    ],
  });
  await assert.rejects(client.echo({}), { code: Code.DeadlineExceeded });
  await started.promise;
  assert.deepEqual(urls, [`dswarm://${server.id.toBase64url()}/dswarm.example.v1.EchoService/Echo`]);
});
