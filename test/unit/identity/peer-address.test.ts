// dswarm://KEY@HOST:PORT and host:port.
import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";
import * as fc from "fast-check";
import { keyPairFromSeed } from "../../../src/identity/keys.ts";
import {
  formatHostPort,
  formatPeerAddress,
  type PeerAddress,
  parseHostPort,
  parsePeerAddress,
} from "../../../src/identity/peer-address.ts";
import { DswarmError } from "../../../src/util/errors.ts";

const { id } = keyPairFromSeed(new Uint8Array(32).fill(5));
const key = id.toBase64url();
const addressInvalid = { name: "DswarmError", code: "address_invalid" };
const nodeIdInvalid = { name: "DswarmError", code: "node_id_invalid" };

const anyPort = fc.integer({ min: 1, max: 65_535 });
const anyHost = fc.oneof(
  fc.ipV4(),
  fc.ipV6(),
  fc.domain(),
  fc.constantFrom("localhost", "a", "x_1.local", "node-1.example.", "::", "::1", "::ffff:127.0.0.1", "a1.b2", "1.2.a"),
);

test("formats with the key in base64url, IPv6 addresses in brackets", () => {
  assert.equal(formatPeerAddress({ id, host: "127.0.0.1", port: 4000 }), `dswarm://${key}@127.0.0.1:4000`);
  assert.equal(formatPeerAddress({ id, host: "::1", port: 4000 }), `dswarm://${key}@[::1]:4000`);
  assert.equal(formatHostPort({ host: "localhost", port: 1 }), "localhost:1");
});

test("what is formatted parses to the same", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), anyHost, anyPort, (seed, host, port) => {
      const address: PeerAddress = { id: keyPairFromSeed(seed).id, host, port };
      const parsed = parsePeerAddress(formatPeerAddress(address));
      assert.ok(parsed.id.equals(address.id));
      assert.deepEqual([parsed.host, parsed.port], [host, port]);
      assert.deepEqual(parseHostPort(formatHostPort(address)), { host, port });
    }),
  );
});

test("the key may be base64url, base64 or hex", () => {
  const base64 = id.toString().slice(1);
  for (const text of [key, `${key}=`, base64, base64.slice(0, 43), id.toHex(), id.toHex().toUpperCase()]) {
    const parsed = parsePeerAddress(`dswarm://${text}@host:1`);
    assert.ok(parsed.id.equals(id));
    assert.deepEqual([parsed.host, parsed.port], ["host", 1]);
  }
});

test("the lowest and the highest port are 1 and 65535, spelled without leading zeros", () => {
  for (const port of [1, 80, 9999, 65_535]) assert.equal(parseHostPort(`h:${port}`)?.port, port);
  for (const port of ["0", "00", "01", "65536", "99999", "100000", "-1", "+1", "1.5", "1e3", "0x10", "", " 1", "1 "]) {
    assert.equal(parseHostPort(`h:${port}`), undefined, port);
  }
});

test("labels have 1 to 63 characters and hosts up to 253", () => {
  const label = "a".repeat(63);
  const longest = `${label}.${label}.${label}.${"a".repeat(61)}`;
  assert.equal(longest.length, 253);
  assert.equal(parseHostPort(`${longest}:1`)?.host, longest);
  assert.equal(parseHostPort(`${longest}a:1`), undefined);
  assert.equal(parseHostPort(`a${label}:1`), undefined);
});

