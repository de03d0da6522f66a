// The commands about one peer, its services and lookups, against running nodes.
import assert from "node:assert/strict";
import { suite, type TestContext, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { NodeId } from "../../../src/identity/node-id.ts";
import { callerKey, createNode, type DswarmNode } from "../../../src/index.ts";
import { withImports } from "../../../src/node/reflection-service.ts";
import { dialIn, tell } from "../node/dialed-peer.ts";
import { CliRig, until } from "./cli-rig.ts";

const missingKey = "&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";

/** A node by command that knows a node of this process, which serves all kinds of calls and tells the header that it saw. */
async function withEcho(t: TestContext) {
  const peer: DswarmNode = await createNode({ discovery: false, api: false });
  t.after(() => peer.close());
  const headers: (string | null)[] = [];
  peer.serve(EchoService, {
    echo({ payload }, { requestHeader, responseTrailer }) {
      headers.push(requestHeader.get("x-test"));
      responseTrailer.set("farewell", "bye");
      return { payload };
    },
    async *repeat({ payload, count }, { responseHeader, responseTrailer }) {
      responseHeader.set("greeting", "hello");
      responseTrailer.set("farewell", "bye");
      for (let index = 0; index < count; index++) yield { payload, index };
    },
    async collect(requests) {
      let count = 0;
      for await (const { payload } of requests) count += payload.length > 0 ? 1 : 0;
      return { count };
    },
    async *converse(requests) {
      for await (const { payload } of requests) yield { payload };
    },
  });
  const rig = new CliRig(t);
  const { run, node } = await rig.startNode("--no-discovery", `--bootstrap=${peer.address}`);
  await run.event("peer");
  return { rig, run, node, peer, id: peer.id.toString(), headers };
}

function jsonLines(text: string): { readonly [name: string]: unknown }[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

suite("peer", { concurrency: 2 }, () => {
  test("a dswarm:// address introduces a peer that the node has never heard of", async (t) => {
    const peer = await createNode({ discovery: false, api: false });
    t.after(() => peer.close());
    const rig = new CliRig(t);
    const { node } = await rig.startNode("--no-discovery");
    const pinged = await rig.result(["ping", peer.address, "--json", "--node", node.address]);
    assert.deepEqual([pinged.code, JSON.parse(pinged.stdout).results[0].id], [0, peer.id.toString()], pinged.stderr);
    // Now it is known, at its port as well.
    const printed = await rig.result(["url", `${peer.port}`]);
    assert.equal(printed.stdout, `${node.url}/api/peers/${peer.id.toBase64url()}\n`);
  });

  test("call makes calls of all kinds, with JSON in and out and headers", async (t) => {
    const { rig, id, headers } = await withEcho(t);
    const echo = await rig.result(["call", id, path("Echo"), '{"payload":"aGk="}', "-H", "x-test: yes"]);
    assert.deepEqual([echo.code, echo.stderr, echo.stdout], [0, "", '{"payload":"aGk="}\n']);
    assert.deepEqual(headers, ["yes"]);
    const told = await rig.result(["call", id, path("Echo"), "-v"]);
    assert.deepEqual([told.stderr, told.stdout], ["farewell: bye\n", '{"payload":""}\n']);
    const streamed = await rig.result(["call", id, path("Repeat"), '{"count":1}', "--verbose"]);
    assert.deepEqual(
      [streamed.stderr, streamed.stdout],
      ["greeting: hello\nfarewell: bye\n", '{"payload":"","index":0}\n'],
    );
    const repeat = await rig.result(["call", id, path("Repeat"), '{"payload":"aGk=","count":3}']);
    assert.deepEqual(
      jsonLines(repeat.stdout).map(({ index }) => index),
      [0, 1, 2],
    );
    for (const [method, lines] of [
      ["Collect", ['{"count":2,"bytes":"0"}']],
      ["Converse", ['{"payload":"YQ=="}', '{"payload":"Yg=="}']],
    ] as const) {
      const run = rig.run(["call", id, path(method), "-"]);
      run.child.stdin?.end('{"payload":"YQ=="}\n\n{"payload":"Yg=="}\n');
      assert.deepEqual(await run.ended, { code: 0, signal: null }, run.stderr);
      assert.deepEqual(run.stdout.trim().split("\n"), lines);
    }
  });

  test("call is made by the node asked, with its key, and reaches a peer that it has only by key", async (t) => {
    const { rig, run, node, peer: between, id: betweenId } = await withEcho(t);
    const callers: (string | undefined)[] = [];
    // It knows the one in between alone, and so does the node that is asked.
    const stranger = await createNode({ discovery: false, api: false, bootstrap: [between.address] });
    t.after(() => stranger.close());
    stranger.serve(EchoService, {
      echo({ payload }, context) {
        callers.push(context.values.get(callerKey)?.toString());
        return { payload };
      },
      async *repeat({ payload, count }, context) {
        callers.push(context.values.get(callerKey)?.toString());
        for (let index = 0; index < count; index++) yield { payload, index };
        throw new ConnectError("no more", Code.OutOfRange);
      },
    });
    await until(() => between.dht.table.has(stranger.id), "the one in between can tell of the stranger");
    let tables = "";
    for (let i = 0; i < 60 && !tables.includes(betweenId); i++)
      tables = (await rig.result(["buckets", "--json"])).stdout;
    assert.ok(tables.includes(betweenId), "the node that is asked can ask the one in between");
    const id = stranger.id.toString();
    const echo = await rig.result(["call", id, path("Echo"), '{"payload":"aGk="}']);
    assert.deepEqual([echo.stderr, echo.stdout, echo.code], ["", '{"payload":"aGk="}\n', 0]);
    const repeat = await rig.result(["call", id, path("Repeat"), '{"payload":"aGk=","count":2}', "--json"]);
    assert.deepEqual(
      jsonLines(repeat.stdout).map(({ index }) => index),
      [0, 1],
    );
    assert.deepEqual([repeat.code, JSON.parse(repeat.stderr).code], [1, "out_of_range"]);
    assert.deepEqual(callers, [node.id, node.id]);
    assert.notEqual(id, betweenId);
    assert.equal(run.eventsOf("peer").filter(({ peer }) => peer === betweenId).length, 1);
  });

  test("call reaches a peer that has no port, by the connection that it has opened itself", async (t) => {
    const rig = new CliRig(t);
    const { run, node } = await rig.startNode("--no-discovery");
    const peer = await dialIn(t, { id: NodeId.parse(node.id), port: node.port }, "dev");
    await run.event("peer");
    const seen: (string | null)[] = [];
    tell(peer, () => ({ file: withImports(EchoService.file) }), [EchoService.typeName]);
    peer.registry.serve(EchoService, {
      echo({ payload }, { requestHeader }) {
        seen.push(requestHeader.get("x-test"));
        if (payload.length === 0) throw new ConnectError("who is it?", Code.Unauthenticated);
        return { payload };
      },
      async *converse(requests) {
        for await (const { payload } of requests) {
          if (payload.length > 1) throw new ConnectError("enough", Code.Unauthenticated);
          yield { payload };
        }
      },
    });
    const id = peer.id.toString();
    const echo = await rig.result(["call", id, path("Echo"), '{"payload":"aGk="}', "-H", "x-test: yes"]);
    assert.deepEqual([echo.stderr, echo.stdout, echo.code], ["", '{"payload":"aGk="}\n', 0]);
    assert.deepEqual(seen, ["yes"]);
    // Of the node that is asked, it would be said what to do about a token.
    const refused = await rig.result(["call", id, path("Echo")]);
    assert.deepEqual([refused.code, refused.stdout], [1, ""]);
    assert.equal(refused.stderr, "dswarm: the peer answers unauthenticated: who is it?\n");
    // The peer ends the call while standard input is still open; then so does the command.
    const talk = rig.run(["call", id, path("Converse"), "-"]);
    talk.child.stdin?.write('{"payload":"YQ=="}\n');
    await talk.output('{"payload":"YQ=="}\n');
    talk.child.stdin?.write('{"payload":"YWFh"}\n');
    assert.deepEqual(await talk.ended, { code: 1, signal: null });
    assert.equal(talk.stderr, "dswarm: the peer answers unauthenticated: enough\n");
    const odd = rig.run(["call", id, path("Converse"), "-"]);
    odd.child.stdin?.write('{"payload":"YQ=="}\n');
    await odd.output('{"payload":"YQ=="}\n');
    odd.child.stdin?.write("nonsense\n");
    assert.deepEqual(await odd.ended, { code: 2, signal: null });
    assert.match(odd.stderr, /^dswarm: not a dswarm\.example\.v1\.ConverseRequest: /);
    const own = await rig.result(["call", node.id, "grpc.health.v1.Health/Check"]);
    assert.deepEqual([own.stderr, own.stdout], ["", '{"status":"SERVING"}\n']);
  });

  test("call says what is wrong with a method, a request, a header, a peer", async (t) => {
    const { rig, id } = await withEcho(t);
    const service = "dswarm.example.v1.EchoService";
    const faults: readonly (readonly [args: readonly string[], code: number, message: RegExp])[] = [
      [[id, "Echo"], 2, /give package\.Service\/Method/],
      [[id, `${service}/Eco`], 1, /has no method Eco; it has Echo, Repeat, Collect, Converse/],
      [[id, "a.b.C/D"], 1, /does not serve a\.b\.C; it serves dswarm\./],
      [[id, `${service}/Echo`, "{"], 2, /not a dswarm\.example\.v1\.EchoRequest: /],
      [[id, `${service}/Echo`, '{"payloads":""}'], 2, /"payloads" is unknown/],
      [[id, `${service}/Echo`, "{}", "-H", "nonsense"], 2, /--header nonsense: give "name: value"/],
      [["@no", `${service}/Echo`], 2, /not a valid node id/],
    ];
    for (const [args, code, message] of faults) {
      const result = await rig.result(["call", ...args]);
      assert.match(result.stderr, message);
      assert.deepEqual([result.code, result.stdout], [code, ""], args.join(" "));
      assert.doesNotMatch(result.stderr, /^ {4}at /m);
    }
  });

  test("call without a peer calls one that provides the service", async (t) => {
    const { rig, id, peer } = await withEcho(t);
    const none = await rig.result(["call", "no.such.Service/Echo", "--json"]);
    assert.deepEqual([none.code, JSON.parse(none.stderr).code], [1, "provider_not_found"]);
    await peer.provide(EchoService);
    // The node asks the peer for providers once that is in its routing table.
    for (let tries = 0; tries < 100 && !(await rig.result(["buckets"])).stdout.includes(id); tries++);
    const echo = await rig.result(["call", path("Echo"), '{"payload":"aGk="}']);
    assert.deepEqual([echo.stderr, echo.stdout, echo.code], ["", '{"payload":"aGk="}\n', 0]);
    assert.equal((await rig.result(["call", path("Echo")])).stdout, '{"payload":""}\n');
    const repeat = await rig.result(["call", path("Repeat"), '{"count":2}']);
    assert.deepEqual(
      jsonLines(repeat.stdout).map(({ index }) => index),
      [0, 1],
    );
    const run = rig.run(["call", path("Collect"), "-"]);
    run.child.stdin?.end('{"payload":"YQ=="}\n');
    assert.deepEqual(await run.ended, { code: 0, signal: null }, run.stderr);
    assert.equal(run.stdout, '{"count":1,"bytes":"0"}\n');
    for (const args of [[id], [path("Echo"), "{}", "{}"], [path("Echo"), "{"]]) {
      assert.equal((await rig.result(["call", ...args])).code, 2, args.join(" "));
    }
  });

  test("services lists them, and describes one with its messages", async (t) => {
    const { rig, id } = await withEcho(t);
    const list = await rig.result(["services", id]);
    assert.equal(list.code, 0);
    assert.match(list.stdout, /\ndswarm\.example\.v1\.EchoService +Echo Repeat Collect Converse\n/);
    const { stdout } = await rig.result(["services", id, "dswarm.example.v1.EchoService/Repeat"]);
    for (const text of [
      "  rpc Repeat(dswarm.example.v1.RepeatRequest) returns (stream dswarm.example.v1.RepeatResponse);\n",
      "message dswarm.example.v1.RepeatRequest {\n  bytes payload = 1;\n  uint32 count = 2;\n}\n",
    ]) {
      assert.ok(stdout.includes(text), stdout);
    }
    const health = await rig.result(["services", id, "grpc.health.v1.Health/Check"]);
    assert.ok(
      health.stdout.includes(
        "enum grpc.health.v1.HealthCheckResponse.ServingStatus {\n  UNKNOWN = 0;\n  SERVING = 1;\n",
      ),
      health.stdout,
    );
    const closest = JSON.parse((await rig.result(["lookup", "1", "--json"])).stdout);
    assert.deepEqual(Object.keys(closest), ["closest", "hops", "queries", "failures", "elapsedMs"]);
    const json = JSON.parse((await rig.result(["services", id, "--json"])).stdout);
    assert.ok(json.services.some(({ name }: { readonly name: string }) => name === "dswarm.example.v1.EchoService"));
  });

  test("health and find tell of a peer, and exit with 1 where there is none", async (t) => {
    const { rig, id, peer } = await withEcho(t);
    const healthy = await rig.result(["health", id, "dswarm.example.v1.EchoService"]);
    assert.equal(healthy.code, 0);
    assert.match(healthy.stdout, /\nserving {2}[\d.]+ ms\n$/);
    assert.equal((await rig.result(["health", id, "a.b.C"])).code, 1);
    const found = JSON.parse((await rig.result(["find", id, "--json"])).stdout);
    assert.deepEqual([found.peer.id, found.peer.addresses], [id, [`127.0.0.1:${peer.port}`]]);
    const stranger = await rig.result(["find", generateKeyPair().id.toString()]);
    assert.equal(stranger.code, 1);
    assert.match(stranger.stderr, /no address is known for the peer.*; "peers" lists those that are known\n$/);
  });

  test("trace draws a lookup, fits a narrow terminal, and prints an event a line as JSON", async (t) => {
    const { rig, id } = await withEcho(t);
    // The peer enters the routing table once it was pinged.
    for (let tries = 0; tries < 100 && !(await rig.result(["buckets"])).stdout.includes(id); tries++);
    const { code, stdout } = await rig.result(["trace", missingKey], { COLUMNS: "50" });
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`→ ${escaped(id.slice(0, 9))}[^]*← ${escaped(id.slice(0, 9))}`));
    assert.match(stdout, /\n1 node found: 1 query, 0 failed, 1 hop, [\d.]+ ms\n$/);
    for (const line of stdout.split("\n")) assert.ok(line.length <= 50, line);
    const kinds = jsonLines((await rig.result(["trace", id, "--json"])).stdout).map(({ kind }) => kind);
    assert.deepEqual([kinds[0], kinds.at(-1)], ["LOOKUP_STEP_KIND_STARTED", "LOOKUP_STEP_KIND_ENDED"]);
    assert.ok(kinds.includes("LOOKUP_STEP_KIND_ANSWERED"));
    assert.equal((await rig.result(["trace", "nonsense"])).code, 2);
  });

  test("the first Ctrl-C ends a call that waits for its next request", async (t) => {
    const { rig, id } = await withEcho(t);
    const run = rig.run(["call", id, path("Converse"), "-"]);
    run.child.stdin?.write('{"payload":"YQ=="}\n');
    await run.output('{"payload":"YQ=="}\n');
    assert.deepEqual(await run.stop(), { code: 130, signal: null }, run.stderr);
  });

  test("a stream of answers has no limit of time, and -t 0 lifts that of other calls", async (t) => {
    const { rig, id } = await withEcho(t);
    const run = rig.run(["call", id, path("Converse"), "-", "-t", "1"]);
    assert.deepEqual(await run.ended, { code: 1, signal: null }, "a limit that is set ends the stream");
    const unlimited = await rig.result(["call", id, path("Echo"), '{"payload":"aGk="}', "-t", "0"]);
    assert.deepEqual([unlimited.code, unlimited.stdout], [0, '{"payload":"aGk="}\n']);
  });

  test("watch without a key tells events, and fails when the node is killed", async (t) => {
    const { rig, run: node } = await withEcho(t);
    const run = rig.run(["watch", "--past", "256", "--json"]);
    await run.output('"name":"connection_opened"');
    await node.stop("SIGKILL");
    assert.equal((await run.ended).code, 1);
    assert.match(run.stderr, /^\{"event":"failed",.*\}\n$/);
  });

  test("records shows what the node keeps", async (t) => {
    const { rig } = await withEcho(t);
    const { key } = JSON.parse((await rig.result(["put", "hello", "--json"])).stdout);
    const { code, stdout } = await rig.result(["records"]);
    assert.equal(code, 0);
    assert.ok(stdout.includes(`\n${key}  value `), stdout);
    assert.match(stdout, /\n1 record kept \(\d+ bytes\), 1 published\n$/);
  });

  test("bench measures between two nodes of its own, and to a peer", async (t) => {
    const { rig, id } = await withEcho(t);
    for (const args of [["bench"], ["bench", id]]) {
      const { code, stdout, stderr } = await rig.result([...args, "--seconds", "1", "--in-flight", "8", "--json"]);
      assert.deepEqual([code, stderr], [0, ""]);
      const lines = jsonLines(stdout);
      assert.deepEqual(
        lines.map(({ inFlight }) => inFlight),
        [1, 8],
      );
      for (const { callsPerSecond, p50Ms, maxMs } of lines) {
        assert.ok(Number(callsPerSecond) > 0 && Number(p50Ms) > 0 && Number(maxMs) >= Number(p50Ms));
      }
    }
  });

  test("Ctrl-C ends a measurement with 130", async (t) => {
    const rig = new CliRig(t);
    const run = rig.run(["bench", "--seconds", "60"]);
    await run.output("Calls of ");
    assert.deepEqual(await run.stop(), { code: 130, signal: null });
    await until(() => rig.runtimeFiles().length === 0, "the node of the measurement is gone");
  });
});

function path(method: string): string {
  return `dswarm.example.v1.EchoService/${method}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[+/]/g, "\\$&");
}
