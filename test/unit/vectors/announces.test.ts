import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeAnnounce, maxPacketBytes, verifyAnnounce } from "../../../src/discovery/announce.ts";
import { resolveDiscoveryOptions } from "../../../src/discovery/options.ts";
import { PeerTable } from "../../../src/discovery/peer-table.ts";
import { toHex } from "../../../src/util/bytes.ts";
import { VirtualClock } from "../../../src/util/virtual-clock.ts";
import { loadCases } from "./load-cases.ts";

interface AnnounceCase {
  readonly packet: string;
  readonly network_id: string;
  readonly wall_ms: number;
  readonly heard?: string;
  readonly announce?: object;
  readonly error?: string;
}

/** What a node makes of a packet: why it drops it, or what it says. */
function take(packet: Buffer, networkId: string, table: PeerTable): string | object {
  const decoded = decodeAnnounce(packet, new Set([networkId]));
  if ("drop" in decoded) return decoded.drop;
  const { announce } = decoded;
  const objection = table.judge(announce);
  if (objection !== undefined) return objection;
  if (!verifyAnnounce(decoded)) return "signature";
  table.learn(announce, packet.toString("latin1"), { address: "192.0.2.1", port: 25_519 });
  const { id, port, addresses, certificateSha256, epochMs, leaving } = announce;
  const certificate = certificateSha256 && { certificate_sha256: toHex(certificateSha256) };
  return { public_key: id.toHex(), port, addresses, ...certificate, epoch_ms: epochMs, leaving };
}

for (const vector of loadCases<AnnounceCase>("announces.json")) {
  test(`announces.json: ${vector.name}`, () => {
    const clock = new VirtualClock(1, vector.wall_ms);
    const table = new PeerTable(resolveDiscoveryOptions(), clock, { onPeer: () => {}, onLeave: () => {} });
    if (vector.heard !== undefined) {
      const heard = take(Buffer.from(vector.heard, "hex"), vector.network_id, table);
      assert.equal(typeof heard, "object", `the packet before is dropped: ${JSON.stringify(heard)}`);
    }
    const packet = Buffer.from(vector.packet, "hex");
    assert.deepEqual(take(packet, vector.network_id, table), vector.announce ?? vector.error);
    if (vector.announce !== undefined) assert.ok(packet.length <= maxPacketBytes);
  });
}
