// All bytes that a node holds for its peers, in one budget.
//
//     MemoryBudget ─┬─ address ─┬─ ConnectionMemory      each sum is that of the parts below it
//       (a node)    │           └─ ConnectionMemory
//                   └─ address ─── ConnectionMemory
//
// Counted of each connection is what its peer makes the node hold: calls that run, their requests, messages of which pieces are
// there, bytes below the frames, and what is to be sent and the socket has not taken. Nothing of it is exempt. A connection or an
// address that is over its share gets no new calls. When the sum is over its limit, the address that holds most loses the
// connection that holds most, until the sum is within the limit again.
//
// Handlers may run on when their connection is gone, and what they hold stays counted. To end other connections would not help
// against that: while these hold no more than half of the limit, new calls are refused instead.
//
// What this program has asked for and does not read counts apart: the windows of the streams bound it. It makes windows smaller, and no
// peer is blamed for it.
import { DswarmError } from "../util/errors.ts";

/** Limits of a budget, in bytes. */
export interface MemoryLimits {
  readonly maxHeldBytes: number;
  readonly maxHeldBytesPerAddress: number;
  readonly maxHeldBytesPerConnection: number;
}

/** A thousand streams that nobody reads, each with what its first credit brings, are to leave room by default. */
const maxUnreadShare = 1.25;

/** The connection behind an account. Its methods must not throw. */
export interface MemoryHolder {
  /** Brings its account up to date where bytes come and go unseen. */
  measureMemory(): void;
  /** Ends at once, for the reason given. */
  abort(reason: DswarmError): void;
}

/** What the connections of one address hold. */
class AddressMemory {
  readonly address: string;
  /** Those that are open. Bounded by the callers' connections. */
  readonly connections = new Set<ConnectionMemory>();
  heldBytes = 0;
  /** The part of it that was received. */
  receivedBytes = 0;

  constructor(address: string) {
    this.address = address;
  }
}

/** The budget of a node. Bounded by its open connections. */
export class MemoryBudget {
  readonly limits: MemoryLimits;
  readonly #addresses = new Map<string, AddressMemory>();
  #heldBytes = 0;
  /** The part of it that handlers hold whose connections are gone. */
  #orphanedBytes = 0;
  #unreadBytes = 0;
  #isEnforcing = false;

  constructor(limits: MemoryLimits) {
    this.limits = limits;
  }

  /** Bytes that peers make the node hold. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bytes of answers that this program has not read. */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** Whether no call of anybody is to be taken: there is no room, and to end connections does not make it. */
  get isFull(): boolean {
    return this.#orphanedBytes > 0 && this.#heldBytes >= this.limits.maxHeldBytes;
  }

  /** Whether memory is scarce: half of it is in use. */
  get isTight(): boolean {
    return this.#heldBytes + this.#unreadBytes >= this.limits.maxHeldBytes / 2;
  }

  /** Whether this program has left so much unread that it is to read before it asks for more. */
  get isUnreadFull(): boolean {
    return this.#unreadBytes >= maxUnreadShare * this.limits.maxHeldBytes;
  }

  /** Opens the account of a connection with a peer at an address. */
  open(address: string, holder: MemoryHolder): ConnectionMemory {
    let shared = this.#addresses.get(address);
    if (shared === undefined) {
      shared = new AddressMemory(address);
      this.#addresses.set(address, shared);
    }
    return new ConnectionMemory(this, shared, holder);
  }

  /** For accounts: what a connection holds has changed. */
  changed(address: AddressMemory, bytes: number): void {
    address.heldBytes += bytes;
    this.#heldBytes += bytes;
    if (bytes <= 0) {
      if (address.heldBytes === 0) this.forget(address);
    } else if (this.#heldBytes > this.limits.maxHeldBytes && !this.#isEnforcing) {
      this.#isEnforcing = true;
      // Not from within the call that takes the bytes.
      queueMicrotask(() => this.enforce());
    }
  }

  /** For accounts: what this program has not read has changed. */
  unreadChanged(bytes: number): void {
    this.#unreadBytes += bytes;
  }

  /** For accounts: what is held for connections that are gone has changed. */
  orphanedChanged(bytes: number): void {
    this.#orphanedBytes += bytes;
  }

  /** For accounts: an address of which nothing is left is not remembered. */
  forget(shared: AddressMemory): void {
    const { address, connections, heldBytes } = shared;
    if (connections.size === 0 && heldBytes === 0 && this.#addresses.get(address) === shared) {
      this.#addresses.delete(address);
    }
  }

