// What calls over dswarm's wire promise, as tests that must pass on every kind of link.
import { suite, test } from "node:test";
import { callKindTests } from "./call-kinds.ts";
import { cancellationTests } from "./cancellation.ts";
import { closingTests } from "./closing.ts";
import { deadlineTests } from "./deadlines.ts";
import { flowTests } from "./flow.ts";
import { interceptorTests } from "./interceptors.ts";
import { limitTests } from "./limits.ts";
import { metadataTests } from "./metadata.ts";
import { assertNoProcessFaults } from "./process-faults.ts";
import { type MakeLinks, type PairOptions, RpcPair } from "./rpc-pair.ts";
import { statusTests } from "./statuses.ts";

/** Declares a test on a fresh pair of connections, and checks in the end that nothing is left of its calls. */
export type RpcTest = (fact: string, run: (pair: RpcPair) => Promise<void>, options?: PairOptions) => void;

/** What is known of a kind of link. */
export interface LinkTraits {
  /** Whether it moves many mebibytes in a moment. @default true */
  readonly isFast?: boolean;
}

/**
 * Declares the tests.
 * @param name of the kind of link, for the report
 * @param makeLinks makes a fresh pair of link ends for each test
 */
export function rpcCompliance(name: string, makeLinks: MakeLinks, { isFast = true }: LinkTraits = {}): void {
  const rpcTest: RpcTest = (fact, run, options) => {
    test(fact, async () => {
      const pair = new RpcPair(await makeLinks(), options);
      try {
        await run(pair);
        await pair.quiet();
      } finally {
        await pair.close();
      }
      await assertNoProcessFaults();
    });
  };
  suite(`calls over ${name}`, () => {
    callKindTests(rpcTest);
    deadlineTests(rpcTest);
    cancellationTests(rpcTest);
    statusTests(rpcTest);
    metadataTests(rpcTest);
    interceptorTests(rpcTest);
    limitTests(rpcTest);
    closingTests(rpcTest);
    if (isFast) flowTests(rpcTest);
  });
}
