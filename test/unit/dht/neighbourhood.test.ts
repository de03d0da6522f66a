// What is heard of around a target, against the plain definition.
import assert from "node:assert/strict";
import { test } from "node:test";
import { array, assert as assertProperty, constantFrom, integer, property, tuple, uniqueArray } from "fast-check";
import type { Contact } from "../../../src/dht/contact.ts";
import { Neighbourhood } from "../../../src/dht/neighbourhood.ts";
import { generateKeyPair } from "../../../src/identity/keys.ts";
import { compareDistance } from "../../../src/identity/node-id.ts";

const target = generateKeyPair().id.bytes;
const pool = Array.from({ length: 40 }, (_, port): Contact => {
  return { id: generateKeyPair().id, addresses: [{ host: "127.0.0.1", port: port + 1 }] };
});

test("counts the answers of those among the k closest that were heard of, and leaves out who failed", () => {
  const contact = constantFrom(...pool);
  const steps = array(tuple(constantFrom("add", "answered", "failed"), contact), { maxLength: 80 });
  assertProperty(
    property(integer({ min: 1, max: 20 }), uniqueArray(contact, { maxLength: 10 }), steps, (k, seeds, all) => {
      const around = new Neighbourhood(target, k, seeds);
      const heard = new Set(seeds);
      const answered = new Set<Contact>();
      const failed = new Set<Contact>();
      for (const [step, one] of all) {
        if (step === "add") heard.add(one);
        else if (!heard.has(one) || answered.has(one) || failed.has(one)) continue;
        else if (step === "answered") answered.add(one);
        else failed.add(one);
        around[step as "add"](one);
        const sorted = [...heard].sort((a, b) => compareDistance(target, a.id.bytes, b.id.bytes));
        const near = sorted.slice(0, k).filter((each) => answered.has(each));
        assert.equal(around.nearAnswers, near.length);
        assert.deepEqual(new Set(around.contacts), new Set(sorted.filter((each) => !failed.has(each))));
      }
    }),
  );
});

test("of one id the contact heard of first is kept", () => {
  const [first] = pool;
  assert.ok(first !== undefined);
  const around = new Neighbourhood(target, 2, [first]);
  around.add({ id: first.id, addresses: [{ host: "192.0.2.1", port: 1 }] });
  assert.deepEqual(around.contacts, [first]);
});
