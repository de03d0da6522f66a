// The way to a connection: TLS, websocket, Secret Handshake.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { networkKeyOf } from "../../src/channel/options.ts";
import { generateKeyPair, sign } from "../../src/identity/keys.ts";
import { formatPeerAddress } from "../../src/identity/peer-address.ts";
import { base64, type CaseContext, type DialSpec, group } from "../case.ts";
import { type Sign, shakeWithAcceptSignedBy, signSomethingElse, signWithSmallOrderR } from "../forged-proofs.ts";
import type { HostileConnection } from "../hostile-listener.ts";
import { CommandError } from "../program.ts";
import { until } from "../until.ts";

/** X25519 keys of low order, some with the top bit, some not canonical. */
const lowOrderKeys = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/** A hello of an ephemeral key: HMAC-SHA-512, the first 32 bytes, before the key. */
function hello(network: string, ephemeral: Uint8Array): Buffer {
  const mac = createHmac("sha512", networkKeyOf(network)).update(ephemeral).digest().subarray(0, 32);
  return Buffer.concat([mac, ephemeral]);
}

/** The program dials, the listener does as told: the code that the dial fails with. */
async function refusal(
  context: CaseContext,
  behave: (raw: HostileConnection) => Promise<void>,
  spec: DialSpec = {},
): Promise<string> {
  const listener = await context.hostile();
  const failing = context.dialFails(listener.address, spec);
  failing.catch(() => undefined);
  await behave(await listener.accept());
  return failing;
}

function assertOneOf(code: string, ...codes: readonly string[]): void {
  assert.ok(codes.includes(code), `the dial failed with ${code} where ${codes.join(" or ")} belongs`);
}

/** A handshake with an accept that is made of the good one. */
async function withAccept(raw: HostileConnection, change: (accept: Uint8Array) => Uint8Array): Promise<void> {
  let sent = 0;
  await raw.shake((bytes) => raw.socket.send(sent++ === 0 ? bytes : change(bytes)));
}

/** An accept that opens and does not prove the listener's key: the dial fails. */
function badProof(signAccept: Sign) {
  return async (context: CaseContext): Promise<void> => {
    const listener = await context.hostile();
    const failing = context.dialFails(listener.address);
    failing.catch(() => undefined);
    const raw = await listener.accept();
    await shakeWithAcceptSignedBy(raw, listener, signAccept);
    await raw.closed();
    assert.equal(await failing, "authentication_failed");
  };
}

