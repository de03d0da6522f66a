// What dswarm/v1/rules.proto says of a field, as JSON Schema.
import {
  type DescField,
  type DescMessage,
  getOption,
  hasOption,
  type JsonObject,
  ScalarType,
} from "@bufbuild/protobuf";
import { type FieldRules, field_rules, message_rules, TextForm } from "../../gen/dswarm/v1/rules_pb.ts";

// The last character of base64 of 32 bytes has four bits of them.
const last = "AEIMQUYcgkosw048";
const base64 = `[A-Za-z0-9+/]{42}[${last}]`;
/** As `parse32Bytes` reads them. */
const keyBytes = `(?:${base64}=?|[A-Za-z0-9_-]{42}[${last}]=?|[0-9A-Fa-f]{64})`;

const host = "(?:\\[[0-9A-Fa-f:.]{2,45}\\]|[A-Za-z0-9_.-]{1,253})";
const address = `dswarm://${keyBytes}@${host}:[1-9][0-9]{0,4}`;

/** The pattern of each form, without its anchors. */
const forms: Readonly<Record<TextForm, string | undefined>> = {
  [TextForm.UNSPECIFIED]: undefined,
  [TextForm.NODE_ID]: `@?${keyBytes}`,
  [TextForm.RECORD_KEY]: `&?${keyBytes}`,
  [TextForm.NODE_ID_OR_KEY]: `[@&]?${keyBytes}`,
  [TextForm.WRITTEN_NODE_ID]: `@${base64}=`,
  [TextForm.WRITTEN_KEY]: `&${base64}=`,
  [TextForm.TYPE_NAME]: "[A-Za-z0-9_]+(?:[.][A-Za-z0-9_]+)*",
  [TextForm.PEER]: `(?:@?${keyBytes}|${address})`,
  [TextForm.EVENT_CURSOR]: "[0-9a-z]{1,11}-[0-9]{1,15}",
  [TextForm.VALUE_CURSOR]: "(?:none|sequence-[0-9]{1,20})",
};

/** Of a NodeId as a node reads it. */
export const nodeIdPattern = `^${forms[TextForm.NODE_ID]}$`;
/** Of the type name of a service. */
export const typeNamePattern = `^${forms[TextForm.TYPE_NAME]}$`;

const digit = "[A-Za-z0-9+/_-]";
const mostInPattern = 1000;

/**
 * The pattern of base64 of any bytes, or of at most so many, with or without padding, also of base64url.
 * @param maxBytes up to 1000; more are not counted
 */
export function base64Pattern(maxBytes?: number): string {
  const two = `${digit}{2}(?:==)?`;
  const three = `${digit}{3}=?`;
  if (maxBytes === undefined || maxBytes > mostInPattern) return `^(?:${digit}{4})*(?:${two}|${three})?$`;
  const whole = Math.floor(maxBytes / 3);
  const most = `(?:${digit}{4}){0,${whole}}`;
  const fewer = `(?:${digit}{4}){0,${whole - 1}}`;
  if (maxBytes % 3 === 2) return `^${most}(?:${two}|${three})?$`;
  return maxBytes % 3 === 1 ? `^(?:${most}(?:${two})?|${fewer}${three})$` : `^(?:${most}|${fewer}(?:${two}|${three}))$`;
}

/** A schema of a field with the rules of it, those of a list aside. */
export function ruledValue(schema: JsonObject, field: DescField): JsonObject {
  const rules = rulesOf(field);
  const bytes = field.scalar === ScalarType.BYTES;
  if (rules === undefined && bytes) return { ...schema, pattern: base64Pattern() };
  if (rules === undefined) return exactlyOne(field.parent).includes(field) ? { ...schema, minLength: 1 } : schema;
  if (bytes) return { ...schema, ...lengthOf(rules) };
  if (rules.values.length > 0) return { ...schema, enum: rules.values };
  const form = forms[rules.form];
  if (form !== undefined) return { ...schema, pattern: isNeeded(field, rules) ? `^${form}$` : `^(?:${form})?$` };
  return { ...schema, ...rangeOf(rules) };
}

/** What else is said of a list. */
export function ruledList(field: DescField): JsonObject {
  const { maxItems = 0 } = rulesOf(field) ?? {};
  return maxItems === 0 ? {} : { maxItems };
}

/** What is said of which fields are there. */
export function ruledFields(desc: DescMessage): JsonObject {
  const required = desc.fields.filter((field) => rulesOf(field)?.required === true && field.fieldKind !== "list");
  const names = exactlyOne(desc).map(({ jsonName }) => jsonName);
  return {
    ...(required.length > 0 && { required: required.map(({ jsonName }) => jsonName) }),
    ...(names.length > 0 && { oneOf: names.map((name) => ({ required: [name] })) }),
  };
}

/** Fields of a message of which exactly one must be there. */
export function exactlyOne(desc: DescMessage): DescField[] {
  const names = hasOption(desc, message_rules) ? getOption(desc, message_rules).exactlyOne : [];
  return desc.fields.filter(({ name }) => names.includes(name));
}

/** Whether a field must be there and not be empty, or else another. */
function isNeeded(field: DescField, rules: FieldRules): boolean {
  return rules.required || exactlyOne(field.parent).includes(field);
}

function rulesOf(field: DescField): FieldRules | undefined {
  return hasOption(field, field_rules) ? getOption(field, field_rules) : undefined;
}

function lengthOf({ maxBytes }: FieldRules): JsonObject {
  if (maxBytes === 0) return { pattern: base64Pattern() };
  if (maxBytes <= mostInPattern) return { pattern: base64Pattern(maxBytes) };
  return { pattern: base64Pattern(), maxLength: Math.ceil(maxBytes / 3) * 4 };
}

function rangeOf({ min, max }: FieldRules): JsonObject {
  const bound = max === 0 ? {} : { maximum: max };
  return min === 0 ? bound : { ...bound, anyOf: [{ const: 0 }, { minimum: min }] };
}
