// A call runs once at most, whenever and however its provider goes: 10,000 providers are killed or close in the midst of calls, over
// memory links on a virtual clock. Whatever fails here fails again with the same seed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { EchoService } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import type { Contact } from "../../../src/dht/contact.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import { createMemoryLink, type MemoryLinkPair } from "../../../src/link/memory-link.ts";
import { ProviderLoads } from "../../../src/node/provider-loads.ts";
import type { LiveProvider } from "../../../src/node/provider-pool.ts";
import { ProviderTransport } from "../../../src/node/provider-transport.ts";
import { createRpcClient } from "../../../src/rpc/client.ts";
import { RpcConnection } from "../../../src/rpc/mux.ts";
import { resolveRpcOptions } from "../../../src/rpc/params.ts";
import { ServiceRegistry } from "../../../src/rpc/serve.ts";
import { createRpcTransport } from "../../../src/rpc/transport.ts";
import { runUntil, sleep } from "../../../src/testbed/run.ts";
import { Counters } from "../../../src/util/counters.ts";
import { DswarmError } from "../../../src/util/errors.ts";
import { silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

const kills = 10_000;
const providersAtOnce = 4;
const callsPerKill = 1;
const ids = Array.from({ length: 16 }, (_, i) => keyPairFromSeed(new Uint8Array(32).fill(i + 1)).id);
const [caller = assert.fail(), ...providerIds] = ids;
const large = new Uint8Array(80_000);

/** What became of the calls. */
interface Outcomes {
  /** How often a handler ran, by the number of the call. */
  readonly runs: Map<number, number>;
  ok: number;
  failed: number;
  /** Attempts that were made again. */
  repeats: number;
}

/** Providers that come and go. */
class Providers {
  readonly living: Provider[] = [];
  readonly outcomes: Outcomes = { runs: new Map(), ok: 0, failed: 0, repeats: 0 };
  readonly clock: VirtualClock;
  readonly #loads: ProviderLoads;
  #started = 0;

  constructor(clock: VirtualClock) {
    this.clock = clock;
    this.#loads = new ProviderLoads(clock);
    while (this.living.length < providersAtOnce) this.#start();
  }

  readonly pool = {
    next: async (except: ReadonlySet<string>): Promise<LiveProvider | undefined> => {
      const left = this.living.filter(({ contact }) => !except.has(contact.id.toString()));
      const chosen = this.#loads.choose(left.map(({ name }) => name));
      const provider = left.find(({ name }) => name === chosen);
      return provider && { contact: provider.contact, rttMs: 1 };
    },
    failed: () => {
      this.outcomes.repeats += 1;
    },
    begin: ({ id }: Contact) => this.#loads.begin(id.toString()),
  };

  /** One of them goes, in one of the ways in which they do, and another one comes. */
  kill(): void {
    const index = Math.floor(this.clock.random() * this.living.length);
    const [provider] = this.living.splice(index, 1);
    provider?.end(this.clock.random());
    this.#start();
  }

  connect({ addresses }: Contact): RpcConnection | Promise<RpcConnection> {
    const provider = this.living.find(({ contact }) => contact.addresses[0]?.port === addresses[0]?.port);
    if (provider === undefined) throw new DswarmError("unreachable");
    return provider.connect();
  }

  #start(): void {
    this.#started += 1;
    const id = providerIds[this.#started % providerIds.length] ?? assert.fail();
    this.living.push(new Provider(this, { id, addresses: [{ host: "127.0.0.1", port: this.#started }] }));
  }
}

class Provider {
  readonly contact: Contact;
  readonly #providers: Providers;
  readonly #registry: ServiceRegistry;
  #link: MemoryLinkPair | undefined;
  #ends: readonly RpcConnection[] = [];

  constructor(providers: Providers, contact: Contact) {
    this.#providers = providers;
    this.contact = contact;
    const { clock, outcomes } = providers;
    this.#registry = new ServiceRegistry({ clock, logger: silentLogger, counters: new Counters() });
    const run = async (number: number): Promise<void> => {
      outcomes.runs.set(number, (outcomes.runs.get(number) ?? 0) + 1);
      await sleep(clock, clock.random() * 2);
      if (clock.random() < 0.1) throw new ConnectError("not now", Code.Unavailable);
    };
    this.#registry.serve(EchoService, {
      async echo({ payload }) {
        await run(numberOf(payload));
        return clock.random() < 0.03 ? { payload: large } : { payload };
      },
      async *repeat({ payload }) {
        await run(numberOf(payload));
        yield { payload };
      },
      async collect(requests) {
        for await (const { payload } of requests) await run(numberOf(payload));
        return {};
      },
      async *converse(requests) {
        for await (const { payload } of requests) {
          await run(numberOf(payload));
          yield { payload };
        }
      },
    });
  }

  get name(): string {
    return this.contact.id.toString();
  }

  async connect(): Promise<RpcConnection> {
    const { clock } = this.#providers;
    const [known] = this.#ends;
    if (known?.usable === true) return known;
    if (clock.random() < 0.5) await sleep(clock, clock.random());
    this.#link = createMemoryLink(caller, this.contact.id, { clock, delayMs: () => 0.2 + clock.random() });
    const options = { config: resolveRpcOptions({ drainTimeoutMs: 1 }), clock, acceptor: this.#registry };
    this.#ends = [new RpcConnection(this.#link.dialer, options), new RpcConnection(this.#link.listener, options)];
    return this.#ends[0] ?? assert.fail();
  }

  end(way: number): void {
    const [, listener] = this.#ends;
    if (way < 0.5) this.#link?.cut();
    else if (way < 0.7) listener?.abort(new DswarmError("link_closed"));
    else void listener?.close(way < 0.8 ? 0 : 1);
  }
}

function numberOf(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

function payloadOf(number: number, isLarge: boolean): Uint8Array {
  const payload = new Uint8Array(isLarge ? large.length : 4);
  new DataView(payload.buffer).setUint32(0, number);
  return payload;
}

async function* only<T>(message: T): AsyncIterable<T> {
  yield message;
}

async function read(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

test("no call runs twice in 10,000 kills of providers in the midst of calls", async () => {
  const clock = new VirtualClock(20);
  const providers = new Providers(clock);
  const { outcomes, pool } = providers;
  const client = createRpcClient(
    EchoService,
    new ProviderTransport({
      clock,
      pool,
      searchMs: 10_000,
      transportTo: (contact) =>
        createRpcTransport({ connect: () => providers.connect(contact), clock, authority: "p", maxRepeats: 0 }),
    }),
  );
  const call = (number: number): Promise<unknown> => {
    const message = { payload: payloadOf(number, number % 50 === 0), count: 1 };
    const kinds = [
      () => client.echo(message),
      () => read(client.repeat(message)),
      () => client.collect(only(message)),
      () => read(client.converse(only(message))),
    ];
    return kinds[number % kinds.length]?.() ?? assert.fail();
  };
  const work = (async () => {
    let inFlight: Promise<void>[] = [];
    for (let kill = 0; kill < kills; kill++) {
      for (let i = 0; i < callsPerKill; i++) {
        const outcome = call(kill * callsPerKill + i).then(
          () => void (outcomes.ok += 1),
          (error: unknown) => {
            assert.equal(ConnectError.from(error).code, Code.Unavailable, String(error));
            outcomes.failed += 1;
          },
        );
        inFlight.push(outcome);
      }
      await sleep(clock, clock.random() * 2);
      providers.kill();
      if (inFlight.length > 300) {
        await Promise.all(inFlight);
        inFlight = [];
      }
    }
    await Promise.all(inFlight);
  })();
  await runUntil(clock, work);
  const { runs, ok, failed, repeats } = outcomes;
  assert.deepEqual(
    [...runs].filter(([, count]) => count > 1),
    [],
  );
  assert.equal(ok + failed, kills * callsPerKill);
  // The test is worth something: many calls were hit, and many were made again elsewhere.
  assert.ok(failed > kills / 4, `${failed} failed`);
  assert.ok(repeats > kills / 200, `${repeats} were made again`);
  assert.ok(ok > kills / 4, `${ok} succeeded`);
});
