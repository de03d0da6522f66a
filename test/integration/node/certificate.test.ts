// The TLS certificate in the data directory: it stays while it serves, and is made anew when it does not.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { chmod, copyFile, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createCertificate } from "../../../src/channel/tls.ts";
import { keepCertificate } from "../../../src/node/certificate-file.ts";
import { systemClock } from "../../../src/util/clock.ts";
import type { LogFields, Logger } from "../../../src/util/log.ts";
import { silentLogger } from "../../../src/util/log.ts";
import { startNode } from "./rig.ts";

const dayMs = 86_400_000;

class Kept {
  readonly warnings: LogFields[] = [];
  readonly path: string;
  readonly keyPath: string;
  readonly #dataDir: string;

  private constructor(dataDir: string) {
    this.#dataDir = dataDir;
    this.path = join(dataDir, "certificate.pem");
    this.keyPath = join(dataDir, "certificate-key.pem");
  }

  static async make(t: TestContext): Promise<Kept> {
    const dataDir = await mkdtemp(join(tmpdir(), "dswarm-"));
    t.after(() => rm(dataDir, { recursive: true, force: true }));
    return new Kept(dataDir);
  }

  /** The certificate as a node that starts gets it. */
  async open(addresses: string[] = [], laterMs = 0) {
    const logger: Logger = { ...silentLogger, warn: (fields) => void this.warnings.push(fields) };
    const clock = { ...systemClock, wallMs: () => Date.now() + laterMs };
    return keepCertificate({ dataDir: this.#dataDir, addresses, clock, logger });
  }

  takeReasons(): unknown[] {
    return this.warnings.splice(0).map(({ event, reason }) => [event, reason]);
  }
}

test("a client that trusts the file of a node reaches it, before and after a restart", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "dswarm-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  let ca: string | undefined;
  for (let start = 0; start < 2; start++) {
    const node = await startNode(t, { dataDir, discovery: false });
    assert.equal(node.certificatePath, join(dataDir, "certificate.pem"));
    ca ??= await readFile(node.certificatePath, "utf8");
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    get(`${node.url}/api/ping`, { ca, agent: false }, (response) => resolve(response.resume().statusCode)).on(
      "error",
      reject,
    );
    assert.equal(await promise, 200);
    await node.close();
  }
});

test("a certificate stays, with a key that nobody else may read", async (t) => {
  const kept = await Kept.make(t);
  const first = await kept.open(["192.0.2.1"]);
  assert.equal(first.path, kept.path);
  assert.equal((await stat(kept.keyPath)).mode & 0o777, 0o600);
  assert.doesNotMatch(await readFile(kept.path, "utf8"), /PRIVATE/);
  assert.deepEqual(await kept.open(["192.0.2.1"]), first);
  // One that is for more than is needed serves as well.
  assert.deepEqual(await kept.open(), first);
  assert.deepEqual(kept.takeReasons(), []);
});

const faults: [string, RegExp, (kept: Kept) => Promise<unknown>][] = [
  ["is cut off", /./, async ({ path }) => writeFile(path, (await readFile(path)).subarray(0, 200))],
  ["has a key that is damaged", /./, ({ keyPath }) => writeFile(keyPath, "junk")],
  ["has no key", /is missing/, ({ keyPath }) => rm(keyPath)],
  [
    "has the key of another",
    /not the certificate's/,
    async ({ keyPath }) => writeFile(keyPath, (await createCertificate()).key),
  ],
  ["has a key that others may read", /others may read/, ({ keyPath }) => chmod(keyPath, 0o644)],
  ["is the key itself", /./, ({ path, keyPath }) => copyFile(keyPath, path)],
];
for (const [what, reason, damage] of faults) {
  test(`a certificate that ${what} is made anew, and that is reported`, async (t) => {
    const kept = await Kept.make(t);
    const before = await kept.open();
    await damage(kept);
    const after = await kept.open();
    assert.notDeepEqual(after.certificate.sha256, before.certificate.sha256);
    const [warning] = kept.warnings;
    assert.equal(warning?.event, "certificate_replaced");
    assert.match(String(warning?.["reason"]), reason);
    assert.doesNotMatch(JSON.stringify(kept.warnings), /PRIVATE/);
    assert.equal((await stat(kept.keyPath)).mode & 0o777, 0o600);
    assert.deepEqual(await kept.open(), after);
    assert.equal(kept.warnings.length, 1);
  });
}

test("a certificate is made anew for new addresses and when it runs out, and no clock that was wrong spoils it", async (t) => {
  const kept = await Kept.make(t);
  await kept.open();
  const moved = await kept.open(["192.0.2.9", "node.example"]);
  assert.deepEqual(kept.takeReasons(), [["certificate_replaced", "the certificate is not for 192.0.2.9"]]);
  const x509 = new X509Certificate(moved.certificate.cert);
  assert.ok(x509.checkIP("192.0.2.9") !== undefined && x509.checkHost("node.example") !== undefined);
  await kept.open([], 3630 * dayMs);
  assert.match(String(kept.takeReasons()), /has run out/);
  const after = await kept.open([]);
  assert.deepEqual(kept.takeReasons(), [], "made while the clock was ahead, and valid now");
  // The clock says 1970 until it is set.
  assert.deepEqual(await kept.open([], -Date.now()), after);
  assert.deepEqual(kept.takeReasons(), []);
  const early = await Kept.make(t);
  const first = await early.open([], -Date.now());
  assert.deepEqual(await early.open(), first);
  assert.deepEqual(early.takeReasons(), []);
});

test("a directory that cannot be written to leaves the node a certificate for now", async () => {
  const warnings: LogFields[] = [];
  const logger: Logger = { ...silentLogger, warn: (fields) => void warnings.push(fields) };
  const dataDir = join(tmpdir(), "dswarm-missing", "deep");
  const { certificate, path } = await keepCertificate({ dataDir, addresses: [], clock: systemClock, logger });
  assert.equal(path, undefined);
  assert.match(certificate.cert, /BEGIN CERTIFICATE/);
  assert.deepEqual(
    warnings.map(({ event }) => event),
    ["certificate_unsaved"],
  );
});

test("a certificate that the disk does not let be read is not replaced: the node does not start", async (t) => {
  const kept = await Kept.make(t);
  const before = await kept.open();
  await rename(kept.path, `${kept.path}.aside`);
  // A circle of links stands for a disk that fails.
  await symlink(kept.path, kept.path);
  await assert.rejects(kept.open(), { code: "data_dir_invalid", message: /ELOOP/ });
  await rename(`${kept.path}.aside`, kept.path);
  assert.deepEqual(await kept.open(), before);
  assert.deepEqual(kept.takeReasons(), []);
});
