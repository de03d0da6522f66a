// Streams of events: headers at once, a heartbeat while nothing happens, ids to go on from, a last event for a failure, and an end when
// the client leaves.
import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { sampleService } from "../../unit/api/sample-service.ts";
import { nodeService, send, startApi } from "./api-server.ts";

test("a stream without news has a heartbeat, a failure after it is its last event", { timeout: 60_000 }, async (t) => {
  const clock = new VirtualClock(1);
  const called = Promise.withResolvers<void>();
  const failing = Promise.withResolvers<void>();
  async function* silent(message: Message): AsyncGenerator<Message> {
    called.resolve();
    await failing.promise;
    yield message;
  }
  const { port } = await startApi(t, { services: [sampleService(undefined, silent)], clock });
  const outgoing = get({ port, path: "/api/count", agent: false, headers: { accept: "text/event-stream" } });
  const answered = once(outgoing, "response");
  await called.promise;
  await clock.advance(15_000);
  const [incoming] = await answered;
  assert.equal(incoming.statusCode, 200);
  await clock.advance(15_000);
  failing.reject(new ConnectError("gone", Code.Unavailable));
  let text = "";
  for await (const chunk of incoming.setEncoding("utf8")) text += chunk;
  const fault = JSON.stringify({ code: "unavailable", message: "gone" });
  assert.equal(text, `: still here\n\n: still here\n\nevent: error\ndata: ${fault}\n\n`);
});

test("a client that leaves a silent stream ends the call", { timeout: 60_000 }, async (t) => {
  const called = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const services = [
    sampleService(undefined, async function* (message, { signal }) {
      yield message;
      called.resolve();
      await once(signal, "abort");
      ended.resolve();
    }),
  ];
  const { port, errors } = await startApi(t, { services });
  const outgoing = get({ port, path: "/api/count", agent: false, headers: { accept: "text/event-stream" } });
  const [incoming] = await once(outgoing, "response");
  incoming.on("error", () => undefined).resume();
  await called.promise;
  outgoing.destroy();
  await ended.promise;
  assert.deepEqual(errors, []);
});

const accept = { accept: "text/event-stream" };

/** The head of an answer whose body has not begun. */
async function headOf(port: number, path: string, headers: Record<string, string>): Promise<IncomingMessage> {
  const outgoing = get({ port, path, agent: false, headers });
  const [incoming] = await once(outgoing, "response");
  incoming.on("error", () => undefined);
  return incoming;
}

test("the headers of a stream come before its first message, as events and as lines", {
  timeout: 60_000,
}, async (t) => {
  const release = Promise.withResolvers<void>();
  const services = [
    nodeService({
      async *watchEvents() {
        await release.promise;
        yield { name: "peer_lost" };
      },
    }),
  ];
  const { port } = await startApi(t, { services });
  // The first message comes only after both heads have come.
  const heads = await Promise.all([headOf(port, "/api/events", accept), headOf(port, "/api/events", {})]);
  assert.deepEqual(
    heads.map(({ statusCode, headers }) => [statusCode, headers["content-type"]]),
    [
      [200, "text/event-stream; charset=utf-8"],
      [200, "application/x-ndjson; charset=utf-8"],
    ],
  );
  release.resolve();
  for (const head of heads) {
    let text = "";
    for await (const chunk of head.setEncoding("utf8")) text += chunk;
    assert.match(text, /"peer_lost"/);
  }
});

test("what is wrong with the request of a stream still has a status of its own", async (t) => {
  const services = [
    nodeService({
      // oxlint-disable-next-line require-yield
      async *watchEvents() {
        await Promise.resolve();
        throw new ConnectError("no", Code.InvalidArgument);
      },
    }),
  ];
  const { port } = await startApi(t, { services });
  for (const headers of [accept, {}]) assert.equal((await headOf(port, "/api/events", headers)).statusCode, 400);
});

test("events have the cursors of their messages as ids, and Last-Event-ID goes before the query", async (t) => {
  const seen: string[] = [];
  const services = [
    nodeService({
      async *watchEvents({ after }) {
        seen.push(after);
        yield { name: "rates" };
        yield { name: "peer_lost", cursor: "run-7" };
      },
    }),
  ];
  const { port } = await startApi(t, { services });
  const first = await send(port, "/api/events?after=run-1", { headers: ["Accept", "text/event-stream"] });
  assert.deepEqual(first.text.match(/^(?:id|event): .*$/gm), ["id: run-7", "id: end", "event: end"]);
  assert.match(first.text, /^data: [^\n]*"rates"[^\n]*\n\nid: run-7\ndata: [^\n]*"peer_lost"/);
  const headers = ["Accept", "text/event-stream", "Last-Event-ID", "run-7"];
  assert.equal((await send(port, "/api/events?after=run-1", { headers })).status, 200);
  assert.deepEqual(seen, ["run-1", "run-7"]);
});

test("a browser that comes back after the end of a stream gets 204, and asks no more", async (t) => {
  const services = [nodeService({ traceLookup: () => assert.fail("called") })];
  const { port } = await startApi(t, { services });
  const headers = ["Accept", "text/event-stream", "Last-Event-ID", "end"];
  const answer = await send(port, "/api/lookup/x/trace", { headers });
  assert.deepEqual([answer.status, answer.text], [204, ""]);
});
