// What may be set of /api.
import type { Registry } from "@bufbuild/protobuf";
import type { ServiceImplSpec } from "@connectrpc/connect";
import type { SwarmDirectory } from "../node/swarm-directory.ts";
import type { MeasuredCalls } from "../rpc/call-meter.ts";
import { type Clock, systemClock } from "../util/clock.ts";
import { Counters } from "../util/counters.ts";
import { type Logger, silentLogger } from "../util/log.ts";
import { canonicalHost } from "./access.ts";
import { anyTypesOf } from "./any-types.ts";
import type { Comments } from "./json-schema.ts";
import type { Gateway } from "./peer-access.ts";

/** Settings of /api. Only `services` is needed. */
export interface ApiOptions {
  /** What is served, made by Connect's `createServiceImplSpec<typeof Service>(Service, implementation)`. */
  readonly services: readonly ServiceImplSpec[];
  /**
   * Bearer token (RFC 6750) that every request must carry, at least 16 characters. With it any address may call, without
   * it only this machine. It is asked of this machine too: behind a proxy or a forwarded port every client looks local.
   * @default none
   */
  readonly token?: string | undefined;
  /**
   * Host names and IP addresses, without port, under which the owner reaches the node. Always known are localhost,
   * 127.0.0.1, ::1 and the address that a connection came in on.
   * @default none
   */
  readonly hosts?: readonly string[] | undefined;
  /** Calls services of peers, at /api/peers/{id}/{package.Service}/{Method}. @default none */
  readonly gateway?: Gateway | undefined;
  /** The nodes that were started with this one, whose API is at /api/nodes/{id}/. @default none */
  readonly swarm?: SwarmDirectory | undefined;
  /** Gets what the schemas say of their parts, for GET /api/openapi.json, when it is first asked for. @default nothing */
  readonly comments?: (() => Promise<Comments>) | undefined;
  /** Numbers for GET /metrics, by name, besides what is counted. @default none */
  readonly gauges?: Readonly<Record<string, () => number>> | undefined;
  /** Calls for GET /metrics. @default none */
  readonly calls?: MeasuredCalls | undefined;
  /** Directory of the dashboard's files, served at / to whoever may call, without asking for the token. @default none */
  readonly pages?: string | undefined;
  /** Bytes of one request message at most. 1 to 2^30. @default 1048576 */
  readonly maxBodyBytes?: number | undefined;
  /** Requests each second, in the long run, from one client address. More than 0, at most 1000000. @default 200 */
  readonly requestsPerSecond?: number | undefined;
  /** Requests at once from one client address. 1 to 1000000. @default 400 */
  readonly requestBurst?: number | undefined;
  /** Counts `api.requests`, `api.refused.<why>` and `api.errors.<Connect code>`. @default its own */
  readonly counters?: Counters | undefined;
  /** Hears of faults that no client is told the text of. @default none */
  readonly logger?: Logger | undefined;
  /** Time for the rate limit. @default the machine's clock */
  readonly clock?: Clock | undefined;
}

/** Checked settings of /api. */
export interface ApiConfig {
  readonly services: readonly ServiceImplSpec[];
  /** The types that google.protobuf.Any may hold. */
  readonly registry: Registry;
  readonly token: string | undefined;
  readonly hosts: readonly string[];
  readonly gateway: Gateway | undefined;
  readonly swarm: SwarmDirectory | undefined;
  readonly comments: () => Promise<Comments>;
  readonly gauges: Readonly<Record<string, () => number>>;
  readonly calls: MeasuredCalls | undefined;
  readonly pages: string | undefined;
  readonly maxBodyBytes: number;
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
  readonly counters: Counters;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** The defaults of the numbers in ApiOptions. */
export const apiDefaults = Object.freeze({
  maxBodyBytes: 1_048_576,
  requestsPerSecond: 200,
  requestBurst: 400,
});

const tokenPattern = /^[A-Za-z0-9._~+/-]{16,}=*$/;
/** Whether a text has the form of a bearer token (RFC 6750) and is long enough. */
export function isToken(text: string): boolean {
  return tokenPattern.test(text);
}

const mostBodyBytes = 2 ** 30;
const mostRequests = 1_000_000;

/**
 * Fills in defaults and checks.
 * @throws RangeError for a number out of its range, TypeError for a token or host of another form
 */
export function resolveApiOptions(options: ApiOptions): ApiConfig {
  const {
    services,
    token,
    hosts = [],
    gateway,
    swarm,
    comments = () => Promise.resolve({}),
    gauges = {},
    calls,
    pages,
    maxBodyBytes = apiDefaults.maxBodyBytes,
    requestsPerSecond = apiDefaults.requestsPerSecond,
    requestBurst = apiDefaults.requestBurst,
    counters = new Counters(),
    logger = silentLogger,
    clock = systemClock,
  } = options;
  if (token !== undefined && !isToken(token)) {
    throw new TypeError("a token has at least 16 characters of A-Z a-z 0-9 . _ ~ + / - and then = only");
  }
  for (const host of hosts) {
    if (canonicalHost(host) === undefined) throw new TypeError(`not a host name or IP address: ${host}`);
  }
  if (!Number.isInteger(maxBodyBytes) || maxBodyBytes < 1 || maxBodyBytes > mostBodyBytes) {
    throw new RangeError(`maxBodyBytes is a whole number from 1 to ${mostBodyBytes}, not ${maxBodyBytes}`);
  }
  if (!(requestsPerSecond > 0 && requestsPerSecond <= mostRequests)) {
    throw new RangeError(`requestsPerSecond is more than 0 and at most ${mostRequests}, not ${requestsPerSecond}`);
  }
  if (!(requestBurst >= 1 && requestBurst <= mostRequests)) {
    throw new RangeError(`requestBurst is from 1 to ${mostRequests}, not ${requestBurst}`);
  }
  return Object.freeze({
    services,
    registry: anyTypesOf(services),
    token,
    hosts: [...hosts],
    gateway,
    swarm,
    comments,
    gauges,
    calls,
    pages,
    maxBodyBytes,
    requestsPerSecond,
    requestBurst,
    counters,
    logger,
    clock,
  });
}
