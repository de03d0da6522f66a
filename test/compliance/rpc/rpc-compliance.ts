// What calls over dswarm's wire promise, as tests that must pass on every kind of link.
import { suite } from "node:test";
import { afterEndTests } from "./after-end.ts";
import { callKindTests } from "./call-kinds.ts";
import { cancellationTests } from "./cancellation.ts";
import { closingTests } from "./closing.ts";
import { deadlineTests } from "./deadlines.ts";
import { flowTests } from "./flow.ts";
import { interceptorTests } from "./interceptors.ts";
import { limitTests } from "./limits.ts";
import { metadataTests } from "./metadata.ts";
import type { MakeClient, MakeLinks } from "./rpc-pair.ts";
import { rpcTestOn } from "./rpc-test.ts";
import { statusTests } from "./statuses.ts";

/** What is known of a kind of link. */
export interface LinkTraits {
  /** Whether it moves many mebibytes in a moment. @default true */
  readonly isFast?: boolean;
  /** How its clients are made. @default Connect's createClient */
  readonly makeClient?: MakeClient;
}

/**
 * Declares the tests.
 * @param name of the kind of link, for the report
 * @param makeLinks makes a fresh pair of link ends for each test
 */
export function rpcCompliance(
  name: string,
  makeLinks: MakeLinks,
  { isFast = true, makeClient }: LinkTraits = {},
): void {
  const rpcTest = rpcTestOn(makeLinks, makeClient);
  suite(`calls over ${name}`, () => {
    callKindTests(rpcTest, isFast);
    deadlineTests(rpcTest);
    cancellationTests(rpcTest);
    afterEndTests(rpcTest);
    statusTests(rpcTest);
    metadataTests(rpcTest);
    interceptorTests(rpcTest);
    limitTests(rpcTest);
    closingTests(rpcTest);
    if (isFast) flowTests(rpcTest);
  });
}
