// Calls over the real channel: TLS websocket, Secret Handshake and box stream on 127.0.0.1.
import type { Socket } from "node:net";
import type { Link } from "../../../src/link/link.ts";
import { createRpcClient } from "../../../src/rpc/client.ts";
import { createRig } from "../../integration/channel/rig.ts";
import { rpcCompliance } from "./rpc-compliance.ts";

rpcCompliance(
  "the channel",
  async () => {
    const accepted = Promise.withResolvers<Link>();
    const rig = await createRig({ onLink: accepted.resolve });
    const sockets = new Set<Socket>();
    rig.server.on("connection", (socket: Socket) => sockets.add(socket));
    const dialer = await rig.dial();
    return {
      dialer,
      listener: await accepted.promise,
      cut() {
        for (const socket of sockets) socket.destroy();
      },
      teardown: () => rig[Symbol.asyncDispose](),
    };
  },
  { makeClient: createRpcClient },
);
