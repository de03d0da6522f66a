// How a peer shows that a port is its own, for a tenth of what a handshake costs: it tells which tokens have come there.
//
//     this node ── TCP, then a TLS client hello with the server name TOKEN.ID.dswarm.invalid ──► port     it hangs up
//     this node ◄── RPC: the tokens that came for this node's id ── peer      with the token among them, the port is the peer's
//
// The peer is who it is by the Secret Handshake of the connection that the RPC goes on. Nobody but who listens at the port has seen
// the token, and a node tells tokens to none but the key that they came for, so that no other node can be asked to lend its port.
import { connect as connectTcp } from "node:net";
import { Duplex } from "node:stream";
import { connect } from "node:tls";
import type { NodeId } from "../identity/node-id.ts";
import type { HostPort } from "../identity/peer-address.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import { toHex } from "../util/bytes.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";

/** Bytes of a token. */
export const portTokenBytes = 16;
const maxIds = 4096;
const maxTokens = 4;
const lifetimeMs = 30_000;
// Labels of a name have 63 characters at most. The top-level domain is one that resolves nowhere (RFC 6761, section 6.4).
const namePattern = /^([0-9a-f]{32})\.([0-9a-f]{32})\.([0-9a-f]{32})\.dswarm\.invalid$/;

function serverNameOf(token: Uint8Array, id: NodeId): string {
  const hex = toHex(id.bytes);
  return `${toHex(token)}.${hex.slice(0, 32)}.${hex.slice(32)}.dswarm.invalid`;
}

/** Why a TLS handshake ends that was none. One for all: the stack of an error costs more than the rest. */
export const knockNoted: Error = new Error("the token of a knock is noted");

interface Noted {
  readonly token: string;
  readonly at: number;
}

/** The tokens that came to a port. Bounded by 4 for each of 4096 ids; what came longest ago gives way. */
export class PortTokens {
  readonly #clock: Clock;
  readonly #byId = createBoundedCache<readonly Noted[]>(maxIds);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes the server name of a client hello. Returns whether it was a token. */
  note(serverName: string): boolean {
    const [, token, ...idParts] = namePattern.exec(serverName) ?? [];
    if (token === undefined) return false;
    const id = idParts.join("");
    const noted = { token, at: this.#clock.now() };
    this.#byId.set(id, [noted, ...(this.#byId.get(id) ?? [])].slice(0, maxTokens));
    return true;
  }

  /** The tokens that came for an id in the last 30 seconds, the latest first: at most 4, 16 bytes each. */
  of(id: NodeId): Uint8Array[] {
    const since = this.#clock.now() - lifetimeMs;
    const noted = this.#byId.get(toHex(id.bytes)) ?? [];
    return noted.filter(({ at }) => at >= since).map(({ token }) => Uint8Array.from(Buffer.from(token, "hex")));
  }
}

/** Where to bring which token. */
export interface KnockOptions {
  readonly address: HostPort;
  /** 16 bytes that nobody can guess. */
  readonly token: Uint8Array;
  /** The id that the token is for. */
  readonly id: NodeId;
  /** How long it may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A client hello as OpenSSL makes it, and where the server name is in it. Made with the first knock. */
let template: { readonly hello: Buffer; readonly nameAt: number } | undefined;

/**
 * A client hello with a server name. A TLS socket for each would cost as much as the rest of a knock, and the handshake is
 * not to go on: all share one key share and one random.
 */
function helloOf(serverName: string): Buffer {
  template ??= makeTemplate(Buffer.from(serverName, "latin1"));
  const hello = Buffer.from(template.hello);
  // All names are of one length.
  hello.write(serverName, template.nameAt, "latin1");
  return hello;
}

function makeTemplate(name: Buffer): { readonly hello: Buffer; readonly nameAt: number } {
  const chunks: Buffer[] = [];
  const wire = new Duplex({
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const socket = connect({
    socket: wire,
    servername: name.toString("latin1"),
    minVersion: "TLSv1.3",
    rejectUnauthorized: false,
  });
  socket.on("error", () => undefined);
  socket.destroy();
  const hello = Buffer.concat(chunks);
  const nameAt = hello.indexOf(name);
  if (nameAt < 0) throw new Error("no client hello was made");
  return { hello, nameAt };
}

/**
 * Brings a token to a port. Resolves when the other end has hung up, or has answered.
 * @throws DswarmError `unreachable`, `handshake_timeout`; the signal's reason when it aborts
 */
export function knock({ address, token, id, timeoutMs, clock, signal }: KnockOptions): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  const hello = helloOf(serverNameOf(token, id));
  const socket = connectTcp({ host: address.host, port: address.port, noDelay: true });
  let isConnected = false;
  const abort = (): void => settle(() => reject(signal.reason as Error));
  const stopTimer = clock.setTimeout(() => settle(() => reject(new DswarmError("handshake_timeout"))), timeoutMs);
  function settle(how: () => void): void {
    stopTimer();
    signal.removeEventListener("abort", abort);
    socket.destroy();
    how();
  }
  signal.addEventListener("abort", abort, { once: true });
  socket
    .once("connect", () => {
      isConnected = true;
      socket.write(hello);
    })
    // A server that knows no tokens answers the hello.
    .once("data", () => settle(resolve))
    .once("close", () => settle(resolve))
    .on("error", (error) => {
      settle(() =>
        isConnected ? resolve() : reject(new DswarmError("unreachable", messageOf(error), { cause: error })),
      );
    });
  return promise;
}
