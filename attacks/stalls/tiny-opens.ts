// Calls of a method that nobody serves: the cheapest to make, and each must be refused.
import type { Attack } from "../attack.ts";
import type { AttackLink } from "../lib/attack-link.ts";
import { unserved } from "../lib/methods.ts";
import { flood, floodBytes } from "./flood.ts";

function fill({ encoder }: AttackLink, next: number): number {
  let id = next;
  for (; encoder.length < floodBytes; id += 2) encoder.open(id, unserved, 0, undefined, false);
  return id;
}

const promise = "Refusals are cheap, connections get fair turns, and a connection whose faults are spent ends.";

export const tinyOpens: Attack = {
  name: "tiny-opens",
  does: "4 connections send messages of 1 MB full of opens of an unserved method, as fast as they can.",
  promise,
  spends: { megabytes: 4000, connections: 1000, seconds: 10 },
  limits: { p99FloorMs: 0 },
  run: (attacker) => flood(attacker, 4, fill),
};

export const tinyOpensOfTwenty: Attack = {
  name: "tiny-opens-20",
  does: "20 connections do the same.",
  promise,
  spends: { megabytes: 4000, connections: 2000, seconds: 10 },
  testScale: 0,
  run: (attacker) => flood(attacker, 20, fill),
};
