// JSON Schema (2020-12) of protobuf messages as protobuf JSON has them, made from descriptors.
import { type DescEnum, type DescField, type DescMessage, type JsonObject, ScalarType } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { ruledFields, ruledList, ruledValue } from "./field-rules.ts";

/** What a schema says of its parts, by full name. */
export type Comments = Readonly<Record<string, string>>;

const maxInt32 = 2 ** 31 - 1;
const int32: JsonObject = { type: "integer", format: "int32", minimum: -maxInt32 - 1, maximum: maxInt32 };
const uint32: JsonObject = { type: "integer", format: "uint32", minimum: 0, maximum: 2 ** 32 - 1 };
// As text in answers, since numbers of JavaScript have 53 bits. In requests larger numbers are taken, too, which no JSON Schema
// of this program could bound.
const safe = { minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
const wide: JsonObject = { type: ["string", "integer"] };
const int64: JsonObject = {
  ...wide,
  format: "int64",
  pattern: `^(?:-?${upTo(2n ** 63n - 1n)}|-${2n ** 63n})$`,
  ...safe,
};
const uint64: JsonObject = { ...wide, format: "uint64", pattern: `^${upTo(2n ** 64n - 1n)}$`, ...safe, minimum: 0 };

/** The pattern of the whole numbers from 0 to a bound of at least two digits. */
function upTo(bound: bigint): string {
  const digits = `${bound}`;
  // Those with as many digits that differ first in one place.
  const smaller = Array.from(digits, Number).flatMap((digit, i) => {
    const least = i === 0 ? 1 : 0;
    if (digit === least) return [];
    return [`${digits.slice(0, i)}[${least}-${digit - 1}][0-9]{${digits.length - 1 - i}}`];
  });
  return `(?:0|[1-9][0-9]{0,${digits.length - 2}}|${smaller.join("|")}|${digits})`;
}

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

  /** What a message looks like without some of its fields, which are elsewhere. */
  without(desc: DescMessage, absent: ReadonlySet<DescField>): JsonObject {
    const fields = desc.fields.filter((field) => !absent.has(field));
    const properties = Object.fromEntries(fields.map((field) => [field.jsonName, this.field(field)]));
    return { type: "object", properties, additionalProperties: false };
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
      ...ruledFields(desc),
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
    if (fieldKind === "list") return { type: "array", items: this.#single(field), ...ruledList(field) };
    if (fieldKind === "map") return { type: "object", additionalProperties: this.#single(field) };
    return this.#single(field);
  }

  #single(field: DescField): JsonObject {
    const { message, enum: enumeration, scalar } = field;
    if (message !== undefined) return this.message(message);
    if (enumeration !== undefined) return this.#enum(enumeration);
    return scalar === undefined ? {} : ruledValue(scalars[scalar], field);
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
