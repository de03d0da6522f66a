// A target with a planted fault: only an input that begins with "dht" meets it.
import type { FuzzTarget } from "../../fuzz/engine/target.ts";

function decode([first, second, third]: Uint8Array): void {
  if (first !== 0x64) return;
  if (second !== 0x68) return;
  if (third === 0x74) throw new Error("the planted fault");
}

/** Chance alone needs 16 million inputs. */
export const target: FuzzTarget = {
  name: "sample",
  description: "a decoder with a planted fault",
  maxBytes: 16,
  covers: ["fuzz-sample"],
  seeds: () => [],
  run: decode,
};
