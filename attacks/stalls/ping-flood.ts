// Pings, each of which asks for a pong.
import type { Attack } from "../attack.ts";
import { flood, floodBytes } from "./flood.ts";

export const pingFlood: Attack = {
  name: "ping-flood",
  does: "4 connections send messages of 1 MB full of pings, as fast as they can.",
  promise: "A node does bounded work per turn and connection.",
  spends: { megabytes: 4000, connections: 1000, seconds: 8 },
  run: (attacker) =>
    flood(attacker, 4, ({ encoder }, next) => {
      let id = next;
      for (; encoder.length < floodBytes; id++) encoder.frame(0, { case: "ping", value: { id } });
      return id;
    }),
};
