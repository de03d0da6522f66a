// Texts of users and strangers that name a node, a record or an address.
import { contactFromMessage, contactToMessage } from "../../src/dht/contact.ts";
import { RecordKey } from "../../src/dht/record-key.ts";
import { keyPairFromSeed } from "../../src/identity/keys.ts";
import { NodeId } from "../../src/identity/node-id.ts";
import { formatHostPort, formatPeerAddress, parseHostPort, parsePeerAddress } from "../../src/identity/peer-address.ts";
import { DswarmError } from "../../src/util/errors.ts";
import type { FuzzTarget } from "../engine/target.ts";

const { id } = keyPairFromSeed(new Uint8Array(32).fill(5));

function unlessRefused<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DswarmError && error.code.endsWith("_invalid")) return undefined;
    throw error;
  }
}

export const names: FuzzTarget = {
  name: "names",
  description: "texts of node ids, record keys, addresses and contacts",
  maxBytes: 200,
  covers: ["src/identity/", "src/dht/contact", "src/dht/record-key"],
  seeds: () =>
    [
      id.toString(),
      id.toString().replace("@", "&"),
      Buffer.from(id.bytes).toString("hex"),
      Buffer.from(id.bytes).toString("base64url"),
      formatPeerAddress({ id, host: "::1", port: 80 }),
      "127.0.0.1:4711",
      "[2001:db8::1]:1",
      "localhost:65535",
      "[::ffff:127.0.0.1]:9",
    ].map((text) => Buffer.from(text)),
  run: (input) => {
    const text = Buffer.from(input).toString("utf8");
    const parsed = unlessRefused(() => NodeId.parse(text));
    if (parsed !== undefined && !NodeId.parse(parsed.toString()).equals(parsed))
      throw new Error("an id prints otherwise");
    const key = unlessRefused(() => RecordKey.parse(text));
    if (key !== undefined && RecordKey.parse(key.toString()).toString() !== key.toString()) {
      throw new Error("a key prints otherwise");
    }
    const address = parseHostPort(text);
    if (address !== undefined && parseHostPort(formatHostPort(address))?.port !== address.port) {
      throw new Error("an address prints otherwise");
    }
    const peer = unlessRefused(() => parsePeerAddress(text));
    if (
      peer !== undefined &&
      formatPeerAddress(parsePeerAddress(formatPeerAddress(peer))) !== formatPeerAddress(peer)
    ) {
      throw new Error("a peer address prints otherwise");
    }
    const contact = contactFromMessage({ id: id.bytes, addresses: [text] });
    if (contact !== undefined && contactFromMessage({ ...contactToMessage(contact) }) === undefined) {
      throw new Error("a contact that was taken is refused when it is passed on");
    }
  },
};
