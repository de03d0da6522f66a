// Credit of one byte, over and over: each frame may make the node look for something to send.
import { create, toBinary } from "@bufbuild/protobuf";
import { RepeatRequestSchema } from "../../gen/dswarm/example/v1/echo_pb.ts";
import type { Attack } from "../attack.ts";
import { repeat } from "../lib/methods.ts";
import { flood, floodBytes } from "./flood.ts";

const streams = 500;
const request = toBinary(
  RepeatRequestSchema,
  create(RepeatRequestSchema, { payload: new Uint8Array(10_000), count: 10_000 }),
);

export const creditOfAByte: Attack = {
  name: "credit-of-a-byte",
  does: "4 connections let 500 streams of answers each run out of credit, then give it byte by byte.",
  promise: "A frame of credit costs the node little, however many streams wait.",
  spends: { megabytes: 4000, connections: 1000, seconds: 8 },
  // The 2,000 calls make answers of 10 KB meanwhile, as they may.
  limits: { p99FloorMs: 100 },
  run: (attacker) =>
    flood(attacker, 4, ({ encoder }, next) => {
      let id = next;
      if (id === 1) for (; id < 2 * streams; id += 2) encoder.open(id, repeat, 0, request, true);
      for (let i = 0; encoder.length < floodBytes; i++) encoder.credit(i % 4 === 0 ? 0 : 2 * (i % streams) + 1, 1);
      return id;
    }),
};
