import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { SourceShares } from "../../../src/discovery/source-shares.ts";

const at = (address: string, port: number) => ({ address, port });

function taken<T>(shares: SourceShares<T>): T[] {
  const items: T[] = [];
  for (let item = shares.take(); item !== undefined; item = shares.take()) items.push(item);
  return items;
}

describe("SourceShares", () => {
  it("gives addresses turns, and in each its ports", () => {
    const shares = new SourceShares<string>();
    for (const item of ["a1", "a2", "a3"]) shares.add(item, at("192.0.2.1", 1));
    shares.add("b1", at("192.0.2.1", 2));
    for (const item of ["c1", "c2"]) shares.add(item, at("192.0.2.2", 1));
    assert.deepEqual(taken(shares), ["a1", "c1", "b1", "c2", "a2", "a3"]);
    assert.equal(shares.size, 0);
  });

  it("names the oldest item of the largest port of the largest address as the one that gives way", () => {
    const shares = new SourceShares<string>();
    for (const item of ["a1", "a2"]) shares.add(item, at("192.0.2.1", 1));
    for (const item of ["b1", "b2", "b3"]) shares.add(item, at("192.0.2.1", 2));
    for (const item of ["c1", "c2", "c3", "c4"]) shares.add(item, at("192.0.2.2", 1));
    assert.equal(shares.excess, "b1");
    shares.delete("b1");
    shares.delete("a1");
    assert.equal(shares.excess, "c1");
    assert.equal(shares.delete("a1"), false);
  });

  it("passes over an address that may have no turn", () => {
    const shares = new SourceShares<string>();
    shares.add("a", at("192.0.2.1", 1));
    shares.add("b", at("192.0.2.2", 1));
    assert.equal(
      shares.take((address) => address !== "192.0.2.1"),
      "b",
    );
    assert.equal(
      shares.take(() => false),
      undefined,
    );
    assert.ok(shares.has("a"));
    shares.clear();
    assert.equal(shares.take(), undefined);
  });

  it("agrees with a plain count, whatever comes and goes", () => {
    const step = fc.record({
      address: fc.integer({ min: 0, max: 2 }),
      port: fc.integer({ min: 0, max: 3 }),
      kind: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const shares = new SourceShares<number>();
        const plain = new Map<number, string>();
        for (const [i, { address, port, kind }] of steps.entries()) {
          if (kind > 0) {
            shares.add(i, at(`${address}`, port));
            plain.set(i, `${address} ${port}`);
          } else {
            const item = port % 2 === 0 ? shares.excess : shares.take();
            assert.equal(item === undefined, plain.size === 0);
            if (item === undefined) continue;
            if (port % 2 === 0) {
              const of = (name: string): number => [...plain.values()].filter((key) => key.startsWith(name)).length;
              const [own = ""] = (plain.get(item) ?? "").split(" ");
              for (const key of plain.values()) assert.ok(of(`${key.split(" ")[0]} `) <= of(`${own} `));
              shares.delete(item);
            }
            plain.delete(item);
          }
          assert.equal(shares.size, plain.size);
        }
      }),
    );
  });
});
