// The program as a client of a DHT, and the nodes that it meets there: honest ones, and some that answer as a case says.
import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import { DhtService } from "../gen/dswarm/v1/dht_pb.ts";
import { RecordKey } from "../src/dht/record-key.ts";
import type { DswarmNode } from "../src/node/node.ts";
import { base64, type CaseContext } from "./case.ts";
import { until } from "./until.ts";

/** What cases put. */
export const value = Buffer.from("a value");
/** The text of a value in base64. */
export const text = (bytes: unknown): string => Buffer.from(String(bytes), "base64").toString();

/** Nodes that have joined by the first of them. */
export async function nodes(context: CaseContext, count = 4): Promise<DswarmNode[]> {
  const all: DswarmNode[] = [];
  for (let i = 0; i < count; i++) all.push(await context.node());
  const [first, ...others] = all;
  if (first === undefined) return all;
  const contact = { id: first.id, addresses: [{ host: "127.0.0.1", port: first.port }] };
  await Promise.all(others.map((node) => node.dht.bootstrap([contact])));
  await until("all are in the tables", () => all.every(({ dht }) => dht.table.size >= count - 1));
  return all;
}

/** The program as a client of a DHT. */
export class ProgramDht {
  readonly #context: CaseContext;
  readonly #dht: unknown;

  private constructor(context: CaseContext, dht: unknown) {
    this.#context = context;
    this.#dht = dht;
  }

  static join(context: CaseContext, bootstrap: readonly DswarmNode[], seed?: string): Promise<ProgramDht> {
    return ProgramDht.joinAt(
      context,
      bootstrap.map(({ address }) => address),
      seed,
    );
  }

  static async joinAt(context: CaseContext, addresses: readonly string[], seed?: string): Promise<ProgramDht> {
    const { network, program } = context;
    const { dht } = await program.request("join", { bootstrap: addresses, network, ...(seed && { seed }) });
    context.after(() => program.request("close", { dht }));
    return new ProgramDht(context, dht);
  }

  request(command: string, fields: object) {
    return this.#context.program.request(command, { dht: this.#dht, ...fields });
  }

  fails(command: string, fields: object): Promise<string> {
    return this.#context.fails(command, { dht: this.#dht, ...fields });
  }

  async put(bytes: Uint8Array): Promise<RecordKey> {
    return RecordKey.fromBytes(
      Buffer.from(String((await this.request("put", { value: base64(bytes) }))["key"]), "base64"),
    );
  }

  get(key: RecordKey) {
    return this.request("get", { key: base64(key.bytes) });
  }

  /** Fails unless nothing is found. */
  async assertNothing(key: RecordKey): Promise<void> {
    assert.equal((await this.get(key))["found"], false);
  }

  async providers(key: RecordKey): Promise<string[]> {
    const { providers } = await this.request("findProviders", { key: base64(key.bytes) });
    return (providers as { id: string }[]).map(({ id }) => id);
  }
}

/** What a node is that answers for the DHT as a case says, and keeps nothing. */
export async function answering(
  context: CaseContext,
  answers: Partial<ServiceImpl<typeof DhtService>>,
): Promise<DswarmNode> {
  const node = await context.node({ dht: { isClient: true } });
  node.serve(DhtService, {
    ping: ({ nonce }) => ({ nonce }),
    findNode: () => ({ contacts: [] }),
    store: () => ({}),
    findValue: () => ({ records: [], contacts: [] }),
    ...answers,
  });
  return node;
}

/** A node that answers every question with these records. */
export function liar(context: CaseContext, records: readonly object[]): Promise<DswarmNode> {
  return answering(context, { findValue: () => ({ records: [...records], contacts: [] }) });
}

/** Nodes that know one another, keep what they are given (`kept` gets them), and pass nothing on. */
export async function keepers(context: CaseContext, count: number, kept: Set<DswarmNode>): Promise<DswarmNode[]> {
  const all: DswarmNode[] = [];
  for (let i = 0; i < count; i++) {
    const contacts = () => all.map(({ id, port }) => ({ id: id.bytes, addresses: [`127.0.0.1:${port}`] }));
    const node = await answering(context, {
      findNode: () => ({ contacts: contacts() }),
      store: () => {
        kept.add(node);
        return {};
      },
      findValue: () => ({ records: [], contacts: contacts() }),
    });
    all.push(node);
  }
  return all;
}

/** A program whose only acquaintance lies. */
export async function amongLiars(context: CaseContext, ...records: readonly object[]): Promise<ProgramDht> {
  return ProgramDht.join(context, [await liar(context, records)]);
}
