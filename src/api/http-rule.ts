// The short routes of a method, from its google.api.http annotation (google/api/http.proto). Of path templates it takes
// literal segments and captures of one segment: /api/records/{key}, {record.key}, {key=*}.
import { type DescField, getOption } from "@bufbuild/protobuf";
import type { MethodImplSpec } from "@connectrpc/connect";
import { http } from "../../gen/google/api/annotations_pb.ts";
import type { HttpRule } from "../../gen/google/api/http_pb.ts";
import { type FieldPath, findField } from "./field-path.ts";

/** A method that has an answer to one request message: what plain HTTP can call. */
export type PlainMethod = Extract<MethodImplSpec, { kind: "unary" | "server_streaming" }>;

/** One way to call a method by plain HTTP. */
export interface Binding {
  readonly rpc: PlainMethod;
  /** "GET", "POST", … */
  readonly httpMethod: string;
  /** As the schema has it: "/api/records/{key}". */
  readonly template: string;
  /** The same for Express, captures numbered: "/api/records/:0". */
  readonly path: string;
  /** The fields that the path holds, in its order. */
  readonly captures: readonly FieldPath[];
  /** What the body holds: the whole message ("*"), one field, or nothing. */
  readonly body: "*" | DescField | undefined;
}

const literal = /^[A-Za-z0-9._~-]+$/;
const capture = /^\{([A-Za-z0-9_.]+)(?:=\*)?\}$/;

/**
 * The bindings of a method; none without an annotation.
 * @throws TypeError for an annotation that does not fit the method or is of a kind that is not supported
 */
export function bindingsOf(rpc: MethodImplSpec): Binding[] {
  const rule = getOption(rpc.method, http);
  return [rule, ...rule.additionalBindings].flatMap((each) =>
    each.pattern.case === undefined ? [] : [bindingOf(rpc, each)],
  );
}

function bindingOf(rpc: MethodImplSpec, { pattern, body }: HttpRule): Binding {
  const fail = (fault: string): never => {
    throw new TypeError(`google.api.http of ${rpc.method.parent.typeName}.${rpc.method.name}: ${fault}`);
  };
  if (rpc.kind !== "unary" && rpc.kind !== "server_streaming") return fail("plain HTTP cannot stream requests");
  if (pattern.case === undefined || pattern.case === "custom") return fail("custom HTTP methods are not supported");
  const template = pattern.value;
  if (!template.startsWith("/api/")) return fail(`the path ${template} does not begin with /api/`);
  const captures: FieldPath[] = [];
  const segments = template.split("/").map((segment) => {
    const name = capture.exec(segment)?.[1];
    if (name === undefined)
      return segment === "" || literal.test(segment) ? segment : fail(`${segment} in ${template}`);
    const field = findField(rpc.method.input, name);
    if (field === undefined || field.leaf.fieldKind === "list") return fail(`no single field ${name} in the request`);
    return `:p${captures.push(field) - 1}`;
  });
  const bodyField = body === "" || body === "*" ? undefined : rpc.method.input.fields.find(({ name }) => name === body);
  if (body !== "" && body !== "*" && bodyField === undefined) return fail(`no field ${body} in the request`);
  return {
    rpc,
    httpMethod: pattern.case.toUpperCase(),
    template,
    path: segments.join("/"),
    captures,
    body: body === "*" ? "*" : bodyField,
  };
}
