// gRPC's interoperability cases by their names, of
// https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md. The status message with special characters
// is that of grpc-go's client.
import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, decodeBinaryHeader, encodeBinaryHeader } from "@connectrpc/connect";
import { createWritableIterable } from "@connectrpc/connect/protocol";
import type {
  StreamingInputCallRequestSchema,
  StreamingOutputCallRequestSchema,
} from "../gen/grpc/testing/messages_pb.ts";
import type { TestService, UnimplementedService } from "../gen/grpc/testing/test_pb.ts";
import { initialKey, trailingKey } from "./test-service.ts";

/** The clients of one server. */
export interface Clients {
  readonly test: Client<typeof TestService>;
  readonly unimplemented: Client<typeof UnimplementedService>;
}

type Ask = MessageInitShape<typeof StreamingOutputCallRequestSchema>;

const large = { responseSize: 314_159, payload: zeros(271_828) };
const requestSizes = [27_182, 8, 1_828, 45_904];
const responseSizes = [31_415, 9, 2_653, 58_979];
const metadata = { initial: "test_initial_metadata_value", trailing: Buffer.from("ababab", "hex") };
const plainStatus = { code: Code.Unknown, message: "test status message" };
const specialStatus = {
  code: Code.Unknown,
  message: "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
};

/** Each case throws where the call goes otherwise than the description says. */
export const cases: Readonly<Record<string, (clients: Clients) => Promise<void>>> = {
  async empty_unary({ test }) {
    assert.equal((await test.emptyCall({})).$typeName, "grpc.testing.Empty");
  },

  async large_unary({ test }) {
    assertZeros((await test.unaryCall(large)).payload, large.responseSize);
  },

  async client_streaming({ test }) {
    const requests = requestSizes.map((size) => ({ payload: zeros(size) }));
    assert.equal((await test.streamingInputCall(each(requests))).aggregatedPayloadSize, 74_922);
  },

  async server_streaming({ test }) {
    const responseParameters = responseSizes.map((size) => ({ size }));
    const answers = await all(test.streamingOutputCall({ responseParameters }));
    assert.equal(answers.length, responseSizes.length);
    for (const [index, size] of responseSizes.entries()) assertZeros(answers[index]?.payload, size);
  },

  async ping_pong({ test }) {
    const requests = createWritableIterable<Ask>();
    const answers = test.fullDuplexCall(requests)[Symbol.asyncIterator]();
    for (const [index, size] of responseSizes.entries()) {
      await requests.write({ responseParameters: [{ size }], payload: zeros(requestSizes[index] ?? 0) });
      const { value, done } = await answers.next();
      assert.notEqual(done, true);
      assertZeros(value.payload, size);
    }
    requests.close();
    assert.equal((await answers.next()).done, true);
  },

  async empty_stream({ test }) {
    assert.deepEqual(await all(test.fullDuplexCall(each([]))), []);
  },

  async custom_metadata({ test }) {
    const unary = echo();
    assertZeros((await test.unaryCall(large, unary.options)).payload, large.responseSize);
    unary.check();
    const duplex = echo();
    const request = { responseParameters: [{ size: large.responseSize }], payload: large.payload };
    const [answer, ...more] = await all(test.fullDuplexCall(each([request]), duplex.options));
    assertZeros(answer?.payload, large.responseSize);
    assert.deepEqual(more, []);
    duplex.check();
  },

  async status_code_and_message({ test }) {
    await fails(test.unaryCall({ responseStatus: plainStatus }), plainStatus);
    await fails(all(test.fullDuplexCall(each([{ responseStatus: plainStatus }]))), plainStatus);
  },

  async special_status_message({ test }) {
    await fails(test.unaryCall({ responseStatus: specialStatus }), specialStatus);
  },

  async unimplemented_method({ test }) {
    await fails(test.unimplementedCall({}), { code: Code.Unimplemented });
  },

  async unimplemented_service({ unimplemented }) {
    await fails(unimplemented.unimplementedCall({}), { code: Code.Unimplemented });
  },

  async cancel_after_begin({ test }) {
    const abort = new AbortController();
    const requests = createWritableIterable<MessageInitShape<typeof StreamingInputCallRequestSchema>>();
    const answer = test.streamingInputCall(requests, { signal: abort.signal });
    abort.abort();
    await fails(answer, { code: Code.Canceled });
  },

  async cancel_after_first_response({ test }) {
    const abort = new AbortController();
    const requests = createWritableIterable<Ask>();
    const answers = test.fullDuplexCall(requests, { signal: abort.signal })[Symbol.asyncIterator]();
    await requests.write({ responseParameters: [{ size: 31_415 }], payload: zeros(27_182) });
    assertZeros((await answers.next()).value?.payload, 31_415);
    abort.abort();
    await fails(answers.next(), { code: Code.Canceled });
  },

  async timeout_on_sleeping_server({ test }) {
    const requests = createWritableIterable<Ask>();
    const answers = all(test.fullDuplexCall(requests, { timeoutMs: 1 }));
    // The call may have ended before the request is taken.
    requests.write({ payload: zeros(27_182) }).catch(() => undefined);
    await fails(answers, { code: Code.DeadlineExceeded });
  },
};

function zeros(size: number): { body: Uint8Array } {
  return { body: new Uint8Array(size) };
}

function assertZeros(payload: { readonly body: Uint8Array } | undefined, size: number): void {
  assert.deepEqual(payload?.body, new Uint8Array(size));
}

async function* each<T>(requests: readonly T[]): AsyncGenerator<T> {
  yield* requests;
}

async function all<T>(answers: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const answer of answers) found.push(answer);
  return found;
}

async function fails(
  call: Promise<unknown>,
  expected: { readonly code: Code; readonly message?: string },
): Promise<void> {
  await assert.rejects(call, (error) => {
    assert(error instanceof ConnectError);
    assert.equal(error.code, expected.code);
    if (expected.message !== undefined) assert.equal(error.rawMessage, expected.message);
    return true;
  });
}

/** Options of a call whose metadata the server sends back, and the check that it has. */
function echo() {
  let [header, trailer] = [new Headers(), new Headers()];
  const options = {
    headers: { [initialKey]: metadata.initial, [trailingKey]: encodeBinaryHeader(metadata.trailing) },
    onHeader: (given: Headers) => {
      header = given;
    },
    onTrailer: (given: Headers) => {
      trailer = given;
    },
  };
  const check = (): void => {
    assert.equal(header.get(initialKey), metadata.initial);
    assert.deepEqual(Buffer.from(decodeBinaryHeader(trailer.get(trailingKey) ?? "")), metadata.trailing);
  };
  return { options, check };
}
