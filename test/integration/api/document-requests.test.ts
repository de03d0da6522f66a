// A thousand requests made from a node's own OpenAPI document, good ones and such as are a little wrong, against the node.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { listOf, objectOf, textOf } from "../../../src/api/json-values.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { allAcquainted, LogKeeper, send, startNode, testNetwork } from "../node/rig.ts";
import { AnswerSchemas, type SeenAnswer } from "./answer-schemas.ts";

const seed = 20_251_125;
const requestCount = 1000;
const atOnce = 20;
// Only a hang takes so long: the longest time that a request may ask for is a minute, of a ping.
const deadlineMs = 90_000;
// A stream need not say anything, and may have no end.
const streamMs = 100;

// Node's client sends no others.
const notInHeaders = /[^\t\x20-\x7e\x80-\xff]/g;

interface Shot {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isStream: boolean;
}

/** Makes requests of an operation. */
class Shooter {
  readonly #schemas: JsonObject;
  readonly #ids: fc.Arbitrary<string>;

  constructor(document: JsonObject, ids: readonly string[]) {
    this.#schemas = objectOf(objectOf(document["components"])["schemas"]);
    this.#ids = fc.constantFrom(...ids);
  }

  shot(path: string, method: string, operation: JsonObject): fc.Arbitrary<Shot> {
    const parameters = listOf(operation["parameters"]).map(objectOf);
    const of = (place: string) =>
      fc.record(
        Object.fromEntries(
          parameters
            .filter((each) => each["in"] === place)
            .map((each) => [textOf(each["name"]), this.#text(objectOf(each["schema"]))]),
        ),
        place === "path" ? {} : { requiredKeys: [] },
      );
    const [contentType = "", media] = Object.entries(objectOf(objectOf(operation["requestBody"])["content"]))[0] ?? [];
    const whole = objectOf(objectOf(media)["schema"]);
    const schema = objectOf(whole["contentSchema"] ?? whole);
    const body =
      contentType === "" ? fc.constant("") : this.#bad(this.#value(schema)).map((json) => JSON.stringify(json));
    const oddText = fc.option(fc.constantFrom("{", "[[[[", '{"x":1}', "\0", '"', "null"), { nil: undefined, freq: 8 });
    const isStream = "application/x-ndjson" in objectOf(objectOf(objectOf(operation["responses"])["200"])["content"]);
    return fc
      .tuple(of("path"), of("query"), of("header"), body, oddText, fc.boolean())
      .map(([inPath, query, headers, json, odd, isEnveloped]) => {
        const filled = path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => encodeURIComponent(inPath[name] ?? ""));
        const search = new URLSearchParams(Object.entries(query).map(([name, text = ""]) => [name, text])).toString();
        const text = contentType === "" ? "" : (odd ?? json);
        const isConnectStream = contentType.includes("connect+");
        return {
          method: method.toUpperCase(),
          path: search === "" ? filled : `${filled}?${search}`,
          headers: {
            ...Object.fromEntries(
              Object.entries(headers).map(([name, value = ""]) => [name, value.replaceAll(notInHeaders, "")]),
            ),
            ...(contentType === "" ? {} : { "Content-Type": contentType }),
          },
          body: isConnectStream && isEnveloped ? enveloped(text) : text,
          isStream: isStream || isConnectStream,
        };
      });
  }

  #text(schema: JsonObject): fc.Arbitrary<string> {
    return this.#bad(this.#value(schema))
      .map((value) => (typeof value === "string" ? value : JSON.stringify(value)))
      .map((text) => text.replaceAll(/[\r\n]/g, ""));
  }

