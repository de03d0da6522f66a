// The tables of `ping` and `peers`: what peers say of themselves cannot act on the terminal.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { PeerSchema, PeerSource, PingResultSchema } from "../../../gen/dswarm/v1/node_pb.ts";
import { peerLines } from "../../../src/cli/peers.ts";
import { pingLines } from "../../../src/cli/ping.ts";
import { recordedTerminal } from "./recorded-terminal.ts";

const terminal = recordedTerminal();

test("ping shows a time or an error for each peer", () => {
  const results = [
    create(PingResultSchema, { id: "@a", address: "127.0.0.1:4001", ok: true, rttMs: 1.2345 }),
    create(PingResultSchema, { id: "@b", ok: false, error: { message: "gone\u001b[2J" } }),
    create(PingResultSchema, { id: "@c", address: "[::1]:4001", ok: false }),
  ];
  assert.deepEqual(pingLines(results, terminal), [
    "PEER  ADDRESS         MS",
    "@a    127.0.0.1:4001  1.23",
    "@b    -               gone\ufffd[2J",
    "@c    [::1]:4001      no answer",
  ]);
  assert.deepEqual(pingLines([], terminal), ["No peers are known yet."]);
});

test("peers shows where each is, how close, and whether it was proven", () => {
  const known = [
    create(PeerSchema, {
      id: "@a",
      addresses: ["127.0.0.1:4001", "10.0.0.1:4001"],
      sharedBits: 12,
      connected: true,
      verified: true,
      lastHeardMs: 1234,
      rttMs: 0.5,
      source: PeerSource.ANNOUNCE,
    }),
    create(PeerSchema, { id: "@b\u0007", verified: true, source: PeerSource.INBOUND }),
    create(PeerSchema, { id: "@c", source: PeerSource.BOOTSTRAP }),
  ];
  assert.deepEqual(peerLines(known, terminal), [
    "PEER  ADDRESS         BITS  LINK    PING MS      HEARD  FOUND BY",
    "@a    127.0.0.1:4001    12  open       0.50  1.2 s ago  announce",
    "@b\ufffd   -                  0  closed        -  0.0 s ago  its call",
    "@c    -                  0  none          -  0.0 s ago  bootstrap",
    "3 peers",
  ]);
  assert.deepEqual(peerLines([], terminal), ["No peers are known yet."]);
});
