// The simulated network: latency, loss, deaths, partitions, what messages weigh, and answers that are errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import * as fc from "fast-check";
import {
  FindNodeRequestSchema,
  FindNodeResponseSchema,
  FindValueRequestSchema,
  FindValueResponseSchema,
  PingRequestSchema,
  PingResponseSchema,
  StoreRequestSchema,
  StoreResponseSchema,
} from "../../gen/dswarm/v1/dht_pb.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import type { Endpoint } from "../../src/testbed/endpoint.ts";
import { constantLatency } from "../../src/testbed/latency.ts";
import { SimulatedNetwork, type SimulatedNetworkOptions } from "../../src/testbed/network.ts";
import {
  findNodeMethod,
  findValueMethod,
  type PeerAnswers,
  pingMethod,
  type RpcMethod,
  storeMethod,
} from "../../src/testbed/rpc-method.ts";
import { runUntil, sleep } from "../../src/testbed/run.ts";
import { SimulationError } from "../../src/testbed/simulation-error.ts";
import { DswarmError } from "../../src/util/errors.ts";
import { VirtualClock } from "../../src/util/virtual-clock.ts";

const echo: PeerAnswers = {
  ping: ({ nonce }) => ({ nonce }),
  findNode: () => ({ contacts: [] }),
  findValue: () => Promise.resolve({}),
  store: () => Promise.resolve({}),
};

const nonce = Uint8Array.of(1, 2, 3);
const target = new Uint8Array(32).fill(7);
const forever = new AbortController().signal;

function networkOf(count: number, options: Partial<SimulatedNetworkOptions> = {}) {
  const clock = new VirtualClock(11);
  const network = new SimulatedNetwork({ clock, latency: constantLatency(10), ...options });
  const endpoints = Array.from({ length: count }, () => {
    const endpoint = network.attach(keyPairFromSeed(clock.randomBytes(32)).id);
    endpoint.serve(echo);
    return endpoint;
  });
  return { clock, network, endpoints, a: at(endpoints, 0), b: at(endpoints, 1) };
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  assert.ok(item !== undefined);
  return item;
}

/** What has come of a ping after a second. */
async function pingWithin(clock: VirtualClock, from: Endpoint, to: Endpoint): Promise<"answered" | "silent"> {
  const controller = new AbortController();
  let outcome: "answered" | "silent" = "silent";
  const ping = from.ping(to.contact, { nonce }, controller.signal).then(
    () => {
      outcome = "answered";
    },
    (error: unknown) => assert.equal(ConnectError.from(error).code, Code.Canceled),
  );
  await runUntil(clock, sleep(clock, 1000));
  controller.abort(new Error("no longer"));
  await runUntil(clock, ping);
  return outcome;
}

test("an answer takes the latency of both ways, and the callee learns who calls from which host", async () => {
  const { clock, network, a, b } = networkOf(2);
  let caller: unknown;
  b.serve({
    ...echo,
    ping(request, by) {
      caller = by;
      assert.equal(clock.now(), 10);
      assert.equal(request.port, 4000);
      return { nonce: request.nonce };
    },
  });
  const answer = await runUntil(clock, a.ping(b.contact, { nonce, port: 4000 }, forever));
  assert.equal(clock.now(), 20);
  assert.deepEqual(answer, create(PingResponseSchema, { nonce }));
  assert.deepEqual(caller, { id: a.contact.id, host: "10.0.0.1" });
  assert.deepEqual([a.calls, b.served, network.counts.ping], [1, 1, 1]);
  assert.deepEqual([a.bytesSent, b.bytesReceived, b.bytesSent, a.bytesReceived], [8, 8, 5, 5]);
});

test("bytes that the caller changes after the call do not change at the callee", async () => {
  const { clock, a, b } = networkOf(2);
  const value = Uint8Array.of(1, 2, 3);
  let got: Uint8Array | undefined;
  b.serve({
    ...echo,
    store({ record }) {
      if (record?.kind.case === "immutable") got = record.kind.value.value;
      return {};
    },
  });
  const call = a.store(b.contact, { record: { kind: { case: "immutable", value: { value } }, ttlS: 1 } }, forever);
  value.fill(9);
  await runUntil(clock, call);
  assert.deepEqual(got, Uint8Array.of(1, 2, 3));
});