test("refuses hosts that are neither a name nor an address", () => {
  const bad = [
    "",
    ".",
    "..",
    ".a",
    "a..b",
    "a b",
    "ä",
    "a%b",
    "a/b",
    "a?b",
    "a#b",
    "a\\b",
    "a@b",
    "a:b",
    "a\0b",
    "*",
    "::1",
    "[]",
    "[:]",
    "[:::]",
    "[1::2::3]",
    "[12345::]",
    "[::1",
    "::1]",
    "[[::1]]",
    "[::1]x",
    "x[::1]",
    "[::g]",
    "[fe80::1%eth0]",
    "[127.0.0.1]",
    "[localhost]",
    "[::ffff:256.0.0.1]",
    "256.0.0.1",
    "127.1",
    "127.0.0.1.",
    "127.0.0.01",
    "1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "a.0x1",
    "a.1",
  ];
  for (const host of bad) {
    assert.equal(parseHostPort(`${host}:1`), undefined, host);
    assert.throws(() => parsePeerAddress(`dswarm://${key}@${host}:1`), DswarmError, host);
  }
});

test("refuses every other bad form", () => {
  const bad = [
    "",
    "dswarm://",
    "dswarm://@",
    "dswarm://@host:1",
    "dswarm://host:1",
    `dswarm://${key}`,
    `dswarm://${key}@`,
    `dswarm://${key}@host`,
    `dswarm://${key}@host:`,
    `dswarm://${key}@:1`,
    `dswarm://${key}@host:0`,
    `dswarm://${key}@host:65536`,
    `dswarm://${key}@host:1/`,
    `dswarm://${key}@host:1/path`,
    `dswarm://${key}@host:1?q`,
    `dswarm://${key}@host:1#f`,
    `dswarm://${key}@host:1:2`,
    `dswarm://${key}@host:1 `,
    `dswarm://${key}@host:1\n`,
    `dswarm://${key}@ host:1`,
    ` dswarm://${key}@host:1`,
    `dswarm:${key}@host:1`,
    `dswarm:/${key}@host:1`,
    `DSWARM://${key}@host:1`,
    `https://${key}@host:1`,
    `${key}@host:1`,
    `@${key}@host:1`,
    `dswarm://@${key}@host:1`,
    `dswarm://${key}@user@host:1`,
    `dswarm://${key}@evil:2@host:1`,
    `dswarm://user@${key}@host:1`,
  ];
  for (const text of bad) assert.throws(() => parsePeerAddress(text), addressInvalid, JSON.stringify(text));
});

test("a bad key in an address of good form is node_id_invalid", () => {
  const smallOrder = "0".repeat(64);
  for (const bad of ["a", "user:password", ` ${key}`, `${key} `, `${key}:`, `/${key}`, key.slice(1), smallOrder]) {
    assert.throws(() => parsePeerAddress(`dswarm://${bad}@host:1`), nodeIdInvalid, bad);
  }
});

test("any text parses, or is refused with a DswarmError; what parses formats to what parses to the same", () => {
  const parts = fc.constantFrom("dswarm://", "@", ":", "[", "]", "::1", ".", "1", "65535", key, "host", " ", "\n");
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(parts).map((list) => list.join("")),
    fc.string().map((text) => `dswarm://${key}@${text}:1`),
    fc.stringMatching(/^\[[0-9a-f:.]*\]:[0-9]{1,5}$/).map((text) => `dswarm://${key}@${text}`),
  );
  fc.assert(
    fc.property(texts, (text) => {
      let parsed: PeerAddress;
      try {
        parsed = parsePeerAddress(text);
      } catch (error) {
        assert.ok(error instanceof DswarmError && ["address_invalid", "node_id_invalid"].includes(error.code), text);
        return;
      }
      assert.ok(!parsed.host.includes(":") || isIPv6(parsed.host));
      assert.deepEqual(parsePeerAddress(formatPeerAddress(parsed)), parsed);
    }),
    { numRuns: 400 },
  );
});

test("long hostile texts are refused at once", () => {
  const long = 1 << 20;
  for (const text of [
    "a".repeat(long),
    "a.".repeat(long),
    "@".repeat(long),
    `[${":".repeat(long)}]:1`,
    "1".repeat(long),
  ]) {
    assert.equal(parseHostPort(text), undefined);
    assert.equal(parseHostPort(`${text}:1`), undefined);
    assert.throws(() => parsePeerAddress(`dswarm://${text}`), addressInvalid);
  }
});
