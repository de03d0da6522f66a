// The schemas of what peers serve, as they tell by reflection. What a peer tells is checked and bounded: it may be anything.
import { createFileRegistry, type DescMessage, type DescService, type Registry, toBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { LRUCache } from "lru-cache";
import { ReflectionService } from "../../gen/dswarm/v1/reflection_pb.ts";
import type { NodeId } from "../identity/node-id.ts";
import type { ResponseCheck } from "../rpc/message-codec.ts";
import { checkMessageCost } from "../rpc/message-cost.ts";
import { messageOf } from "../util/errors.ts";
import { withWellKnownTypes } from "./well-known-types.ts";

/** The schema of a service. */
export interface PeerSchema {
  readonly service: DescService;
  /** All types of the files, and those of google.protobuf that any program may put into an Any. */
  readonly registry: Registry;
  /** A serialized FileDescriptorSet: the file of the service and all that it imports, imported files first. */
  readonly files: Uint8Array;
  /** How much they declare. */
  readonly declarations: number;
}

/** What a peer may tell at most. */
const schemaLimits = {
  /** Services of a peer that are listed at once; of those that follow, the number is. */
  services: 64,
  /** Bytes of the descriptors of one service. */
  bytes: 1_048_576,
  /** Files in them. */
  files: 256,
  /** Messages, fields, enums and their values, services, methods, extensions in them. */
  declarations: 20_000,
  /** Fields of one message. */
  fields: 2000,
  /** Cells of an answer of reflection, as `checkMessageCost` counts them. */
  cells: 1_048_576,
} as const;

/** Bytes that a declaration takes when it is in use, roughly. */
const declarationBytes = 1000;
const maxCached = 256;
const maxCachedBytes = 64 * 1024 * 1024;
// A peer may serve another version at any time, though mostly it is started anew for that.
const cachedMs = 60_000;
const timeoutMs = 10_000;
const typeNamePattern = /^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$/;
const maxTypeNameLength = 256;
// Around the descriptors.
const answerOverhead = 16;

interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What tells schemas: a peer, or whoever provides a service. Its text is its name. */
interface Teller {
  toString(): string;
}

/** Schemas by peer and service. Bounded by `maxCached` and `maxCachedBytes`. */
export class PeerSchemas<T extends Teller = NodeId> {
  readonly #clientOf: (id: T, check: ResponseCheck) => Client<typeof ReflectionService>;
  readonly #cache = new LRUCache<string, PeerSchema>({
    max: maxCached,
    maxSize: maxCachedBytes,
    sizeCalculation: ({ files, declarations }) => files.length + declarations * declarationBytes,
    ttl: cachedMs,
  });

  /** @param clientOf a client of a peer, which connects when it is called, and looks at the answers with the check */
  constructor(clientOf: (id: T, check: ResponseCheck) => Client<typeof ReflectionService>) {
    this.#clientOf = clientOf;
  }

  /** A peer is gone: when it comes back, it may serve something else. */
  forget(id: T): void {
    const start = `${id.toString()} `;
    for (const key of this.#cache.keys()) if (key.startsWith(start)) this.#cache.delete(key);
  }

  /**
   * Type names of a peer's services, in alphabetical order, at most 64, and how many more there are. Rejects with a ConnectError.
   */
  async names(id: T, { signal }: CallOptions = {}): Promise<{ names: string[]; leftOut: number }> {
    const { services } = await this.#clientOf(id, checkAnswer).listServices(
      {},
      { timeoutMs, ...(signal && { signal }) },
    );
    const all = [...new Set(services.filter(isTypeName))].sort();
    const names = all.slice(0, schemaLimits.services);
    return { names, leftOut: all.length - names.length };
  }

  /**
   * The schema of a service of a peer; for a minute what was asked before.
   * @throws ConnectError `not_found` where the peer does not serve it, `failed_precondition` where what it tells is no schema of
   *   it or too large, `invalid_argument` for what is no type name
   */
  async schema(id: T, typeName: string, { signal }: CallOptions = {}): Promise<PeerSchema> {
    if (!isTypeName(typeName)) throw new ConnectError("not the type name of a service", Code.InvalidArgument);
    const key = `${id.toString()} ${typeName}`;
    const known = this.#cache.get(key);
    if (known !== undefined) return known;
    const { files } = await this.#clientOf(id, checkAnswer).getDescriptors(
      { service: typeName },
      { timeoutMs, ...(signal && { signal }) },
    );
    const schema = schemaOf(files, typeName);
    this.#cache.set(key, schema);
    return schema;
  }
}

/** Decoding 16 MiB of what stands for empty messages would take a gigabyte. @throws ConnectError `failed_precondition` */
function checkAnswer(schema: DescMessage, bytes: Uint8Array): void {
  if (bytes.length > schemaLimits.bytes + answerOverhead)
    throw bad(`${bytes.length} bytes are over ${schemaLimits.bytes}`);
  try {
    checkMessageCost(schema, bytes, { maxCells: schemaLimits.cells });
  } catch (error) {
    throw bad(messageOf(error));
  }
}

function isTypeName(text: string): boolean {
  return text.length <= maxTypeNameLength && typeNamePattern.test(text);
}

/** @throws ConnectError `failed_precondition` */
function schemaOf(set: FileDescriptorSet | undefined, typeName: string): PeerSchema {
  if (set === undefined || set.file.length === 0) throw bad("there is none");
  const { length } = set.file;
  if (length > schemaLimits.files) throw bad(`${length} files are over ${schemaLimits.files}`);
  const files = toBinary(FileDescriptorSetSchema, set);
  if (files.length > schemaLimits.bytes) throw bad(`${files.length} bytes are over ${schemaLimits.bytes}`);
  const declarations = declarationsIn(set);
  if (declarations > schemaLimits.declarations)
    throw bad(`${declarations} declarations are over ${schemaLimits.declarations}`);
  let registry: Registry;
  try {
    registry = createFileRegistry(set);
  } catch (error) {
    throw bad(messageOf(error).slice(0, maxTypeNameLength));
  }
  const service = registry.getService(typeName);
  if (service === undefined) throw bad("it does not declare the service");
  return { service, registry: withWellKnownTypes(registry), files, declarations };
}

function declarationsIn({ file }: FileDescriptorSet): number {
  return sum(
    file,
    ({ messageType, enumType, service, extension }) =>
      sum(messageType, declarationsInMessage) +
      sum(enumType, declarationsInEnum) +
      sum(service, ({ method }) => 1 + method.length) +
      extension.length,
  );
}

/** @throws ConnectError `failed_precondition` */
function declarationsInMessage({ name, field, nestedType, enumType, extension }: DescriptorProto): number {
  if (field.length > schemaLimits.fields) {
    throw bad(`${field.length} fields of ${name.slice(0, maxTypeNameLength)} are over ${schemaLimits.fields}`);
  }
  return (
    1 + field.length + extension.length + sum(nestedType, declarationsInMessage) + sum(enumType, declarationsInEnum)
  );
}

function declarationsInEnum({ value }: EnumDescriptorProto): number {
  return 1 + value.length;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

function bad(why: string): ConnectError {
  return new ConnectError(`the peer's schema is not usable: ${why}`, Code.FailedPrecondition);
}
