// Server-Sent Events: a heartbeat while nothing happens, a last event for a failure, and an end when the client leaves.
import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { test } from "node:test";
import type { Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { sampleService } from "../../unit/api/sample-service.ts";
import { startApi } from "./api-server.ts";

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
