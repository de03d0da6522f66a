// All files of test vectors that are made, rather than taken from elsewhere.
import { makeAnnounces } from "./announces.ts";
import { makeBoxStreams } from "./box-streams.ts";
import { makeDistances } from "./distances.ts";
import { makeFrames } from "./frames.ts";
import { makeHandshakes } from "./handshakes.ts";
import { makeIds } from "./ids.ts";
import { makeRecords } from "./records.ts";
import { printVectorFile, type VectorFile } from "./vector-file.ts";

const makers: Readonly<Record<string, () => VectorFile>> = {
  "announces.json": makeAnnounces,
  "box-streams.json": makeBoxStreams,
  "distances.json": makeDistances,
  "frames.json": makeFrames,
  "handshakes.json": makeHandshakes,
  "ids.json": makeIds,
  "records.json": makeRecords,
};

/** Name and text of each file. */
export function vectorFiles(): [name: string, text: string][] {
  return Object.entries(makers).map(([name, make]) => [name, printVectorFile(make())]);
}
