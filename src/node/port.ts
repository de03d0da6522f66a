// A TCP port of a node whose HTTP requests somebody answers.
import { once } from "node:events";
import type { Server as HttpServer, RequestListener, ServerResponse } from "node:http";
import type { Server as HttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server } from "node:net";
import { inTurn } from "../channel/in-turn.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import type { Clock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";

/** What a port is made of. */
export interface PortInit {
  /** Not yet listening. It is closed with the port. */
  readonly server: HttpServer | HttpsServer;
  /** IPv4 address. */
  readonly host: string;
  /** A further address at which the same port is open. @default none */
  readonly alsoHost?: string | undefined;
  /** 0 is a free one. */
  readonly port: number;
  readonly http: RequestListener;
  /** Ends what is on the port besides requests, once nothing more is accepted. @default there is nothing */
  readonly endOthers?: () => Promise<void>;
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
  /** Answers under way. Bounded by the server's cap on HTTP connections. */
  readonly #responses: ReadonlySet<ServerResponse>;

  #also: Server | undefined;

  private constructor(init: PortInit, responses: ReadonlySet<ServerResponse>) {
    this.#init = init;
    this.#responses = responses;
    // Of a server that listens on TCP; Node's type allows for pipes.
    this.number = (init.server.address() as AddressInfo).port;
  }

  /** @throws DswarmError `bind_failed`, which says what to do */
  static async open(init: PortInit): Promise<Port> {
    const { server, host, port, http, logger, clock } = init;
    const responses = new Set<ServerResponse>();
    const answer: RequestListener = (request, response) => {
      responses.add(response);
      response.once("close", () => responses.delete(response));
      http(request, response);
    };
    server.on("request", inTurn(clock, answer));
    await listen(server, host, port);
    server.on("error", (error) => logger.error({ event: "server_error", err: error }, "the port failed for once"));
    const opened = new Port(init, responses);
    try {
      await opened.#openAlso();
    } catch (error) {
      await opened.close();
      throw error;
    }
    return opened;
  }

  /** Hands the connections of a further address to the server. */
  async #openAlso(): Promise<void> {
    const { alsoHost, server, logger } = this.#init;
    if (alsoHost === undefined) return;
    const also = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => server.emit("connection", socket));
    await listen(also, alsoHost, this.number);
    also.on("error", (error) => logger.error({ event: "server_error", err: error }, "the port failed for once"));
    this.#also = also;
  }

  /** Accepts nothing more, lets HTTP answers finish for a moment. */
  async close(): Promise<void> {
    const { server, endOthers } = this.#init;
    this.#also?.close();
    const closed = new Promise((resolve) => server.close(resolve));
    await endOthers?.();
    await this.#finishResponses();
    server.closeAllConnections();
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

/** @throws DswarmError `bind_failed`, which says what to do */
async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, "listening");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    const where = formatHostPort({ host, port });
    throw new DswarmError("bind_failed", `${where}: ${hints[code] ?? messageOf(error)}`, { cause: error });
  }
}
