// The certificate.
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import { test } from "node:test";
import { createCertificate } from "../../../src/channel/tls.ts";

test("a certificate is EC P-256, signed with SHA-256 by itself, for loopback and the given addresses", async () => {
  const { cert, key, sha256 } = await createCertificate(["192.0.2.7", "fe80::1%eth0", "node.example", "127.0.0.1"]);
  const parsed = new X509Certificate(cert);
  assert.equal(parsed.publicKey.asymmetricKeyType, "ec");
  assert.equal(parsed.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.ok(parsed.verify(parsed.publicKey));
  assert.match(key, /^-----BEGIN PRIVATE KEY-----/);
  for (const ip of ["127.0.0.1", "::1", "192.0.2.7", "fe80::1"]) assert.notEqual(parsed.checkIP(ip), undefined, ip);
  for (const host of ["localhost", "node.example"]) assert.notEqual(parsed.checkHost(host), undefined, host);
  assert.equal(parsed.checkIP("192.0.2.8"), undefined);
  assert.equal(parsed.ca, false);
  assert.deepEqual(Buffer.from(sha256), createHash("sha256").update(parsed.raw).digest());
  assert.equal(Buffer.from(sha256).toString("hex").toUpperCase(), parsed.fingerprint256.replaceAll(":", ""));
  assert.ok(new Date(parsed.validFrom).getTime() < Date.now());
});

test("every certificate has a key of its own", async () => {
  const [a, b] = await Promise.all([createCertificate(), createCertificate()]);
  assert.notEqual(a.key, b.key);
  assert.notDeepEqual(a.sha256, b.sha256);
});
