// The OpenAPI document (https://spec.openapis.org/oas/v3.1.1) of all routes, made from the same descriptors that serve them.
import type { DescField, DescMethod, JsonObject } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { findField } from "./field-path.ts";
import { exactlyOne } from "./field-rules.ts";
import type { Binding } from "./http-rule.ts";
import { type Comments, JsonSchemas } from "./json-schema.ts";
import { objectOf, textOf } from "./json-values.ts";
import { hasRawAnswer, rawFieldOf, rawQueryFields, rawType } from "./raw-values.ts";
import { type Route, resumeField } from "./routes.ts";

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
    details: {
      type: "array",
      items: {
        type: "object",
        properties: {
          type: { type: "string", description: "Name of its message." },
          value: { type: "string", contentEncoding: "base64", description: "The message." },
          debug: { description: "The message as JSON, where its schema is known." },
        },
        required: ["type", "value"],
        additionalProperties: false,
      },
      description: "What else there is to say, as in Connect's protocol.",
    },
    fromPeer: {
      type: "boolean",
      const: true,
      description: "Whether a peer has answered so; otherwise the node says it, and this is absent.",
    },
  },
  required: ["code"],
  additionalProperties: false,
};

const retryAfter: JsonObject = {
  description: "Seconds to wait, where the client sends too many requests.",
  schema: { type: "integer", minimum: 1 },
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
/** What a request may be refused with, by status. */
const refusals: Readonly<Record<string, string>> = {
  400: "The request is not as it should be, or a peer says so.",
  401: "The node has a token, and the request does not carry it.",
  403: "The client may not call: it is none of this machine, names another host, or is a page of another origin.",
  404: "What the path names is not there.",
  409: "It is not as the request expects.",
  413: "The body is too large.",
  415: "The body is of another content type, or compressed.",
  429: "This client sends too many requests, or the node has no room.",
};
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
      responses: { Fault: { description: "It has failed.", content: jsonContent(faultForm) }, ...refusalResponses() },
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "Where the node was started with a token." },
      },
    },
  };
}

function refusalResponses(): JsonObject {
  return Object.fromEntries(
    Object.entries(refusals).map(([status, description]) => {
      const headers = status === "429" ? { "Retry-After": retryAfter } : undefined;
      const response = { description, ...(headers && { headers }), content: jsonContent(faultForm) };
      return [`Fault${status}`, response];
    }),
  );
}

/** The responses of an operation that fails. */
function failures(operation: JsonObject): JsonObject {
  const hasBody = operation["requestBody"] !== undefined;
  const hasInput = hasBody || operation["parameters"] !== undefined;
  const statuses = [
    ...(hasInput ? ["400", "404", "409"] : []),
    ...(Array.isArray(operation["security"]) ? [] : ["401"]),
    "403",
    ...(hasBody ? ["413", "415"] : []),
    "429",
  ].sort();
  const entries = statuses.map((status) => [status, { $ref: `#/components/responses/Fault${status}` }]);
  return { ...Object.fromEntries(entries), default: fault };
}

function operationOf(route: Route, schemas: JsonSchemas, comments: Comments): JsonObject {
  const operation = successOf(route, schemas, comments);
  const responses = { ...objectOf(operation["responses"]), ...failures(operation) };
  return { ...operation, responses };
}

function successOf(route: Route, schemas: JsonSchemas, comments: Comments): JsonObject {
  const { rpc, binding, operation } = route;
  if (operation !== undefined) return { tags: ["More"], ...operation };
  if (rpc === undefined) throw new TypeError(`nothing is said of ${route.httpMethod} ${route.template}`);
  const text = comments[`${rpc.parent.typeName}.${rpc.name}`];
  const isShort = binding !== undefined;
  return {
    operationId: isShort ? rpc.name : `${rpc.parent.typeName}.${rpc.name}`,
    ...(text === undefined ? {} : { summary: text }),
    tags: [isShort ? "Short routes" : "Connect's protocol"],
    ...(isShort ? shortRequest(binding, schemas) : connectRequest(route.httpMethod, rpc, schemas)),
    responses: {
      200: isShort ? shortAnswer(rpc, schemas) : connectAnswer(rpc, schemas),
      ...(isShort &&
        rpc.methodKind !== "unary" && { 204: { description: "The stream had ended (Last-Event-ID: end)." } }),
    },
  };
}

