// A peer that writes whatever frames a test wants, at the other end of a memory link to an RpcConnection. All on a virtual
// clock: `turn` lets everything happen that can happen without time passing.
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { sizeDelimitedEncode } from "@bufbuild/protobuf/wire";
import { EchoRequestSchema } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import { type Frame, FrameSchema } from "../../../gen/dswarm/v1/frame_pb.ts";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import type { Link, LinkRole } from "../../../src/link/link.ts";
import { createMemoryLink, type MemoryLinkPair } from "../../../src/link/memory-link.ts";
import { FrameDecoder } from "../../../src/rpc/frame-decoder.ts";
import { MemoryBudget } from "../../../src/rpc/memory-budget.ts";
import { RpcConnection } from "../../../src/rpc/mux.ts";
import { protocol, type RpcOptions, resolveRpcOptions } from "../../../src/rpc/params.ts";
import { ServiceRegistry } from "../../../src/rpc/serve.ts";
import { Counters } from "../../../src/util/counters.ts";
import type { DswarmError } from "../../../src/util/errors.ts";
import { type LogFields, silentLogger } from "../../../src/util/log.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";

/** The body of a frame that is sent. */
export type Body = NonNullable<MessageInitShape<typeof FrameSchema>["body"]>;

const [dialerId, listenerId] = [1, 2].map((byte) => keyPairFromSeed(new Uint8Array(32).fill(byte)).id);

/** The name of a method of EchoService on the wire. */
export function echoMethod(name: string): string {
  return `dswarm.example.v1.EchoService/${name}`;
}

/** An encoded EchoRequest, or any message that has such a payload alone. */
export function echoBytes(payloadBytes: number, first = 0): Uint8Array {
  const payload = new Uint8Array(payloadBytes);
  if (payloadBytes > 0) payload[0] = first;
  return toBinary(EchoRequestSchema, create(EchoRequestSchema, { payload }));
}

/** The connection under test, and the raw end. */
export class RawPeer {
  readonly clock = new VirtualClock();
  readonly connection: RpcConnection;
  readonly registry: ServiceRegistry;
  /** Of the connection alone. */
  readonly budget: MemoryBudget;
  readonly counters = new Counters();
  readonly faults: LogFields[] = [];
  /** Frames of the connection that were not taken yet, credit left out. */
  readonly frames: Frame[] = [];
  /** How the link has ended for the connection. */
  ended: { readonly reason: DswarmError | undefined } | undefined;
  readonly #links: MemoryLinkPair;
  readonly #link: Link;
  /** What may still be sent, by stream; 0 is the connection. */
  readonly #credit = new Map<number, number>([[0, protocol.initialConnectionCredit]]);

  /** @param role of the connection under test */
  constructor(role: LinkRole, options: RpcOptions = {}) {
    if (dialerId === undefined || listenerId === undefined) throw new Error("there are two ids");
    const { clock } = this;
    this.#links = createMemoryLink(dialerId, listenerId, { clock });
    const { dialer, listener } = this.#links;
    const [tested, raw] = role === "dialer" ? [dialer, listener] : [listener, dialer];
    const logger = { ...silentLogger, error: (fields: LogFields): void => void this.faults.push(fields) };
    this.registry = new ServiceRegistry({ clock, logger, counters: new Counters() });
    const config = resolveRpcOptions(options);
    this.budget = new MemoryBudget(config);
    this.connection = new RpcConnection(tested, {
      config,
      clock,
      acceptor: this.registry,
      memory: this.budget,
      counters: this.counters,
      onClosed: (reason) => {
        this.ended = { reason };
      },
    });
    this.#link = raw;
    const decoder = new FrameDecoder();
    raw.open({
      data: (bytes) => decoder.push(bytes, (frame) => this.#onFrame(frame)),
      drain: () => undefined,
      closed: () => undefined,
    });
  }

  /** Lets all happen that needs no time. */
  async turn(): Promise<void> {
    // Arrival, what it causes in later microtasks, and the way back, with a flush each.
    for (let i = 0; i < 4; i++) await this.clock.advance(0);
  }

  /** Sends a frame. */
  send(streamId: number, body?: Body): void {
    if (body?.case === "data") {
      const cost = (body.value.payload?.length ?? 0) + protocol.dataFrameCost;
      this.#credit.set(0, this.creditOf(0) - cost);
      this.#credit.set(streamId, this.creditOf(streamId) - cost);
    }
    this.sendBytes(sizeDelimitedEncode(FrameSchema, create(FrameSchema, { streamId, ...(body && { body }) })));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#link.write(bytes);
  }

  /** Sends a frame and lets its consequences come. Returns the frames that came back, credit left out. */
  async exchange(streamId: number, body?: Body): Promise<Frame[]> {
    this.send(streamId, body);
    await this.turn();
    return this.frames.splice(0);
  }

  /** Bytes that Data frames may still cost. Negative when too much was sent. */
  creditOf(streamId: number): number {
    return this.#credit.get(streamId) ?? protocol.initialStreamCredit;
  }

  /** While true nothing arrives at either end. */
  setPartitioned(partitioned: boolean): void {
    this.#links.setPartitioned(partitioned);
  }

  /** From now on nothing more arrives here. */
  stopReading(): void {
    this.#links.stopReading(this.#link.role);
  }

  cut(): void {
    this.#links.cut();
  }

  #onFrame(frame: Frame): void {
    const { streamId, body } = frame;
    if (body.case === "credit") this.#credit.set(streamId, this.creditOf(streamId) + body.value.bytes);
    else this.frames.push(frame);
  }
}
