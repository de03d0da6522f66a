// Two RPC connections joined by a link, each with a registry and a client of the other end, and checks that nothing is left
// of calls when they are over.
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { DescService } from "@bufbuild/protobuf";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type Interceptor,
  type ServiceImpl,
  type Transport,
} from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import type { Link } from "../../../src/link/link.ts";
import { RpcConnection } from "../../../src/rpc/mux.ts";
import { type RpcOptions, resolveRpcOptions } from "../../../src/rpc/params.ts";
import { type ServeOptions, ServiceRegistry } from "../../../src/rpc/serve.ts";
import { createRpcTransport, type RpcTransportOptions } from "../../../src/rpc/transport.ts";
import { type Clock, systemClock } from "../../../src/util/clock.ts";
import { Counters } from "../../../src/util/counters.ts";
import type { DswarmError } from "../../../src/util/errors.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";

/** Two joined links, neither opened yet. */
export interface LinkEnds {
  readonly dialer: Link;
  readonly listener: Link;
  /** Ends both as a broken connection does. */
  cut(): void;
  teardown(): Promise<void>;
}

export type MakeLinks = () => Promise<LinkEnds>;

/** Makes a client: Connect's `createClient`, or what nodes use instead. */
export type MakeClient = <S extends DescService>(service: S, transport: Transport) => Client<S>;

/** Settings of the two ends. */
export interface PairOptions {
  readonly dialer?: RpcOptions;
  readonly listener?: RpcOptions;
}

/** An interceptor that does nothing but be there. */
export const transparent: Interceptor = (next) => next;

const deadlineMs = 60_000;
const pollMs = 1;
/** The keepalive of each connection. */
const idleTimers = 2;

/** Resolves once the condition holds; rejects after a deadline that only a fault reaches. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > giveUpAt) throw new Error(`waited in vain until ${what}`);
    await pause(pollMs);
  }
}

/** The ConnectError with which a promise, or the reading of an iterable, fails. */
export async function failureOf(failing: Promise<unknown> | AsyncIterable<unknown>): Promise<ConnectError> {
  try {
    await (Symbol.asyncIterator in failing ? all(failing) : failing);
  } catch (error) {
    assert.ok(error instanceof ConnectError, `not a ConnectError: ${String(error)}`);
    return error;
  }
  throw new assert.AssertionError({ message: "it did not fail" });
}

/** Asserts that a call fails with a code. */
export async function assertFails(
  failing: Promise<unknown> | AsyncIterable<unknown>,
  code: Code,
  message?: RegExp,
): Promise<ConnectError> {
  const error = await failureOf(failing);
  assert.equal(Code[error.code], Code[code], error.message);
  if (message !== undefined) assert.match(error.rawMessage, message);
  return error;
}

/** All that an iterable gives. */
export async function all<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** The items, one after the other. */
export async function* each<T>(items: Iterable<T>): AsyncIterable<T> {
  yield* items;
}

/** Bytes of a length whose content tells their place. */
export function bytesOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7) ^ (i >> 8);
  return bytes;
}

/** Never resolves by itself. */
export function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** The system's clock, counting the timers that wait. */
export class CountingClock implements Clock {
  #waiting = 0;

  get waiting(): number {
    return this.#waiting;
  }

  now(): number {
    return systemClock.now();
  }

  wallMs(): number {
    return systemClock.wallMs();
  }

  setTimeout(callback: () => void, delayMs: number): () => void {
    this.#waiting++;
    let isOver = false;
    const finish = (): void => {
      if (!isOver) this.#waiting--;
      isOver = true;
    };
    const cancel = systemClock.setTimeout(() => {
      finish();
      callback();
    }, delayMs);
    return () => {
      finish();
      cancel();
    };
  }

  nextTurn(callback: () => void): () => void {
    return systemClock.nextTurn(callback);
  }

  random(): number {
    return systemClock.random();
  }

  randomBytes(length: number): Uint8Array {
    return systemClock.randomBytes(length);
  }
}

/** One end: its connection, what it serves, and what it has logged. */
export class RpcEnd {
  readonly connection: RpcConnection;
  readonly registry: ServiceRegistry;
  readonly counters = new Counters();
  readonly faults: LogFields[] = [];
  readonly clock: Clock;
  readonly #makeClient: MakeClient;
  /** How the connection has ended. */
  ended: { readonly reason: DswarmError | undefined } | undefined;

  constructor(link: Link, options: RpcOptions, clock: Clock, makeClient: MakeClient) {
    this.clock = clock;
    this.#makeClient = makeClient;
    const logger = { ...silentLogger, error: (fields: LogFields): void => void this.faults.push(fields) };
    this.registry = new ServiceRegistry({ clock, logger, counters: this.counters });
    this.connection = new RpcConnection(link, {
      config: resolveRpcOptions(options),
      clock,
      acceptor: this.registry,
      onClosed: (reason) => {
        assert.equal(this.ended, undefined, "closed twice");
        this.ended = { reason };
      },
    });
  }

  /** Serves a part of EchoService. Returns the function that withdraws it. */
  serve(implementation: Partial<ServiceImpl<typeof EchoService>>, options?: ServeOptions): () => void {
    return this.registry.serve(EchoService, implementation, options);
  }

  /** A client of what the other end serves. */
  client(options: Partial<RpcTransportOptions> = {}): Client<typeof EchoService> {
    return this.clientOf(EchoService, options);
  }

  clientOf<S extends DescService>(service: S, options: Partial<RpcTransportOptions> = {}): Client<S> {
    const { connection, clock } = this;
    const transport = createRpcTransport({ connect: () => connection, clock, authority: "peer", ...options });
    return this.#makeClient(service, transport);
  }

  get isQuiet(): boolean {
    const { streams, running, unconsumedBytes } = this.connection;
    return streams === 0 && running === 0 && unconsumedBytes === 0;
  }

  get state(): string {
    const { streams, running, unconsumedBytes } = this.connection;
    return `${streams} streams, ${running} running, ${unconsumedBytes} bytes`;
  }
}

/** Both ends. */
export class RpcPair {
  readonly dialer: RpcEnd;
  readonly listener: RpcEnd;
  readonly clock = new CountingClock();
  readonly #links: LinkEnds;

  constructor(links: LinkEnds, options: PairOptions = {}, makeClient: MakeClient = createClient) {
    this.#links = links;
    this.dialer = new RpcEnd(links.dialer, options.dialer ?? {}, this.clock, makeClient);
    this.listener = new RpcEnd(links.listener, options.listener ?? {}, this.clock, makeClient);
  }

  cut(): void {
    this.#links.cut();
  }

  /** Asserts that calls leave nothing behind: no stream, no running handler, no byte, no timer. */
  async quiet(): Promise<void> {
    const { dialer, listener, clock } = this;
    const isOver = dialer.ended !== undefined && listener.ended !== undefined;
    const timers = isOver ? 0 : idleTimers;
    await until("nothing is left of the calls", () => {
      return dialer.isQuiet && listener.isQuiet && clock.waiting <= timers;
    }).catch((error: unknown) => {
      const state = `dialer: ${dialer.state}; listener: ${listener.state}; ${clock.waiting} timers`;
      throw new Error(state, { cause: error });
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.dialer.connection.close(), this.listener.connection.close()]);
    await this.#links.teardown();
    assert.equal(this.clock.waiting, 0, "timers after the end");
  }
}
