// Serving: which methods there are, and what happens from Open to the start of a handler.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, createServiceImplSpec, type Interceptor, type ServiceImpl } from "@connectrpc/connect";
import type { Open } from "../../gen/dswarm/v1/frame_pb.ts";
import { wrongType } from "../util/arguments.ts";
import type { Clock } from "../util/clock.ts";
import type { Counters } from "../util/counters.ts";
import type { Logger } from "../util/log.ts";
import type { CallMeter } from "./call-meter.ts";
import type { ServedMethod } from "./handler-call.ts";
import { CallContext } from "./handler-context.ts";
import { checkLocalNames } from "./local-names.ts";
import { metadataObjection } from "./metadata.ts";
import { methodName } from "./method-name.ts";
import type { CallAcceptor, RpcConnection } from "./mux.ts";
import { type Refusal, refusalOf } from "./refusal.ts";
import type { Stream } from "./stream.ts";
import { StreamingHandlerCall } from "./streaming-handler-call.ts";
import { UnaryHandlerCall } from "./unary-handler-call.ts";

/** Settings of a served service. */
export interface ServeOptions {
  /** Run around every call; the first of the list is the outermost. */
  readonly interceptors?: readonly Interceptor[];
}

/** The services of a node, for all its connections. Bounded by what the node serves. */
export class ServiceRegistry implements CallAcceptor {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #counters: Counters;
  readonly #meter: CallMeter | undefined;
  readonly #services = new Map<string, DescService>();
  readonly #methods = new Map<string, ServedMethod>();

  /** @param options with a meter, calls are measured */
  constructor(options: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly counters: Counters;
    readonly meter?: CallMeter;
  }) {
    this.#meter = options.meter;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#counters = options.counters;
  }

  /** The services, in the order in which they were added. */
  get services(): readonly DescService[] {
    return [...this.#services.values()];
  }

  /**
   * Serves a service. Methods that the implementation leaves out answer `unimplemented`.
   * @param maxRequestBytes bytes of a unary request at most, where those are less than messages may have: a longer one is refused
   *   with `message_too_large` and not decoded
   * @returns a function that withdraws it; calls that run go on; calling it again does nothing
   * @throws RangeError when the service is served already, or two of its methods have one name in TypeScript (`Get` and `get`), or
   *   one is called `__proto__`
   */
  serve<S extends DescService>(
    service: S,
    implementation: Partial<ServiceImpl<S>>,
    options: ServeOptions = {},
    maxRequestBytes = Number.POSITIVE_INFINITY,
  ): () => void {
    if (this.#services.has(service.typeName)) throw new RangeError(`${service.typeName} is served already`);
    checkLocalNames(service);
    for (const { localName } of service.methods) {
      const given: unknown = Reflect.get(implementation, localName);
      const isOwn = Object.hasOwn(implementation, localName);
      if (isOwn && given !== undefined && typeof given !== "function") {
        throw wrongType(`implementation.${localName}`, "a function", given);
      }
    }
    const { methods } = createServiceImplSpec<S>(service, implementation);
    const interceptors = options.interceptors?.length ? [...options.interceptors] : undefined;
    this.#services.set(service.typeName, service);
    for (const spec of Object.values(methods)) {
      const stats = this.#meter?.of(spec.method);
      this.#methods.set(methodName(spec.method), { spec, interceptors, stats, maxMessageBytes: maxRequestBytes });
    }
    let isServed = true;
    return () => {
      // The name may be another's by now.
      if (!isServed) return;
      isServed = false;
      this.#services.delete(service.typeName);
      for (const spec of Object.values(methods)) this.#methods.delete(methodName(spec.method));
    };
  }

  refusalOf({ method, metadata }: Open): Refusal | undefined {
    if (!this.#methods.has(method)) {
      return { code: Code.Unimplemented, message: `${shownMethod(method)} is not served here` };
    }
    const objection = metadataObjection(metadata);
    return objection === undefined ? undefined : refusalOf(...objection);
  }

  accept(connection: RpcConnection, stream: Stream, open: Open): void {
    const served = this.#methods.get(open.method);
    if (served === undefined) throw new Error("the call should have been refused");
    const timeoutMs = Math.min(open.timeoutMs, connection.config.maxTimeoutMs);
    const context = new CallContext({
      method: served.spec.method,
      caller: connection.link.remoteId,
      callerAddress: connection.link.remoteAddress,
      clock: this.#clock,
      timeoutMs,
      requestMetadata: open.metadata,
    });
    this.#counters.add("rpc.served");
    if (served.stats !== undefined) stream.measure(served.stats, this.#clock);
    const init = { connection, stream, served, context, timeoutMs, clock: this.#clock, onFault: this.#onFault };
    if (served.spec.kind === "unary") new UnaryHandlerCall(init, served.spec).start(open);
    else new StreamingHandlerCall(init).start(open);
  }

  readonly #onFault = (thrown: unknown, method: DescMethod): void => {
    this.#counters.add("rpc.handler_faults");
    const rpc = methodName(method);
    this.#logger.error({ event: "handler_fault", rpc, err: thrown }, "a handler failed; its caller is told `internal`");
  };
}

/** A method name from outside, fit for an error message. */
function shownMethod(name: string): string {
  return JSON.stringify(name.length > 128 ? `${name.slice(0, 128)}…` : name);
}
