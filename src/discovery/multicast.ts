// The multicast group's socket: bound to the group's port on all addresses, a member of the group on each interface in use.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import type { Clock } from "../util/clock.ts";
import { DswarmError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { isLoopback } from "../util/loopback.ts";
import { describeInterfaces, findInterfaces, type InterfaceTable, type NetInterface } from "./interfaces.ts";
import type { DiscoveryConfig } from "./options.ts";
import { PacketQueue } from "./packet-queue.ts";
import type { Source } from "./source-shares.ts";

const receiveBufferBytes = 1 << 20;

/** Takes what the socket brings. */
interface MulticastSink {
  /** One datagram, outside the socket's callback. Its memory is the sink's. Must not throw. */
  receive(packet: Uint8Array, source: Source): void;
  count(name: string): void;
}

/** What a MulticastSocket needs. */
export interface MulticastContext {
  readonly config: DiscoveryConfig;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sink: MulticastSink;
  /** The machine's network interfaces. @default os.networkInterfaces */
  readonly listInterfaces?: () => InterfaceTable;
}

/** Sends to and receives from the group on the interfaces of `config.host`, which are looked up again every `rescanMs`. */
export class MulticastSocket {
  readonly #context: MulticastContext;
  readonly #socket: Socket;
  readonly #queue: PacketQueue<{ readonly packet: Uint8Array; readonly source: Source }>;
  /** Interfaces joined. Bounded by those of the machine. */
  #interfaces: readonly NetInterface[] = [];
  /** The interface that the socket sends on at present. */
  #selected: NetInterface | undefined;
  #cancelRescan: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  private constructor(context: MulticastContext) {
    this.#context = context;
    this.#queue = new PacketQueue(context.clock, ({ packet, source }) => context.sink.receive(packet, source));
    this.#socket = createSocket({
      type: "udp4",
      reuseAddr: true,
      recvBufferSize: receiveBufferBytes,
      // Addresses only, and answered at once: a send must leave before the next interface is selected.
      lookup: (address, _options, callback) => callback(null, address, 4),
    });
  }

  /**
   * Resolves when the socket has joined the group.
   * @throws DswarmError `interface_unknown` when `config.host` names no interface, `discovery_failed` when the port cannot
   * be shared or the group cannot be joined
   */
  static async open(context: MulticastContext): Promise<MulticastSocket> {
    const { host } = context.config;
    let table: InterfaceTable;
    try {
      table = listInterfaces(context);
    } catch (error) {
      throw new DswarmError("discovery_failed", `network interfaces: ${messageOf(error)}`, { cause: error });
    }
    if (findInterfaces(host, table).length === 0) {
      throw new DswarmError("interface_unknown", `${host}; there are: ${describeInterfaces(table)}`);
    }
    const multicast = new MulticastSocket(context);
    try {
      await multicast.#bind();
      multicast.#join(table);
    } catch (error) {
      await multicast.close();
      throw error;
    }
    return multicast;
  }

  async #bind(): Promise<void> {
    const { udpPort } = this.#context.config;
    try {
      // Awaited from before the bind on: with a lookup that answers at once, it may be done before the call returns.
      const listening = once(this.#socket, "listening");
      this.#socket.bind({ address: "0.0.0.0", port: udpPort, exclusive: true });
      await listening;
    } catch (error) {
      const hint = "another program may hold it without sharing it; choose another discovery port";
      throw new DswarmError("discovery_failed", `UDP port ${udpPort}: ${messageOf(error)}; ${hint}`, { cause: error });
    }
    this.#socket.on("error", (error) => this.#onError(error));
    this.#socket.on("message", (packet, { address, port }) => this.#onMessage(packet, { address, port }));
    this.#socket.setMulticastLoopback(true);
  }

  #join(table: InterfaceTable): void {
    const { group, host } = this.#context.config;
    const failure = this.#rescan(table);
    if (this.#interfaces.length === 0) {
      const detail = `joining ${group} on ${host}: ${messageOf(failure)}`;
      throw new DswarmError("discovery_failed", detail, { cause: failure });
    }
    this.#scheduleRescan();
  }

  /** Sends a packet on every interface. Resolves when it is with the operating system; what fails is counted, no more. */
  async send(packet: Uint8Array): Promise<void> {
    if (this.#closing !== undefined) return;
    await Promise.all(this.#interfaces.map((netInterface) => this.#sendOn(netInterface, packet)));
  }

  /** Leaves the group and closes the socket. What is queued is dropped. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelRescan?.();
    this.#queue.clear();
    this.#socket.removeAllListeners("message");
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }

  #sendOn(netInterface: NetInterface, packet: Uint8Array): Promise<void> {
    const { config, sink } = this.#context;
    return new Promise((resolve) => {
      const done = (error: Error | null): void => {
        // No route, no buffer, a link that is down: they pass, and the next announce comes soon.
        sink.count(error === null ? "announce.sent" : "announce.send_failed");
        resolve();
      };
      try {
        this.#select(netInterface);
        this.#socket.send(packet, config.udpPort, config.group, done);
      } catch (error) {
        done(error instanceof Error ? error : new Error(messageOf(error)));
      }
    });
  }

  #select(netInterface: NetInterface): void {
    if (this.#selected === netInterface) return;
    this.#selected = undefined;
    this.#socket.setMulticastInterface(netInterface.address);
    this.#socket.setMulticastTTL(netInterface.loopback ? 0 : 1);
    this.#selected = netInterface;
  }

  #onMessage(packet: Uint8Array, source: Source): void {
    const { sink } = this.#context;
    sink.count("announce.received");
    // The kernel delivers what any socket of the machine has joined for.
    const fromLoopback = isLoopback(source.address);
    if (!this.#interfaces.some(({ loopback }) => loopback === fromLoopback)) sink.count("announce.dropped.foreign");
    else if (!this.#queue.push({ packet, source }, source)) sink.count("announce.dropped.overflow");
  }

  #onError(error: unknown): void {
    const { logger, sink } = this.#context;
    sink.count("announce.socket_errors");
    logger.warn({ event: "discovery_socket_error", error: messageOf(error) }, "the multicast socket failed for once");
  }

  #scheduleRescan(): void {
    const { clock, config } = this.#context;
    this.#cancelRescan = clock.setTimeout(() => {
      try {
        this.#rescan(listInterfaces(this.#context));
      } catch (error) {
        // Asking for the interfaces takes a file descriptor, which may be scarce; they stay as they are.
        this.#onError(error);
      }
      this.#scheduleRescan();
    }, config.rescanMs);
  }

  /** Joins on new interfaces and leaves vanished ones. Returns the last failure to join. */
  #rescan(table: InterfaceTable): unknown {
    const { config, logger } = this.#context;
    const wanted = findInterfaces(config.host, table);
    const joined: NetInterface[] = [];
    for (const old of this.#interfaces) {
      if (wanted.some((found) => isSame(found, old))) {
        joined.push(old);
        continue;
      }
      this.#leave(old);
      logger.info({ event: "discovery_interface_left", name: old.name, address: old.address }, "left an interface");
    }
    let failure: unknown;
    for (const found of wanted) {
      if (joined.some((old) => isSame(found, old))) continue;
      const { name, address } = found;
      try {
        this.#addMembership(address);
        joined.push(found);
        logger.info({ event: "discovery_interface_joined", name, address }, "joined an interface");
      } catch (error) {
        failure = error;
        logger.debug({ event: "discovery_interface_failed", name, address, error: messageOf(error) }, "cannot join");
      }
    }
    this.#interfaces = joined;
    return failure;
  }

  #addMembership(address: string): void {
    try {
      this.#socket.addMembership(this.#context.config.group, address);
    } catch (error) {
      // An interface that has got another address is a member still.
      if (!(error instanceof Error && "code" in error && error.code === "EADDRINUSE")) throw error;
    }
  }

  #leave({ address }: NetInterface): void {
    try {
      this.#socket.dropMembership(this.#context.config.group, address);
    } catch {
      // With the interface or its address, the kernel has dropped the membership, or cannot find it any more.
    }
  }
}

function isSame(a: NetInterface, b: NetInterface): boolean {
  return a.name === b.name && a.address === b.address;
}

function listInterfaces(context: MulticastContext): InterfaceTable {
  return (context.listInterfaces ?? networkInterfaces)();
}
