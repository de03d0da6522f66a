// Box streams: bytes as they come, and boxes that are sound but for what the input changes.
import { Boxer, maxBodyBytes, Unboxer } from "../../src/channel/box-stream.ts";
import { DswarmError } from "../../src/util/errors.ts";
import { InputReader } from "../engine/input-reader.ts";
import type { FuzzTarget } from "../engine/target.ts";

const key = (): Buffer => Buffer.alloc(32, 3);
const nonce = Buffer.alloc(24, 0xff);

/** Each step of an input adds something to the stream. Returns the stream, and the plaintext of the boxes before the first fault. */
function build(reader: InputReader): { stream: Buffer; plain: Buffer; isSound: boolean } {
  const boxer = new Boxer(key(), nonce);
  const stream: Uint8Array[] = [];
  const plain: Uint8Array[] = [];
  let isSound = true;
  while (!reader.isEmpty) {
    const step = reader.byte();
    if (step < 160) {
      const body = Buffer.alloc(reader.uint16() % (2 * maxBodyBytes), step);
      stream.push(boxer.box(body));
      if (isSound) plain.push(body);
    } else if (step < 200) {
      isSound = false;
      stream.push(reader.bytes(reader.byte()));
    } else if (step < 230) {
      isSound = false;
      const box = boxer.box(Buffer.alloc(1 + (reader.uint16() % maxBodyBytes), step));
      const at = reader.uint16() % box.length;
      box[at] = (box[at] ?? 0) ^ (1 << (step & 7));
      stream.push(box);
    } else {
      stream.push(boxer.goodbye());
      isSound = false;
    }
  }
  return { stream: Buffer.concat(stream), plain: Buffer.concat(plain), isSound };
}

export const boxStream: FuzzTarget = {
  name: "box-stream",
  description: "boxes of a peer, after the handshake",
  maxBytes: 512,
  covers: ["src/channel/box-stream"],
  seeds: () =>
    [
      [5, 0, 1, 16, 255],
      [5, 7, 0, 0, 9, 255, 4],
      [5, 1, 9, 0, 33, 0, 170, 4, 1, 2, 3, 4],
      [40, 0, 205, 0, 99, 0, 20, 100],
      [3, 0, 4, 240, 100, 0, 1],
    ].map((bytes) => Uint8Array.from(bytes)),
  run: (input) => {
    const reader = new InputReader(input);
    const cut = 1 + reader.byte();
    const { stream, plain, isSound } = build(reader);
    const unboxer = new Unboxer(key(), nonce);
    const opened: Uint8Array[] = [];
    try {
      for (let at = 0; at < stream.length; at += cut) {
        unboxer.push(Uint8Array.from(stream.subarray(at, at + cut)), opened);
      }
      // Within a box that never ends, what came before it is all that may be out.
      if (isSound && !plain.equals(Buffer.concat(opened)))
        throw new Error("sound boxes did not open to their plaintext");
    } catch (error) {
      if (!(error instanceof DswarmError) || !error.code.startsWith("box_")) throw error;
      if (isSound) throw new Error("sound boxes were refused", { cause: error });
    }
    const all = Buffer.concat(opened);
    if (!plain.subarray(0, all.length).equals(all.subarray(0, plain.length)))
      throw new Error("other plaintext came out");
  },
};
