// box-streams.json: plaintext and its boxes.
import sodium from "sodium-native";
import { Boxer } from "../../../src/channel/box-stream.ts";
import { bytesFor, bytesNote, hex, runs, type VectorFile } from "./vector-file.ts";

const key = bytesFor("dswarm vectors: a box key");
const nonce = bytesFor("dswarm vectors: a box nonce").subarray(0, 24);

type Case = VectorFile["cases"][number];

function good(name: string, pieces: readonly Uint8Array[], goodbye = false, from = nonce): Case {
  const boxer = new Boxer(Buffer.from(key), from);
  const boxes = pieces.map((piece) => Buffer.from(boxer.box(piece)));
  if (goodbye) boxes.push(Buffer.from(boxer.goodbye()));
  return {
    name,
    key: hex(key),
    nonce: hex(from),
    plain: pieces.map(runs),
    boxes: hex(Buffer.concat(boxes)),
    goodbye,
  };
}

function bad(name: string, error: string, bytes: Uint8Array, plain: readonly Uint8Array[] = []): Case {
  return { name, key: hex(key), nonce: hex(nonce), plain: plain.map(runs), boxes: hex(bytes), goodbye: false, error };
}

/** A header box of any content, with the first nonce. */
function header(content: Uint8Array): Buffer {
  const output = Buffer.alloc(content.length + 16);
  sodium.crypto_secretbox_easy(output, content, nonce, key);
  return output;
}

function headerOfLength(length: number, mac = Buffer.alloc(16, 1)): Buffer {
  return header(Buffer.concat([Buffer.from([length >> 8, length & 0xff]), mac]));
}

function flipped(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** The file. */
export function makeBoxStreams(): VectorFile {
  const hello = Buffer.from("hello");
  const world = Buffer.from("world");
  const boxer = new Boxer(Buffer.from(key), nonce);
  const first = Buffer.from(boxer.box(hello));
  const second = Buffer.from(boxer.box(world));
  const goodbye = new Boxer(Buffer.from(key), nonce).goodbye();
  return {
    description: `One direction of a box stream: what its sender was given, piece by piece (plain), and what it sends (boxes), with goodbye at the end where that is true. The pieces joined are what a receiver gets, however the boxes are split. A case with error is refused with that code, after plain; one with truncated ends without a goodbye, and is reported as link_truncated. ${bytesNote}`,
    source: "scripts/vectors.ts",
    cases: [
      good("no piece makes no bytes", []),
      good("an empty piece makes no bytes", [new Uint8Array()]),
      good("one byte takes 35", [Buffer.from("a")]),
      good("two pieces go on with the nonce plus two", [hello, world]),
      good("4096 bytes are one box", [Buffer.alloc(4096, 7)]),
      good("4097 bytes are two boxes", [Buffer.alloc(4097, 7)]),
      good("a goodbye alone is 34 bytes", [], true),
      good("a goodbye after a piece takes the next nonce", [hello], true),
      good("a nonce of all ones goes on at zero", [hello, world], true, Buffer.alloc(24, 0xff)),
      good(
        "the body's nonce carries into the next byte",
        [hello, world],
        true,
        Buffer.from(`${"00".repeat(23)}ff`, "hex"),
      ),
      bad("a flipped bit of the header is refused", "box_invalid", flipped(first, 0)),
      bad("a flipped bit of the header's last byte is refused", "box_invalid", flipped(first, 33)),
      bad("a flipped bit of the body is refused", "box_invalid", flipped(first, 34)),
      bad(
        "a flipped bit in the second box comes after the first one's plaintext",
        "box_invalid",
        flipped(Buffer.concat([first, second]), 40),
        [hello],
      ),
      bad("a box that comes twice is refused", "box_invalid", Buffer.concat([first, first]), [hello]),
      bad("a box that is left out is refused", "box_invalid", second),
      bad("a header of length 4097 is refused before the body", "box_too_large", headerOfLength(4097)),
      bad("a header of length 65535 is refused", "box_too_large", headerOfLength(65_535)),
      bad("a header of length 0 that is no goodbye is refused", "box_invalid", headerOfLength(0)),
      bad("a byte after the goodbye is refused", "box_after_goodbye", Buffer.concat([goodbye, Buffer.alloc(1)])),
      { ...good("an end without a goodbye is a truncation", [hello]), truncated: true },
      {
        ...good("an end within a header is a truncation", [hello, world]),
        plain: [hex(hello)],
        boxes: hex(Buffer.concat([first, second.subarray(0, 20)])),
        truncated: true,
      },
      {
        ...good("an end within a body is a truncation", [hello, world]),
        plain: [hex(hello)],
        boxes: hex(Buffer.concat([first, second.subarray(0, -1)])),
        truncated: true,
      },
    ],
  };
}