test("a dead node never answers, until the caller gives up", async () => {
  const { clock, network, a, b } = networkOf(2);
  network.detach(b);
  network.detach(b);
  assert.equal(network.size, 1);
  assert.equal(await pingWithin(clock, a, b), "silent");
  assert.deepEqual([network.counts.lost, network.counts.aborted], [1, 1]);
});

test("a dead node refuses after a round trip where dead nodes do", async () => {
  const { clock, network, a, b } = networkOf(2, { deadNodes: "refuse" });
  network.detach(b);
  await assert.rejects(
    runUntil(clock, a.ping(b.contact, {}, forever)),
    (error) => error instanceof DswarmError && error.code === "unreachable",
  );
  assert.equal(clock.now(), 20);
});

test("a dead node gets no answers to what it has asked", async () => {
  const { clock, network, a, b } = networkOf(2);
  const controller = new AbortController();
  const ping = a.ping(b.contact, {}, controller.signal);
  network.detach(a);
  let isSettled = false;
  const settled = ping.finally(() => {
    isSettled = true;
  });
  const rejected = assert.rejects(settled, ConnectError);
  await runUntil(clock, sleep(clock, 100));
  assert.deepEqual([isSettled, b.served, a.bytesReceived], [false, 1, 0]);
  controller.abort();
  await runUntil(clock, rejected);
});

test("a contact is reached at whichever of its addresses is its own, and nowhere else", async () => {
  const { clock, a, b, endpoints } = networkOf(3);
  const c = at(endpoints, 2);
  const wrong = { id: b.contact.id, addresses: [c.address] };
  await assert.rejects(
    runUntil(clock, a.ping(wrong, {}, forever)),
    (error) => error instanceof DswarmError && error.code === "authentication_failed",
  );
  await runUntil(clock, a.ping({ ...wrong, addresses: [c.address, b.address] }, {}, forever));
  assert.equal(b.served, 1);
});

test("a node that comes back at its address is reached again; no other may be there", async () => {
  const { clock, network, a, b } = networkOf(2);
  assert.throws(() => network.attach(a.contact.id, b.address), RangeError);
  network.detach(b);
  network.attach(b.contact.id, b.address).serve(echo);
  assert.equal(await pingWithin(clock, a, b), "answered");
});

test("a partition isolates its groups, newcomers too, and heals", async () => {
  const { clock, network, a, b, endpoints } = networkOf(4);
  network.partition(({ index }) => index % 2);
  assert.equal(await pingWithin(clock, a, b), "silent");
  assert.equal(await pingWithin(clock, a, at(endpoints, 2)), "answered");
  const fifth = network.attach(keyPairFromSeed(new Uint8Array(32)).id);
  fifth.serve(echo);
  assert.equal(await pingWithin(clock, fifth, a), "answered");
  assert.equal(await pingWithin(clock, fifth, b), "silent");
  network.heal();
  assert.equal(await pingWithin(clock, a, b), "answered");
});

test("a partition between request and response loses the response", async () => {
  const { clock, network, a, b } = networkOf(2);
  clock.setTimeout(() => network.partition(({ index }) => index), 15);
  assert.equal(await pingWithin(clock, a, b), "silent");
  assert.equal(b.served, 1);
});

test("messages are lost as often as told", async () => {
  const { clock, network, a, b } = networkOf(2, { lossShare: 0.1 });
  const controller = new AbortController();
  const pings = Array.from({ length: 2000 }, () => a.ping(b.contact, {}, controller.signal));
  const all = Promise.allSettled(pings);
  await runUntil(clock, sleep(clock, 100));
  controller.abort();
  const answered = (await runUntil(clock, all)).filter(({ status }) => status === "fulfilled").length;
  // Both ways: 0.81 of 2000, whose standard deviation is 18.
  assert.ok(Math.abs(answered - 1620) < 90, String(answered));
  assert.equal(network.counts.lost, 2000 - answered);
});

test("a share that is none is refused", () => {
  for (const lossShare of [-0.1, 1.1, NaN]) assert.throws(() => networkOf(0, { lossShare }), RangeError);
});

