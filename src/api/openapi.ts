// The OpenAPI document (https://spec.openapis.org/oas/v3.1.1) of all routes, made from the same descriptors that serve them.
import type { DescField, DescMethod, JsonObject } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { findField } from "./field-path.ts";
import type { Binding } from "./http-rule.ts";
import { type Comments, JsonSchemas } from "./json-schema.ts";
import { textOf } from "./json-values.ts";
import { hasRawAnswer, rawFieldOf, rawType } from "./raw-values.ts";
import type { Route } from "./routes.ts";

const faultSchema: JsonObject = {
  type: "object",
  description: "Why there is no answer. The HTTP status follows the code.",
  properties: {
    code: {
      enum: Object.values(Code)
        .filter((code) => typeof code === "number")
        .map(codeToString),
      description: "Name of the gRPC status code.",
    },
    message: { type: "string", description: "For people." },
    reason: { type: "string", description: "Name of the error in docs/errors.md, where it is one of dswarm's own." },
    details: { type: "array", items: { type: "object" }, description: "As in Connect's protocol." },
    fromPeer: {
      type: "boolean",
      const: true,
      description: "Whether a peer has answered so; otherwise the node says it, and this is absent.",
    },
  },
  required: ["code"],
  additionalProperties: false,
};

const trailerSchema: JsonObject = {
  type: "object",
  description: "Trailers of a peer, by the gateway.",
  additionalProperties: { type: "array", items: { type: "string" } },
};

/** The content of a JSON body or answer. */
export function jsonContent(schema: JsonObject): JsonObject {
  return { "application/json": { schema } };
}

/** The content of a value as its exact bytes. */
const rawContent: JsonObject = { [rawType]: { schema: { type: "string", format: "binary" } } };

const fault = { $ref: "#/components/responses/Fault" };
const faultForm = { $ref: "#/components/schemas/Fault" };

/**
 * Makes the document.
 * @param routes all that there are; those of the same path become one path item
 * @param comments what the schemas say of methods, messages and fields
 */
export function openApi(routes: readonly Route[], comments: Comments, version: string): JsonObject {
  const schemas = new JsonSchemas(comments);
  const paths: Record<string, JsonObject> = {};
  const ids = new Map<string, number>();
  for (const route of routes) {
    const operation = operationOf(route, schemas, comments);
    const id = textOf(operation["operationId"]);
    const count = (ids.get(id) ?? 0) + 1;
    ids.set(id, count);
    if (count > 1) operation["operationId"] = `${id}_${count}`;
    const item = (paths[route.template.replaceAll("=*}", "}")] ??= {});
    item[route.httpMethod.toLowerCase()] = operation;
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "dswarm",
      version,
      description:
        "The API of a node, for its owner. Messages are protobuf JSON; fields that are not known are refused. In answers each " +
        "field is there, except those that are optional, messages, or one of several, where they are not set.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    security: [{}, { token: [] }],
    paths,
    components: {
      schemas: { Fault: faultSchema, ...schemas.components },
      responses: { Fault: { description: "It has failed.", content: jsonContent(faultForm) } },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "Where the node was started with a token." },
      },
    },
  };
}

function operationOf(route: Route, schemas: JsonSchemas, comments: Comments): JsonObject {
  const { rpc, binding, operation } = route;
  if (operation !== undefined) {
    return { tags: ["More"], responses: { default: fault }, ...operation };
  }
  if (rpc === undefined) throw new TypeError(`nothing is said of ${route.httpMethod} ${route.template}`);
  const text = comments[`${rpc.parent.typeName}.${rpc.name}`];
  const isShort = binding !== undefined;
  return {
    operationId: isShort ? rpc.name : `${rpc.parent.typeName}.${rpc.name}`,
    ...(text === undefined ? {} : { summary: text }),
    tags: [isShort ? "Short routes" : "Connect's protocol"],
    ...(isShort ? shortRequest(binding, schemas) : connectRequest(route.httpMethod, rpc, schemas)),
    responses: { 200: isShort ? shortAnswer(rpc, schemas) : connectAnswer(rpc, schemas), default: fault },
  };
}

