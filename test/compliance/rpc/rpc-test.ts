// How the tests of the suite are declared.
import { test } from "node:test";
import { assertNoProcessFaults } from "./process-faults.ts";
import { type MakeClient, type MakeLinks, type PairOptions, RpcPair } from "./rpc-pair.ts";

// What hangs is to be named in the report.
const timeoutMs = 60_000;

/** Declares a test on a fresh pair of connections. */
export type RpcTest = (fact: string, run: (pair: RpcPair) => Promise<void>, options?: PairOptions) => void;

/** Declares tests on links of a kind, each of which checks in the end that nothing is left of its calls. */
export function rpcTestOn(makeLinks: MakeLinks, makeClient?: MakeClient): RpcTest {
  return (fact, run, options) => {
    test(fact, { timeout: timeoutMs }, async () => {
      const pair = new RpcPair(await makeLinks(), options, makeClient);
      try {
        await run(pair);
        await pair.quiet();
      } finally {
        await pair.close();
      }
      await assertNoProcessFaults();
    });
  };
}
