// The TLS 1.3 wrapping of the one TCP port. It hides the traffic from onlookers and lets curl and browsers in, but
// authenticates nobody: anyone can make such a certificate. On /dht the Secret Handshake inside it proves the keys.
import { createHash, X509Certificate } from "node:crypto";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer, type Server } from "node:https";
import { isIP } from "node:net";
import { type Clock, systemClock } from "../util/clock.ts";
import { knockNoted, type PortTokens } from "./port-knock.ts";
import { endSlowRequests, NotedResponse } from "./slow-requests.ts";

/** A self-signed certificate and its key. */
export interface Certificate {
  /** PEM, secret. */
  readonly key: string;
  /** PEM. */
  readonly cert: string;
  /** sha256 of the certificate's DER form, 32 bytes: what announces carry and `openssl x509 -fingerprint` prints. */
  readonly sha256: Uint8Array;
}

const dayMs = 86_400_000;
const validDays = 3650;
// A certificate authenticates nobody, and its times only get in the way where a clock is wrong: it is valid from long ago, and long
// enough where the clock has not been set yet.
const validFromMs = Date.UTC(2000, 0, 1);
/** No clock that is set says an earlier time. Milliseconds since 1970. */
export const earliestNowMs = Date.UTC(2026, 0, 1);

// How Node's server treats slow clients once they have left the listener's own deadline behind.
const tlsHandshakeTimeoutMs = 10_000;
const slowClients = Object.freeze({
  ServerResponse: NotedResponse,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 2000,
});

/** What a certificate must be valid for: localhost, 127.0.0.1, ::1 and the given addresses. A zone after "%" is dropped. */
export function certificateNames(addresses: readonly string[]): ReadonlySet<string> {
  return new Set(["localhost", "127.0.0.1", "::1", ...addresses.map((address) => address.replace(/%.*$/, ""))]);
}

/**
 * A certificate that is there already.
 * @param key PEM
 * @param cert PEM
 * @throws Error when `cert` is none
 */
export function certificateOf(key: string, cert: string): Certificate {
  const der = new X509Certificate(cert).raw;
  return { key, cert, sha256: new Uint8Array(createHash("sha256").update(der).digest()) };
}

/**
 * Makes a self-signed EC P-256 certificate for localhost, 127.0.0.1, ::1 and the given addresses.
 * @param addresses IP addresses (a zone after "%" is dropped) and host names
 * @param clock tells the time that the certificate is valid from @default the system clock
 */
export async function createCertificate(
  addresses: readonly string[] = [],
  clock: Clock = systemClock,
): Promise<Certificate> {
  // Only now: it takes long to load, and most programs that import dswarm have a certificate or make none yet.
  const { generate } = await import("selfsigned");
  const names = certificateNames(addresses);
  const now = Math.max(clock.wallMs(), earliestNowMs);
  const { private: key, cert } = await generate([{ name: "commonName", value: "dswarm" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notBeforeDate: new Date(validFromMs),
    notAfterDate: new Date(now + validDays * dayMs),
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [...names].map((name) => (isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name })),
      },
    ],
  });
  return certificateOf(key, cert);
}

/** By the names that they are valid for. Bounded by the addresses of the machine. */
const sharedCertificates = new Map<string, Promise<Certificate>>();

/**
 * A certificate for a node that keeps none. Nodes of one process share it: to make one takes as long as three handshakes, and it
 * authenticates nobody.
 * @param addresses as for `createCertificate`
 */
export function sharedCertificate(addresses: readonly string[]): Promise<Certificate> {
  const names = [...certificateNames(addresses)].sort().join();
  let certificate = sharedCertificates.get(names);
  if (certificate === undefined) {
    certificate = createCertificate(addresses);
    sharedCertificates.set(names, certificate);
    certificate.catch(() => sharedCertificates.delete(names));
  }
  return certificate;
}

/**
 * An HTTPS server, not yet listening, for a `Listener` to attach to and an API to answer the requests of.
 * @param tokens notes those that come as server names; such connections end before any cryptography
 */
export function createTlsServer(certificate: Certificate, tokens?: PortTokens): Server {
  const server = createServer({
    ...(tokens && {
      SNICallback: (name: string, answer: (fault: Error | null) => void) =>
        answer(tokens.note(name) ? knockNoted : null),
    }),
    key: certificate.key,
    cert: certificate.cert,
    minVersion: "TLSv1.3",
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: tlsHandshakeTimeoutMs,
    ...slowClients,
  });
  endSlowRequests(server);
  return server;
}

/** An HTTP server without TLS, not yet listening, for clients on this machine alone. It takes no upgrades. */
export function createPlainServer(): HttpServer {
  const server = createHttpServer(slowClients);
  endSlowRequests(server);
  return server;
}
