// A bystander: a program that has nothing to do with dswarm, on a port that strangers tell nodes to connect to. It counts.
import { once } from "node:events";
import { createServer, type Server } from "node:net";

/** A listener that counts who comes. */
export class Bystander implements AsyncDisposable {
  readonly #server: Server;
  /** Connections so far. */
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (socket) => {
      this.connections += 1;
      socket.on("error", () => undefined);
      // As a program of another protocol does.
      socket.end("220 hello\r\n");
      socket.resume();
    });
  }

  /** Listens on every address of the loopback interface. */
  static async start(): Promise<Bystander> {
    const server = createServer();
    server.listen(0, "0.0.0.0");
    await once(server, "listening");
    return new Bystander(server);
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("it does not listen");
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await new Promise(setImmediate);
  }
}
