// Which functions a CPU profile (node --cpu-prof) spends its time in.
import { readFileSync } from "node:fs";

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const shownShare = 0.008;
// Waiting, and the profiler itself.
const notOurs = /^\(idle\)|node:inspector/;

/** "share  function  place" a line, the most time first; idle time is not counted. */
export function selfTimes(file: string): string {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, "utf8")) as CpuProfile;
  const names = new Map(
    nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      // V8 names native code by the nearest symbol that it knows, which in libsodium is a wrong one.
      if (url === "" && /crypto_|sodium_/.test(functionName)) return [id, "(libsodium)"];
      const place = url === "" ? "" : `${url.replace(/^.*\/(node_modules|src|gen|bench)\//, "$1/")}:${lineNumber + 1}`;
      return [id, `${functionName || "(anonymous)"}  ${place}`];
    }),
  );
  const times = new Map<string, number>();
  let total = 0;
  for (const [i, id] of samples.entries()) {
    const name = names.get(id) ?? "?";
    if (notOurs.test(name)) continue;
    const us = timeDeltas[i] ?? 0;
    total += us;
    times.set(name, (times.get(name) ?? 0) + us);
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .filter(([, us]) => us / total > shownShare)
    .map(([name, us]) => `${((100 * us) / total).toFixed(1).padStart(5)} %  ${name}`)
    .join("\n");
}
