// The contacts of the routing table, kept in the data directory, so that a node that starts again knows whom to ask.
import { existsSync } from "node:fs";
import { type Contact, contactFromMessage } from "../dht/contact.ts";
import { NodeId } from "../identity/node-id.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import { DswarmError } from "../util/errors.ts";
import { ioMessageOf } from "../util/io-error.ts";
import type { Logger } from "../util/log.ts";
import { replaceFile } from "../util/replace-file.ts";
import { readSmallFile } from "../util/small-file.ts";

const maxContacts = 4096;

// 4096 contacts with 8 addresses each.
const maxFileBytes = 4 * 1024 * 1024;

/** Reads the contacts of a file; none where there is no such file. It leaves out entries that are no contacts. A file that cannot be read is reported. */
export function readContacts(path: string, logger: Logger): readonly Contact[] {
  try {
    const text = readSmallFile(path, { maxBytes: maxFileBytes, isSecret: false });
    if (text === undefined) return [];
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list)) throw new TypeError("not a list");
    return list.slice(0, maxContacts).flatMap((item: unknown) => contactOf(item) ?? []);
  } catch (error) {
    const fields = { event: "contacts_unreadable", path, reason: ioMessageOf(error) };
    logger.warn(fields, "the contacts of the last run cannot be read; the node starts without them");
    return [];
  }
}

/** Replaces the file at once: a reader sees the old contacts or the new ones. A node that has met nobody keeps the old ones. */
export async function writeContacts(path: string, contacts: readonly Contact[]): Promise<void> {
  if (contacts.length === 0 && existsSync(path)) return;
  const list = contacts.slice(0, maxContacts).map(({ id, addresses }) => ({
    id: id.toString(),
    addresses: addresses.map(formatHostPort),
  }));
  await replaceFile(path, `${JSON.stringify(list, undefined, 1)}\n`);
}

function contactOf(item: unknown): Contact | undefined {
  if (typeof item !== "object" || item === null || !("id" in item && "addresses" in item)) return undefined;
  const { id, addresses } = item;
  if (typeof id !== "string" || !Array.isArray(addresses)) return undefined;
  const texts = addresses.filter((address): address is string => typeof address === "string");
  try {
    return contactFromMessage({ id: NodeId.parse(id).bytes, addresses: texts });
  } catch (error) {
    if (error instanceof DswarmError) return undefined;
    throw error;
  }
}
