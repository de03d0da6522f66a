// Makes the request message of a short route out of path, query and body, by the rules of google/api/http.proto: the
// path's fields, then the body's, and from the query what neither of them holds. Everything goes through protobuf JSON.
import {
  create,
  type DescMessage,
  type JsonObject,
  type Message,
  mergeFromJson,
  type Registry,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { Code } from "@connectrpc/connect";
import { messageOf } from "../util/errors.ts";
import { parseExactJson } from "./exact-json.ts";
import { Fault } from "./fault.ts";
import { emptyObject, findField, putText } from "./field-path.ts";
import type { Binding } from "./http-rule.ts";
import { protobufJson } from "./protobuf-json.ts";
import { rawFieldOf, rawQueryFields } from "./raw-values.ts";

/** The parts of a request that hold fields. */
export interface RequestParts {
  /** Values of the path's captures, decoded. */
  readonly captured: readonly string[];
  /** What follows "?", as it came. */
  readonly query: string;
  /** JSON text, or what `rawFieldOf` the message is to hold. Not looked at where the binding has no body. */
  readonly body: string | Uint8Array;
}

/**
 * The request message.
 * @param registry the types that google.protobuf.Any may hold
 * @throws Fault 400 that names the field at fault
 */
export function requestMessage(binding: Binding, parts: RequestParts, registry: Registry): Message {
  const { input } = binding.rpc.method;
  const message = create(input);
  const fields = textFields(binding, parts);
  try {
    if (binding.body !== undefined) mergeBody(binding, binding.body, message, parts.body, registry);
    return mergeFromJson(input, message, protobufJson(input, fields, { ...jsonOptions, registry }), { registry });
  } catch (error) {
    throw invalid(messageOf(error));
  }
}

// The document of the API has no field that may be null.
const jsonOptions = { allowNull: false };

function mergeBody(
  { rpc, captures }: Binding,
  field: NonNullable<Binding["body"]>,
  message: Message,
  body: string | Uint8Array,
  registry: Registry,
): void {
  const { input } = rpc.method;
  if (typeof body === "string") {
    const json = parseExactJson(body);
    const names = captures.flatMap(({ parents, leaf }) => (parents.length === 0 ? [leaf.jsonName, leaf.name] : []));
    const twice = names.find((name) => typeof json === "object" && json !== null && Object.hasOwn(json, name));
    if (field === "*" && twice !== undefined) throw new SyntaxError(`${quote(twice)} is in the path already`);
    const value = protobufJson(input, field === "*" ? json : { [field.jsonName]: json }, { ...jsonOptions, registry });
    mergeFromJson(input, message, value, { registry });
    return;
  }
  const raw = rawFieldOf(input);
  if (raw === undefined) throw new TypeError(`${input.typeName} has no raw form`);
  reflect(input, message).set(raw, body);
}

function textFields(binding: Binding, { captured, query, body: given }: RequestParts): JsonObject {
  const { rpc, captures } = binding;
  const { input } = rpc.method;
  // The query has what a raw body has no place for. Beside JSON it goes before the body, so that one document describes both.
  const besideRaw = binding.body === "*" ? rawQueryFields(input) : [];
  const body = typeof given === "string" ? binding.body : rawFieldOf(input);
  const json = emptyObject();
  for (const [i, field] of captures.entries()) putText(json, field, captured[i] ?? "");
  for (const [name, value] of parseQuery(query)) {
    const field = findField(input, name);
    const outermost = field?.parents[0] ?? field?.leaf;
    if (body === "*" && (outermost === undefined || !besideRaw.includes(outermost)))
      throw invalid(`the query parameter ${quote(name)} belongs into the body`);
    if (field === undefined) throw invalid(`unknown query parameter ${quote(name)}; there are: ${known(input)}`);
    if (outermost === body || !putText(json, field, value)) throw invalid(`${quote(name)} is given twice`);
  }
  return json;
}

function known(input: DescMessage): string {
  const names = input.fields.filter((field) => field.fieldKind === "message" || findField(input, field.name));
  return names.map(({ jsonName }) => jsonName).join(", ") || "none";
}

// As NodeIds and record keys print: nothing else looks so, and people paste them without percent-encoding.
const keyText = /^[@&][A-Za-z0-9+/]{43}=$/;

/**
 * Reads application/x-www-form-urlencoded, refusing what URLSearchParams would replace. "+" is a space there, except here in
 * the text of a key.
 */
function parseQuery(query: string): [string, string][] {
  return query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const equals = pair.indexOf("=");
      return equals < 0 ? [decode(pair), ""] : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
    });
}

function decode(text: string): string {
  try {
    const literal = decodeURIComponent(text);
    return keyText.test(literal) ? literal : decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw invalid(`${quote(text)} is not percent-encoded UTF-8`);
  }
}

function invalid(message: string): Fault {
  return new Fault(Code.InvalidArgument, message);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
