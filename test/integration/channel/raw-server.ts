// A websocket server that does with its clients whatever a test says: what a dialer may meet.
import { once } from "node:events";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { WebSocketServer } from "ws";
import { createTlsServer } from "../../../src/channel/tls.ts";
import { RawPeer, sharedCertificate } from "./rig.ts";

/** A running server of misbehaviour. */
export class RawServer implements AsyncDisposable {
  /** Faults of the test's own part, for the test to find. */
  readonly faults: unknown[] = [];
  readonly server: Server;

  constructor(server: Server) {
    this.server = server;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, "close");
  }
}

async function run(serve: (peer: RawPeer) => Promise<void> | void, peer: RawPeer, faults: unknown[]): Promise<void> {
  try {
    await serve(peer);
  } catch (error) {
    faults.push(error);
  }
}

/** Starts one that accepts every websocket and then does as told. */
export async function createRawServer(serve: (peer: RawPeer) => Promise<void> | void): Promise<RawServer> {
  const server = createTlsServer(await sharedCertificate());
  const raw = new RawServer(server);
  const webSockets = new WebSocketServer({ server, handleProtocols: () => "dswarm.v1" });
  webSockets.on("connection", (socket) => {
    const peer = new RawPeer(socket);
    void run(serve, peer, raw.faults);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return raw;
}
