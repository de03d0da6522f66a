// The contacts of the routing table, kept in the data directory, so that a node that starts again knows whom to ask.
import { readFile } from "node:fs/promises";
import { type Contact, contactFromMessage } from "../dht/contact.ts";
import { NodeId } from "../identity/node-id.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { replaceFile } from "../util/replace-file.ts";

const maxContacts = 4096;

/** Reads the contacts of a file; none where there is no such file. What is no contact is left out, and reported. */
export async function readContacts(path: string, logger: Logger): Promise<readonly Contact[]> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) report(path, error, logger);
    return [];
  }
  try {
    const list: unknown = JSON.parse(text);
    if (!Array.isArray(list)) throw new TypeError("not a list");
    return list.slice(0, maxContacts).flatMap((item: unknown) => contactOf(item) ?? []);
  } catch (error) {
    report(path, error, logger);
    return [];
  }
}

/** Replaces the file at once: a reader sees the old contacts or the new ones. */
export async function writeContacts(path: string, contacts: readonly Contact[]): Promise<void> {
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
  return contactFromMessage({ id: NodeId.parse(id).bytes, addresses: texts });
}

function report(path: string, error: unknown, logger: Logger): void {
  const fields = { event: "contacts_unreadable", path, reason: messageOf(error) };
  logger.warn(fields, "the contacts of the last run cannot be read; the node starts without them");
}
