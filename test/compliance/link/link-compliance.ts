// What src/link/link.ts promises, as tests that every link must pass.
import { suite } from "node:test";
import { deliveryTests } from "./link-delivery.ts";
import { endingTests } from "./link-ending.ts";
import { type LinkPair, LinkTests } from "./link-rig.ts";

/**
 * Declares the tests that a kind of link must pass.
 * @param name of the kind, for the report
 * @param makePair makes a fresh pair for each test, neither end opened
 */
export function linkCompliance(name: string, makePair: () => Promise<LinkPair>): void {
  suite(`${name} is a Link`, () => {
    const tests = new LinkTests(makePair);
    deliveryTests(tests);
    endingTests(tests);
  });
}
