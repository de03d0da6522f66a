// The part of NodeService that tells what happens, as it happens.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  LookupStepKind,
  type NodeService,
  type RatesSchema,
  type TracedNodeSchema,
  type TraceLookupResponseSchema,
  type WatchEventsResponseSchema,
} from "../../gen/dswarm/v1/node_pb.ts";
import type { Contact } from "../dht/contact.ts";
import type { LookupEvent } from "../dht/lookup-event.ts";
import type { LookupResult } from "../dht/lookup-options.ts";
import { sequenceOf } from "../dht/record.ts";
import { recordToMessage } from "../dht/record-codec.ts";
import { nodeIdBytes, sharedBits } from "../identity/node-id.ts";
import { formatHostPort } from "../identity/peer-address.ts";
import { toHex } from "../util/bytes.ts";
import { DswarmError } from "../util/errors.ts";
import { every } from "../util/every.ts";
import { Pending } from "../util/pending.ts";
import { eventNames, type LoggedEvent, maxPastEvents } from "./event-log.ts";
import { failureOf } from "./failure.ts";
import type { DswarmNode } from "./node.ts";
import { lookupResponse, rounded, targetOf } from "./node-dht-service.ts";

type WatchMethod = "watchEvents" | "traceLookup" | "watchValue";
type EventMessage = MessageInitShape<typeof WatchEventsResponseSchema>;
type Step = MessageInitShape<typeof TraceLookupResponseSchema>;

const defaultRatesMs = 1000;
const minRatesMs = 250;
const maxRatesMs = 60_000;
const maxNames = 32;
const ratesName = "rates";
const maxWaitingEvents = 1024;
// More than the steps of any lookup: 200 queries of at most four each.
const maxWaitingSteps = 1024;
const maxWatchMs = 3_600_000;
const minWatchMs = 100;
const defaultWatchMs = 5000;
const valueCursor = /^(?:none|sequence-\d{1,20})$/;

/** Tells what happens in a node and its DHT to the node's owner. */
export function createNodeWatchService(node: DswarmNode): Pick<ServiceImpl<typeof NodeService>, WatchMethod> {
  return {
    async *watchEvents({ ratesMs, past, names, after }, { signal }) {
      checkRange("rates_ms", ratesMs, minRatesMs, maxRatesMs);
      if (past > maxPastEvents) throw invalid(`past: at most ${maxPastEvents}`);
      const isWanted = filterOf(names);
      const missed = after === "" ? [] : node.events.since(after);
      if (missed === undefined) throw invalid("after: give the cursor of an event");
      const waiting = new Pending<EventMessage>({ max: maxWaitingEvents, signal });
      const note = (event: LoggedEvent): void => {
        if (isWanted(event.name)) waiting.push({ ...event, cursor: node.events.cursorOf(event) });
      };
      const old = after === "" ? node.events.past(past, ({ name }) => isWanted(name)) : missed;
      for (const event of old) note(event);
      const meter = new RateMeter(node);
      const tellRates = (): void =>
        waiting.push({ timeMs: node.config.clock.wallMs(), name: ratesName, rates: meter.take() });
      if (isWanted(ratesName)) tellRates();
      const stops = [
        node.events.listen(note),
        isWanted(ratesName) ? every(node.config.clock, ratesMs === 0 ? defaultRatesMs : ratesMs, tellRates) : () => {},
        endWith(node.closing, waiting),
      ];
      try {
        yield* waiting.read();
      } finally {
        for (const stop of stops) stop();
      }
    },
    async *traceLookup({ key }, { signal }) {
      const target = targetOf(key);
      const gone = new AbortController();
      const waiting = new Pending<Step>({ max: maxWaitingSteps, signal });
      waiting.push({ kind: LookupStepKind.STARTED, target: toHex(target) });
      let ended: Extract<LookupEvent, { type: "ended" }> | undefined;
      const onEvent = (event: LookupEvent): void => {
        if (event.type === "ended") ended = event;
        else waiting.push(stepOf(event, target));
      };
      const lookup = node.dht.lookup(target, { signal: gone.signal, onEvent });
      lookup.then(
        (result) => {
          waiting.push(lastStep(result, ended?.elapsedMs ?? result.elapsedMs));
          waiting.end();
        },
        (error: unknown) => waiting.fail(error),
      );
      try {
        yield* waiting.read();
      } finally {
        gone.abort();
      }
    },
    async *watchValue({ key, intervalMs, after }, { signal }) {
      checkRange("interval_ms", intervalMs, minWatchMs, maxWatchMs);
      if (after !== "" && !valueCursor.test(after)) throw invalid("after: give the cursor of an answer");
      const options = { intervalMs: intervalMs === 0 ? defaultWatchMs : intervalMs, signal };
      let seen = after;
      for await (const found of node.dht.watchFound(key, options)) {
        const cursor = found === undefined ? "none" : `sequence-${sequenceOf(found.record)}`;
        const isSeen = cursor === seen;
        seen = "";
        if (!isSeen)
          yield found === undefined ? { cursor } : { record: recordToMessage(found.record, found.ttlS), cursor };
      }
      if (node.closing.aborted) throw new DswarmError("node_closed");
    },
  };
}

