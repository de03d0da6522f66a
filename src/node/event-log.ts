// What happened in a node of late, for its owner to look at and to follow.
import type { Clock } from "../util/clock.ts";

/** The names of events. They never change; docs/api.md lists them. */
export const eventNames = [
  "peer_appeared",
  "peer_verified",
  "peer_lost",
  "connection_opened",
  "connection_closed",
  "handshake_failed",
  "dial_failed",
  "key_used_twice",
  "record_stored",
  "record_expired",
  "record_evicted",
  "republish_failed",
] as const;

/** The name of an event. */
export type EventName = (typeof eventNames)[number];

/** What an event says. */
export interface EventFields {
  /** "@" and base64 of the peer that it is about. */
  readonly peer?: string;
  /** "&" and base64 of the record key that it is about. */
  readonly key?: string;
  /** "host:port". */
  readonly address?: string;
  /** A word or a few. */
  readonly detail?: string;
}

/** An event that was noted. */
export interface LoggedEvent extends EventFields {
  /** From 1, one more for each. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly name: EventName;
}

/** Events remembered at most. */
export const maxPastEvents = 256;

const cursorPattern = /^([0-9a-z]{1,11})-(\d{1,15})$/;

type Listener = (event: LoggedEvent) => void;

/** Events of a node. Bounded by `maxPastEvents`. */
export class EventLog {
  readonly #clock: Clock;
  /** Tells the runs of a node apart: numbers begin again with each. */
  readonly #run: string;
  readonly #past: LoggedEvent[] = [];
  /** Bounded by those who watch. */
  readonly #listeners = new Set<Listener>();
  #number = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#run = clock.wallMs().toString(36);
  }

  /** Notes an event. */
  add(name: EventName, fields: EventFields = {}): void {
    this.#number += 1;
    const event: LoggedEvent = { number: this.#number, timeMs: this.#clock.wallMs(), name, ...fields };
    this.#past[(this.#number - 1) % maxPastEvents] = event;
    for (const listener of this.#listeners) listener(event);
  }

  /**
   * The last events, the oldest first.
   * @param count 0 to `maxPastEvents`
   * @param isWanted which of them count. @default all
   */
  past(count: number, isWanted: (event: LoggedEvent) => boolean = () => true): LoggedEvent[] {
    const wanted = this.#past.filter(isWanted).toSorted((a, b) => a.number - b.number);
    return wanted.slice(wanted.length - Math.min(count, wanted.length));
  }

  /** Where to go on after an event, also in a later run. */
  cursorOf({ number }: LoggedEvent): string {
    return `${this.#run}-${number}`;
  }

  /**
   * Events after a cursor, as far as they are remembered, the oldest first; after one of another run, all of them.
   * @returns undefined for what is no cursor
   */
  since(cursor: string): LoggedEvent[] | undefined {
    const [, run, number] = cursorPattern.exec(cursor) ?? [];
    if (run === undefined) return undefined;
    const last = run === this.#run ? Number(number) : 0;
    return this.past(maxPastEvents, (event) => event.number > last);
  }

  /** Calls back with each event from now on. It must not throw. Returns a function that ends it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