test("errors of the callee arrive as on the wire: a code and a text", async () => {
  const { clock, a, b } = networkOf(2);
  b.serve({
    ...echo,
    findNode: () => {
      throw new ConnectError("no such target", Code.InvalidArgument);
    },
    store: () => Promise.reject(new DswarmError("quota_exceeded", "full")),
  });
  await assert.rejects(runUntil(clock, a.findNode(b.contact, { target }, forever)), {
    code: Code.InvalidArgument,
    rawMessage: "no such target",
  });
  await assert.rejects(
    runUntil(clock, a.store(b.contact, {}, forever)),
    (error) => error instanceof ConnectError && error.code === Code.ResourceExhausted && error.cause === undefined,
  );
  b.serve(undefined);
  await assert.rejects(runUntil(clock, a.ping(b.contact, {}, forever)), { code: Code.Unimplemented });
});

test("an answer that throws anything else is a mistake and ends the run", async () => {
  const { clock, a, b } = networkOf(2);
  b.serve({ ...echo, findValue: () => Promise.reject(new TypeError("a mistake")) });
  await assert.rejects(
    runUntil(clock, a.findValue(b.contact, { key: target }, forever)),
    (error) => error instanceof SimulationError && /^seed 11, at 10 ms: a mistake$/.test(error.message),
  );
});

test("a call whose signal has aborted before is not made", async () => {
  const { a, b } = networkOf(2);
  await assert.rejects(a.ping(b.contact, {}, AbortSignal.abort()), ConnectError);
  assert.equal(a.calls, 0);
});

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const contact = fc.record({
  id: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  addresses: fc.array(fc.constantFrom("10.0.0.1:4000", `${"a".repeat(60)}:123`), { maxLength: 4 }),
});
const record = fc.record({
  kind: fc.record({ case: fc.constant("immutable" as const), value: fc.record({ value: bytes(300) }) }),
  ttlS: fc.nat(),
});

function checkSizes<Q extends DescMessage, A extends DescMessage>(
  method: RpcMethod<unknown, MessageInitShape<Q>, unknown, MessageInitShape<A>>,
  request: readonly [Q, fc.Arbitrary<MessageInitShape<Q>>],
  response: readonly [A, fc.Arbitrary<MessageInitShape<A>>],
): void {
  fc.assert(
    fc.property(request[1], response[1], (requestInit, responseInit) => {
      const sent = method.request(requestInit);
      assert.deepEqual(sent.message, create(request[0], requestInit));
      assert.equal(sent.bytes, toBinary(request[0], create(request[0], requestInit)).length);
      const answered = method.response(responseInit);
      assert.deepEqual(answered.message, create(response[0], responseInit));
      assert.equal(answered.bytes, toBinary(response[0], create(response[0], responseInit)).length);
    }),
  );
}

test("messages arrive whole and weigh what their protobuf form does", () => {
  checkSizes<typeof PingRequestSchema, typeof PingResponseSchema>(
    pingMethod,
    [PingRequestSchema, fc.record({ nonce: bytes(64), port: fc.nat(65_535) }, { requiredKeys: [] })],
    [PingResponseSchema, fc.record({ nonce: bytes(200) }, { requiredKeys: [] })],
  );
  checkSizes<typeof FindNodeRequestSchema, typeof FindNodeResponseSchema>(
    findNodeMethod,
    [FindNodeRequestSchema, fc.record({ target: bytes(40) })],
    [FindNodeResponseSchema, fc.record({ contacts: fc.array(contact) }, { requiredKeys: [] })],
  );
  checkSizes<typeof FindValueRequestSchema, typeof FindValueResponseSchema>(
    findValueMethod,
    [FindValueRequestSchema, fc.record({ key: bytes(40) })],
    [
      FindValueResponseSchema,
      fc.record({ contacts: fc.array(contact), records: fc.array(record) }, { requiredKeys: [] }),
    ],
  );
  checkSizes<typeof StoreRequestSchema, typeof StoreResponseSchema>(
    storeMethod,
    [StoreRequestSchema, fc.record({ record })],
    [StoreResponseSchema, fc.constant({})],
  );
});
