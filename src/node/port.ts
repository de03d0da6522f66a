// The one TCP port of a node: TLS, /dht for the listener, every other path for whoever answers HTTP.
import { once } from "node:events";
import type { RequestListener, ServerResponse } from "node:http";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Listener } from "../channel/listen.ts";
import { type Certificate, createTlsServer } from "../channel/tls.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

/** What a port is made of. */
export interface PortInit {
  readonly certificate: Certificate;
  /** IPv4 address. */
  readonly host: string;
  /** 0 is a free one. */
  readonly port: number;
  /** Is closed with the port. */
  readonly listener: Listener;
  /** Answers what is not for the listener. */
  readonly http: RequestListener;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** HTTP answers that are under way when the port closes have this long to finish. */
const httpDrainMs = 1000;

const hints: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program uses it; choose another port, or 0 for a free one",
  EADDRNOTAVAIL: "the address is none of this machine's",
  EACCES: "not permitted; choose a port of 1024 or above, or 0 for a free one",
};

/** An open port. */
export class Port {
  /** 1 to 65535. */
  readonly number: number;
  readonly #init: PortInit;
  readonly #server: Server;
  /** Answers under way. Bounded by the listener's cap on HTTP connections. */
  readonly #responses: ReadonlySet<ServerResponse>;

  private constructor(init: PortInit, server: Server, responses: ReadonlySet<ServerResponse>) {
    this.#init = init;
    this.#server = server;
    this.#responses = responses;
    // Of a server that listens on TCP; Node's type allows for pipes.
    this.number = (server.address() as AddressInfo).port;
  }

  /** @throws DswarmError `bind_failed`, which says what to do */
  static async open(init: PortInit): Promise<Port> {
    const { certificate, host, port, listener, http, logger } = init;
    const server = createTlsServer(certificate);
    listener.attach(server);
    const responses = new Set<ServerResponse>();
    server.on("request", (request, response) => {
      responses.add(response);
      response.once("close", () => responses.delete(response));
      http(request, response);
    });
    server.listen(port, host);
    try {
      await once(server, "listening");
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      throw new DswarmError("bind_failed", `${host}:${port}: ${hints[code] ?? messageOf(error)}`, { cause: error });
    }
    server.on("error", (error) => logger.error({ event: "server_error", err: error }, "the port failed for once"));
    return new Port(init, server, responses);
  }

  /** Accepts nothing more, ends the links, lets HTTP answers finish for a moment. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    await this.#init.listener.close();
    await this.#finishResponses();
    this.#server.closeAllConnections();
    await closed;
  }

  async #finishResponses(): Promise<void> {
    const { clock } = this.#init;
    const timeout = Promise.withResolvers<void>();
    const stopTimer = clock.setTimeout(timeout.resolve, httpDrainMs);
    const finished = [...this.#responses].map((response) => new Promise((resolve) => response.once("close", resolve)));
    await Promise.race([Promise.all(finished), timeout.promise]);
    stopTimer();
  }
}
