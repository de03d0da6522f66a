// Looks at the files of a LevelDB database before LevelDB does. LevelDB drops what it cannot read, and then deletes it:
//
//     CURRENT is missing         it makes an empty database and deletes all tables
//     the manifest is cut off    it deletes the tables that are no longer listed
//     a log is damaged           it skips the rest of the block of 32 KiB, and deletes the log
//     a log cannot be opened     it goes on without it, and deletes it
//     a filter is damaged        it does not find keys that are there
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "../util/io-error.ts";
import { readLog } from "./level-log.ts";
import { readManifest } from "./level-manifest.ts";
import { isTableSound } from "./level-table.ts";

/** What the files of a database are like. */
export type DatabaseState =
  | { readonly state: "absent" }
  /** `cutOff` is the log whose last write is not whole, as a crash may leave it. */
  | { readonly state: "sound"; readonly cutOff: string | undefined }
  | { readonly state: "damaged"; readonly reason: string };

/** The files that hold rows, and those that say which do. */
export interface LevelFiles {
  readonly names: ReadonlySet<string>;
  /** Numbers of logs, ascending. */
  readonly logs: readonly number[];
  /** Names of tables by number, ascending. */
  readonly tables: ReadonlyMap<number, string>;
}

const firstManifest = "MANIFEST-000001";

/** Lists the files of a database; none where there is no such directory. @throws Error of the file system */
export async function levelFiles(path: string): Promise<LevelFiles> {
  const names = await readdir(path).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
  const numbered = (pattern: RegExp): [number, string][] =>
    names
      .flatMap((name): [number, string][] => (pattern.test(name) ? [[Number.parseInt(name, 10), name]] : []))
      .sort(([a], [b]) => a - b);
  return {
    names: new Set(names),
    logs: numbered(/^\d+\.log$/).map(([number]) => number),
    tables: new Map(numbered(/^\d+\.(?:ldb|sst)$/)),
  };
}

/** The name of a log. */
export function logName(number: number): string {
  return `${number}.log`.padStart(10, "0");
}

/**
 * Reads all files of a database and changes none.
 * @throws Error of the file system: then nothing is known of it
 */
export async function checkDatabase(path: string): Promise<DatabaseState> {
  const { names, logs, tables } = await levelFiles(path);
  const manifests = [...names].filter((name) => name.startsWith("MANIFEST-"));
  if (!names.has("CURRENT")) {
    const holdsRows = logs.length + tables.size > 0 || manifests.some((name) => name !== firstManifest);
    return holdsRows ? damaged("CURRENT is missing") : { state: "absent" };
  }
  const current = /^(MANIFEST-\d+)\n$/.exec(await readFile(join(path, "CURRENT"), "latin1"))?.[1];
  if (current === undefined) return damaged("CURRENT names no manifest");
  if (!names.has(current)) return damaged(`${current} is missing`);
  const manifest = readManifest(await readFile(join(path, current)));
  if (manifest === undefined) return damaged(`${current} is damaged`);
  const { logNumber } = manifest;
  if (logNumber > 0 && !logs.includes(logNumber)) return damaged(`${logName(logNumber)} is missing`);
  for (const [number, bytes] of manifest.tables) {
    const name = tables.get(number);
    if (name === undefined) return damaged(`table ${number} is missing`);
    const table = await readFile(join(path, name));
    if (table.length !== bytes || !isTableSound(table)) return damaged(`${name} is damaged`);
  }
  let cutOff: string | undefined;
  for (const number of logs.filter((each) => each >= logNumber)) {
    const log = readLog(await readFile(join(path, logName(number))));
    if (log.isDamaged) return damaged(`${logName(number)} is damaged`);
    if (log.isCutOff) cutOff = logName(number);
  }
  return { state: "sound", cutOff };
}

function damaged(reason: string): DatabaseState {
  return { state: "damaged", reason };
}
