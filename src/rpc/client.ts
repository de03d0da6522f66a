// Connect's client with leaner streams: responses come from the transport's own iterator, without the two generators that
// Connect puts around it for each message, and a reader that stops early ends the call.
import type { DescMethodBiDiStreaming, DescMethodServerStreaming, DescService } from "@bufbuild/protobuf";
import {
  type CallOptions,
  type Client,
  createClient,
  makeAnyClient,
  type StreamResponse,
  type Transport,
} from "@connectrpc/connect";
import { checkLocalNames } from "./local-names.ts";

/**
 * A client of a service over a transport: what Connect's `createClient` makes, with one difference. Leaving the loop over the
 * responses of a stream (`break`, `return`, an exception) cancels the call, as it does with any other async iterable.
 * @throws RangeError as `checkLocalNames`
 */
export function createRpcClient<S extends DescService>(service: S, transport: Transport): Client<S> {
  checkLocalNames(service);
  const plain: Record<string, (...args: never[]) => unknown> = createClient(service, transport);
  const client = makeAnyClient(service, (method) => {
    if (method.methodKind === "server_streaming") {
      return (request: Fields, options?: CallOptions) => callStream(transport, method, only(request), options);
    }
    if (method.methodKind === "bidi_streaming") {
      return (requests: AsyncIterable<Fields>, options?: CallOptions) =>
        callStream(transport, method, requests, options);
    }
    return plain[method.localName] ?? null;
  });
  return client as Client<S>;
}

/** A message as callers may write it. */
type Fields = Record<string, unknown>;

function callStream(
  transport: Transport,
  method: DescMethodServerStreaming | DescMethodBiDiStreaming,
  requests: AsyncIterable<Fields>,
  options: CallOptions | undefined,
): AsyncIterable<object> {
  const { signal, timeoutMs, headers, contextValues } = options ?? {};
  const response = transport.stream(method, signal, timeoutMs, headers, requests, contextValues);
  // The reader is told when it reads.
  response.catch(() => undefined);
  const reader = new ResponseReader(response, options);
  return { [Symbol.asyncIterator]: () => reader };
}

async function* only<T>(message: T): AsyncGenerator<T> {
  yield message;
}

/** Reads the responses of one call. */
class ResponseReader implements AsyncIterator<object, undefined> {
  readonly #response: Promise<StreamResponse>;
  /** Told of header and trailer, each once. */
  #options: CallOptions | undefined;
  #messages: AsyncIterator<object> | undefined;

  constructor(response: Promise<StreamResponse>, options: CallOptions | undefined) {
    this.#response = response;
    this.#options = options;
  }

  next(): Promise<IteratorResult<object, undefined>> {
    if (this.#messages === undefined || this.#options?.onTrailer !== undefined) return this.#next();
    return this.#messages.next();
  }

  async return(): Promise<IteratorResult<object, undefined>> {
    const messages = this.#messages ?? (await this.#response).message[Symbol.asyncIterator]();
    await messages.return?.();
    return { done: true, value: undefined };
  }

  async #next(): Promise<IteratorResult<object, undefined>> {
    const response = await this.#response;
    if (this.#messages === undefined) {
      this.#options?.onHeader?.(response.header);
      this.#messages = response.message[Symbol.asyncIterator]();
    }
    const result = await this.#messages.next();
    if (result.done === true) {
      this.#options?.onTrailer?.(response.trailer);
      this.#options = undefined;
    }
    return result;
  }
}
