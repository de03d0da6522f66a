// Fields named by text, in queries and path templates: "timeout_ms", "timeoutMs", "filter.name".
import { type DescField, type DescMessage, type JsonObject, type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation, isWrapperDesc } from "@bufbuild/protobuf/wkt";

/** A field, and the fields of the messages that hold it, outermost first. */
export interface FieldPath {
  readonly parents: readonly DescField[];
  readonly leaf: DescField;
}

// Messages whose JSON form is a string.
const textual = new Set(["google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"]);

/**
 * Finds the field of a name, which may have the schema's spelling or that of JSON, and may lead through messages by dots.
 * @returns undefined where there is none, or none that a text can hold (messages, maps)
 */
export function findField(message: DescMessage, name: string): FieldPath | undefined {
  const dot = name.indexOf(".");
  const first = dot < 0 ? name : name.slice(0, dot);
  const field = message.fields.find((each) => each.name === first || each.jsonName === first);
  if (field === undefined) return undefined;
  if (dot < 0) return holdsText(field) ? { parents: [], leaf: field } : undefined;
  if (field.fieldKind !== "message" || hasCustomJsonRepresentation(field.message)) return undefined;
  const rest = findField(field.message, name.slice(dot + 1));
  return rest === undefined ? undefined : { parents: [field, ...rest.parents], leaf: rest.leaf };
}

function holdsText(field: DescField): boolean {
  if (field.fieldKind === "map") return false;
  return field.message === undefined || textual.has(field.message.typeName) || isWrapperDesc(field.message);
}

/**
 * Puts the text of a field into protobuf JSON, adding to a repeated one.
 * @returns false when the field is not repeated and there already
 */
export function putText(json: JsonObject, { parents, leaf }: FieldPath, text: string): boolean {
  let holder = json;
  for (const { jsonName } of parents) {
    const inner = holder[jsonName];
    holder = isObject(inner) ? inner : (holder[jsonName] = emptyObject());
  }
  const value = toJsonValue(leaf, text);
  const before = holder[leaf.jsonName];
  if (Array.isArray(before)) before.push(value);
  else if (before !== undefined) return false;
  else holder[leaf.jsonName] = leaf.fieldKind === "list" ? [value] : value;
  return true;
}

/** Without a prototype, so that a field may have any name. */
export function emptyObject(): JsonObject {
  const object: JsonObject = Object.create(null);
  return object;
}

function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

// Protobuf JSON reads numbers, bytes and enum names from strings; booleans and numbers of enums it does not.
function toJsonValue(field: DescField, text: string): JsonValue {
  if (field.enum !== undefined) return /^-?\d{1,10}$/.test(text) ? Number(text) : text;
  const wrapped = field.message !== undefined && isWrapperDesc(field.message) ? field.message.fields[0] : undefined;
  const scalar = wrapped?.scalar ?? field.scalar;
  // Of base64 that was not percent-encoded, a query's "+" has become a space, which protobuf JSON would skip.
  if (scalar === ScalarType.BYTES) return text.replaceAll(" ", "+");
  if (scalar !== ScalarType.BOOL) return text;
  return text === "true" || (text === "false" ? false : text);
}
