// Calls of a node's to the program, on the connection that the program has dialed.
import assert from "node:assert/strict";
import { Code, ConnectError } from "@connectrpc/connect";
import { EchoRequestSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import { type CaseContext, group, payloadOf } from "../case.ts";
import { until } from "../until.ts";

const sizes = [0, 1, 4096, 69_628, 69_632, 70_000, 262_144, 1_000_000];
const text = (words: string): { payload: Uint8Array } => ({ payload: new TextEncoder().encode(words) });

async function* requestsOf(each: readonly Uint8Array[]): AsyncGenerator<{ payload: Uint8Array }> {
  for (const payload of each) yield { payload };
}

/** A request and then silence, until the signal. */
async function* openEnded(words: string, signal?: AbortSignal): AsyncGenerator<{ payload: Uint8Array }> {
  yield text(words);
  await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve(), { once: true }));
}

/** The status of a call that fails. */
async function statusOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new assert.AssertionError({ message: "the call succeeds" });
}

async function drain(answers: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of answers) count += 1;
  return count;
}

/** A handler's error that is no status: its text does not travel. */
async function failsWithoutText(context: CaseContext, words: string): Promise<void> {
  const { client } = await context.calledBack();
  const calls = [
    statusOf(client.echo(text(words))),
    statusOf(drain(client.repeat({ ...text(words), count: 1 }))),
    statusOf(client.collect(requestsOf([text(words).payload]))),
    statusOf(drain(client.converse(requestsOf([text(words).payload])))),
  ];
  for (const { code, rawMessage, details } of await Promise.all(calls)) {
    assert.deepEqual([code, rawMessage, details.length], [Code.Internal, "internal error", 0]);
  }
  await client.echo(text("still here"));
}

