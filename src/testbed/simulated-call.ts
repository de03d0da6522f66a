// One call on the simulated network.
//
//     begin ──latency──► arrive ──► respond ──latency──► deliver
//       │                   │          │
//       └── lost, until the caller's signal aborts ──► rejected
import { Code, ConnectError } from "@connectrpc/connect";
import type { Contact } from "../dht/contact.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, errorTable, messageOf } from "../util/errors.ts";
import type { EventDigest } from "./digest.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Position } from "./latency.ts";
import type { RpcMethod, Sent } from "./rpc-method.ts";

/** What a call needs of the network. */
export interface CallPath {
  readonly clock: Clock;
  readonly digest: EventDigest;
  /** Who answers at a contact's addresses, or the error that the call fails with, or undefined for no answer at all. */
  dial(from: Endpoint, contact: Contact): Endpoint | DswarmError | undefined;
  /** Whether a message gets through now. */
  passes(from: Endpoint, to: Endpoint): boolean;
  /** How long the next message takes, milliseconds. */
  delayMs(from: Position, to: Position): number;
  /** Counts what came of a call. */
  ended(outcome: "lost" | "refused" | "aborted"): void;
}

interface CallInit<Request, RequestInit, Response, ResponseInit> {
  readonly network: CallPath;
  readonly from: Endpoint;
  readonly method: RpcMethod<Request, RequestInit, Response, ResponseInit>;
  readonly signal: AbortSignal;
  readonly resolve: (response: Response) => void;
  readonly reject: (error: Error) => void;
}

// Words for the digest.
const outcomes = { begun: 1, lost: 2, refused: 3, arrived: 4, answered: 5, failed: 6, aborted: 7 } as const;
const methods = { ping: 1, findNode: 2, findValue: 3, store: 4 } as const;

/** A call and its state. */
export class SimulatedCall<Request, RequestInit, Response, ResponseInit> {
  readonly #init: CallInit<Request, RequestInit, Response, ResponseInit>;
  #isOver = false;

  constructor(init: CallInit<Request, RequestInit, Response, ResponseInit>) {
    this.#init = init;
  }

  begin(contact: Contact, init: RequestInit): void {
    const { network, from, method, signal, reject } = this.#init;
    if (signal.aborted) {
      reject(errorOfAbort(signal));
      return;
    }
    signal.addEventListener("abort", this.#onAbort);
    const request = method.request(init);
    from.calls += 1;
    from.bytesSent += request.bytes;
    const to = network.dial(from, contact);
    this.#note("begun", to);
    if (to === undefined) this.#lost();
    else if (to instanceof DswarmError) this.#refuse(to);
    else if (!network.passes(from, to)) this.#lost(to);
    else this.#after(network.delayMs(from.position, to.position), () => this.#arrive(to, request));
  }

  /** The request is there, even if its caller has given up by now. */
  #arrive(to: Endpoint, request: Sent<Request>): void {
    const { from, method } = this.#init;
    // It died, or was cut off, while the request was under way.
    if (!to.isUp || from.group !== to.group) {
      this.#lost(to);
      return;
    }
    this.#note("arrived", to);
    to.served += 1;
    to.bytesReceived += request.bytes;
    if (to.answers === undefined) {
      this.#respond(to, new ConnectError("the node does not serve the DHT", Code.Unimplemented));
      return;
    }
    let answer: ResponseInit | Promise<ResponseInit>;
    try {
      answer = method.answer(to.answers, request.message, from.caller);
    } catch (error) {
      this.#fail(to, error);
      return;
    }
    if (answer instanceof Promise) {
      answer.then(
        (value) => this.#respond(to, method.response(value)),
        (error: unknown) => this.#fail(to, error),
      );
    } else this.#respond(to, method.response(answer));
  }

  #fail(to: Endpoint, error: unknown): void {
    const wire = wireError(error);
    // Anything else is a mistake in the code and no answer: it ends the run.
    if (wire !== undefined) this.#respond(to, wire);
    else this.#after(0, () => raise(error));
  }

  #respond(to: Endpoint, response: Sent<Response> | ConnectError): void {
    const { network, from } = this.#init;
    const bytes = response instanceof ConnectError ? response.rawMessage.length : response.bytes;
    if (to.isUp) to.bytesSent += bytes;
    if (!network.passes(to, from)) {
      this.#lost(to);
      return;
    }
    this.#after(network.delayMs(to.position, from.position), () => {
      if (!from.isUp || from.group !== to.group) this.#lost(to);
      else this.#deliver(to, response, bytes);
    });
  }

  #deliver(to: Endpoint, response: Sent<Response> | ConnectError, bytes: number): void {
    const { from, resolve, reject } = this.#init;
    from.bytesReceived += bytes;
    const isError = response instanceof ConnectError;
    this.#note(isError ? "failed" : "answered", to);
    if (!this.#end()) return;
    if (isError) reject(response);
    else resolve(response.message);
  }

  #refuse(error: DswarmError): void {
    const { network, from, reject } = this.#init;
    // Nobody is there whose place would be known.
    const somewhere = { x: network.clock.random(), y: network.clock.random() };
    const roundTripMs = network.delayMs(from.position, somewhere) + network.delayMs(somewhere, from.position);
    this.#after(roundTripMs, () => {
      if (!from.isUp) return;
      network.ended("refused");
      this.#note("refused", error);
      if (this.#end()) reject(error);
    });
  }

  #lost(to?: Endpoint): void {
    this.#init.network.ended("lost");
    this.#note("lost", to);
  }

  readonly #onAbort = (): void => {
    const { network, signal, reject } = this.#init;
    if (!this.#end()) return;
    network.ended("aborted");
    this.#note("aborted", undefined);
    reject(errorOfAbort(signal));
  };

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#init.signal.removeEventListener("abort", this.#onAbort);
    return true;
  }

  #after(delayMs: number, then: () => void): void {
    this.#init.network.clock.setTimeout(then, delayMs);
  }

  #note(outcome: keyof typeof outcomes, to: Endpoint | DswarmError | undefined): void {
    const { network, from, method } = this.#init;
    const index = to === undefined || to instanceof DswarmError ? 0 : to.index;
    network.digest.add(network.clock.now(), from.index, index, outcomes[outcome] * 8 + methods[method.name]);
  }
}

/** As the caller sees it: its code and text, nothing of what is behind. Undefined for what no node may answer. */
function wireError(error: unknown): ConnectError | undefined {
  if (error instanceof DswarmError) return new ConnectError(error.message, errorTable[error.code].connect);
  return error instanceof ConnectError ? new ConnectError(error.rawMessage, error.code) : undefined;
}

function errorOfAbort({ reason }: AbortSignal): Error {
  if (reason instanceof ConnectError || reason instanceof DswarmError) return reason;
  if (!(reason instanceof Error)) return new ConnectError(messageOf(reason), Code.Canceled);
  let error = abortErrors.get(reason);
  if (error === undefined) {
    error = new ConnectError(reason.message, Code.Canceled, undefined, undefined, reason);
    abortErrors.set(reason, error);
  }
  return error;
}

// Shared by what one reason aborts, as the stack of an error costs more than a call.
const abortErrors = new WeakMap<Error, ConnectError>();

function raise(error: unknown): never {
  throw error;
}
