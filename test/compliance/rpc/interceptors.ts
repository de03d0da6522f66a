// Connect's interceptors and context values at both ends.
import assert from "node:assert/strict";
import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  createContextKey,
  createContextValues,
  type HandlerContext,
  type Interceptor,
} from "@connectrpc/connect";
import { EchoResponseSchema, EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { callerKey } from "../../../src/rpc/handler-context.ts";
import { echo } from "./call-kinds.ts";
import { all, assertFails, bytesOf, each } from "./rpc-pair.ts";
import type { RpcTest } from "./rpc-test.ts";

/** Notes when a call enters and leaves. */
function noting(notes: string[], name: string): Interceptor {
  return (next) => async (request) => {
    notes.push(`${name} in`);
    request.header.append("x-path", name);
    const response = await next(request);
    response.header.append("x-path", name);
    notes.push(`${name} out`);
    return response;
  };
}

const order = ["a in", "b in", "b out", "a out"];

function mark<T>(message: T): T {
  const { payload } = message as { payload?: Uint8Array };
  return payload === undefined ? message : { ...message, payload: Uint8Array.of(255, ...payload) };
}

/** Puts a byte before each payload, requests and responses of any kind. */
const marking: Interceptor = (next) => async (request) => {
  async function* marked<M extends DescMessage>(
    messages: AsyncIterable<MessageShape<M>>,
  ): AsyncIterable<MessageShape<M>> {
    for await (const message of messages) yield mark(message);
  }
  const response = request.stream
    ? await next({ ...request, message: marked(request.message) })
    : await next({ ...request, message: mark(request.message) });
  // The usual way to change an answer: a copy.
  return response.stream
    ? { ...response, message: marked(response.message) }
    : { ...response, message: mark(response.message) };
};

/** Answers without a call. */
const cached: Interceptor = () => (request) =>
  Promise.resolve({
    stream: false,
    service: request.service,
    method: request.method as never,
    header: new Headers({ "x-cache": "hit" }),
    trailer: new Headers(),
    message: create(EchoResponseSchema, { payload: bytesOf(3) }),
  });

const failing =
  (error: unknown): Interceptor =>
  () =>
  () => {
    throw error;
  };

/** Waits for the signal. */
const stuck: Interceptor = () => (request) =>
  new Promise((_, reject) => {
    request.signal.addEventListener("abort", () => reject(request.signal.reason));
  });

export function interceptorTests(rpcTest: RpcTest): void {
  rpcTest("interceptors of the caller run around each call, the first outermost", async ({ dialer, listener }) => {
    const paths: (string | null)[] = [];
    const withPath = (context: HandlerContext): void => void paths.push(context.requestHeader.get("x-path"));
    listener.serve({
      echo: ({ payload }, context) => {
        withPath(context);
        return { payload };
      },
      async *repeat(_, context) {
        withPath(context);
        yield {};
      },
    });
    const notes: string[] = [];
    const client = dialer.client({ interceptors: [noting(notes, "a"), noting(notes, "b")] });
    let path: string | null = null;
    const onHeader = (headers: Headers): void => {
      path = headers.get("x-path");
    };
    await client.echo({}, { onHeader });
    assert.deepEqual(notes.splice(0), order);
    assert.equal(path, "b, a");
    await all(client.repeat({}, { onHeader }));
    assert.deepEqual(notes, order);
    assert.deepEqual(paths, ["a, b", "a, b"]);
  });

  rpcTest("interceptors of the callee run around each call, the first outermost", async ({ dialer, listener }) => {
    const notes: string[] = [];
    listener.serve(echo, { interceptors: [noting(notes, "a"), noting(notes, "b")] });
    const client = dialer.client();
    const paths: (string | null)[] = [];
    const onHeader = (headers: Headers): void => void paths.push(headers.get("x-path"));
    await client.echo({}, { onHeader });
    await all(client.repeat({ count: 1 }, { onHeader }));
    await client.collect(each([{}]), { onHeader });
    await all(client.converse(each([{}]), { onHeader }));
    assert.deepEqual(notes, [...order, ...order, ...order, ...order]);
    assert.deepEqual(paths, ["b, a", "b, a", "b, a", "b, a"]);
  });

  for (const at of ["caller", "callee"] as const) {
    rpcTest(`interceptors of the ${at} may change messages of every kind by copies`, async ({ dialer, listener }) => {
      const interceptors = [marking];
      listener.serve(
        {
          ...echo,
          echo: ({ payload }, { responseHeader, responseTrailer }) => {
            responseHeader.set("x-head", "1");
            responseTrailer.set("x-trail", "2");
            return { payload };
          },
        },
        at === "callee" ? { interceptors } : {},
      );
      const client = dialer.client(at === "caller" ? { interceptors } : {});
      const answer = new Headers();
      const join = (headers: Headers): void => headers.forEach((value, key) => answer.append(key, value));
      const payload = Uint8Array.of(1);
      const once = await client.echo({ payload }, { onHeader: join, onTrailer: join });
      assert.deepEqual([...once.payload], [255, 255, 1]);
      assert.deepEqual([answer.get("x-head"), answer.get("x-trail")], ["1", "2"]);
      for (const each255 of await all(client.repeat({ payload, count: 2 }))) {
        assert.deepEqual([...each255.payload], [255, 255, 1]);
      }
      assert.equal((await client.collect(each([{ payload }]))).bytes, 2n);
      const [conversed] = await all(client.converse(each([{ payload }])));
      assert.deepEqual([...(conversed?.payload ?? [])], [255, 255, 1]);
    });
  }

  rpcTest("an interceptor of the caller may answer without a call", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client({ interceptors: [cached] });
    assert.deepEqual((await client.echo({})).payload, bytesOf(3));
    assert.equal(listener.counters.get("rpc.served"), 0);
  });

  rpcTest("an interceptor of the callee may answer without the handler, or refuse", async ({ dialer, listener }) => {
    let isRefusing = false;
    let handled = 0;
    const guard: Interceptor = () => (request) => {
      if (isRefusing) throw new ConnectError("not you", Code.PermissionDenied);
      return Promise.resolve({
        stream: false,
        service: request.service,
        method: request.method as never,
        header: new Headers({ "x-from": "guard" }),
        trailer: new Headers(),
        message: create(EchoResponseSchema, { payload: bytesOf(4) }),
      });
    };
    listener.serve(
      {
        echo: ({ payload }) => {
          handled++;
          return { payload };
        },
      },
      { interceptors: [guard] },
    );
    const client = dialer.client();
    let from: string | null = null;
    const options = { onHeader: (headers: Headers) => void (from = headers.get("x-from")) };
    assert.deepEqual((await client.echo({}, options)).payload, bytesOf(4));
    assert.equal(from, "guard");
    isRefusing = true;
    await assertFails(client.echo({}), Code.PermissionDenied, /^not you$/);
    await assertFails(client.repeat({}), Code.PermissionDenied);
    await assertFails(client.collect(each([{}])), Code.PermissionDenied);
    await assertFails(client.converse(each([{}])), Code.PermissionDenied);
    assert.equal(handled, 0);
  });

  rpcTest("errors of interceptors end their call only", async ({ dialer, listener }) => {
    const withdraw = listener.serve(echo, { interceptors: [failing(new Error("secret"))] });
    await assertFails(dialer.client().echo({}), Code.Internal, /^internal error$/);
    await assertFails(dialer.client().repeat({}), Code.Internal, /^internal error$/);
    assert.equal(listener.faults.length, 2);
    withdraw();
    listener.serve(echo);
    const client = dialer.client({ interceptors: [failing(new ConnectError("mine", Code.DataLoss))] });
    await assert.rejects(async () => client.echo({}), /mine/);
    assert.equal((await dialer.client().echo({ payload: bytesOf(2) })).payload.length, 2);
  });

  rpcTest("a deadline holds for interceptors too", async ({ dialer, listener }) => {
    listener.serve(echo);
    const client = dialer.client({ interceptors: [stuck] });
    await assertFails(client.echo({}, { timeoutMs: 10 }), Code.DeadlineExceeded);
    await assertFails(client.repeat({}, { timeoutMs: 10 }), Code.DeadlineExceeded);
    assert.equal(listener.counters.get("rpc.served"), 0);
  });

  rpcTest("handlers find the caller's key, the method and what interceptors set", async ({ dialer, listener }) => {
    const key = createContextKey("nothing");
    const seen: unknown[] = [];
    const note = ({ values, method, service, url }: HandlerContext): void => {
      assert.equal(service, EchoService);
      assert.match(url, new RegExp(`/dswarm\\.example\\.v1\\.EchoService/${method.name}$`));
      seen.push(values.get(callerKey)?.toString(), values.get(key));
    };
    const setting: Interceptor = (next) => (request) => {
      request.contextValues.set(key, "set");
      return next(request);
    };
    for (const interceptors of [[], [setting]]) {
      const withdraw = listener.serve(
        {
          echo: ({ payload }, context) => {
            note(context);
            return { payload };
          },
          async *repeat(_, context) {
            note(context);
            yield {};
          },
        },
        { interceptors },
      );
      await dialer.client().echo({});
      await all(dialer.client().repeat({}));
      withdraw();
    }
    const caller = dialer.connection.link.localId.toString();
    assert.deepEqual(seen, [caller, "nothing", caller, "nothing", caller, "set", caller, "set"]);
  });

  rpcTest("context values of a call reach the caller's interceptors", async ({ dialer, listener }) => {
    listener.serve(echo);
    const key = createContextKey(0);
    const seen: number[] = [];
    const reading: Interceptor = (next) => (request) => {
      assert.match(request.url, /^dswarm:\/\/peer\/dswarm\.example\.v1\.EchoService\//);
      seen.push(request.contextValues.get(key));
      return next(request);
    };
    const client = dialer.client({ interceptors: [reading] });
    await client.echo({}, { contextValues: createContextValues().set(key, 7) });
    await all(client.repeat({}));
    assert.deepEqual(seen, [7, 0]);
  });
}