  #bad(good: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
    return fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: fc.jsonValue() });
  }

  #value(schema: JsonObject): fc.Arbitrary<unknown> {
    const { $ref, type, format, contentEncoding, items, properties, minimum, maximum } = schema;
    if ($ref !== undefined) return this.#value(objectOf(this.#schemas[textOf($ref).replace(/^.*\//, "")]));
    if (Array.isArray(schema["enum"])) return fc.constantFrom(...schema["enum"]);
    if (type === "array") return fc.array(this.#value(objectOf(items)), { maxLength: 25 });
    if (properties !== undefined) {
      const fields = Object.entries(objectOf(properties)).map(([name, of]) => [
        name,
        this.#bad(this.#value(objectOf(of))),
      ]);
      return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
    }
    if (type === "integer") {
      return fc.oneof(
        fc.integer({ min: 0, max: 25 }),
        fc.integer({ min: Number(minimum), max: Math.min(Number(maximum), 2 ** 31) }),
      );
    }
    if (type === "boolean") return fc.boolean();
    if (type === "number") return fc.double();
    if (format === "uint64") return fc.bigInt({ min: 0n, max: 2n ** 65n }).map(String);
    if (contentEncoding !== undefined)
      return fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes).toString("base64"));
    if (type === "string") return fc.oneof(this.#ids, this.#ids, fc.string({ unit: "grapheme" }));
    return fc.jsonValue();
  }
}

function enveloped(text: string): string {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(Buffer.byteLength(text), 1);
  return head.toString("latin1") + text;
}

/** The answer; undefined of a stream that says nothing yet. Fails where there is no answer. */
async function fire(port: number, { method, path, headers, body, isStream }: Shot): Promise<SeenAnswer | undefined> {
  const signal = AbortSignal.timeout(isStream ? streamMs : deadlineMs);
  const outgoing = request({
    host: "127.0.0.1",
    port,
    path,
    method,
    headers,
    agent: false,
    rejectUnauthorized: false,
    signal,
  });
  outgoing.end(body);
  let incoming: IncomingMessage | undefined;
  let text = "";
  let isCut = true;
  try {
    [incoming] = await once(outgoing, "response");
    incoming?.setEncoding("latin1");
    for await (const chunk of incoming ?? []) text += chunk;
    isCut = false;
  } catch (error) {
    if (!isStream || !signal.aborted) throw new Error(`no answer to ${method} ${path} ${body}`, { cause: error });
  }
  if (incoming?.statusCode === undefined) return undefined;
  return { status: incoming.statusCode, type: incoming.headers["content-type"], body: text, isCut };
}

test("each request made from the document gets an answer of its schema, and none of them 500", {
  timeout: 300_000,
}, async (t) => {
  const network = await testNetwork();
  const logger = new LogKeeper();
  const api = {
    requestsPerSecond: 1_000_000,
    requestBurst: 1_000_000,
    swarm: { list: async () => [], find: async () => undefined },
  };
  const node = await startNode(t, { ...network, logger, api });
  const peer = await startNode(t, network);
  await allAcquainted([node, peer]);

  const document = JSON.parse((await send(node.port, "/api/openapi.json")).text);
  const schemas = new AnswerSchemas(document);
  const ids = [node.id, peer.id, generateKeyPair().id].map(String);
  const shooter = new Shooter(document, [...ids, "dswarm.v1.DhtService", "grpc.health.v1.Health", "Check", "status"]);
  const shots = Object.entries<JsonObject>(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => shooter.shot(path, method, objectOf(operation))),
  );
  const sample = fc.sample(fc.oneof(...shots), { seed, numRuns: requestCount });
  const statuses = new Map<number | undefined, number>();
  for (let first = 0; first < sample.length; first += atOnce) {
    await Promise.all(
      sample.slice(first, first + atOnce).map(async (shot) => {
        const answer = await fire(node.port, shot);
        const status = answer?.status;
        const what = `${status}: seed ${seed}: ${shot.method} ${shot.path} ${shot.body}`;
        assert.notEqual(status, 500, what);
        if (answer !== undefined) schemas.check(shot.method, shot.path, answer);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }),
    );
  }
  t.diagnostic(JSON.stringify(Object.fromEntries(statuses)));
  assert((statuses.get(200) ?? 0) >= requestCount / 10, "too few are good");
  assert((statuses.get(400) ?? 0) >= requestCount / 5, "too few are bad");
  assert.deepEqual(logger.complaints, []);
  assert.equal((await send(node.port, "/api/status")).status, 200);
});