  /** Ends connections until the rest is within the limit. Not to be called while frames of one of them are read. */
  enforce(): void {
    this.#isEnforcing = false;
    const { maxHeldBytes } = this.limits;
    if (this.#heldBytes <= maxHeldBytes) return;
    // What the sockets have taken meanwhile must cost nobody the connection.
    for (const { connections } of this.#addresses.values()) for (const one of connections) one.holder.measureMemory();
    while (this.#heldBytes > maxHeldBytes && this.#heldBytes - this.#orphanedBytes > maxHeldBytes / 2) {
      const largest = this.#largest();
      if (largest === undefined) break;
      const detail = `it holds ${largest.heldBytes} of ${maxHeldBytes} bytes`;
      largest.holder.abort(new DswarmError("memory_exhausted", detail));
      largest.close();
    }
  }

  /** Of the address that holds most, the connection that holds most. */
  #largest(): ConnectionMemory | undefined {
    let mostBytes = 0;
    let found: ConnectionMemory | undefined;
    for (const { connections } of this.#addresses.values()) {
      let bytes = 0;
      let largest: ConnectionMemory | undefined;
      for (const each of connections) {
        bytes += each.heldBytes;
        if (each.heldBytes > (largest?.heldBytes ?? 0)) largest = each;
      }
      if (bytes <= mostBytes) continue;
      mostBytes = bytes;
      found = largest;
    }
    return found;
  }
}

/** The account of one connection. */
export class ConnectionMemory {
  readonly holder: MemoryHolder;
  readonly #budget: MemoryBudget;
  readonly #address: AddressMemory;
  #receivedBytes = 0;
  /** The part of it in messages that nobody has consumed. */
  #messageBytes = 0;
  /** The part of it that lies below the frames. */
  #bufferedBytes = 0;
  #unsentBytes = 0;
  #unreadBytes = 0;
  #isOpen = true;

  /** Not for use outside: call `MemoryBudget.open`. */
  constructor(budget: MemoryBudget, address: AddressMemory, holder: MemoryHolder) {
    this.#budget = budget;
    this.#address = address;
    this.holder = holder;
    address.connections.add(this);
  }

  /** Bytes that the peer makes this node hold. */
  get heldBytes(): number {
    return this.#receivedBytes + this.#unsentBytes;
  }

  /** Of these, what was received. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Of these, messages and pieces that nobody has consumed. */
  get messageBytes(): number {
    return this.#messageBytes;
  }

  /** Of these, what lies below the frames. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Of these, what the socket has not taken. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Bytes of answers that this program has not read. */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /** Whether the peer, or all peers at its address, are over their share, or there is no room for anybody. */
  get isOverShare(): boolean {
    const { maxHeldBytesPerAddress, maxHeldBytesPerConnection } = this.#budget.limits;
    return (
      this.#receivedBytes >= maxHeldBytesPerConnection ||
      this.#address.receivedBytes >= maxHeldBytesPerAddress ||
      this.#budget.isFull
    );
  }

  /** Whether so much is to be sent that the peer is to take some of it before more is made. */
  get isUnsentFull(): boolean {
    return this.#unsentBytes >= this.#budget.limits.maxHeldBytesPerConnection / 3;
  }

  /** Whether memory is scarce in the whole node. */
  get isTight(): boolean {
    return this.#budget.isTight;
  }

  /** Whether this program is to read before it asks for more. */
  get isUnreadFull(): boolean {
    return this.#budget.isUnreadFull;
  }

  /** Ends connections of the budget until the rest is within its limit. Not to be called while frames are read. */
  enforce(): void {
    this.#budget.enforce();
  }

  /** Something received is held. Each byte is released once, also after the end of the connection. */
  hold(bytes: number): void {
    this.#receivedBytes += bytes;
    this.#address.receivedBytes += bytes;
    if (!this.#isOpen) this.#budget.orphanedChanged(bytes);
    this.#budget.changed(this.#address, bytes);
  }

  release(bytes: number): void {
    this.hold(-bytes);
  }

  /** A message or a piece of one is held; less than 0 is for what is not any more. */
  holdMessage(bytes: number): void {
    this.#messageBytes += bytes;
    this.hold(bytes);
  }

  /** Bytes below the frames: websocket messages, boxes and frames of which a part has come. */
  setBuffered(bytes: number): void {
    const change = bytes - this.#bufferedBytes;
    if (change === 0 || !this.#isOpen) return;
    this.#bufferedBytes = bytes;
    this.hold(change);
  }

  /** Bytes made for the peer that the socket has not taken. */
  setUnsent(bytes: number): void {
    const change = bytes - this.#unsentBytes;
    if (change === 0 || !this.#isOpen) return;
    this.#unsentBytes = bytes;
    this.#budget.changed(this.#address, change);
  }

  /** Answers that wait for this program to read them. Dropped at the end of the connection. */
  addUnread(bytes: number): void {
    if (!this.#isOpen) return;
    this.#unreadBytes += bytes;
    this.#budget.unreadChanged(bytes);
  }

  /** The connection has ended. What handlers still hold stays counted until it is released. */
  close(): void {
    if (!this.#isOpen) return;
    this.setBuffered(0);
    this.setUnsent(0);
    this.addUnread(-this.#unreadBytes);
    this.#isOpen = false;
    this.#budget.orphanedChanged(this.#receivedBytes);
    this.#address.connections.delete(this);
    this.#budget.forget(this.#address);
  }
}
