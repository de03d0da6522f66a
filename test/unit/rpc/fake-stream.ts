// Streams on a host that only counts, for tests of what stands between streams and callers.
import type { FrameEncoder } from "../../../src/rpc/frame-encoder.ts";
import { FrameEncoder as Encoder } from "../../../src/rpc/frame-encoder.ts";
import { type ConnectionMemory, MemoryBudget } from "../../../src/rpc/memory-budget.ts";
import { type RpcConfig, type RpcOptions, resolveRpcOptions } from "../../../src/rpc/params.ts";
import { SendSchedule } from "../../../src/rpc/send-schedule.ts";
import { Stream, type StreamHost } from "../../../src/rpc/stream.ts";
import { WindowPool } from "../../../src/rpc/window-pool.ts";

/** A host of streams without a link. */
export class FakeHost implements StreamHost {
  readonly config: RpcConfig;
  readonly encoder: FrameEncoder = new Encoder();
  readonly schedule = new SendSchedule(this.encoder);
  readonly memory: ConnectionMemory;
  readonly windows: WindowPool;
  assembledBytes = 0;

  constructor(options: RpcOptions = {}) {
    this.config = resolveRpcOptions(options);
    this.memory = new MemoryBudget(this.config).open("fake", {
      measureMemory: () => undefined,
      abort: () => undefined,
    });
    this.windows = new WindowPool(this.config.windowPoolBytes, () => false);
  }

  /** What messages that are consumed or dropped counted as held: they were never said to have come. */
  get consumedBytes(): number {
    return 0 - this.memory.unreadBytes;
  }

  /** A stream that this end has opened. */
  stream(id: number): Stream {
    return new Stream(this, id, true);
  }

  flushSoon(): void {}

  faulted(): void {}

  transmit(stream: Stream, message: Uint8Array): Promise<void> | undefined {
    return this.schedule.enqueue(stream, message);
  }

  assembling(_: unknown, cost: number): void {
    this.assembledBytes += cost;
  }

  assembled(_: unknown, cost: number): void {
    this.assembledBytes -= cost;
  }

  remove(stream: Stream): void {
    this.schedule.remove(stream);
  }
}