/** Cases of the handshake. */
export const handshakeCases = [
  ...group("handshake", ["calls"], {
    good: async (context) => {
      const { node, connection } = await context.connected();
      assert.equal(connection.peer, base64(node.id.bytes));
      const outcome = await connection.call("Echo", { requests: [{ text: "hello" }] }).succeeds();
      assert.equal(outcome.bytes, 5);
    },
    seed: async (context) => {
      const { id, seed } = context.identity();
      const { node } = await context.connected({}, { seed });
      assert.ok(node.isConnected(id), "the node knows the program by another key");
    },
    "network-key": async (context) => {
      const networkKey = randomBytes(32);
      const { node } = await context.echoNode({ networkKey });
      const connection = await context.dial(node.address, { networkKey: base64(networkKey) });
      await connection.call("Echo").succeeds();
    },
    "wrong-network": async (context) => {
      const node = await context.node();
      const another = { address: node.address, network: `${context.network}-another` };
      // The listener says nothing, and hangs up on the hello: that tells the dialer, and it tells the user.
      await assert.rejects(context.program.request("dial", another), (error: unknown) => {
        assert.ok(error instanceof CommandError && error.code === "hello_invalid", String(error));
        assert.match(error.message, /another network/);
        return true;
      });
    },
    "wrong-key": async (context) => {
      const node = await context.node();
      const address = formatPeerAddress({ id: context.strangerId(), host: "127.0.0.1", port: node.port });
      assertOneOf(await context.dialFails(address), "authentication_failed", "handshake_truncated");
    },
    "not-allowed": async (context) => {
      const node = await context.node({ authorize: () => false });
      assertOneOf(await context.dialFails(node.address), "authentication_failed", "handshake_truncated");
    },
    "hello-of-another-network": async (context) => {
      const code = await refusal(context, async (raw) => {
        await raw.read(64);
        raw.socket.send(hello("another network", randomBytes(32)));
        await raw.closed();
        assert.equal(raw.unreadBytes, 0, "the program goes on after a bad hello");
      });
      assert.equal(code, "hello_invalid");
    },
    garbage: async (context) => {
      const code = await refusal(context, async (raw) => {
        await raw.read(64);
        raw.socket.send(randomBytes(64));
        await raw.closed();
      });
      assert.equal(code, "hello_invalid");
    },
    "listener-closes-down": async (context) => {
      // Before any of it, and when the listener has the proof.
      for (const shakes of [false, true]) {
        const code = await refusal(context, async (raw) => {
          const closeDown = () => raw.socket.close(1001);
          let sent = 0;
          if (shakes) await raw.shake((bytes) => (sent++ === 0 ? raw.socket.send(bytes) : closeDown()));
          else closeDown();
          await raw.closed();
        });
        assert.equal(code, "unreachable");
      }
    },
    "low-order": async (context) => {
      for (const key of lowOrderKeys) {
        const code = await refusal(context, async (raw) => {
          await raw.read(64);
          raw.socket.send(hello(context.network, Buffer.from(key, "hex")));
          await raw.closed();
          assert.equal(raw.unreadBytes, 0, `the program computes with the key ${key}`);
        });
        assert.equal(code, "hello_low_order", key);
      }
    },
    "bytes-after-hello": async (context) => {
      const code = await refusal(context, async (raw) => {
        // The good hello is the second thing that is there to send: it depends on nothing of the dialer's.
        await raw.shake((bytes) => raw.socket.send(Buffer.concat([bytes, randomBytes(1)]))).catch(() => undefined);
        await raw.closed();
      });
      assertOneOf(code, "hello_invalid");
    },
    "forged-accept": async (context) => {
      const code = await refusal(context, async (raw) => {
        await withAccept(raw, () => randomBytes(80));
        await raw.closed();
      });
      assert.equal(code, "authentication_failed");
    },
    "flipped-accept": async (context) => {
      const code = await refusal(context, async (raw) => {
        await withAccept(raw, (accept) => accept.map((byte, at) => (at === 79 ? byte ^ 1 : byte)));
        await raw.closed();
      });
      assert.equal(code, "authentication_failed");
    },
    // The same with a good signature is taken: it is the signature that the three cases below it are about.
    "accept-that-opens": async (context) => {
      const listener = await context.hostile();
      const dialing = context.dial(listener.address);
      await shakeWithAcceptSignedBy(await listener.accept(), listener, sign);
      await dialing;
    },
    "accept-of-another-key": badProof((message) => sign(message, generateKeyPair())),
    "accept-of-something-else": badProof(signSomethingElse),
    "accept-with-r-of-small-order": badProof(signWithSmallOrderR),
    "truncated-hello": async (context) => {
      const code = await refusal(context, async (raw) => {
        await raw.read(64);
        raw.socket.send(randomBytes(63));
        raw.socket.close();
      });
      assertOneOf(code, "handshake_truncated", "hello_invalid");
    },
    "truncated-accept": async (context) => {
      const code = await refusal(context, async (raw) => {
        await withAccept(raw, (accept) => accept.subarray(0, 79));
        raw.socket.close();
      });
      assertOneOf(code, "handshake_truncated", "authentication_failed");
    },
    "split-in-bytes": async (context) => {
      const listener = await context.hostile();
      const dialing = context.dial(listener.address);
      const raw = await listener.accept();
      await raw.shake((bytes) => {
        for (const byte of bytes) raw.socket.send(Uint8Array.of(byte));
      });
      await dialing;
      await raw.assertWorks();
    },
    "boxes-with-accept": async (context) => {
      const listener = await context.hostile();
      const dialing = context.dial(listener.address);
      const raw = await listener.accept();
      let accept: Uint8Array = Buffer.alloc(0);
      let isHello = true;
      await raw.shake((bytes) => {
        if (isHello) raw.socket.send(bytes);
        else accept = bytes;
        isHello = false;
      });
      // A ping with id 7, and the accept before it in one message.
      raw.socket.send(Buffer.concat([accept, raw.box(Buffer.from("0442020807", "hex"))]));
      assert.equal((await raw.next("pong")).id, 7);
      await dialing;
    },
    unreachable: async (context) => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      server.close();
      await once(server, "close");
      const address = formatPeerAddress({ id: context.strangerId(), host: "127.0.0.1", port });
      assert.equal(await context.dialFails(address), "unreachable");
    },
    "not-dswarm": async (context) => {
      // What is no TLS server is none of ours.
      const server = createServer((socket) => {
        socket.on("error", () => socket.destroy());
        socket.end("SSH-2.0-OpenSSH_9.0\r\n");
      }).listen(0, "127.0.0.1");
      await once(server, "listening");
      context.after(async () => void server.close());
      const { port } = server.address() as AddressInfo;
      const address = formatPeerAddress({ id: context.strangerId(), host: "127.0.0.1", port });
      assertOneOf(await context.dialFails(address), "not_dswarm", "unreachable", "handshake_truncated");
    },
    "tls-1.2": async (context) => {
      const listener = await context.hostile({ tls: "TLSv1.2" });
      assertOneOf(await context.dialFails(listener.address), "not_dswarm", "unreachable", "handshake_truncated");
      assert.equal(listener.waiting, 0, "the program speaks TLS 1.2");
    },
    "no-subprotocol": async (context) => {
      const listener = await context.hostile({ subprotocol: false });
      assertOneOf(await context.dialFails(listener.address), "not_dswarm", "websocket_invalid");
    },
    "text-message": async (context) => {
      const code = await refusal(context, async (raw) => {
        await raw.read(64);
        raw.socket.send("text");
        await raw.closed();
      });
      assertOneOf(code, "websocket_text", "websocket_invalid");
    },
  }),
  ...group("handshake", ["calls", "options"], {
    slow: async (context) => {
      const code = await refusal(context, async (raw) => raw.closed(), { options: { handshakeTimeoutMs: 300 } });
      assert.equal(code, "handshake_timeout");
    },
    dribbled: async (context) => {
      const code = await refusal(
        context,
        async (raw) => {
          let at = 0;
          const bytes = hello(context.network, randomBytes(32));
          await until("the program has given up", () => {
            if (at < 60 && raw.closeCode === undefined) raw.socket.send(bytes.subarray(at, ++at));
            return raw.closeCode !== undefined;
          });
        },
        { options: { handshakeTimeoutMs: 500 } },
      );
      assert.equal(code, "handshake_timeout");
    },
  }),
];
