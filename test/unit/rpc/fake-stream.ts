// Streams on a host that only counts, for tests of what stands between streams and callers.
import type { FrameEncoder } from "../../../src/rpc/frame-encoder.ts";
import { FrameEncoder as Encoder } from "../../../src/rpc/frame-encoder.ts";
import { type RpcConfig, type RpcOptions, resolveRpcOptions } from "../../../src/rpc/params.ts";
import { SendSchedule } from "../../../src/rpc/send-schedule.ts";
import { Stream, type StreamHost } from "../../../src/rpc/stream.ts";

/** A host of streams without a link. */
export class FakeHost implements StreamHost {
  readonly config: RpcConfig;
  readonly encoder: FrameEncoder = new Encoder();
  readonly schedule = new SendSchedule(this.encoder);
  consumedBytes = 0;
  assembledBytes = 0;

  constructor(options: RpcOptions = {}) {
    this.config = resolveRpcOptions(options);
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

  consumed(cost: number): void {
    this.consumedBytes += cost;
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
