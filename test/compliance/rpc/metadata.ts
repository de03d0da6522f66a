// Headers and trailers, text and binary, and their bounds at the edge.
import assert from "node:assert/strict";
import { Code, ConnectError, decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import { protocol } from "../../../src/rpc/params.ts";
import { echo } from "./call-kinds.ts";
import { all, assertFails, bytesOf, each, type RpcEnd } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

interface Answered {
  header: Headers | undefined;
  trailer: Headers | undefined;
}

function answered(): Answered & { onHeader(headers: Headers): void; onTrailer(headers: Headers): void } {
  return {
    header: undefined,
    trailer: undefined,
    onHeader(headers) {
      this.header = headers;
    },
    onTrailer(headers) {
      this.trailer = headers;
    },
  };
}

/** Metadata of exactly so many bytes in so many entries. */
function metadataOf(entries: number, bytes: number): [string, string][] {
  const keyBytes = 4;
  const list = Array.from({ length: entries }, (_, i): [string, string] => [
    `k${String(i).padStart(keyBytes - 1, "0")}`,
    "",
  ]);
  const [first] = list;
  if (first !== undefined) first[1] = "v".repeat(bytes - entries * keyBytes);
  return list;
}

const { maxMetadataBytes, maxMetadataEntries, maxPieceBytes } = protocol;
const withinBounds = [
  metadataOf(maxMetadataEntries, 1000),
  metadataOf(2, maxMetadataBytes),
  metadataOf(maxMetadataEntries, maxMetadataBytes),
];
const beyondBounds = [metadataOf(maxMetadataEntries + 1, 1000), metadataOf(2, maxMetadataBytes + 1)];
const notAllowed: [string, string][] = [
  ["k".repeat(257), "v"],
  ["with!mark", "v"],
  ["x-text", "grüße"],
  ["x-text", "tab\there"],
  ["x-raw-bin", "not*base64"],
];

function mirror(from: Headers, ...to: Headers[]): void {
  for (const [key, value] of from) for (const headers of to) headers.append(key, value);
}

/** Serves handlers that answer what they are asked with, in header and trailer. */
function serveMirror(end: RpcEnd): void {
  end.serve({
    echo: ({ payload }, context) => {
      mirror(context.requestHeader, context.responseHeader, context.responseTrailer);
      return { payload };
    },
    async *repeat({ payload, count }, context) {
      mirror(context.requestHeader, context.responseHeader);
      for (let index = 0; index < count; index++) yield { payload, index };
      mirror(context.requestHeader, context.responseTrailer);
    },
    async collect(requests, context) {
      mirror(context.requestHeader, context.responseHeader, context.responseTrailer);
      return { count: (await all(requests)).length };
    },
    async *converse(requests, context) {
      mirror(context.requestHeader, context.responseHeader, context.responseTrailer);
      for await (const { payload } of requests) yield { payload };
    },
  });
}

export function metadataTests(rpcTest: RpcTest): void {
  rpcTest("header and trailer come back on every kind of call", async ({ dialer, listener }) => {
    serveMirror(listener);
    const client = dialer.client();
    const headers = new Headers({
      "x-text": "a value: with, marks ~!",
      "x-raw-bin": encodeBinaryHeader(bytesOf(300)),
      "k_1.2": "",
    });
    headers.append("x-twice", "one");
    headers.append("x-twice", "two");
    headers.append("x-twice-bin", encodeBinaryHeader(bytesOf(3)));
    headers.append("x-twice-bin", encodeBinaryHeader(bytesOf(0)));
    headers.append("x-twice-bin", encodeBinaryHeader(bytesOf(5)));
    const payload = bytesOf(5);
    const runs: ((options: object) => Promise<unknown>)[] = [
      (options) => client.echo({ payload }, options),
      (options) => client.echo({ payload: bytesOf(200_000) }, options),
      (options) => all(client.repeat({ payload, count: 3 }, options)),
      (options) => all(client.repeat({ payload, count: 0 }, options)),
      (options) => client.collect(each([{ payload }]), options),
      (options) => all(client.converse(each([{ payload }]), options)),
    ];
    for (const run of runs) {
      const answer = answered();
      await run({
        headers,
        onHeader: (h: Headers) => answer.onHeader(h),
        onTrailer: (h: Headers) => answer.onTrailer(h),
      });
      for (const received of [answer.header, answer.trailer]) {
        assert.deepEqual([...(received ?? [])], [...headers]);
        const [a, b, c] = (received?.get("x-twice-bin") ?? "")
          .split(",")
          .map((value) => decodeBinaryHeader(value.trim()));
        assert.deepEqual([a, b, c], [bytesOf(3), bytesOf(0), bytesOf(5)]);
      }
    }
  });

  rpcTest("a call without metadata has empty headers at both ends", async ({ dialer, listener }) => {
    serveMirror(listener);
    const answer = answered();
    await dialer.client().echo({}, { onHeader: (h) => answer.onHeader(h), onTrailer: (h) => answer.onTrailer(h) });
    assert.deepEqual([[...(answer.header ?? ["?"])], [...(answer.trailer ?? ["?"])]], [[], []]);
  });

  rpcTest("metadata at its bounds passes, both ways", async ({ dialer, listener }) => {
    serveMirror(listener);
    const client = dialer.client();
    for (const headers of withinBounds) {
      const answer = answered();
      const options = {
        headers,
        onHeader: (h: Headers) => answer.onHeader(h),
        onTrailer: (h: Headers) => answer.onTrailer(h),
      };
      // Header, trailer and the largest message of an End frame together are more than a frame holds.
      for (const size of [0, maxPieceBytes - 100, maxPieceBytes - 4, maxPieceBytes])
        await client.echo({ payload: bytesOf(size) }, options);
      assert.equal([...(answer.header ?? [])].length, headers.length);
      assert.equal([...(answer.trailer ?? [])].length, headers.length);
      await all(client.repeat({ count: 2 }, options));
      await client.collect(each([{}]), options);
      await all(client.converse(each([{}]), options));
    }
  });

  rpcTest(
    "request metadata past its bounds, or not allowed, is refused at the caller",
    async ({ dialer, listener }) => {
      serveMirror(listener);
      const client = dialer.client();
      for (const headers of beyondBounds) {
        await assertFails(client.echo({}, { headers }), Code.ResourceExhausted);
        await assertFails(client.repeat({ count: 1 }, { headers }), Code.ResourceExhausted);
        await assertFails(client.collect(each([{}]), { headers }), Code.ResourceExhausted);
      }
      for (const [key, value] of notAllowed) {
        const headers: [string, string][] = [[key, value]];
        await assertFails(client.echo({}, { headers }), Code.InvalidArgument);
        await assertFails(client.converse(each([]), { headers }), Code.InvalidArgument);
      }
      assert.equal(listener.counters.get("rpc.served"), 0);
    },
  );

  rpcTest("response metadata past its bounds, or not allowed, fails the call", async ({ dialer, listener }) => {
    let given: readonly [string, string][] = [];
    const put = (headers: Headers): void => given.forEach(([key, value]) => headers.append(key, value));
    listener.serve({
      echo: ({ payload }, { responseHeader }) => {
        put(responseHeader);
        return { payload };
      },
      async *repeat(_, { responseHeader }) {
        put(responseHeader);
        yield {};
      },
      collect: (_, { responseTrailer }) => {
        put(responseTrailer);
        return Promise.resolve({});
      },
      async *converse(_, { responseTrailer }) {
        yield {};
        put(responseTrailer);
      },
    });
    const client = dialer.client();
    const cases = [
      ...beyondBounds.map((headers) => [headers, Code.ResourceExhausted] as const),
      ...notAllowed.map((entry) => [[entry], Code.InvalidArgument] as const),
    ];
    for (const [headers, code] of cases) {
      given = headers;
      await assertFails(client.echo({}), code);
      await assertFails(client.echo({ payload: bytesOf(200_000) }), code);
      await assertFails(client.repeat({}), code);
      await assertFails(client.collect(each([])), code);
      await assertFails(client.converse(each([])), code);
    }
  });

  rpcTest(
    "a large answer that is too large fails with that, though its header has metadata",
    async (pair) => {
      pair.listener.serve({
        echo: (_, { responseHeader }) => {
          responseHeader.set("x-head", "1");
          return { payload: bytesOf(170_000) };
        },
        async *repeat(_, { responseHeader }) {
          responseHeader.set("x-head", "1");
          yield { payload: bytesOf(170_000) };
        },
      });
      const client = pair.dialer.client();
      for (const call of [client.echo({}), all(client.repeat({}))]) {
        const error = await assertFails(call, Code.ResourceExhausted);
        assert.equal(error.metadata.get("x-head"), "1");
      }
    },
    { listener: { maxMessageBytes: 160_000 } },
  );

  rpcTest("an error of a handler that set a header late keeps its code", async ({ dialer, listener }) => {
    listener.serve({
      ...echo,
      async *repeat(_, { responseHeader, responseTrailer }) {
        yield {};
        responseHeader.set("x-late", "dropped");
        responseTrailer.set("x-trail", "kept");
        throw new ConnectError("no", Code.FailedPrecondition);
      },
    });
    const error = await assertFails(dialer.client().repeat({}), Code.FailedPrecondition);
    assert.equal(error.metadata.get("x-trail"), "kept");
    assert.equal(error.metadata.get("x-late"), null);
  });
}
