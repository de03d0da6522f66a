// What /api answers when a call does not succeed: Connect's JSON for errors (https://connectrpc.com/docs/protocol),
// with the name of dswarm's own error as "reason" where there is one. By Connect's protocol and gRPC-Web the name is in a
// detail, as those have no place for it otherwise.
import type { DescMethod, Registry } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, codeToString, errorToJson } from "@connectrpc/connect/protocol-connect";
import { FailureSchema } from "../../gen/dswarm/v1/node_pb.ts";
import { isFromPeer } from "../rpc/status.ts";
import type { Counters } from "../util/counters.ts";
import { dswarmErrorOf, type ErrorCode, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { decodedDetails } from "./error-details.ts";

const maxMessageLength = 500;
const forbidden = 403;
const serverError = 500;
const badGateway = 502;
// It is a peer that breaks the protocol so, though nothing that it says.
const faultsOfPeers: ReadonlySet<ErrorCode> = new Set(["frame_invalid", "frame_too_large", "credit_exceeded"]);

interface FaultInit {
  /** HTTP status where it is not that of `httpStatusOf`. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly reason?: ErrorCode | undefined;
  readonly details?: ConnectError["details"];
  readonly fromPeer?: boolean;
  readonly trailer?: Headers;
  readonly cause?: unknown;
}

/** An answer other than success. Its message is safe to show. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: Code;
  /** HTTP status. */
  readonly status: number;
  /** HTTP headers that belong to the answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** Which of dswarm's own errors it was, if any. */
  readonly reason: ErrorCode | undefined;
  /** Whether a peer has answered so. Otherwise it is this node that says it. */
  readonly fromPeer: boolean;
  /** Metadata that the peer gave with it, of a call by the gateway. */
  readonly trailer: Headers;
  readonly #details: ConnectError["details"];

  constructor(code: Code, message: string, init: FaultInit = {}) {
    const short = message.length > maxMessageLength ? `${message.slice(0, maxMessageLength)}…` : message;
    // Half a surrogate pair cannot be sent.
    super(short.toWellFormed(), { cause: init.cause });
    this.code = code;
    this.status = init.status ?? httpStatusOf(code, init.fromPeer);
    this.headers = init.headers ?? {};
    this.reason = init.reason;
    this.fromPeer = init.fromPeer ?? false;
    this.trailer = init.trailer ?? new Headers();
    this.#details = init.details ?? [];
  }

  /** What an implementation threw, as a fault. Undefined for what is not meant for clients: a bug. */
  static from(thrown: unknown): Fault | undefined {
    if (thrown instanceof Fault) return thrown;
    const own = dswarmErrorOf(thrown);
    const error = thrown instanceof ConnectError ? thrown : own?.toConnectError();
    if (error !== undefined) {
      const { code, rawMessage, details } = error;
      const reason = own?.code;
      const isPeers = reason !== undefined && faultsOfPeers.has(reason);
      return new Fault(code, rawMessage, {
        ...(isPeers && { status: badGateway }),
        reason,
        details,
        fromPeer: isFromPeer(thrown),
        cause: thrown,
      });
    }
    if (thrown instanceof Error && thrown.name === "AbortError")
      return new Fault(Code.Canceled, "the call was canceled");
    return undefined;
  }

  /**
   * What a call of a peer by the gateway failed with. What would be 500 is 502: it is the peer that fails, or says what makes
   * no sense, and not this node.
   * @param registry of the peer's schema, by which details are decoded
   */
  static fromGateway(thrown: unknown, registry?: Registry): Fault {
    // What is wrong with a request that streams comes back out of the call.
    const own = thrown instanceof ConnectError && thrown.cause instanceof Fault ? thrown.cause : Fault.from(thrown);
    if (own === undefined) return new Fault(Code.Internal, messageOf(thrown), { status: badGateway, cause: thrown });
    const { code, message, status, headers, reason, fromPeer } = own;
    const details = registry === undefined ? own.#details : decodedDetails(own.#details, registry);
    const trailer = fromPeer && thrown instanceof ConnectError ? thrown.metadata : new Headers();
    const shownStatus = status === serverError ? badGateway : status;
    return new Fault(code, message, {
      status: shownStatus,
      headers,
      reason,
      details,
      fromPeer,
      trailer,
      cause: thrown,
    });
  }

  /**
   * The same for Connect's handlers, with a `dswarm.v1.Failure` among the details where there is a reason or a peer has said it.
   * Carries no metadata: what a remote peer put there is no header of this answer.
   */
  toConnectError(): ConnectError {
    const error = this.#withoutReason();
    const { code, message, reason = "", fromPeer } = this;
    if (reason === "" && !fromPeer) return error;
    const value = { code: codeToString(code), reason, message, fromPeer };
    error.details = [...error.details, { desc: FailureSchema, value }];
    return error;
  }

  #withoutReason(): ConnectError {
    const error = new ConnectError(this.message, this.code, undefined, undefined, this);
    error.details = this.#details;
    return error;
  }

  /** `{"code":"not_found","message":"…"}`, with "details", "reason" and "fromPeer" where there are any. */
  toJSON(): object {
    const { reason, fromPeer } = this;
    const json = errorToJson(this.#withoutReason(), undefined);
    return { ...json, ...(reason !== undefined && { reason }), ...(fromPeer && { fromPeer }) };
  }
}

/**
 * The HTTP status of a code: Connect's, but that 401 is for the node's own token alone, as clients ask for another one then, and
 * that what of this node would be 500 is 502 of a peer.
 */
export function httpStatusOf(code: Code, fromPeer = false): number {
  if (code === Code.Unauthenticated) return forbidden;
  const status = codeToHttpStatus(code);
  return status === serverError && fromPeer ? badGateway : status;
}

/** Counts faults, and logs those that are bugs. */
export class FaultReporter {
  readonly #counters: Counters;
  readonly #logger: Logger;

  constructor(counters: Counters, logger: Logger) {
    this.#counters = counters;
    this.#logger = logger;
  }

  /** What the client is told of something thrown: of a bug nothing but that it is one. */
  report(thrown: unknown, method: DescMethod | undefined): Fault {
    let fault = Fault.from(thrown);
    if (fault === undefined || !encodes(fault)) {
      this.#logger.error({ event: "api_fault", rpc: method?.toString(), err: thrown }, "a fault in answering /api");
      fault = new Fault(Code.Internal, "internal error", { cause: thrown });
    }
    this.#counters.add(`api.errors.${codeToString(fault.code)}`);
    return fault;
  }
}

/** Whether the details, which come from an implementation, can be sent. */
function encodes(fault: Fault): boolean {
  try {
    JSON.stringify(fault);
    return true;
  } catch {
    return false;
  }
}
