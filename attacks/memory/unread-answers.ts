// Answers that nobody reads: many calls for the largest value, and a socket that stays shut.
import { create, toBinary } from "@bufbuild/protobuf";
import { FindValueRequestSchema, RecordSchema, StoreRequestSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { createImmutable, recordToMessage } from "../../src/dht/record-codec.ts";
import type { RecordKey } from "../../src/dht/record-key.ts";
import type { Attack } from "../attack.ts";
import type { AttackLink } from "../lib/attack-link.ts";
import type { Attacker } from "../lib/attacker.ts";
import { findValue, store } from "../lib/methods.ts";

const connections = 8;
const streams = 1024;
const valueBytes = 65_536;

/** Stores the largest value with the node, as any peer may. Returns its key. */
export async function storeLargeValue(attacker: Attacker): Promise<RecordKey> {
  const record = createImmutable(Buffer.alloc(valueBytes, 0x2a));
  const link = (await attacker.dial()).read();
  const message = toBinary(
    StoreRequestSchema,
    create(StoreRequestSchema, { record: create(RecordSchema, recordToMessage(record, 3600)) }),
  );
  link.encoder.open(1, store, 0, message, true);
  await link.flush();
  await attacker.pause(500);
  link.close();
  return record.key;
}

/** Calls FindValue for a key on every stream that may be open, and again while credit or patience last. Never reads. */
export async function askWithoutReading(link: AttackLink, key: RecordKey, count: number): Promise<void> {
  const request = toBinary(FindValueRequestSchema, create(FindValueRequestSchema, { key: key.bytes }));
  for (let i = 0; i < count; i++) link.encoder.open(2 * i + 1, findValue, 0, request, true);
  await link.flush();
}

export const unreadAnswers: Attack = {
  name: "unread-answers",
  does: "8 connections call FindValue for a value of 64 KiB 1,024 times each, and never read the socket.",
  promise: "Bytes produced for a peer count until its socket takes them, and a peer that does not read has a deadline.",
  spends: { megabytes: 2, connections: 9, seconds: 12 },
  limits: { stallMs: 1000, slowdown: 30, p99FloorMs: 250, ownerMs: 1000 },
  async run(attacker) {
    const key = await storeLargeValue(attacker);
    const links = await attacker.dialAll(connections);
    await Promise.all(links.map((link) => askWithoutReading(link, key, attacker.scaled(streams))));
    // Bytes that the attacker sends must not keep such a connection alive.
    for (let id = 1; !attacker.isOver; id++) {
      for (const link of links) {
        link.encoder.frame(0, { case: "ping", value: { id } });
        await link.flush();
      }
      await attacker.pause(500);
    }
  },
};
