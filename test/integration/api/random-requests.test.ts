// Whatever a client sends, the answer is of the client's making: the implementation here never fails.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { sampleService } from "../../unit/api/sample-service.ts";
import { send, startApi } from "./api-server.ts";

const letters = (text: string): string[] => text.split("");
const paths = [
  "/api",
  "/api/echo",
  "/api/count",
  "/api/things/x",
  "/api/things/x/tags",
  "/api/inner/a/of/5",
  "/api/sample.v1.SampleService/Echo",
  "/api/sample.v1.SampleService/Peek",
  "/api/sample.v1.SampleService/Count",
  "/api/sample.v1.SampleService/Upload",
];
const types = ["json", "json; charset=utf-8", "proto", "connect+json", "connect+proto", "grpc-web", "grpc", "x"].map(
  (t) => `application/${t}`,
);

// What may stand in a request line and in a header's value; other bytes Node refuses to send.
const pathText = fc.string({ unit: fc.constantFrom(...letters("abc/%ff%00%20?&=.+:;@[]{}~-_0159")) });
const headerText = fc.string({ unit: fc.constantFrom(...letters('abcXYZ09:/,;=*@.- \t[]"\\%é')) });

const path = fc.oneof(
  fc.constantFrom(...paths),
  fc.tuple(fc.constantFrom(...paths), pathText).map(([known, rest]) => `${known}${rest}`),
  fc
    .tuple(
      fc.constantFrom(...paths),
      fc.array(
        fc.tuple(
          fc.constantFrom(
            "text",
            "flag",
            "maybe",
            "tags",
            "inner.size",
            "encoding",
            "base64",
            "compression",
            "message",
          ),
          fc.string({ unit: "binary" }),
        ),
      ),
    )
    .map(([known, pairs]) => `${known}?${new URLSearchParams(pairs).toString()}`),
  pathText.map((text) => `/${text}`),
);

const body = fc.option(
  fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => Buffer.from(text)),
    fc
      .record({ text: fc.string(), flag: fc.anything(), nope: fc.anything() }, { requiredKeys: [] })
      .map((value) =>
        Buffer.from(
          JSON.stringify(value, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each)) ?? "",
        ),
      ),
  ),
  { nil: undefined },
);

const header = fc.tuple(
  fc.constantFrom(
    "Accept",
    "Content-Encoding",
    "Connect-Timeout-Ms",
    "Connect-Protocol-Version",
    "Connect-Content-Encoding",
    "Origin",
    "If-None-Match",
    "Range",
    "Expect-Ct",
  ),
  headerText.map((text) => text.trim()),
);

test("no request gets an answer of 500 or above, or none", { timeout: 120_000 }, async (t) => {
  const print = t.mock.method(console, "error", () => {});
  const { port, errors } = await startApi(t, { services: [sampleService()], requestBurst: 10_000 });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("GET", "GET", "POST", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "REPORT"),
      path,
      fc.option(fc.constantFrom(...types), { nil: undefined }),
      fc.array(header, { maxLength: 2 }),
      body,
      async (method, target, type, extra, bytes) => {
        const headers = [...(type === undefined ? [] : ["Content-Type", type]), ...extra.flat()];
        const answer = await send(port, target, { method, headers, ...(bytes === undefined ? {} : { body: bytes }) });
        assert(answer.status < 500, `${answer.status}: ${answer.text}`);
        if (answer.status >= 400 && method !== "HEAD")
          assert.match(answer.text, /^\{"code":"[a-z_]+","message":".*\}\n$/);
      },
    ),
    { numRuns: 300 },
  );
  assert.deepEqual(errors, []);
  assert.equal(print.mock.callCount(), 0);
  assert.equal((await send(port, "/api/echo?text=alive")).status, 200);
});