function shortRequest(binding: Binding, schemas: JsonSchemas): JsonObject {
  const { captures, body, template } = binding;
  const { input } = binding.rpc.method;
  const names = [...template.matchAll(/\{([^}=]+)/g)].map((match) => match[1] ?? "");
  const inPath = captures.map(({ leaf }, i) =>
    parameter({ name: names[i] ?? "", in: "path", required: true }, leaf, schemas),
  );
  const taken = takenByPath(binding);
  if (body !== undefined && body !== "*") taken.add(body);
  const inQuery = (body === "*" ? rawQueryFields(input) : input.fields)
    .filter((field) => !taken.has(field) && findField(input, field.name) !== undefined)
    .map((field) => parameter({ name: field.jsonName, in: "query" }, field, schemas));
  const parameters = [...inPath, ...inQuery, ...resumption(binding, schemas)];
  return {
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { content: bodyContent(binding, schemas) } }),
  };
}

/** How a client comes back to a stream of events. */
function resumption({ rpc }: Binding, schemas: JsonSchemas): JsonObject[] {
  const after = resumeField(rpc.method);
  if (after === undefined) return [];
  const { schema } = parameter({}, after, schemas);
  const description = "The id of the last event that was seen, in place of `after`: browsers send it by themselves.";
  return [{ name: "Last-Event-ID", in: "header", description, schema: { anyOf: [schema ?? {}, { const: "end" }] } }];
}

/** The fields that the path has, and with a key the name that would be in its place. */
function takenByPath({ captures }: Binding): Set<DescField> {
  const taken = new Set(captures.map(({ parents, leaf }) => parents[0] ?? leaf));
  for (const { leaf } of captures) {
    const group = exactlyOne(leaf.parent);
    if (group.includes(leaf)) for (const each of group) taken.add(each);
  }
  return taken;
}

function bodyContent(binding: Binding, schemas: JsonSchemas): JsonObject {
  const { rpc, body } = binding;
  const { input } = rpc.method;
  if (body !== undefined && body !== "*") return jsonContent(schemas.field(body));
  const taken = takenByPath(binding);
  const message = taken.size === 0 ? schemas.message(input) : schemas.without(input, taken);
  return { ...jsonContent(message), ...(rawFieldOf(input) === undefined ? {} : rawContent) };
}

function parameter(where: JsonObject, field: DescField, schemas: JsonSchemas): JsonObject {
  const { description, ...schema } = schemas.field(field);
  return { ...where, ...(description === undefined ? {} : { description }), schema };
}

function connectRequest(httpMethod: string, { input, methodKind }: DescMethod, schemas: JsonSchemas): JsonObject {
  const schema = schemas.message(input);
  if (httpMethod === "POST") {
    return { requestBody: { required: true, content: connectContent(schema, methodKind !== "unary") } };
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
    content: connectContent(schemas.message(output), isStream),
  };
}

/** A message as JSON; of a stream, each in an envelope: the body as a whole is no JSON. */
function connectContent(message: JsonObject, isStream: boolean): JsonObject {
  if (!isStream) return jsonContent(message);
  const schema = {
    type: "string",
    format: "binary",
    contentMediaType: "application/json",
    contentSchema: message,
    description:
      "Envelopes, as Connect's protocol has them: for each message a byte of flags, four bytes of length, the message as JSON. " +
      "In the answer the last one has the flag 2, and metadata or an error.",
  };
  return { "application/connect+json": { schema } };
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
