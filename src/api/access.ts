// Who may use /api: programs of the owner, never a web page of somebody else. Without a token only loopback addresses;
// Host against DNS rebinding (RFC 9110, section 7.2), Origin (RFC 6454) and Sec-Fetch-Site (W3C Fetch Metadata) against
// cross-site requests, of which those without Origin come from <img> and links. What remains: a browser that sends no
// Sec-Fetch-Site (from before 2023) and trusts the certificate can be made to GET, and never gets to read the answer.
import { createHash, timingSafeEqual } from "node:crypto";
import { isLoopback } from "../util/loopback.ts";

/** What is looked at of a request. */
export interface Requester {
  /** Address of the client; undefined once it is gone. */
  readonly remoteAddress: string | undefined;
  /** Address at which the client arrived. */
  readonly localAddress: string | undefined;
  /** Whether it came by TLS. */
  readonly encrypted: boolean;
  /** The request line's target. */
  readonly target: string;
  /** Node's `headersDistinct`: each header with all its values, names in lower case. */
  readonly headers: NodeJS.ReadOnlyDict<string[]>;
}

/** Why a request is refused. */
export type Refusal = "target" | "client" | "token" | "host" | "origin" | "site";

/**
 * A host name or IP address in the one form in which hosts are compared: lower case, IPv6 shortened and in brackets,
 * IPv4-mapped addresses as IPv4.
 * @param host IPv6 with or without brackets
 * @returns undefined where the text is neither
 */
export function canonicalHost(host: string): string | undefined {
  const bare = host.replace(/^\[(.*)\]$/, "$1").replace(/^::ffff:(?=[\d.]+$)/i, "");
  if (bare.includes(":")) return /^[0-9a-f:.]+$/i.test(bare) ? URL.parse(`http://[${bare}]`)?.hostname : undefined;
  return /^[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?$/i.test(bare) ? bare.toLowerCase() : undefined;
}

/** The rules of access. Immutable. */
export class Access {
  readonly #tokenHash: Buffer | undefined;
  readonly #hosts: ReadonlySet<string | undefined>;

  /**
   * @param token bearer token that every request must carry; undefined lets in loopback addresses only
   * @param hosts host names and IP addresses that Host may name besides localhost, 127.0.0.1, ::1
   */
  constructor(token: string | undefined, hosts: readonly string[]) {
    this.#tokenHash = token === undefined ? undefined : sha256(token);
    this.#hosts = new Set(["localhost", "127.0.0.1", "::1", ...hosts].map(canonicalHost));
  }

  /**
   * Why the request is refused; undefined lets it in.
   * @param needsToken whether the token is asked for, where there is one
   */
  refusalOf(requester: Requester, needsToken = true): Refusal | undefined {
    // A target that names a host of its own would override Host (RFC 9112, section 3.2.2).
    if (!requester.target.startsWith("/")) return "target";
    if (this.#tokenHash === undefined && !isLoopback(requester.remoteAddress)) return "client";
    if (needsToken && this.#tokenHash !== undefined && !this.#hasToken(requester.headers["authorization"]))
      return "token";
    const host = only(requester.headers["host"]);
    if (host === undefined || !this.#isOwn(host, requester.localAddress)) return "host";
    const origins = requester.headers["origin"];
    if (origins !== undefined && !isSameOrigin(only(origins), host, requester.encrypted)) return "origin";
    const sites = requester.headers["sec-fetch-site"];
    // "same-site" is no better than "cross-site": another port of localhost belongs to another program.
    if (sites !== undefined && only(sites) !== "same-origin" && only(sites) !== "none") return "site";
    return undefined;
  }

  #hasToken(authorizations: string[] | undefined): boolean {
    const token = /^bearer +(\S+)$/i.exec(only(authorizations) ?? "")?.[1];
    if (token === undefined || this.#tokenHash === undefined) return false;
    return timingSafeEqual(sha256(token), this.#tokenHash);
  }

  #isOwn(host: string, localAddress: string | undefined): boolean {
    // Any port: forwarded ports reach the node under another one.
    const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::\d{1,5})?$/i.exec(host);
    const name = match?.[1] === undefined ? undefined : canonicalHost(match[1]);
    if (name === undefined || !URL.canParse(`http://${host}`)) return false;
    return this.#hosts.has(name) || (localAddress !== undefined && canonicalHost(localAddress) === name);
  }
}

function isSameOrigin(origin: string | undefined, host: string, encrypted: boolean): boolean {
  const own = URL.parse(`${encrypted ? "https" : "http"}://${host}`);
  return own !== null && origin === own.origin;
}

function only(values: string[] | undefined): string | undefined {
  return values?.length === 1 ? values[0] : undefined;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
