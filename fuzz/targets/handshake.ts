// Secret Handshakes: both roles against a peer that knows the network key and its own, and says what the input says.

import { Handshake } from "../../src/channel/handshake.ts";
import { networkKeyOf } from "../../src/channel/options.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { DswarmError } from "../../src/util/errors.ts";
import { InputReader } from "../engine/input-reader.ts";
import type { FuzzTarget } from "../engine/target.ts";

const networkKey = networkKeyOf("dev");
const tested = keyPairFromSeed(new Uint8Array(32).fill(1));
const peer = keyPairFromSeed(new Uint8Array(32).fill(2));

/** Bytes of one end on their way to the other, as the input changes them. */
function onTheWay(bytes: Uint8Array, reader: InputReader): Uint8Array {
  const change = reader.byte();
  if (change < 128) return bytes;
  if (change < 160) return Buffer.concat([bytes, reader.bytes(1 + (change & 31))]);
  if (change < 192) return bytes.subarray(0, reader.byte() % (bytes.length + 1));
  if (change < 224) return reader.bytes(bytes.length);
  const copy = Uint8Array.from(bytes);
  const at = reader.byte() % copy.length;
  copy.set(reader.bytes(Math.min(1 + (change & 31), copy.length - at)), at);
  return copy;
}

function exchange(role: "dialer" | "listener", reader: InputReader): void {
  const one = { keys: tested, networkKey, seed: Buffer.alloc(32, 9) };
  const other = { keys: peer, networkKey, seed: Buffer.alloc(32, 10) };
  const isDialer = role === "dialer";
  const testedEnd = isDialer ? Handshake.dialer({ ...one, remoteId: peer.id }) : Handshake.listener(one);
  const peerEnd = isDialer ? Handshake.listener(other) : Handshake.dialer({ ...other, remoteId: tested.id });
  let isChanged = false;
  let toPeer = testedEnd.start().send;
  let toTested = peerEnd.start().send;
  for (let turns = 0; turns < 4; turns++) {
    if (toPeer !== undefined) {
      const { send } = peerEnd.push(toPeer);
      toPeer = undefined;
      toTested = send;
    }
    if (toTested === undefined) return;
    const bytes = onTheWay(toTested, reader);
    isChanged ||= !Buffer.from(bytes).equals(toTested);
    const { send, outcome } = testedEnd.push(bytes);
    toTested = undefined;
    toPeer = send;
    if (outcome === undefined) continue;
    // Bytes behind the last message belong to the box stream; all others are proven.
    if (isChanged && outcome.rest.length === 0) throw new Error("a changed handshake was accepted");
    if (!outcome.remoteId.equals(peer.id)) throw new Error("another key was proven");
    return;
  }
}

export const handshake: FuzzTarget = {
  name: "handshake",
  description: "hello, authenticate and accept of a Secret Handshake, in both roles",
  maxBytes: 300,
  covers: ["src/channel/handshake", "src/channel/low-order", "src/identity/"],
  seeds: () =>
    [
      [0],
      [1],
      [0, 0, 230, 5, 1, 2],
      [1, 0, 230, 5, 1, 2],
      [0, 129, 7],
      [1, 0, 130, 1, 2],
      [1, 200, ...Array.from({ length: 64 }, () => 0)],
    ].map((bytes) => Uint8Array.from(bytes)),
  run: (input) => {
    const reader = new InputReader(input);
    const role = (reader.byte() & 1) === 0 ? "dialer" : "listener";
    try {
      exchange(role, reader);
    } catch (error) {
      if (!(error instanceof DswarmError)) throw error;
    }
  },
};
