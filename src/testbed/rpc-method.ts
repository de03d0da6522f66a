// The methods of DhtService as the simulated network passes them on: whole messages, and what they weigh on the wire. Bytes
// that may be written to are copied; those of a NodeId never are, by its contract, and are shared.
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  type Contact,
  type FindNodeRequest,
  FindNodeRequestSchema,
  type FindNodeResponse,
  FindNodeResponseSchema,
  type FindValueRequest,
  FindValueRequestSchema,
  type FindValueResponse,
  FindValueResponseSchema,
  type PingRequest,
  PingRequestSchema,
  type PingResponse,
  PingResponseSchema,
  RecordSchema,
  type StoreRequest,
  StoreRequestSchema,
  type StoreResponse,
  StoreResponseSchema,
} from "../../gen/dswarm/v1/dht_pb.ts";
import type { Caller } from "../dht/dht-peers.ts";

/** A message on its way. */
export interface Sent<M> {
  readonly message: M;
  /** Length of its protobuf form; frames and encryption are not counted. */
  readonly bytes: number;
}

/** What a node answers: as DhtAnswers, or later. */
export interface PeerAnswers {
  ping(request: PingRequest, caller: Caller): Answer<typeof PingResponseSchema>;
  findNode(request: FindNodeRequest, caller: Caller): Answer<typeof FindNodeResponseSchema>;
  findValue(request: FindValueRequest, caller: Caller): Answer<typeof FindValueResponseSchema>;
  store(request: StoreRequest, caller: Caller): Answer<typeof StoreResponseSchema>;
}

type Answer<S extends Parameters<typeof create>[0]> = MessageInitShape<S> | Promise<MessageInitShape<S>>;

/** A method: how its messages are passed on, and who answers them. */
export interface RpcMethod<Request, RequestInit, Response, ResponseInit> {
  readonly name: "ping" | "findNode" | "findValue" | "store";
  request(init: RequestInit): Sent<Request>;
  answer(answers: PeerAnswers, request: Request, caller: Caller): ResponseInit | Promise<ResponseInit>;
  response(init: ResponseInit): Sent<Response>;
}

export const pingMethod: RpcMethod<
  PingRequest,
  MessageInitShape<typeof PingRequestSchema>,
  PingResponse,
  MessageInitShape<typeof PingResponseSchema>
> = {
  name: "ping",
  request({ nonce, port }) {
    const message = create(PingRequestSchema, { nonce: copy(nonce), port: port ?? 0 });
    const portBytes = message.port === 0 ? 0 : 1 + varintBytes(message.port);
    return { message, bytes: bytesField(message.nonce) + portBytes };
  },
  answer: (answers, request, caller) => answers.ping(request, caller),
  response({ nonce }) {
    const message = create(PingResponseSchema, { nonce: copy(nonce) });
    return { message, bytes: bytesField(message.nonce) };
  },
};

export const findNodeMethod: RpcMethod<
  FindNodeRequest,
  MessageInitShape<typeof FindNodeRequestSchema>,
  FindNodeResponse,
  MessageInitShape<typeof FindNodeResponseSchema>
> = {
  name: "findNode",
  request({ target }) {
    const message = create(FindNodeRequestSchema, { target: copy(target) });
    return { message, bytes: bytesField(message.target) };
  },
  answer: (answers, request, caller) => answers.findNode(request, caller),
  response({ contacts }) {
    const message = create(FindNodeResponseSchema, { contacts: contacts ?? [] });
    return { message, bytes: contactsBytes(message.contacts) };
  },
};

export const findValueMethod: RpcMethod<
  FindValueRequest,
  MessageInitShape<typeof FindValueRequestSchema>,
  FindValueResponse,
  MessageInitShape<typeof FindValueResponseSchema>
> = {
  name: "findValue",
  request({ key }) {
    const message = create(FindValueRequestSchema, { key: copy(key) });
    return { message, bytes: bytesField(message.key) };
  },
  answer: (answers, request, caller) => answers.findValue(request, caller),
  response({ records = [], contacts = [] }) {
    const copies = records.map(copyRecord);
    const message = create(FindValueResponseSchema, { contacts, records: copies.map((sent) => sent.message) });
    let bytes = contactsBytes(message.contacts);
    for (const sent of copies) bytes += fieldBytes(sent.bytes);
    return { message, bytes };
  },
};

export const storeMethod: RpcMethod<
  StoreRequest,
  MessageInitShape<typeof StoreRequestSchema>,
  StoreResponse,
  MessageInitShape<typeof StoreResponseSchema>
> = {
  name: "store",
  request(init) {
    const wire = toBinary(StoreRequestSchema, create(StoreRequestSchema, init));
    return { message: fromBinary(StoreRequestSchema, wire), bytes: wire.length };
  },
  answer: (answers, request, caller) => answers.store(request, caller),
  response({ keptBy = [] }) {
    const message = create(StoreResponseSchema, { keptBy: keptBy.map(copy) });
    return { message, bytes: keptBy.reduce((sum, id) => sum + fieldBytes(id.length), 0) };
  },
};

function copyRecord(init: MessageInitShape<typeof RecordSchema>) {
  const wire = toBinary(RecordSchema, create(RecordSchema, init));
  return { message: fromBinary(RecordSchema, wire), bytes: wire.length };
}

function copy(bytes: Uint8Array | undefined): Uint8Array {
  return bytes === undefined ? new Uint8Array() : bytes.slice();
}

function contactsBytes(contacts: readonly Contact[]): number {
  let all = 0;
  for (const { id, addresses } of contacts) {
    let bytes = bytesField(id);
    // Addresses are ASCII.
    for (const address of addresses) bytes += fieldBytes(address.length);
    all += fieldBytes(bytes);
  }
  return all;
}

/** Of a bytes field that is left out when empty. */
function bytesField(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : fieldBytes(bytes.length);
}

function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let left = value; left >= 128; left = Math.floor(left / 128)) bytes += 1;
  return bytes;
}