function shortRequest(binding: Binding, schemas: JsonSchemas): JsonObject {
  const { captures, body, template } = binding;
  const { input } = binding.rpc.method;
  const names = [...template.matchAll(/\{([^}=]+)/g)].map((match) => match[1] ?? "");
  const inPath = captures.map(({ leaf }, i) =>
    parameter({ name: names[i] ?? "", in: "path", required: true }, leaf, schemas),
  );
  const raw = body === "*" ? rawFieldOf(input) : undefined;
  const taken = new Set([...captures.map(({ parents, leaf }) => parents[0] ?? leaf), body, raw]);
  const inQuery = input.fields
    .filter((field) => (body !== "*" || raw !== undefined) && !taken.has(field))
    .filter(({ name }) => findField(input, name) !== undefined)
    .map((field) => parameter({ name: field.jsonName, in: "query" }, field, schemas));
  const parameters = [...inPath, ...inQuery];
  return {
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { content: bodyContent(binding, schemas) } }),
  };
}

function bodyContent({ rpc, body }: Binding, schemas: JsonSchemas): JsonObject {
  const { input } = rpc.method;
  if (body !== undefined && body !== "*") return jsonContent(schemas.field(body));
  return { ...jsonContent(schemas.message(input)), ...(rawFieldOf(input) === undefined ? {} : rawContent) };
}

function parameter(where: JsonObject, field: DescField, schemas: JsonSchemas): JsonObject {
  const { description, ...schema } = schemas.field(field);
  return { ...where, ...(description === undefined ? {} : { description }), schema };
}

function connectRequest(httpMethod: string, { input, methodKind }: DescMethod, schemas: JsonSchemas): JsonObject {
  const schema = schemas.message(input);
  if (httpMethod === "POST") {
    return { requestBody: { required: true, content: { [connectType(methodKind !== "unary")]: { schema } } } };
  }
  return {
    parameters: [
      { name: "message", in: "query", required: true, content: jsonContent(schema) },
      { name: "encoding", in: "query", required: true, schema: { const: "json" } },
    ],
  };
}

function connectAnswer({ output, methodKind }: DescMethod, schemas: JsonSchemas): JsonObject {
  const isStream = methodKind !== "unary";
  return {
    description: isStream
      ? "Enveloped messages, as Connect's protocol has them. gRPC-Web is spoken, too."
      : "The answer.",
    content: { [connectType(isStream)]: { schema: schemas.message(output) } },
  };
}

function connectType(isStream: boolean): string {
  return isStream ? "application/connect+json" : "application/json";
}

function shortAnswer({ output, methodKind }: DescMethod, schemas: JsonSchemas): JsonObject {
  const result = schemas.message(output);
  const more = hasRawAnswer(output) ? rawContent : {};
  if (methodKind === "unary") return { description: "The answer.", content: { ...jsonContent(result), ...more } };
  return { description: "A stream of answers.", content: streamContent(result) };
}

/** The content of a stream: lines of JSON, or Server-Sent Events for who accepts them rather. */
export function streamContent(result: JsonObject): JsonObject {
  return {
    "application/x-ndjson": {
      schema: {
        description: "Each line. One with an error or with metadata is the last.",
        oneOf: [
          { type: "object", properties: { result }, required: ["result"], additionalProperties: false },
          {
            type: "object",
            properties: { error: faultForm, metadata: trailerSchema },
            required: ["error"],
            additionalProperties: false,
          },
          {
            type: "object",
            properties: { metadata: trailerSchema },
            required: ["metadata"],
            additionalProperties: false,
          },
        ],
      },
    },
    "text/event-stream": {
      schema: {
        type: "string",
        description: "The data of each event is an answer; the last one is named error, and tells of one, or end.",
      },
    },
  };
}