/** Cases of calls to the program. */
export const calledCases = [
  ...group("called", ["calls", "serve"], {
    echo: async (context) => {
      const { client } = await context.calledBack();
      for (const size of sizes) {
        const { payload } = await client.echo({ payload: payloadOf(size) });
        assert.ok(Buffer.from(payload).equals(payloadOf(size)), `${size} bytes`);
      }
    },
    repeat: async (context) => {
      const { client } = await context.calledBack();
      let next = 0;
      for await (const { payload, index } of client.repeat({ payload: payloadOf(50_000), count: 40 })) {
        assert.equal(index, next++);
        assert.equal(payload.length, 50_000);
      }
      assert.equal(next, 40);
    },
    collect: async (context) => {
      const { client } = await context.calledBack();
      const { count, bytes } = await client.collect(requestsOf(sizes.map(payloadOf)));
      assert.deepEqual([count, Number(bytes)], [sizes.length, sizes.reduce((sum, size) => sum + size, 0)]);
    },
    converse: async (context) => {
      const { client } = await context.calledBack();
      const got: number[] = [];
      for await (const { payload } of client.converse(requestsOf(sizes.map(payloadOf)))) got.push(payload.length);
      assert.deepEqual(got, sizes);
    },
    concurrent: async (context) => {
      const { client } = await context.calledBack();
      const calls = Array.from({ length: 200 }, (_, size) => client.echo({ payload: payloadOf(size) }));
      for (const [size, { payload }] of (await Promise.all(calls)).entries()) assert.equal(payload.length, size);
    },
    "both-ways": async (context) => {
      const { client, connection } = await context.calledBack();
      const out = Array.from({ length: 20 }, () =>
        connection.call("Converse", { requests: [{ size: 30_000, times: 10 }] }),
      );
      const back = Array.from({ length: 20 }, () => drain(client.repeat({ payload: payloadOf(30_000), count: 10 })));
      for (const count of await Promise.all(back)) assert.equal(count, 10);
      for (const call of out) assert.equal((await call.succeeds()).messages, 10);
    },
    statuses: async (context) => {
      const { client } = await context.calledBack();
      for (let code = 1; code <= 16; code++) {
        const error = await statusOf(client.echo(text(`fail ${code} as asked`)));
        assert.deepEqual([error.code, error.rawMessage], [code, "as asked"]);
      }
      const streamed = await statusOf(drain(client.repeat({ ...text("fail 9 not now"), count: 1 })));
      assert.deepEqual([streamed.code, streamed.rawMessage], [Code.FailedPrecondition, "not now"]);
    },
    "status-details": async (context) => {
      const { client } = await context.calledBack();
      const error = await statusOf(client.echo(text("fail 5 grüße")));
      const [detail] = error.findDetails(EchoRequestSchema);
      assert.ok(detail, "there is no detail");
      assert.equal(Buffer.from(detail.payload).toString(), "grüße");
    },
    fault: (context) => failsWithoutText(context, "fault"),
    "plain-error": (context) => failsWithoutText(context, "error"),
    metadata: async (context) => {
      const { client } = await context.calledBack();
      const headers = new Headers({ "x-a": "one value", "x-b-bin": "AP8", "not-answered": "y" });
      const got: Headers[] = [];
      const options = {
        headers,
        onHeader: (h: Headers) => void got.push(h),
        onTrailer: (t: Headers) => void got.push(t),
      };
      await client.echo({}, options);
      await drain(client.repeat({ count: 1 }, options));
      await client.collect(requestsOf([payloadOf(1)]), options);
      await drain(client.converse(requestsOf([payloadOf(1)]), options));
      assert.equal(got.length, 8);
      for (const each of got) {
        assert.equal(each.get("x-a"), "one value");
        assert.equal(each.get("x-b-bin")?.replace(/=+$/, ""), "AP8");
        assert.equal(each.get("not-answered"), null);
      }
    },
    deadline: async (context) => {
      const { client, connection } = await context.calledBack();
      assert.equal((await statusOf(client.echo(text("hang"), { timeoutMs: 150 }))).code, Code.DeadlineExceeded);
      await until("no handler runs", async () => (await connection.stats()).running === 0);
      assert.equal((await connection.stats()).cancelled, 1);
    },
    cancel: async (context) => {
      const { client, connection } = await context.calledBack();
      const abort = new AbortController();
      const { signal } = abort;
      const calls = [
        statusOf(client.echo(text("hang"), { signal })),
        statusOf(drain(client.repeat({ ...text("hang"), count: 1 }, { signal }))),
        statusOf(client.collect(openEnded("hang", signal), { signal })),
        statusOf(drain(client.converse(openEnded("hang", signal), { signal }))),
      ];
      await until("four handlers run", async () => (await connection.stats()).running === 4);
      abort.abort();
      for (const { code } of await Promise.all(calls)) assert.equal(code, Code.Canceled);
      await until("no handler runs", async () => (await connection.stats()).running === 0);
      assert.equal((await connection.stats()).cancelled, 4);
    },
    "reader-stops": async (context) => {
      const { client, connection } = await context.calledBack();
      let read = 0;
      for await (const _ of client.repeat({ payload: payloadOf(1000), count: 10_000_000 })) if (++read === 10) break;
      await until("the handler has stopped", async () => (await connection.stats()).running === 0);
    },
    "connection-lost": async (context) => {
      const { raw, connection } = await context.hostilePair({ serve: true });
      const payload = Buffer.concat([Buffer.from([10, 4]), Buffer.from("hang")]);
      const method = "dswarm.example.v1.EchoService/Echo";
      raw.send(2, { case: "open", value: { method, message: payload, halfClose: true } });
      await until("the handler runs", async () => (await connection.stats()).running === 1);
      raw.cut();
      await connection.endsBy("link_truncated");
      await until("the handler has stopped", async () => (await connection.stats()).running === 0);
    },
    "called-while-calling": async (context) => {
      const { client, connection, handlers } = await context.calledBack();
      const call = connection.call("Echo", { requests: [{ text: "hang" }] });
      await until("the handler runs", () => handlers.running === 1);
      await client.echo(text("meanwhile"));
      await call.cancel();
      await call.fails(1);
    },
    "not-served": async (context) => {
      const { client } = await context.calledBack({}, { serve: false });
      assert.equal((await statusOf(client.echo(text("hello")))).code, Code.Unimplemented);
    },
  }),
  ...group("called", ["calls", "serve", "options"], {
    "too-many-streams": async (context) => {
      const { client, connection } = await context.calledBack({}, { options: { maxConcurrentStreams: 3 } });
      const abort = new AbortController();
      const calls = [1, 2, 3].map(() => statusOf(client.echo(text("hang"), { signal: abort.signal })));
      await until("three handlers run", async () => (await connection.stats()).running === 3);
      assert.equal((await statusOf(client.echo(text("one too many")))).code, Code.ResourceExhausted);
      abort.abort();
      await Promise.all(calls);
      await until("no handler runs", async () => (await connection.stats()).running === 0);
      await client.echo(text("there is room again"));
    },
    "message-over-limit": async (context) => {
      const { client } = await context.calledBack({}, { options: { maxMessageBytes: 200_000 } });
      assert.equal((await statusOf(client.echo({ payload: payloadOf(300_000) }))).code, Code.ResourceExhausted);
      await client.echo({ payload: payloadOf(150_000) });
    },
  }),
];
