// Proven connections whose websocket messages arrive a few bytes at a time.
import type { TLSSocket } from "node:tls";
import type { Attack } from "../attack.ts";
import { checkHandshakes } from "./handshakes.ts";

const connections = 100;
/** Head of a binary message of 1 MiB, masked with zeros. */
const head = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);

export const slowWebSockets: Attack = {
  name: "slow-websockets",
  does: "100 proven connections begin a websocket message of 1 MiB each and send 200 bytes of it a second, in four parts.",
  promise: "A connection that trickles costs the others nothing.",
  spends: { megabytes: 5, connections: 200, seconds: 10 },
  async run(attacker) {
    const links = await attacker.dialAll(attacker.scaled(connections));
    const sockets = links.map(({ socket }) => (socket as unknown as { readonly _socket: TLSSocket })["_socket"]);
    for (const socket of sockets) socket.write(head);
    const handshakes = checkHandshakes(attacker, 10, 300);
    while (!attacker.isOver) {
      for (const socket of sockets) if (socket.writable) socket.write(new Uint8Array(50));
      attacker.count(50 * sockets.length);
      await attacker.pause(250);
    }
    await handshakes;
  },
};
