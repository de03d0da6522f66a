// What a conformance case is, and what it is given: the program under test, nodes to meet, and listeners that misbehave.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { EchoService } from "../gen/dswarm/example/v1/echo_pb.ts";
import { type CreateNodeOptions, createNode } from "../src/create-node.ts";
import { generateKeyPair, keyPairFromSeed } from "../src/identity/keys.ts";
import type { NodeId } from "../src/identity/node-id.ts";
import type { DswarmNode } from "../src/node/node.ts";
import { EchoHandlers } from "./echo-handlers.ts";
import { type HostileConnection, HostileListener, type HostileListenerOptions } from "./hostile-listener.ts";
import { CommandError, type Fields, type Program } from "./program.ts";

/** What an adapter may say that it can do. */
export type Feature = "ids" | "calls" | "serve" | "options" | "timeouts" | "discovery" | "dht" | "provide";

/** A case of the suite. */
export interface Case {
  /** "group/name". */
  readonly name: string;
  readonly needs: readonly Feature[];
  /** Rejects where the case fails. */
  readonly run: (context: CaseContext) => Promise<void>;
}

/** The cases of a group that need the same of an adapter. */
export function group(
  name: string,
  needs: readonly Feature[],
  cases: Readonly<Record<string, (context: CaseContext) => Promise<void>>>,
): Case[] {
  return Object.entries(cases).map(([each, run]) => ({ name: `${name}/${each}`, needs, run }));
}

/** What became of a call. */
export interface Outcome {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly type: string; readonly value: string }[];
  readonly header: readonly (readonly [string, string])[];
  readonly trailer: readonly (readonly [string, string])[];
  readonly messages: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly collected?: { readonly count: number; readonly bytes: number };
}

/** A payload as the contract writes it. */
interface Payload {
  readonly text?: string;
  readonly size?: number;
  readonly times?: number;
}

/** What a case says of a call. */
export interface CallSpec {
  readonly requests?: readonly Payload[];
  readonly count?: number;
  readonly metadata?: readonly (readonly [string, string])[];
  readonly timeoutMs?: number;
  readonly paused?: boolean;
  readonly hold?: boolean;
  readonly cancelAfter?: number;
}

const noPayload: readonly Payload[] = [{ size: 0 }];
let lastCall = 0;

/** A call of the program's. */
export class ProgramCall {
  /** Rejects where the program could not begin it. */
  readonly outcome: Promise<Outcome>;
  readonly #program: Program;
  readonly #call = `k${++lastCall}`;

