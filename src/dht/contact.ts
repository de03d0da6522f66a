// A contact: a node and where it is reached, as the DHT keeps it and as peers tell of it.
import { create } from "@bufbuild/protobuf";
import { type Contact as ContactMessage, ContactSchema } from "../../gen/dswarm/v1/dht_pb.ts";
import { NodeId } from "../identity/node-id.ts";
import { formatHostPort, type HostPort, parseHostPort } from "../identity/peer-address.ts";
import { checkArray, checkNumber, checkText, isObject, wrongType } from "../util/arguments.ts";
import { createBoundedCache } from "../util/bounded-cache.ts";
import { DswarmError } from "../util/errors.ts";
import { isLoopback } from "../util/loopback.ts";
import { canonicalHost } from "./contact-host.ts";
import { dhtProtocol } from "./params.ts";

/** A node and where it is reached. */
export interface Contact {
  readonly id: NodeId;
  /** The best first. 1 to 4. */
  readonly addresses: readonly HostPort[];
}

/**
 * Reads what a peer says of a contact: of each address the host in the form of `canonicalHost`, and what comes twice once. Returns
 * undefined where that breaks a rule of the protocol, as an address does that is of no single machine, or a host name.
 */
export function contactFromMessage(message: Pick<ContactMessage, "id" | "addresses">): Contact | undefined {
  const told = contactsTold.get(message);
  if (told !== undefined) return told;
  const { id, addresses } = message;
  if (addresses.length < 1 || addresses.length > dhtProtocol.maxAddresses) return undefined;
  const parsed: HostPort[] = [];
  for (const text of addresses) {
    const address = text.length > dhtProtocol.maxAddressLength ? undefined : addressOf(text);
    if (address === undefined) return undefined;
    if (!parsed.some(({ host, port }) => host === address.host && port === address.port)) parsed.push(address);
  }
  try {
    return { id: NodeId.fromBytes(id), addresses: parsed };
  } catch (error) {
    if (error instanceof DswarmError) return undefined;
    throw error;
  }
}

/**
 * A contact as a message for peers; of its addresses, those that the protocol has room for and peers take: none of host names.
 * Without any address left, peers refuse it.
 */
export function contactToMessage(contact: Contact): ContactMessage {
  let message = messages.get(contact);
  if (message === undefined) {
    const usable = contact.addresses.filter(({ host }) => canonicalHost(host) !== undefined);
    const texts = usable.map(formatHostPort).filter((text) => text.length <= dhtProtocol.maxAddressLength);
    message = create(ContactSchema, { id: contact.id.bytes, addresses: texts.slice(0, dhtProtocol.maxAddresses) });
    if (isAsHeard(contact, new Set(message.addresses).size)) contactsTold.set(message, contact);
    messages.set(contact, message);
  }
  return message;
}

/** A contact as another machine may use it: without addresses of loopback. Undefined where it has no others. */
export function contactElsewhere(contact: Contact): Contact | undefined {
  let elsewhere = contactsElsewhere.get(contact);
  if (elsewhere === undefined) {
    const addresses = contact.addresses.filter(({ host }) => !isLoopback(host));
    elsewhere = addresses.length === contact.addresses.length ? contact : { id: contact.id, addresses };
    contactsElsewhere.set(contact, elsewhere);
  }
  return elsewhere.addresses.length === 0 ? undefined : elsewhere;
}

const contactsElsewhere = new WeakMap<Contact, Contact>();

// The same few contacts are told and heard over and over; checking them is most of what a lookup costs.
const messages = new WeakMap<Contact, ContactMessage>();
// Of messages that are passed on as they are, and not as bytes: in a simulation thousands of tables then share their contacts.
const contactsTold = new WeakMap<Pick<ContactMessage, "id" | "addresses">, Contact>();
const addressesByText = createBoundedCache<HostPort>(16_384);

/** The address that a text names, its host in the form of `canonicalHost`; undefined where there is none. */
function addressOf(text: string): HostPort | undefined {
  const known = addressesByText.get(text);
  if (known !== undefined) return known;
  const address = parseHostPort(text);
  const host = address && canonicalHost(address.host);
  if (address === undefined || host === undefined) return undefined;
  const canonical = Object.freeze({ host, port: address.port });
  addressesByText.set(text, canonical);
  return canonical;
}

/** Whether a contact is what a peer makes of its message, which names so many different addresses. */
function isAsHeard({ addresses }: Contact, different: number): boolean {
  return different > 0 && different === addresses.length && addresses.every(({ host }) => canonicalHost(host) === host);
}

/** @throws TypeError for what is no contact */
export function checkContact(name: string, value: unknown): void {
  if (!isObject(value)) throw wrongType(name, "a contact", value);
  const { id, addresses } = value;
  if (!(id instanceof NodeId)) throw wrongType(`${name}.id`, "a NodeId", id);
  checkArray(checkAddress)(`${name}.addresses`, addresses);
}

function checkAddress(name: string, value: unknown): void {
  if (!isObject(value)) throw wrongType(name, "a host and a port", value);
  checkText(`${name}.host`, value["host"]);
  checkNumber(`${name}.port`, value["port"]);
}
