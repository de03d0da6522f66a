// What the nodes of a swarm do, for people. A swarm of n nodes has n(n-1) new peers to tell of at its start: told are the
// nodes themselves, that all know all, and peers from outside the swarm, once each and not once a node.
import { type Clock, systemClock } from "../util/clock.ts";
import { version } from "../util/version.ts";
import type { NodeEvent, Reporter, ShownPeer, SwarmEvent } from "./events.ts";
import { type Hints, hintLines } from "./hints.ts";
import { lost, placed } from "./node-reporter.ts";
import type { Terminal } from "./terminal.ts";
import { alignColumns, counted, fittingId, howItEnded, seconds, shortId, timeOfDay } from "./text.ts";

/** Nodes that are shown one by one; of more there is only the number. */
const shownNodes = 16;

/** Shows the events of a swarm. */
export class SwarmReporter implements Reporter {
  readonly closestNodes = shownNodes;
  readonly #terminal: Terminal;
  readonly #nodes: number;
  readonly #hints: Hints;
  readonly #clock: Clock;
  /** Nodes by id, with their index. Bounded by the swarm's size. */
  readonly #members = new Map<string, number>();
  /** Lines of nodes that wait for those before them. Bounded by `shownNodes`. */
  readonly #waiting = new Map<number, string>();
  #nextShown = 1;
  #first: Parameters<typeof hintLines>[1] = { url: "" };
  /** Which nodes know of a peer from outside. Bounded by the peers that the nodes remember. */
  readonly #outsiders = new Map<string, { address: string | null; readonly knownBy: Set<number> }>();
  /** By index. Bounded by `shownNodes`. */
  readonly #closest = new Map<number, readonly ShownPeer[]>();
  /** Nodes that have told since these were last shown. Bounded by `shownNodes`. */
  readonly #news = new Set<number>();
  #shownBlock = "";
  #allListening = false;
  #isClosing = false;

  /** @param nodes how many nodes there will be */
  constructor(terminal: Terminal, nodes: number, hints: Hints, clock: Clock = systemClock) {
    this.#terminal = terminal;
    this.#nodes = nodes;
    this.#hints = hints;
    this.#clock = clock;
    const { paint } = terminal;
    const { network, host } = hints;
    terminal.line(`${paint("bold", `dswarm ${version}`)}, ${counted(nodes, "node")}, network ${network}, on ${host}`);
    terminal.line();
  }