/** Which events are wanted, by name. @throws ConnectError `invalid_argument` for names of none */
function filterOf(names: readonly string[]): (name: string) => boolean {
  if (names.length > maxNames) throw invalid(`names: at most ${maxNames}`);
  const unknown = names.find((name) => name !== ratesName && !eventNames.some((known) => known === name));
  if (unknown !== undefined) {
    const known = [...eventNames, ratesName].join(", ");
    throw invalid(`names: there is no event ${JSON.stringify(unknown.slice(0, 64))}; there are ${known}`);
  }
  const wanted = new Set(names);
  return (name) => wanted.size === 0 || wanted.has(name);
}

function checkRange(field: string, value: number, min: number, max: number): void {
  if (value !== 0 && !(value >= min && value <= max)) throw invalid(`${field}: ${min} to ${max}, or 0`);
}

function invalid(message: string): ConnectError {
  return new ConnectError(message, Code.InvalidArgument);
}

/** Makes who watches see that the node closes. Returns a function that forgets it. */
function endWith(closing: AbortSignal, waiting: Pending<EventMessage>): () => void {
  const onClosing = (): void => waiting.fail(new DswarmError("node_closed"));
  closing.addEventListener("abort", onClosing, { once: true });
  return () => closing.removeEventListener("abort", onClosing);
}

/** Counts of a node as rates, for one who watches. */
class RateMeter {
  readonly #node: DswarmNode;
  #takenAt: number;
  #before: Readonly<Record<string, number>>;

  constructor(node: DswarmNode) {
    this.#node = node;
    this.#takenAt = node.config.clock.now();
    this.#before = node.counters.snapshot();
  }

  /** What there is, and what went on since it was taken last. */
  take(): MessageInitShape<typeof RatesSchema> {
    const { config, peers, connections, dht, counters } = this.#node;
    const now = config.clock.now();
    const after = counters.snapshot();
    const intervalMs = now - this.#takenAt;
    const perSecond = (name: string): number => {
      const count = (after[name] ?? 0) - (this.#before[name] ?? 0);
      return intervalMs === 0 ? 0 : rounded((count * 1000) / intervalMs);
    };
    const rates = {
      intervalMs: rounded(intervalMs),
      peers: peers.size,
      connections,
      contacts: dht.table.size,
      records: dht.store.size,
      callsServed: perSecond("rpc.served"),
      callsMade: perSecond("rpc.made"),
      announces: perSecond("announce.received"),
      requests: perSecond("api.requests"),
      counters: after,
    };
    this.#takenAt = now;
    this.#before = after;
    return rates;
  }
}

const stepKinds = {
  asked: LookupStepKind.ASKED,
  answered: LookupStepKind.ANSWERED,
  // Of a lookup of nodes there is nothing to be found but nodes.
  found: LookupStepKind.ANSWERED,
  slow: LookupStepKind.SLOW,
  "timed-out": LookupStepKind.TIMED_OUT,
  failed: LookupStepKind.FAILED,
} as const;

function stepOf(event: Exclude<LookupEvent, { type: "ended" }>, target: Uint8Array): Step {
  const { type, contact, hop, elapsedMs } = event;
  return {
    kind: stepKinds[type],
    elapsedMs: rounded(elapsedMs),
    peer: traced(contact, target),
    hop,
    ...("rttMs" in event && { rttMs: rounded(event.rttMs) }),
    ...(event.type === "answered" && { learnt: event.learnt.map((each) => traced(each, target)) }),
    ...(event.type === "failed" && { error: failureOf(event.error) }),
  };
}

function lastStep(result: LookupResult<never>, elapsedMs: number): Step {
  return { kind: LookupStepKind.ENDED, elapsedMs: rounded(elapsedMs), result: lookupResponse(result) };
}

function traced({ id, addresses }: Contact, target: Uint8Array): MessageInitShape<typeof TracedNodeSchema> {
  const distanceBits = nodeIdBytes * 8 - sharedBits(id.bytes, target);
  return { id: id.toString(), addresses: addresses.map(formatHostPort), distanceBits };
}
