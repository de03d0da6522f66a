// What /metrics tells of calls, handshakes and queues: by names of this program's own descriptors alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { CallMeter, CallStats, durationBounds } from "../../../src/rpc/call-meter.ts";
import { freeTcpPort, send, startNode, until } from "./rig.ts";

const echo = 'service="dswarm.example.v1.EchoService"';

async function metricsOf(port: number): Promise<string> {
  const { status, text } = await send(port, "/metrics");
  assert.equal(status, 200);
  return text;
}

/** The value of a metric with these labels, whatever others it has; 0 where there is none. */
function valueOf(text: string, name: string, ...labels: string[]): number {
  const lines = text.split("\n").filter((line) => new RegExp(`^${name}[{ ]`).test(line));
  const line = lines.find((each) => labels.every((label) => each.includes(label)));
  return Number(line?.split(" ").at(-1) ?? 0);
}

test("calls are counted at both ends by method and code, with how long they took", async (t) => {
  const callee = await startNode(t, { discovery: false });
  const caller = await startNode(t, { discovery: false });
  let stopped = false;
  callee.serve(EchoService, {
    echo: ({ payload }) => {
      if (payload.length === 0) throw new ConnectError("empty", Code.InvalidArgument);
      return { payload };
    },
    async *repeat({ payload }, { signal }) {
      yield { payload };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      stopped = true;
    },
  });
  const client = caller.client(EchoService, callee.address);
  for (let i = 0; i < 5; i++) await client.echo({ payload: Buffer.from("x") });
  await assert.rejects(client.echo({}), { code: Code.InvalidArgument });
  for await (const _ of client.repeat({ payload: Buffer.from("x") })) break;
  await until("the handler has ended", () => stopped);
  for (const [{ port }, side] of [
    [callee, 'side="served"'],
    [caller, 'side="made"'],
  ] as const) {
    const text = await metricsOf(port);
    const calls = (method: string, code: string): number =>
      valueOf(text, "dswarm_rpc_calls_total", side, echo, `method="${method}"`, `code="${code}"`);
    assert.equal(calls("Echo", "ok"), 5);
    assert.equal(calls("Echo", "invalid_argument"), 1);
    assert.equal(calls("Repeat", "canceled"), 1);
    const labels = [side, echo, 'method="Echo"'];
    assert.match(text, /^# TYPE dswarm_rpc_duration_seconds histogram$/m);
    assert.equal(valueOf(text, "dswarm_rpc_duration_seconds_bucket", ...labels, 'le="+Inf"'), 6);
    assert.equal(valueOf(text, "dswarm_rpc_duration_seconds_bucket", ...labels, 'le="30"'), 6);
    assert.equal(valueOf(text, "dswarm_rpc_duration_seconds_count", ...labels), 6);
    assert.ok(valueOf(text, "dswarm_rpc_duration_seconds_sum", ...labels) > 0);
  }
  assert.equal(valueOf(await metricsOf(callee.port), "dswarm_handshakes_total", 'outcome="ok"'), 1);
});

test("names that a peer chooses become no labels, and failures have a code", async (t) => {
  const callee = await startNode(t, { discovery: false });
  const caller = await startNode(t, { discovery: false });
  callee.serve(EchoService, { echo: ({ payload }) => ({ payload }) });
  await caller.ping(callee.address);
  // The gateway takes the descriptor from the peer.
  const id = callee.id.toBase64url();
  const path = `/api/peers/${id}/dswarm.example.v1.EchoService/Echo`;
  const answer = await send(caller.port, path, { method: "POST" }, "{}");
  assert.equal(answer.status, 200, answer.text);
  const nobody = `dswarm://${generateKeyPair().id.toBase64url()}@127.0.0.1:${await freeTcpPort()}`;
  await assert.rejects(callee.ping(nobody), ConnectError);
  await send(callee.port, "/dht");
  const made = await metricsOf(caller.port);
  assert.doesNotMatch(made, /EchoService/);
  assert.match(made, /side="made",service="dswarm\.v1\.ReflectionService"/);
  const served = await metricsOf(callee.port);
  assert.ok(valueOf(served, "dswarm_dials_failed_total", 'code="unreachable"') >= 1);
  assert.equal(valueOf(served, "dswarm_rpc_calls_total", 'side="served"', echo, 'method="Echo"', 'code="ok"'), 1);
  for (const gauge of ["calls_open", "handlers_running", "unread_bytes", "unsent_bytes", "held_bytes"]) {
    assert.match(served, new RegExp(`^dswarm_${gauge} \\d+$`, "m"));
  }
});

test("a class of duration holds what is at most its bound, and codes that there are none of are unknown", () => {
  const stats = new CallStats("s", "m");
  for (const seconds of [0, 0.0005, 0.0006, 30, 31]) stats.add(0, seconds * 1000);
  assert.equal(stats.byDuration.length, durationBounds.length + 1);
  assert.deepEqual(
    [stats.byDuration[0], stats.byDuration[1], stats.byDuration.at(-2), stats.byDuration.at(-1)],
    [2, 1, 1, 1],
  );
  for (const code of [16, 17, 4_000_000_000, -1]) stats.add(code, 1);
  assert.deepEqual([stats.byCode[0], stats.byCode[16], stats.byCode[2]], [5, 1, 3]);
});

test("a meter is bounded: methods beyond a thousand are one", () => {
  const meter = new CallMeter();
  const [method] = EchoService.methods;
  assert.ok(method);
  const seen = new Set<CallStats>();
  for (let i = 0; i < 1100; i++) seen.add(meter.of({ ...method, name: `M${i}` }));
  assert.equal(seen.size, 1001);
  assert.equal(meter.all.length, 1001);
  // The same method by another descriptor is the same.
  assert.equal(meter.of({ ...method, name: "M1" }), meter.of({ ...method, name: "M1" }));
});

test("the figures of the process are there, once, with several nodes in it", async (t) => {
  const nodes = await Promise.all([1, 2].map(() => startNode(t, { discovery: false })));
  for (const { port } of nodes) {
    const text = await metricsOf(port);
    for (const name of [
      "process_cpu_seconds_total",
      "process_resident_memory_bytes",
      "nodejs_eventloop_lag_seconds",
      "nodejs_heap_size_used_bytes",
      "dswarm_uptime_seconds",
    ]) {
      const lines = text.split("\n").filter((line) => new RegExp(`^${name}[ {]`).test(line));
      assert.equal(lines.length, 1, name);
    }
    assert.ok(valueOf(text, "process_resident_memory_bytes") > 1_000_000);
    const names = text.match(/(?<=^# TYPE )\w+/gm) ?? [];
    assert.equal(new Set(names).size, names.length);
    assert.equal(text.endsWith("\n"), true);
  }
});
