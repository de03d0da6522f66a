// HTTP/2's "rapid reset" (CVE-2023-44487), here: calls that are cancelled as soon as they are opened, which never count as open.
import type { Attack } from "../attack.ts";
import { echo } from "../lib/methods.ts";
import { flood, floodBytes } from "./flood.ts";

export const rapidCancel: Attack = {
  name: "rapid-cancel",
  does: "4 connections open calls of a served method and cancel each at once, as fast as they can.",
  promise: "Work that a peer takes back is bounded per turn, as other work is.",
  spends: { megabytes: 4000, connections: 1000, seconds: 8 },
  run: (attacker) =>
    flood(attacker, 4, ({ encoder }, next) => {
      const cancelFrame = { case: "cancel", value: {} } as const;
      let id = next;
      for (; encoder.length < floodBytes; id += 2) {
        encoder.open(id, echo, 0, undefined, false);
        encoder.frame(id, cancelFrame);
      }
      return id;
    }),
};
