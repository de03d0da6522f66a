import assert from "node:assert/strict";
import { test } from "node:test";
import { Access, canonicalHost, type Requester } from "../../../src/api/access.ts";

const token = "0123456789abcdef";

function requester(headers: Record<string, string | string[]> = {}, changes: Partial<Requester> = {}): Requester {
  return {
    remoteAddress: "127.0.0.1",
    localAddress: "127.0.0.1",
    encrypted: true,
    target: "/api",
    headers: Object.fromEntries(
      Object.entries({ host: "localhost:4000", ...headers }).map(([n, v]) => [n, [v].flat()]),
    ),
    ...changes,
  };
}

test("brings hosts into one form", () => {
  const forms = {
    LocalHost: "localhost",
    "::1": "[::1]",
    "[::1]": "[::1]",
    "0:0::1": "[::1]",
    "::ffff:1.2.3.4": "1.2.3.4",
  };
  for (const [given, form] of Object.entries(forms)) assert.equal(canonicalHost(given), form);
  for (const bad of [
    "",
    "a b",
    "a/b",
    "a:80",
    "[::1",
    "localhost.",
    "-a",
    "a@b",
    "*",
    "::1%lo",
    "::g",
    "a".repeat(254),
  ]) {
    assert.equal(canonicalHost(bad), undefined, bad);
  }
});

test("without a token, lets in this machine only", () => {
  const access = new Access(undefined, []);
  assert.equal(access.refusalOf(requester()), undefined);
  for (const remoteAddress of ["192.168.1.2", "::ffff:10.0.0.1", "fe80::1%eth0", undefined]) {
    assert.equal(access.refusalOf(requester({}, { remoteAddress })), "client");
    assert.equal(access.refusalOf(requester({ authorization: `Bearer ${token}` }, { remoteAddress })), "client");
  }
});

test("with a token, lets in whoever has it, and nobody else, this machine included", () => {
  const access = new Access(token, []);
  for (const remoteAddress of ["127.0.0.1", "192.168.1.2"]) {
    for (const scheme of ["Bearer ", "bearer ", "BEARER  "]) {
      assert.equal(access.refusalOf(requester({ authorization: scheme + token }, { remoteAddress })), undefined);
    }
    const refused = [
      "",
      "Bearer",
      "Bearer ",
      token,
      `Basic ${token}`,
      `Bearer ${token}x`,
      `Bearer ${token} x`,
      "Bearer é",
    ];
    for (const authorization of [...refused, `Bearer ${token.slice(1)}`, [`Bearer ${token}`, `Bearer ${token}`]]) {
      assert.equal(access.refusalOf(requester({ authorization }, { remoteAddress })), "token", String(authorization));
    }
    assert.equal(access.refusalOf(requester({}, { remoteAddress })), "token");
  }
});

test("Host names the node, by any port", () => {
  const access = new Access(undefined, ["Box.example", "fd00::7", "10.1.1.1"]);
  const own = [
    "localhost",
    "LOCALHOST:1",
    "127.0.0.1",
    "127.0.0.1:4000",
    "[::1]",
    "[::1]:4000",
    "[0:0:0:0:0:0:0:1]:80",
  ];
  for (const host of [...own, "box.example", "box.EXAMPLE:4000", "[fd00::7]", "[fd00:0::7]:1", "10.1.1.1:65535"]) {
    assert.equal(access.refusalOf(requester({ host })), undefined, host);
  }
  const names = [
    "localhost.evil",
    "evil.localhost",
    "127.0.0.1.nip.io",
    "localhost.",
    "evil",
    "xn--localhost",
    "box.example.evil",
  ];
  const addresses = [
    "127.0.0.2",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0.0.0.0",
    "0",
    "[::]",
    "[fd00::8]",
    "::1",
    "::1:4000",
  ];
  const forms = [
    "",
    " ",
    "localhost:",
    "localhost:x",
    "localhost:99999",
    "localhost:123456",
    "localhost:1@evil",
    "evil@localhost",
  ];
  const more = [
    "http://localhost",
    "localhost/",
    "localhost#",
    "localhost?",
    "localhost\\evil",
    "localhost,evil",
    "[127.0.0.1]",
  ];
  for (const host of [
    ...names,
    ...addresses,
    ...forms,
    ...more,
    "[::1%25lo]",
    "[::1",
    "*",
    ["localhost", "localhost"],
    [],
  ]) {
    assert.equal(access.refusalOf(requester({ host })), "host", JSON.stringify(host));
  }
  assert.equal(access.refusalOf(requester({}, { headers: {} })), "host");
});

test("the address that a connection came in on is the node's own", () => {
  const access = new Access(undefined, []);
  assert.equal(access.refusalOf(requester({ host: "127.0.0.2:1" }, { localAddress: "127.0.0.2" })), undefined);
  assert.equal(access.refusalOf(requester({ host: "10.2.3.4" }, { localAddress: "::ffff:10.2.3.4" })), undefined);
  assert.equal(access.refusalOf(requester({ host: "[fd00::1]" }, { localAddress: "fd00::1" })), undefined);
  assert.equal(access.refusalOf(requester({ host: "evil" }, { localAddress: undefined })), "host");
});

test("Origin, when there is one, is that of Host", () => {
  const access = new Access(undefined, []);
  const same: [string, string, boolean][] = [
    ["https://localhost:4000", "localhost:4000", true],
    ["https://localhost:4000", "LOCALHOST:4000", true],
    ["https://localhost", "localhost:443", true],
    ["https://[::1]:4000", "[::1]:4000", true],
    ["http://127.0.0.1:4000", "127.0.0.1:4000", false],
  ];
  for (const [origin, host, encrypted] of same) {
    assert.equal(access.refusalOf(requester({ origin, host }, { encrypted })), undefined, origin);
  }
  const others = [
    "null",
    "",
    "https://localhost",
    "https://localhost:4001",
    "http://localhost:4000",
    "https://127.0.0.1:4000",
  ];
  const evil = [
    "https://localhost.evil:4000",
    "https://localhost:4000.evil",
    "https://localhost:4000@evil",
    "https://evil",
  ];
  const forms = [
    "localhost:4000",
    "https://localhost:4000/",
    "https://u@localhost:4000",
    "file://",
    "*",
    "https://localhost:4000 null",
  ];
  for (const origin of [...others, ...evil, ...forms, ["https://localhost:4000", "https://localhost:4000"]]) {
    assert.equal(access.refusalOf(requester({ origin })), "origin", String(origin));
  }
});

test("requests that a browser makes for another site, or another port of this one, are refused", () => {
  const access = new Access(undefined, []);
  for (const site of ["same-origin", "none"]) {
    assert.equal(access.refusalOf(requester({ "sec-fetch-site": site })), undefined);
  }
  for (const site of ["cross-site", "same-site", "", "None", ["none", "none"]]) {
    assert.equal(access.refusalOf(requester({ "sec-fetch-site": site })), "site");
  }
});

test("a target that is not a path is refused", () => {
  const access = new Access(undefined, []);
  for (const target of ["http://localhost:4000/api", "*", "evil:443", ""]) {
    assert.equal(access.refusalOf(requester({}, { target })), "target");
  }
});
