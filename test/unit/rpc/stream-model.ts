// What the protocol (proto/dswarm/v1/frame.proto, docs/protocol.md) says of every frame that a peer may send, written down a
// second time, in the plainest way: the model that the state machine of streams and connections is held to.
//
// The connection under test serves EchoService with handlers that hang (`hangingEcho`), and has made one unary call and one
// conversation. Outcomes are lines of text: "end ID CODE" and "cancel ID" are frames that it sends, "call ID CODE" is how a
// call of its own ends (CODE 0 is success), "pong ID", "dead CODE" ends the connection.
import { fromBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { EchoRequestSchema } from "../../../gen/dswarm/example/v1/echo_pb.ts";
import type { Metadata } from "../../../gen/dswarm/v1/frame_pb.ts";
import type { LinkRole } from "../../../src/link/link.ts";
import { protocol } from "../../../src/rpc/params.ts";
import { type ErrorCode, errorTable } from "../../../src/util/errors.ts";
import type { Body } from "./raw-peer.ts";

export interface ModelConfig {
  readonly role: LinkRole;
  readonly maxMessageBytes: number;
  readonly maxConcurrentStreams: number;
}

type Kind = "unary" | "server" | "client" | "bidi";

const kinds: Readonly<Record<string, Kind>> = { Echo: "unary", Repeat: "server", Collect: "client", Converse: "bidi" };

interface ModelStream {
  readonly isOurs: boolean;
  readonly kind: Kind;
  halfClosed: boolean;
  /** Callee: a header or a message has come. */
  answering: boolean;
  /** Whole messages that have come. */
  messages: Uint8Array[];
  pieces: Uint8Array[];
}

const maxStatus: number = Code.Unauthenticated;

type DataBody = Extract<Body, { case: "data" }>["value"];
type OpenBody = Extract<Body, { case: "open" }>["value"];
type EndBody = Extract<Body, { case: "end" }>["value"];

const streamFrames: Readonly<Record<"ours" | "theirs", readonly string[]>> = {
  ours: ["header", "data", "credit", "end"],
  theirs: ["open", "data", "credit", "halfClose", "cancel"],
};

export class StreamModel {
  readonly #config: ModelConfig;
  readonly #streams = new Map<number, ModelStream>();
  #lastTheirs = 0;
  #nextOurs: number;
  #isDead = false;
  #out: string[] = [];

  constructor(config: ModelConfig) {
    this.#config = config;
    this.#nextOurs = config.role === "dialer" ? 1 : 2;
    for (const kind of ["unary", "bidi"] as const) {
      this.#streams.set(this.#nextOurs, newStream(true, kind));
      this.#nextOurs += 2;
    }
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Ids of calls of the connection under test, whether they are over or not. */
  get ours(): readonly number[] {
    return this.#config.role === "dialer" ? [1, 3] : [2, 4];
  }

  /** Ids of the peer's calls that are not over. */
  get theirs(): readonly number[] {
    return [...this.#streams].filter(([, { isOurs }]) => !isOurs).map(([id]) => id);
  }

  /** A stream id that the peer may open. */
  get nextTheirs(): number {
    return this.#lastTheirs === 0 ? (this.#config.role === "dialer" ? 2 : 1) : this.#lastTheirs + 2;
  }

  /** Whether the peer can have one more call running. */
  get hasRoom(): boolean {
    return this.theirs.length < this.#config.maxConcurrentStreams;
  }

  /**
   * The outcomes of a frame.
   * @param credit what the peer had left before the frame, on the stream and on the connection
   */
  receive(
    id: number,
    body: Body | undefined,
    credit: { readonly stream: number; readonly connection: number },
  ): string[] {
    this.#out = [];
    if (!this.#isDead && body !== undefined) this.#receive(id, body, credit);
    return this.#out;
  }

  #receive(id: number, body: Body, credit: { readonly stream: number; readonly connection: number }): void {
    if (id === 0) return this.#onConnection(body);
    const ours = id % 2 === (this.#config.role === "dialer" ? 1 : 0);
    if (!streamFrames[ours ? "ours" : "theirs"].includes(body.case ?? "")) return this.#die("frame_invalid");
    if (body.case === "open") return this.#onOpen(id, body.value);
    const cost = body.case === "data" ? sizeOf(body.value.payload) + protocol.dataFrameCost : 0;
    if (cost > credit.connection) return this.#die("credit_exceeded");
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      const wasOpened = ours ? id < this.#nextOurs : id <= this.#lastTheirs;
      if (!wasOpened) this.#die("frame_invalid");
      return;
    }
    switch (body.case) {
      case "data":
        if (cost > credit.stream) return this.#die("credit_exceeded");
        return this.#onData(id, stream, body.value);
      case "credit":
        if ((body.value.bytes ?? 0) === 0) this.#die("frame_invalid");
        return;
      case "halfClose":
        if (stream.halfClosed || stream.pieces.length > 0) return this.#fail(id, stream, Code.Internal);
        return this.#halfClose(id, stream);
      case "cancel":
        this.#streams.delete(id);
        return;
      case "header": {
        const fault = metadataFault(body.value.metadata);
        if (stream.answering) return this.#fail(id, stream, Code.Internal);
        stream.answering = true;
        if (fault !== undefined) this.#fail(id, stream, fault);
        return;
      }
      case "end":
        return this.#onEnd(id, stream, body.value);
      case "ping":
      case "pong":
      case "goAway":
      case undefined:
        return;
    }
  }

  #onConnection(body: Body): void {
    switch (body.case) {
      case "credit":
        if ((body.value.bytes ?? 0) === 0) this.#die("frame_invalid");
        return;
      case "ping":
        this.#out.push(`pong ${body.value.id ?? 0}`);
        return;
      case "goAway":
        for (const [id, { isOurs }] of this.#streams) {
          if (isOurs && id > (body.value.lastStreamId ?? 0)) this.#settle(id, Code.Unavailable);
        }
        return;
      case "pong":
      case undefined:
        return;
      case "open":
      case "data":
      case "halfClose":
      case "end":
      case "cancel":
      case "header":
        this.#die("frame_invalid");
    }
  }

  #onOpen(id: number, open: OpenBody): void {
    if (id <= this.#lastTheirs) return this.#die("frame_invalid");
    this.#lastTheirs = id;
    const kind = kinds[(open.method ?? "").split("/")[1] ?? ""];
    const stream = newStream(false, kind ?? "unary");
    const size = sizeOf(open.message);
    const fault =
      (this.hasRoom ? undefined : Code.ResourceExhausted) ??
      (size > protocol.maxPieceBytes ? Code.Internal : undefined) ??
      (size > this.#config.maxMessageBytes ? Code.ResourceExhausted : undefined) ??
      (kind === undefined ? Code.Unimplemented : undefined) ??
      metadataFault(open.metadata);
    this.#streams.set(id, stream);
    if (fault !== undefined) return this.#fail(id, stream, fault);
    if (open.message !== undefined) this.#onMessage(id, stream, open.message);
    if (open.halfClose === true && this.#streams.has(id)) this.#halfClose(id, stream);
  }

  #onData(id: number, stream: ModelStream, { payload = new Uint8Array(), more = false }: DataBody): void {
    if (payload.length > protocol.maxPieceBytes) return this.#die("frame_invalid");
    if (stream.halfClosed) return this.#fail(id, stream, Code.Internal);
    stream.answering = true;
    const size = stream.pieces.reduce((sum, piece) => sum + piece.length, payload.length);
    if (size > this.#config.maxMessageBytes) return this.#fail(id, stream, Code.ResourceExhausted);
    if (more && payload.length === 0) return this.#fail(id, stream, Code.Internal);
    stream.pieces.push(payload);
    if (more) return;
    const message = Buffer.concat(stream.pieces);
    stream.pieces = [];
    this.#onMessage(id, stream, message);
  }

  #onMessage(id: number, stream: ModelStream, message: Uint8Array): void {
    stream.messages.push(message);
    const isExtra = stream.messages.length > 1;
    if (stream.isOurs) {
      if (stream.kind === "unary" && isExtra) this.#fail(id, stream, Code.Internal);
      if (stream.kind === "bidi" && !decodes(message)) this.#fail(id, stream, Code.Internal);
      return;
    }
    // The handlers: that of Converse reads nothing, that of Collect all, the others one message.
    const isRead = stream.kind === "server" || stream.kind === "client";
    if (isRead && !decodes(message)) return this.#fail(id, stream, Code.InvalidArgument);
    if (isExtra && (stream.kind === "unary" || stream.kind === "server")) this.#fail(id, stream, Code.Internal);
  }

  #halfClose(id: number, stream: ModelStream): void {
    stream.halfClosed = true;
    const [message] = stream.messages;
    if (stream.kind !== "unary" && stream.kind !== "server") return;
    if (message === undefined) this.#fail(id, stream, Code.Internal);
    else if (!decodes(message)) this.#fail(id, stream, Code.InvalidArgument);
  }

  #onEnd(id: number, stream: ModelStream, end: EndBody): void {
    const { code = 0, response } = end;
    const fault =
      metadataFault(end.header) ??
      metadataFault(end.trailer) ??
      (sizeOf(response) > protocol.maxPieceBytes ? Code.Internal : undefined) ??
      (sizeOf(response) > this.#config.maxMessageBytes ? Code.ResourceExhausted : undefined) ??
      (stream.pieces.length > 0 && code === 0 ? Code.Internal : undefined) ??
      (stream.answering && (end.header?.length ?? 0) > 0 ? Code.Internal : undefined);
    if (fault !== undefined) return this.#settle(id, fault);
    if (code !== 0) return this.#settle(id, code > maxStatus ? Code.Unknown : code);
    if (response !== undefined) stream.messages.push(response);
    const isOne = stream.kind === "bidi" || stream.messages.length === 1;
    this.#settle(id, isOne && stream.messages.every(decodes) ? 0 : Code.Internal);
  }

  /** A fault of the peer on a stream. */
  #fail(id: number, stream: ModelStream, code: Code): void {
    this.#streams.delete(id);
    if (stream.isOurs) this.#out.push(`cancel ${id}`, `call ${id} ${code}`);
    else this.#out.push(`end ${id} ${code}`);
  }

  /** A call of this end is over, without a word to the peer. */
  #settle(id: number, code: number): void {
    this.#streams.delete(id);
    this.#out.push(`call ${id} ${code}`);
  }

  #die(code: ErrorCode): void {
    this.#isDead = true;
    for (const [id, { isOurs }] of this.#streams) if (isOurs) this.#settle(id, errorTable[code].connect);
    this.#streams.clear();
    this.#out.push(`dead ${code}`);
  }
}

function newStream(isOurs: boolean, kind: Kind): ModelStream {
  return { isOurs, kind, halfClosed: false, answering: false, messages: [], pieces: [] };
}

function sizeOf(bytes: Uint8Array | undefined): number {
  return bytes?.length ?? 0;
}

/** All messages of EchoService have a payload as their field 1, and the tests send no other. */
function decodes(message: Uint8Array): boolean {
  try {
    fromBinary(EchoRequestSchema, message);
    return true;
  } catch {
    return false;
  }
}

/** The tests send metadata of one kind of fault: a key that is not allowed. */
function metadataFault(metadata: readonly Partial<Metadata>[] | undefined): Code | undefined {
  return metadata?.some(({ key = "" }) => !/^[0-9a-z_.-]+$/.test(key)) ? Code.InvalidArgument : undefined;
}