  report(event: NodeEvent | SwarmEvent, index: number): void {
    if (this.#isClosing) return;
    switch (event.event) {
      case "listening":
        this.#listening(event, index);
        break;
      case "peer":
        this.#peer(event.peer, event.address, index);
        break;
      case "peer_lost":
        this.#peerLost(event.peer, event.reason, index);
        break;
      case "closest":
        if (this.#allListening && index <= shownNodes) this.#noteClosest(index, event.peers);
        break;
      case "complete": {
        const text = `${counted(event.nodes, "node")} know one another after ${seconds(event.ms)}`;
        this.#timed(this.#terminal.paint(["bold", "green"], text));
        break;
      }
      case "died":
        this.#died(event, index);
        break;
      case "stopped":
        this.#forget(event.id, index);
        this.#timed(`Node ${index} was stopped; ${counted(this.#members.size, "node")} left`);
        break;
      case "closing":
        this.#isClosing = true;
        this.#timed(`Closing ${counted(this.#members.size, "node")}.`);
        break;
    }
  }

  /** Shows them all once each node has told its own, or one has for the second time while another does not. */
  #noteClosest(index: number, peers: readonly ShownPeer[]): void {
    if (this.#news.has(index)) this.#showClosest();
    this.#closest.set(index, peers);
    this.#news.add(index);
    const alive = [...this.#members.values()].filter((member) => member <= shownNodes);
    if (alive.every((member) => this.#news.has(member))) this.#showClosest();
  }

  #showClosest(): void {
    this.#news.clear();
    const rows = [...this.#closest]
      .sort(([a], [b]) => a - b)
      .map(([index, peers]) => [this.#label(index)].concat(peers.map((peer) => this.#shownPeer(peer))));
    const block = alignColumns(rows);
    const text = block.join("\n");
    if (text === this.#shownBlock) {
      this.#timed(this.#terminal.paint("dim", "Each node has the same closest peers as before"));
      return;
    }
    this.#shownBlock = text;
    this.#timed("Each node and its closest peers");
    for (const line of block) this.#terminal.line(line);
    this.#tellOfTheRest(this.#members.size - this.#closest.size);
  }

  #listening({ id, port, ...rest }: NodeEvent & { readonly event: "listening" }, index: number): void {
    const { paint } = this.#terminal;
    this.#members.set(id, index);
    if (this.#allListening) {
      // One that was added.
      this.#outsiders.delete(id);
      this.#timed(`Node ${index} was added: ${shortId(id)} on port ${this.#terminal.paint("bold", `${port}`)}`);
      return;
    }
    if (index === 1) this.#first = rest;
    if (index <= shownNodes) {
      const label = this.#label(index);
      const shownId = fittingId(id, `${label}    listening on port ${port}`.length, this.#terminal.columns);
      this.#waiting.set(index, `${label}  ${paint("cyan", shownId)}  listening on port ${paint("bold", `${port}`)}`);
    }
    for (let line = this.#waiting.get(this.#nextShown); line !== undefined; line = this.#waiting.get(this.#nextShown)) {
      this.#terminal.line(line);
      this.#waiting.delete(this.#nextShown);
      this.#nextShown += 1;
    }
    if (this.#members.size === this.#nodes) this.#onAllListening();
  }

  #onAllListening(): void {
    this.#allListening = true;
    this.#tellOfTheRest(this.#nodes - shownNodes);
    this.#terminal.line();
    for (const line of hintLines(this.#hints, this.#first)) this.#terminal.line(line);
    this.#terminal.line();
    for (const id of this.#members.keys()) this.#outsiders.delete(id);
    for (const [id, { address }] of this.#outsiders) this.#newPeer(id, address);
  }

  #peer(id: string, address: string | null, index: number): void {
    if (this.#members.has(id)) return;
    const outsider = this.#outsiders.get(id) ?? { address, knownBy: new Set() };
    outsider.knownBy.add(index);
    this.#outsiders.set(id, outsider);
    // Until all nodes listen, a stranger may be one of them.
    if (outsider.knownBy.size === 1 && this.#allListening) this.#newPeer(id, address);
  }

  #newPeer(id: string, address: string | null): void {
    this.#timed(`${this.#terminal.paint("green", "New peer")} ${placed({ id, address }, this.#terminal)}`);
  }

  #peerLost(id: string, reason: Parameters<typeof lost>[1], index: number): void {
    const outsider = this.#outsiders.get(id);
    if (outsider?.knownBy.delete(index) !== true || outsider.knownBy.size > 0) return;
    this.#outsiders.delete(id);
    this.#timed(`${this.#terminal.paint("yellow", "Lost peer")} ${lost(id, reason, this.#terminal)}`);
  }

  #died({ id, pid, ...exit }: SwarmEvent & { readonly event: "died" }, index: number): void {
    this.#forget(id, index);
    // From now on it is a peer like those from outside: it is told of when the others notice.
    this.#outsiders.set(id, { address: null, knownBy: new Set(this.#members.values()) });
    const name = this.#terminal.paint("red", `Node ${index}`);
    this.#timed(`${name} (process ${pid}) ${howItEnded(exit)}; ${counted(this.#members.size, "node")} left`);
  }

  #forget(id: string, index: number): void {
    this.#members.delete(id);
    this.#closest.delete(index);
    this.#news.delete(index);
  }

  #shownPeer({ id, address }: ShownPeer): string {
    const index = this.#members.get(id);
    const label = index === undefined ? "" : `${index} `;
    // All on one host: the port says it all.
    const port =
      address?.startsWith(`${this.#hints.host}:`) === true ? address.slice(this.#hints.host.length) : address;
    return `${label.padStart(this.#labelWidth + 1)}${shortId(id)} ${port ?? "?"}`;
  }

  #tellOfTheRest(count: number): void {
    if (count > 0) this.#terminal.line(`${this.#label("")}  … and ${counted(count, "node")} more`);
  }

  get #labelWidth(): number {
    return `${this.#nodes}`.length;
  }

  #label(index: number | string): string {
    return `  ${`${index}`.padStart(this.#labelWidth)}`;
  }

  #timed(text: string): void {
    this.#terminal.line(`${this.#terminal.paint("dim", timeOfDay(this.#clock.wallMs()))}  ${text}`);
  }
}
