import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Code, type ConnectError, createClient, type ServiceImpl } from "@connectrpc/connect";
import * as fc from "fast-check";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import type { Frame } from "../../../gen/dswarm/v1/frame_pb.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { type Body, echoBytes, echoMethod, RawPeer } from "./raw-peer.ts";
import { type ModelConfig, StreamModel } from "./stream-model.ts";

const limits = { maxMessageBytes: 120_000, maxConcurrentStreams: 3 };
const answerNow = 1;

function hang(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}

/** Handlers that never answer by themselves; but Echo does when the payload says so. */
const hangingEcho: ServiceImpl<typeof EchoService> = {
  echo: ({ payload }, { signal }) => (payload[0] === answerNow ? { payload } : hang(signal)),
  // biome-ignore lint/correctness/useYield: it never answers
  async *repeat(_, { signal }) {
    yield await hang(signal);
  },
  async collect(requests, { signal }) {
    for await (const _ of requests);
    return hang(signal);
  },
  async *converse(_, { signal }) {
    yield await hang(signal);
  },
};

interface Step {
  /** Which stream: a fitting one for a body of this kind, or any. */
  readonly aim: "fitting" | "any";
  readonly n: number;
  readonly body: Body | undefined;
}

const rarely = (weight = 1): fc.Arbitrary<boolean> =>
  fc.oneof({ weight: 20, arbitrary: fc.constant(false) }, { weight, arbitrary: fc.constant(true) });
