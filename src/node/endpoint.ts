// What counts as one place where dials arrive: a port of a machine, whatever address of the machine is named.
import { networkInterfaces } from "node:os";
import { canonicalHost, hostGroup } from "../dht/contact-host.ts";
import type { HostPort } from "../identity/peer-address.ts";
import type { Clock } from "../util/clock.ts";
import { isLoopback } from "../util/loopback.ts";

const thisMachine = "localhost";
// The addresses of this machine change seldom, and listing them takes a system call.
const freshMs = 10_000;

/** A port of a machine. */
export interface Endpoint {
  /** The machine: an IPv4 address, 64 bits of an IPv6 address, a host name, or "localhost" for this machine. */
  readonly machine: string;
  /** The machine and the port, as a key. */
  readonly name: string;
}

/** Tells which addresses are one machine. */
export class Endpoints {
  readonly #clock: Clock;
  readonly #listAddresses: () => readonly string[];
  #own: ReadonlySet<string> = new Set();
  #listedAt = Number.NEGATIVE_INFINITY;

  /** @param listAddresses lists the IP addresses of this machine */
  constructor(clock: Clock, listAddresses: () => readonly string[] = ownAddresses) {
    this.#clock = clock;
    this.#listAddresses = listAddresses;
  }

  /** The endpoint that an address leads to. All addresses of this machine, 127.0.0.0/8 included, lead to "localhost". */
  of({ host, port }: HostPort): Endpoint {
    const machine = this.#machineOf(canonicalHost(host) ?? host.toLowerCase());
    return { machine, name: `${machine} ${port}` };
  }

  #machineOf(host: string): string {
    if (host === thisMachine || isLoopback(host)) return thisMachine;
    const now = this.#clock.now();
    if (now - this.#listedAt >= freshMs) {
      this.#own = new Set(this.#listAddresses());
      this.#listedAt = now;
    }
    return this.#own.has(host) ? thisMachine : hostGroup(host);
  }
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address));
}
