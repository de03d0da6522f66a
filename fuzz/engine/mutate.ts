// New inputs from old ones, as libFuzzer and AFL make them.
import type { Random } from "./random.ts";

/** Numbers at which decoders go wrong, as bytes: edges of integers and varints, and the limits of the protocol. */
const edges: readonly Uint8Array[] = [
  [0x00],
  [0x01],
  [0x7f],
  [0x80],
  [0xff],
  [0x80, 0x01],
  [0xff, 0x7f],
  [0x80, 0x80, 0x01],
  [0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x00, 0x00, 0x00, 0x00],
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
].map((bytes) => Uint8Array.from(bytes));

const maxSteps = 5;
const maxCopiedBytes = 64;

/** The sources of mutations. */
export interface MutationContext {
  readonly random: Random;
  readonly dictionary: readonly Uint8Array[];
  /** Other inputs, to splice with. Not empty. */
  readonly corpus: readonly Uint8Array[];
  readonly maxBytes: number;
}

/** An input that differs in one to five places. */
export function mutate(input: Uint8Array, context: MutationContext): Uint8Array {
  let bytes = input;
  for (let steps = 1 + context.random.below(maxSteps); steps > 0; steps--) bytes = step(bytes, context);
  return bytes.subarray(0, context.maxBytes);
}

function step(bytes: Uint8Array, { random, dictionary, corpus }: MutationContext): Uint8Array {
  const at = random.below(bytes.length + 1);
  const length = 1 + random.below(Math.min(maxCopiedBytes, bytes.length + 1));
  switch (random.below(9)) {
    case 0:
      return changed(bytes, at, (byte) => byte ^ (1 << random.below(8)));
    case 1:
      return changed(bytes, at, () => random.below(256));
    case 2:
      return changed(bytes, at, (byte) => byte + 1 - 2 * random.below(2));
    case 3:
      return replaced(
        bytes,
        at,
        0,
        Uint8Array.from({ length: 1 + random.below(8) }, () => random.below(256)),
      );
    case 4:
      return replaced(bytes, at, length, new Uint8Array(0));
    case 5:
      return replaced(bytes, at, 0, bytes.subarray(at, at + length));
    case 6:
      return replaced(bytes, at, random.below(2) * length, random.pick([...dictionary, ...edges]));
    case 7: {
      const other = random.pick(corpus);
      const from = random.below(other.length + 1);
      return replaced(bytes, at, random.below(length + 1), other.subarray(from, from + 1 + random.below(256)));
    }
    default:
      return replaced(bytes, at, bytes.length, random.pick(corpus).subarray(at));
  }
}

function changed(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  if (at < copy.length) copy[at] = change(copy[at] ?? 0);
  return copy;
}

/** The bytes with `count` of them, from `at` on, replaced. */
function replaced(bytes: Uint8Array, at: number, count: number, by: Uint8Array): Uint8Array {
  return Buffer.concat([bytes.subarray(0, at), by, bytes.subarray(at + count)]);
}
