// HTTPS to nodes, whose certificates are self-signed: nothing is sent before the certificate is the one that is expected.
import { createHash } from "node:crypto";
import { Agent, type RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
import { CliError } from "./cli-error.ts";

type Connected = (error: Error | null, socket: Duplex) => void;

/** Connects only where the certificate has a given sha256. */
export class PinnedAgent extends Agent {
  readonly #sha256: string | undefined;
  /** Connections whose handshake is under way. Bounded by the requests at once. */
  readonly #connecting = new Set<TLSSocket>();

  /** @param sha256 64 lower-case hex digits; undefined accepts every certificate */
  constructor(sha256: string | undefined) {
    super({ keepAlive: false });
    this.#sha256 = sha256;
  }

  override createConnection(options: RequestOptions, connected?: Connected): undefined {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const socket = connect({ ...(options as object), rejectUnauthorized: false });
    const fail = (error: Error): void => {
      this.#connecting.delete(socket);
      connected?.(error, socket);
    };
    this.#connecting.add(socket);
    socket.once("error", fail);
    socket.once("secureConnect", () => {
      socket.off("error", fail);
      if (this.#isExpected(socket)) {
        this.#connecting.delete(socket);
        connected?.(null, socket);
        return;
      }
      socket.destroy();
      fail(new CliError("what answers there has another certificate than the node has; nothing was sent to it"));
    });
  }

  override destroy(): void {
    for (const socket of this.#connecting) socket.destroy();
    super.destroy();
  }

  #isExpected(socket: TLSSocket): boolean {
    if (this.#sha256 === undefined) return true;
    const certificate = socket.getPeerX509Certificate();
    return certificate !== undefined && createHash("sha256").update(certificate.raw).digest("hex") === this.#sha256;
  }
}
