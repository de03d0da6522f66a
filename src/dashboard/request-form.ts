// A request as a form: which fields a message has, how each is asked for, and the JSON that comes of what was typed. Schemas
// come from peers and may be anything.
import { createFileRegistry, type DescField, type DescMethod, fromBinary, ScalarType } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

/** Fields that are asked for one by one; the others can only be given as JSON. */
const maxFields = 60;
const maxChoices = 200;

/** How a field is asked for. */
type FieldInput =
  | { readonly kind: "text" | "bytes" | "number" | "check" | "json" }
  | { readonly kind: "choice"; readonly choices: readonly string[] };

/** A field of a form. */
export interface FormField {
  /** Its name in JSON. */
  readonly name: string;
  /** Its type, for people. */
  readonly type: string;
  readonly input: FieldInput;
}

/**
 * The methods of a service by name, with their schemas.
 * @param descriptors a serialized google.protobuf.FileDescriptorSet
 * @throws Error where the schemas are not whole
 */
export function methodsOf(descriptors: Uint8Array, service: string): ReadonlyMap<string, DescMethod> {
  const found = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors)).getService(service);
  return new Map(found?.methods.map((method) => [method.name, method]));
}

/** The fields of a method's request, at most 60. */
export function fieldsOf({ input }: DescMethod): FormField[] {
  return input.fields.slice(0, maxFields).map((field) => ({
    name: field.jsonName,
    type: typeOf(field),
    input: inputOf(field),
  }));
}

/**
 * The request in JSON. What was left empty is left out.
 * @param typed what was typed, by name; "true" of boxes that are ticked
 * @throws Error that names the field whose JSON cannot be read
 */
export function requestOf(fields: readonly FormField[], typed: Readonly<Record<string, string>>): string {
  const request: Record<string, unknown> = {};
  for (const { name, input } of fields) {
    const text = typed[name] ?? "";
    if (text === "") continue;
    if (input.kind === "json") {
      try {
        request[name] = JSON.parse(text);
      } catch (error) {
        throw new Error(`${name} is no JSON: ${error instanceof Error ? error.message : ""}`, { cause: error });
      }
    } else request[name] = input.kind === "check" ? text === "true" : text;
  }
  return JSON.stringify(request);
}

function inputOf(field: DescField): FieldInput {
  if (field.fieldKind === "enum") {
    return { kind: "choice", choices: field.enum.values.slice(0, maxChoices).map(({ name }) => name) };
  }
  if (field.fieldKind !== "scalar") return { kind: "json" };
  if (field.scalar === ScalarType.BOOL) return { kind: "check" };
  if (field.scalar === ScalarType.STRING) return { kind: "text" };
  if (field.scalar === ScalarType.BYTES) return { kind: "bytes" };
  // As text: 64 bits are more than a number of JavaScript holds, and protobuf's JSON takes all numbers as strings.
  return { kind: "number" };
}

function typeOf(field: DescField): string {
  if (field.fieldKind === "list") return "a list, as JSON: [ … ]";
  if (field.fieldKind === "map") return "a map, as JSON: { … }";
  if (field.fieldKind === "message") return `${field.message.name}, as JSON`;
  if (field.fieldKind === "enum") return field.enum.name;
  return field.scalar === ScalarType.BYTES ? "bytes, base64" : scalarName(field.scalar);
}

function scalarName(scalar: ScalarType): string {
  return (ScalarType[scalar] ?? "").toLowerCase();
}
