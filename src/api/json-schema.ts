// JSON Schema (2020-12) of protobuf messages as protobuf JSON has them, made from descriptors.
import { type DescEnum, type DescField, type DescMessage, type JsonObject, ScalarType } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation, isWrapperDesc } from "@bufbuild/protobuf/wkt";

/** What a schema says of its parts, by full name. */
export type Comments = Readonly<Record<string, string>>;

const maxInt32 = 2 ** 31 - 1;
const int32: JsonObject = { type: "integer", format: "int32", minimum: -maxInt32 - 1, maximum: maxInt32 };
const uint32: JsonObject = { type: "integer", format: "uint32", minimum: 0, maximum: 2 ** 32 - 1 };
// As text, since numbers of JavaScript have 53 bits.
const int64: JsonObject = { type: "string", format: "int64", pattern: "^-?[0-9]{1,19}$" };
const uint64: JsonObject = { type: "string", format: "uint64", pattern: "^[0-9]{1,20}$" };

const scalars: Readonly<Record<ScalarType, JsonObject>> = {
  [ScalarType.DOUBLE]: { type: "number", format: "double" },
  [ScalarType.FLOAT]: { type: "number", format: "float" },
  [ScalarType.INT64]: int64,
  [ScalarType.SINT64]: int64,
  [ScalarType.SFIXED64]: int64,
  [ScalarType.UINT64]: uint64,
  [ScalarType.FIXED64]: uint64,
  [ScalarType.INT32]: int32,
  [ScalarType.SINT32]: int32,
  [ScalarType.SFIXED32]: int32,
  [ScalarType.UINT32]: uint32,
  [ScalarType.FIXED32]: uint32,
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.STRING]: { type: "string" },
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
};

/** Messages that have a form of their own in JSON; one that is not here may be anything. */
const customForms: Readonly<Record<string, JsonObject>> = {
  "google.protobuf.Timestamp": { type: "string", format: "date-time" },
  "google.protobuf.Duration": { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" },
  "google.protobuf.FieldMask": { type: "string" },
  "google.protobuf.Struct": { type: "object" },
  "google.protobuf.ListValue": { type: "array" },
  "google.protobuf.Any": { type: "object", properties: { "@type": { type: "string" } }, required: ["@type"] },
};

/** Makes schemas that refer to those of other messages, and collects the latter. */
export class JsonSchemas {
  readonly #comments: Comments;
  // Bounded by the messages and enums of the descriptors.
  readonly #components = new Map<string, JsonObject>();

  constructor(comments: Comments) {
    this.#comments = comments;
  }

  /** All schemas referred to so far, for `components.schemas`. */
  get components(): JsonObject {
    return Object.fromEntries([...this.#components].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** What a message looks like. */
  message(desc: DescMessage): JsonObject {
    if (isWrapperDesc(desc)) return scalars[desc.fields[0].scalar];
    if (hasCustomJsonRepresentation(desc)) return customForms[desc.typeName] ?? {};
    return this.#reference(desc.typeName, () => ({
      type: "object",
      ...this.#described(desc.typeName),
      properties: Object.fromEntries(desc.fields.map((field) => [field.jsonName, this.field(field)])),
      additionalProperties: false,
    }));
  }

  /** What a field looks like, with what the schema says of it. */
  field(field: DescField): JsonObject {
    const oneof =
      field.oneof === undefined ? "" : `One of ${field.oneof.fields.map((each) => each.jsonName).join(", ")}.`;
    const name = `${field.parent.typeName}.${field.name}`;
    return { ...this.#form(field), ...this.#described(name, oneof) };
  }

  #form(field: DescField): JsonObject {
    const { fieldKind } = field;
    if (fieldKind === "list") return { type: "array", items: this.#single(field) };
    if (fieldKind === "map") return { type: "object", additionalProperties: this.#single(field) };
    return this.#single(field);
  }

  #single({ message, enum: enumeration, scalar }: DescField): JsonObject {
    if (message !== undefined) return this.message(message);
    if (enumeration !== undefined) return this.#enum(enumeration);
    return scalar === undefined ? {} : scalars[scalar];
  }

  #enum(desc: DescEnum): JsonObject {
    const values = desc.values.map(({ name }) => `${name}: ${this.#comments[`${desc.typeName}.${name}`] ?? ""}`);
    return this.#reference(desc.typeName, () => ({
      type: "string",
      ...this.#described(desc.typeName, `\n\n${values.join("\n")}`),
      enum: desc.values.map(({ name }) => name),
    }));
  }

  #described(name: string, more = ""): JsonObject {
    const description = `${this.#comments[name] ?? ""} ${more}`.trim();
    return description === "" ? {} : { description };
  }

  #reference(typeName: string, make: () => JsonObject): JsonObject {
    if (!this.#components.has(typeName)) {
      // Known before it is made: a message may hold itself.
      this.#components.set(typeName, {});
      this.#components.set(typeName, make());
    }
    return { $ref: `#/components/schemas/${typeName}` };
  }
}
