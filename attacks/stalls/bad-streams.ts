// Calls that each break a rule of their own stream: the connection lives, and each fault is answered.
import type { Attack } from "../attack.ts";
import { echo } from "../lib/methods.ts";
import { flood, floodBytes } from "./flood.ts";

const undecodable = Buffer.from([0x0a, 0xff, 0xff]);

export const badStreams: Attack = {
  name: "bad-streams",
  does: "4 connections send calls whose request does not decode or whose metadata is not allowed, as fast as they can.",
  promise: "Faults of a stream cost little, and a connection has a budget of them.",
  spends: { megabytes: 4000, connections: 1000, seconds: 8 },
  run: (attacker) =>
    flood(attacker, 4, ({ encoder }, next) => {
      const metadata = [{ key: "UPPER", value: new Uint8Array(1) }];
      const open = { case: "open", value: { method: "dswarm.example.v1.EchoService/Echo", metadata } } as const;
      let id = next;
      for (; encoder.length < floodBytes; id += 4) {
        encoder.open(id, echo, 0, undecodable, true);
        encoder.frame(id + 2, open);
      }
      return id;
    }),
};
