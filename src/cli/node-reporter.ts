// What one node does, for people.
import { type Clock, systemClock } from "../util/clock.ts";
import { version } from "../util/version.ts";
import type { NodeEvent, Reporter, ShownPeer, SwarmEvent } from "./events.ts";
import { type Hints, hintLines } from "./hints.ts";
import type { Terminal } from "./terminal.ts";
import { alignColumns, fittingId, printable, timeOfDay } from "./text.ts";

/** Shows the events of one node. */
export class NodeReporter implements Reporter {
  readonly closestNodes = 1;
  readonly #terminal: Terminal;
  readonly #hints: Hints;
  readonly #clock: Clock;

  constructor(terminal: Terminal, hints: Hints, clock: Clock = systemClock) {
    this.#terminal = terminal;
    this.#hints = hints;
    this.#clock = clock;
  }

  report(event: NodeEvent | SwarmEvent): void {
    switch (event.event) {
      case "listening":
        this.#listening(event);
        break;
      case "peer":
        this.#timed(
          `${this.#terminal.paint("green", "New peer")} ${placed({ ...event, id: event.peer }, this.#terminal)}`,
        );
        break;
      case "peer_lost":
        this.#timed(`${this.#terminal.paint("yellow", "Lost peer")} ${lost(event.peer, event.reason, this.#terminal)}`);
        break;
      case "closest":
        this.#closest(event.peers);
        break;
      case "closing":
        this.#timed("Closing: taking leave of the peers.");
        break;
      // Of a swarm.
      case "complete":
      case "died":
      case "stopped":
        break;
    }
  }

  #listening(event: NodeEvent & { readonly event: "listening" }): void {
    const { id, address, port, certificate } = event;
    const { paint } = this.#terminal;
    const { network, host } = this.#hints;
    this.#terminal.line(`${paint("bold", `dswarm ${version}`)}, network ${network}, on ${host}`);
    this.#terminal.line();
    const shownId = fittingId(id, `Node  listening on port ${port}`.length, this.#terminal.columns);
    this.#terminal.line(`Node ${paint("cyan", shownId)} listening on port ${paint("bold", `${port}`)}`);
    // Whole however narrow the terminal is: it is there to be copied.
    this.#terminal.line(`  address  ${address}`);
    if (certificate !== undefined) this.#terminal.line(`  certificate  ${printable(certificate)}`);
    this.#terminal.line();
    for (const line of hintLines(this.#hints, event)) this.#terminal.line(line);
    this.#terminal.line();
  }

  #closest(peers: readonly ShownPeer[]): void {
    if (peers.length === 0) {
      this.#timed(this.#terminal.paint("dim", "Closest peers: none yet"));
      return;
    }
    this.#timed("Closest peers");
    const rows = peers.map(({ id, address }) => {
      const place = address ?? unknownAddress;
      return [margin, fittingId(id, margin.length + place.length + 4, this.#terminal.columns), place];
    });
    for (const line of alignColumns(rows)) this.#terminal.line(line);
  }

  #timed(text: string): void {
    this.#terminal.line(`${this.#terminal.paint("dim", timeOfDay(this.#clock.wallMs()))}  ${text}`);
  }
}

/** Why a peer is no longer known, in words. */
const reasons = Object.freeze({ left: "has left", expired: "is silent" });

const unknownAddress = "(no address yet)";
// As wide as the time before a line.
const margin = "        ";
const lineHead = "14:03:59  New peer  ".length;

/** A peer's id and address, as they fit after the time and "New peer". */
export function placed({ id, address }: ShownPeer, { columns }: Pick<Terminal, "columns">): string {
  const place = address ?? unknownAddress;
  return `${fittingId(id, lineHead + place.length, columns)} ${place}`;
}

/** A peer's id and why it is no longer known, as they fit after the time and "Lost peer". */
export function lost(id: string, reason: keyof typeof reasons, { columns }: Pick<Terminal, "columns">): string {
  const why = reasons[reason];
  return `${fittingId(id, lineHead + 1 + why.length, columns)} ${why}`;
}