const bytes = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 50 }).map((length) => echoBytes(length)) },
  { weight: 1, arbitrary: fc.constant(Uint8Array.of(0xff, 0xff)) },
  { weight: 1, arbitrary: fc.constant(new Uint8Array(0)) },
  { weight: 4, arbitrary: fc.constantFrom(40_000, 60_000).map((length) => echoBytes(length)) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1).map((more) => new Uint8Array(protocol.maxPieceBytes + more)) },
);
type Metadata = { key: string; value: Uint8Array }[];
const metadata: fc.Arbitrary<Metadata> = rarely().map((isBad) => [
  { key: isBad ? "Not Allowed" : "x-good", value: Uint8Array.of(65) },
]);
const someMetadata = fc.oneof({ weight: 3, arbitrary: fc.constant<Metadata>([]) }, { weight: 1, arbitrary: metadata });
const method = fc.constantFrom("Echo", "Echo", "Repeat", "Collect", "Collect", "Converse", "Nothing").map(echoMethod);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const body: fc.Arbitrary<Body | undefined> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .record({ method, halfClose: fc.nat(3).map((n) => n === 0), message: maybe(bytes), metadata: someMetadata })
      .map(({ message, ...open }) => ({ case: "open" as const, value: { ...open, ...(message && { message }) } })),
  },
  {
    weight: 16,
    arbitrary: fc.record({ payload: bytes, more: fc.boolean() }).map((value) => ({ case: "data" as const, value })),
  },
  { weight: 2, arbitrary: fc.constant({ case: "halfClose" as const, value: {} }) },
  {
    weight: 4,
    arbitrary: fc
      .record({
        code: fc.oneof(fc.constant(0), fc.nat(18)),
        header: someMetadata,
        trailer: someMetadata,
        response: maybe(bytes),
      })
      .map(({ response, ...end }) => ({ case: "end" as const, value: { ...end, ...(response && { response }) } })),
  },
  { weight: 1, arbitrary: fc.constant({ case: "cancel" as const, value: {} }) },
  {
    weight: 3,
    arbitrary: rarely().map((isNothing) => ({ case: "credit" as const, value: { bytes: isNothing ? 0 : 5000 } })),
  },
  { weight: 3, arbitrary: metadata.map((list) => ({ case: "header" as const, value: { metadata: list } })) },
  { weight: 1, arbitrary: fc.nat(100).map((n) => ({ case: "ping" as const, value: { id: n } })) },
  { weight: 1, arbitrary: fc.nat(100).map((n) => ({ case: "pong" as const, value: { id: n } })) },
  { weight: 1, arbitrary: fc.nat(6).map((last) => ({ case: "goAway" as const, value: { lastStreamId: last } })) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
// Mostly what a sane peer sends: wild ones end the connection too soon to get far.
const step: fc.Arbitrary<Step> = fc.record({
  aim: fc.oneof(
    { weight: 200, arbitrary: fc.constant("fitting" as const) },
    { weight: 1, arbitrary: fc.constant("any" as const) },
  ),
  n: fc.nat(11),
  body,
});
const steps = fc.array(step, { minLength: 1, maxLength: 40, size: "max" });

const connectionOnly = (): readonly number[] => [0];
const ours = (model: StreamModel): readonly number[] => model.ours;
const theirs = (model: StreamModel): readonly number[] => (model.theirs.length > 0 ? model.theirs : late(model));

/** The stream that the peer has opened last, be it over. */
function late({ nextTheirs }: StreamModel): readonly number[] {
  return nextTheirs > 2 ? [nextTheirs - 2] : [];
}

/** The streams on which a sane peer sends a frame of a kind. */
const fitting: Readonly<Record<NonNullable<Body["case"]>, (model: StreamModel) => readonly number[]>> = {
  open: (model) => [model.nextTheirs],
  data: (model) => [...model.ours, ...model.theirs, ...model.theirs, ...late(model)],
  halfClose: theirs,
  end: ours,
  cancel: theirs,
  credit: (model) => [0, ...model.ours, ...model.theirs],
  ping: connectionOnly,
  pong: connectionOnly,
  goAway: connectionOnly,
  header: ours,
};

/** The stream that a step is about; undefined where there is none that fits. */
function streamOf({ aim, n, body: sent }: Step, model: StreamModel): number | undefined {
  if (aim === "any") return n;
  const streams = fitting[sent?.case ?? "data"](model);
  return streams[n % streams.length];
}

/** A frame of the connection under test as the model says it. */
function lineOf({ streamId, body: sent }: Frame): string {
  if (sent.case === "end") return `end ${streamId} ${sent.value.code}`;
  return sent.case === "pong" ? `pong ${sent.value.id}` : `${sent.case} ${streamId}`;
}

/** Runs the steps against a connection and the model. */
async function check(config: ModelConfig, given: readonly Step[]): Promise<void> {
  const { role, ...options } = config;
  const peer = new RawPeer(role, options);
  peer.registry.serve(EchoService, hangingEcho);
  const model = new StreamModel(config);
  const settled: string[] = [];
  const [unaryId, bidiId] = role === "dialer" ? [1, 3] : [2, 4];
  const note = (stream: number, call: Promise<unknown>): void => {
    call.then(
      () => settled.push(`call ${stream} 0`),
      (error: ConnectError) => settled.push(`call ${stream} ${error.code}`),
    );
  };
  const { connection, clock } = peer;
  const client = createClient(EchoService, createRpcTransport({ connect: () => connection, clock, authority: "peer" }));
  const stop = new AbortController();
  async function* never(): AsyncIterable<object> {
    yield await hang(stop.signal);
  }
  note(unaryId, client.echo({}));
  note(bidiId, readAll(client.converse(never())));
  await peer.turn();
  assert.deepEqual(
    peer.frames.splice(0).map(({ streamId, body: sent }) => `${sent.case} ${streamId}`),
    [`open ${unaryId}`, `open ${bidiId}`],
  );
  for (const next of given) {
    const streamId = streamOf(next, model);
    if (streamId === undefined) continue;
    const credit = { stream: peer.creditOf(streamId), connection: peer.creditOf(0) };
    const expected = model.receive(streamId, next.body, credit);
    const frames = await peer.exchange(streamId, next.body);
    const lines = frames.filter(({ body: sent }) => sent.case !== "goAway").map(lineOf);
    const dead = peer.ended === undefined ? [] : [`dead ${peer.ended.reason?.code}`];
    assert.deepEqual([...lines, ...settled.splice(0), ...dead].sort(), expected.sort());
    if (model.isDead) break;
  }
  if (!model.isDead) {
    const message = echoBytes(4, answerNow);
    const open = { method: echoMethod("Echo"), message, halfClose: true };
    const frames = await peer.exchange(model.nextTheirs, { case: "open", value: open });
    const [answer] = frames.map(({ body: sent }) => (sent.case === "end" ? sent.value : undefined));
    assert.equal(answer?.code, model.hasRoom ? 0 : Code.ResourceExhausted);
    if (model.hasRoom) assert.deepEqual(answer?.response, message);
    peer.cut();
    await peer.turn();
  }
  stop.abort();
  await peer.turn();
  const { streams, running, unconsumedBytes } = connection;
  assert.deepEqual({ streams, running, unconsumedBytes }, { streams: 0, running: 0, unconsumedBytes: 0 });
  assert.deepEqual(peer.faults, []);
}

async function readAll(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

suite("streams and connections do with every frame what the model says", () => {
  for (const role of ["dialer", "listener"] as const) {
    const config = { role, ...limits };
    test(`as the ${role}`, async () => {
      await fc.assert(
        fc.asyncProperty(steps, (given) => check(config, given)),
        { numRuns: 600 },
      );
    });
  }
});
