// What is measured. A cell is one figure group of one stack.
import type { Ability, Load } from "./commands.ts";

/** A load on one connection, measured while all stacks' processes stand ready. */
export interface LoadCell {
  readonly name: string;
  readonly load: Load;
}

/** Something about memory, measured in processes that do nothing else. */
export type MemoryCell =
  | { readonly name: string; readonly kind: "idle"; readonly connections: number }
  | { readonly name: string; readonly kind: "stall"; readonly messages: number; readonly messageBytes: number };

/** Payload sizes by the names that cells and tables use. */
export const payloads = { "32B": 32, "1KiB": 1024, "64KiB": 65_536 } as const;
export type PayloadName = keyof typeof payloads;

const echoConcurrency: Readonly<Record<PayloadName, readonly number[]>> = {
  "32B": [1, 16, 128, 1024],
  "1KiB": [1, 16, 128, 1024],
  "64KiB": [1, 16],
};

/** Name of an echo cell. */
export function echoName(payload: PayloadName, concurrency: number): string {
  return `${payload}-c${concurrency}`;
}

export const streamName = "stream-32B";
export const connectName = "connect-c4";
export const idleName = "idle";
export const stallName = "stall";

/** Loads, in the order in which they are run. */
export const loadCells: readonly LoadCell[] = [
  ...(Object.keys(payloads) as PayloadName[]).flatMap((payload) =>
    echoConcurrency[payload].map((concurrency) => ({
      name: echoName(payload, concurrency),
      load: { kind: "echo", payloadBytes: payloads[payload], concurrency } as const,
    })),
  ),
  { name: streamName, load: { kind: "stream", payloadBytes: 32 } },
  { name: connectName, load: { kind: "connect", concurrency: 4 } },
];

/** The others. @param quick with fewer connections */
export function memoryCells(quick: boolean): readonly MemoryCell[] {
  return [
    { name: idleName, kind: "idle", connections: quick ? 100 : 500 },
    // 1 GiB that nobody reads.
    { name: stallName, kind: "stall", messages: 16_384, messageBytes: 65_536 },
  ];
}

/** What a stack must be able to do for a cell; undefined where every stack can. */
export function abilityFor(cell: LoadCell | MemoryCell): Ability | undefined {
  if ("kind" in cell) return cell.kind === "idle" ? "connect" : "stall";
  return cell.load.kind === "echo" ? undefined : cell.load.kind;
}