  constructor(program: Program, connection: string, method: string, { requests = noPayload, ...spec }: CallSpec) {
    this.#program = program;
    const fields = { connection, call: this.#call, method, requests, ...spec };
    this.outcome = program.request("call", fields) as unknown as Promise<Outcome>;
    // A case may end before it asks.
    this.outcome.catch(() => undefined);
  }

  resume(): Promise<Fields> {
    return this.#program.request("resume", { call: this.#call });
  }

  finish(): Promise<Fields> {
    return this.#program.request("finish", { call: this.#call });
  }

  cancel(): Promise<Fields> {
    return this.#program.request("cancel", { call: this.#call });
  }

  /** Requests that the program has sent. */
  async sent(): Promise<number> {
    return Number((await this.#program.request("progress", { call: this.#call }))["sent"]);
  }

  /** Answers that it has read. */
  async received(): Promise<number> {
    return Number((await this.#program.request("progress", { call: this.#call }))["received"]);
  }

  /** Fails unless the call succeeds. */
  async succeeds(): Promise<Outcome> {
    const outcome = await this.outcome;
    assert.equal(outcome.code, 0, `status ${outcome.code} where 0 belongs: ${outcome.message}`);
    return outcome;
  }

  /** Fails unless the call ends with one of these statuses. */
  async fails(...codes: readonly number[]): Promise<Outcome> {
    const outcome = await this.outcome;
    assert.ok(codes.includes(outcome.code), `status ${outcome.code} where ${codes.join(" or ")} belongs`);
    return outcome;
  }
}

/** A connection that the program has dialed. */
export class ProgramConnection {
  readonly name: string;
  /** 32 bytes, in base64. */
  readonly peer: string;
  readonly #program: Program;

  constructor(program: Program, { connection, peer }: Fields) {
    this.#program = program;
    this.name = String(connection);
    this.peer = String(peer);
  }

  /** Begins a call. */
  call(method: string, spec: CallSpec = {}): ProgramCall {
    return new ProgramCall(this.#program, this.name, method, spec);
  }

  /** Ends it as the protocol says. */
  close(): Promise<Fields> {
    return this.#program.request("close", { connection: this.name });
  }

  /** Waits for its end: the code. */
  async ended(): Promise<string> {
    return String((await this.#program.request("closed", { connection: this.name }))["code"]);
  }

  /** Fails unless it ends for one of these reasons. */
  async endsBy(...codes: readonly string[]): Promise<void> {
    const code = await this.ended();
    assert.ok(codes.includes(code), `the connection ended by ${code} where ${codes.join(" or ")} belongs`);
  }

  /** What the program knows of its handlers on it. */
  async stats(): Promise<{ running: number; cancelled: number; messages: number }> {
    const { running, cancelled, messages } = await this.#program.request("stats", { connection: this.name });
    return { running: Number(running), cancelled: Number(cancelled), messages: Number(messages) };
  }

  release(): Promise<Fields> {
    return this.#program.request("release", { connection: this.name });
  }
}

/** How the program dials. */
export interface DialSpec {
  readonly network?: string;
  readonly networkKey?: string;
  readonly seed?: string;
  readonly serve?: boolean;
  readonly options?: Readonly<Record<string, number>>;
}

/** A node, and its EchoService. */
export interface EchoNode {
  readonly node: DswarmNode;
  readonly handlers: EchoHandlers;
}

/** What a case works with. All that it starts ends with it. */
export class CaseContext {
  readonly program: Program;
  /** A network of the case's own. */
  readonly network = `conformance-${randomBytes(6).toString("hex")}`;
  readonly #ends: (() => Promise<unknown>)[] = [];

  constructor(program: Program) {
    this.program = program;
  }

  /** Does something at the end of the case; the last comes first. */
  after(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  /** Ends all. */
  async end(): Promise<void> {
    for (const end of this.#ends.toReversed()) await end();
  }

  /** Starts a node on the case's network, without discovery. */
  async node(options: CreateNodeOptions = {}): Promise<DswarmNode> {
    const node = await createNode({ network: this.network, discovery: false, ...options });
    this.after(() => node.close());
    return node;
  }

  /** Starts a node that serves EchoService. */
  async echoNode(options: CreateNodeOptions = {}): Promise<EchoNode> {
    const node = await this.node(options);
    const handlers = new EchoHandlers();
    node.serve(EchoService, handlers.implementation);
    return { node, handlers };
  }

  /** Lets the program dial. */
  async dial(address: string, spec: DialSpec = {}): Promise<ProgramConnection> {
    const ok = await this.program.request("dial", { address, network: this.network, ...spec });
    const connection = new ProgramConnection(this.program, ok);
    // Nobody waits for it: what is at the other end may be gone.
    this.after(async () => void connection.close().catch(() => undefined));
    return connection;
  }

  /** Lets the program dial in vain: the code of its error. */
  async dialFails(address: string, spec: DialSpec = {}): Promise<string> {
    return this.fails("dial", { address, network: this.network, ...spec });
  }

  /** A command that is answered by an error: its code. */
  async fails(command: string, fields: Fields): Promise<string> {
    try {
      await this.program.request(command, fields);
    } catch (error) {
      if (error instanceof CommandError) return error.code;
      throw error;
    }
    throw new assert.AssertionError({ message: `${command} succeeds` });
  }

  /** A node that serves EchoService, and the program connected to it. */
  async connected(
    options: CreateNodeOptions = {},
    spec: DialSpec = {},
  ): Promise<EchoNode & { connection: ProgramConnection }> {
    const echo = await this.echoNode(options);
    return { ...echo, connection: await this.dial(echo.node.address, spec) };
  }

  /** A node, the program connected to it, and a client of the EchoService that the program serves on the connection. */
  async calledBack(options: CreateNodeOptions = {}, spec: DialSpec = {}) {
    const { id, seed } = this.identity();
    const { node, handlers, connection } = await this.connected(options, { seed, serve: true, ...spec });
    return { node, handlers, connection, client: node.client(EchoService, id), id };
  }

  /** Starts a listener that does as the case says. */
  async hostile(options: HostileListenerOptions = {}): Promise<HostileListener> {
    const listener = await HostileListener.start(this.network, options);
    this.after(() => listener[Symbol.asyncDispose]());
    return listener;
  }

  /** The program connected to a hostile listener, after a good handshake. */
  async hostilePair(spec: DialSpec = {}): Promise<{ raw: HostileConnection; connection: ProgramConnection }> {
    const listener = await this.hostile();
    const dialing = this.dial(listener.address, spec);
    dialing.catch(() => undefined);
    const raw = await (await listener.accept()).shake();
    return { raw, connection: await dialing };
  }

  /** The program with a call under way to a hostile listener: the stream that it has opened. */
  async hostileCall(method = "Echo", spec: CallSpec = {}, dialSpec: DialSpec = {}) {
    const { raw, connection } = await this.hostilePair(dialSpec);
    const call = connection.call(method, spec);
    return { raw, connection, call, stream: await raw.opened(method) };
  }

  /** New keys for the program. */
  identity(): { readonly id: NodeId; readonly seed: string } {
    const seed = randomBytes(32);
    return { id: keyPairFromSeed(seed).id, seed: seed.toString("base64") };
  }

  /** An id that is nobody's. */
  strangerId(): NodeId {
    return generateKeyPair().id;
  }
}

/** Base64 of bytes. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** What a payload is: N bytes, each N mod 251. */
export function payloadOf(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(size).fill(size % 251);
}

/** sha256 in hex of payloads, one after the other. */
export function digestOf(payloads: Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  for (const payload of payloads) hash.update(payload);
  return hash.digest("hex");
}

/** Metadata by key, however it is split over pairs: its values joined by ", ", those of "-bin" keys as hex. */
export function byKey(pairs: readonly (readonly [string, string])[]): Record<string, string> {
  const joined: Record<string, string> = {};
  for (const [key, value] of pairs) {
    const text = key.endsWith("-bin") ? Buffer.from(value, "base64").toString("hex") : value;
    joined[key] = key in joined ? `${joined[key]}, ${text}` : text;
  }
  return joined;
}
