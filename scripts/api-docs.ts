// Makes docs/api.md from the OpenAPI document of a node's routes, and so from the schema.
//
//     node scripts/api-docs.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "@bufbuild/protobuf";
import { createServiceImplSpec } from "@connectrpc/connect";
import { comments } from "../gen/dswarm/v1/comments.ts";
import { NodeService } from "../gen/dswarm/v1/node_pb.ts";
import { connectRoutes } from "../src/api/connect-routes.ts";
import { FaultReporter } from "../src/api/fault.ts";
import { indexRoutes, nodeRoutes } from "../src/api/fixed-routes.ts";
import { listOf, objectOf, textOf } from "../src/api/json-values.ts";
import { openApi } from "../src/api/openapi.ts";
import { resolveApiOptions } from "../src/api/options.ts";
import { shortRoutes } from "../src/api/routes.ts";
import { version } from "../src/util/version.ts";

const path = join(import.meta.dirname, "../docs/api.md");

const introduction = `# The API of a node

Made by \`node scripts/api-docs.ts\` from [node.proto](../proto/dswarm/v1/node.proto). A node tells the same of itself: \`/api\` lists its
routes, \`/api/openapi.json\` describes them for programs (OpenAPI 3.1), and \`/api/docs\` is a page that shows that.

It is at \`https://HOST:PORT/api\`, on the port that peers connect to, and for this machine only unless the node has a bearer token.

- **Messages** are [protobuf JSON](https://protobuf.dev/programming-guides/json/): 64-bit integers and bytes (base64) are text. A
  field that is not known is refused. In paths and queries a key is best written as base64url or hex.
- **Raw values**: with \`Content-Type: application/octet-stream\`, or none, the body of \`/api/values\` and \`/api/update\` is the value
  itself, up to 65536 bytes, and the query has the other fields. With \`Accept: application/octet-stream\`, \`GET /api/values/{key}\` answers
  the exact bytes, with the headers \`Dswarm-Ttl\` (seconds) and, of a value that can change, \`Dswarm-Sequence\`:

  \`\`\`
  $ curl -k -X POST -T photo.jpg "$(dswarm url)/api/values"
  {"key":"&LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=","replicas":9,"keptHere":true}
  $ curl -k -H 'Accept: application/octet-stream' -o photo.jpg "$(dswarm url)/api/values/LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"
  $ curl -k -X PUT -T photo.jpg "$(dswarm url)/api/values/LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ"    refused if it has another key
  $ curl -k -X POST -T notes.txt "$(dswarm url)/api/update?salt=bm90ZXM"                              the node's own value "notes"
  \`\`\`

- **Errors** are \`{"code":"not_found","message":"…"}\`, with a \`reason\` where it is one of [dswarm's own](errors.md); the HTTP status
  follows the code, which is [Connect's](https://connectrpc.com/docs/protocol/#error-codes). With \`"fromPeer":true\` a peer has
  answered so; then 502 stands for what would be 500. 401 is for the node's own token alone: any other \`unauthenticated\` is 403.
  A peer's schema or answer that cannot be used is 502, too. \`details\` are \`{"type":…,"value":…,"debug":…}\`: the name of a message,
  its bytes as base64, and, where the peer's schema has the type, its JSON.
- **Streams** come as lines of JSON, \`{"result":…}\`, the last one \`{"error":…}\` if it fails; or, with \`Accept: text/event-stream\`, as
  Server-Sent Events, the last one named \`end\` or \`error\`. The headers come before the first message, and a comment every 15 seconds.
- **Streams that go on** after a lost connection: an event whose message has a \`cursor\` has that as its \`id\`. A browser's
  \`EventSource\` sends the last one as \`Last-Event-ID\` when it connects again; other clients send it as \`after\`. After the event
  \`end\` the node answers 204, and \`EventSource\` stops.
- **Too many requests** of one client address are refused with 429 and \`Retry-After: 1\`: by default 200 each second in the long run,
  and 400 at once (\`requestsPerSecond\`, \`requestBurst\` of \`createNode\`).
- **Metadata** of a peer's calls are headers with a prefix, those of [grpc-gateway](https://grpc-ecosystem.github.io/grpc-gateway/):
  \`Grpc-Metadata-Name\` in requests and answers, \`Grpc-Trailer-Name\` in answers and errors. Trailers of a stream are \`metadata\` in its
  last line or event: \`{"metadata":{"name":["value"]}}\`, or beside \`error\`. No other header goes to a peer or comes from it. Events
  that a peer does not begin within a second begin without its metadata, which come as an event \`header\` then.
- **Requests that stream** go to a peer as lines of JSON with \`Content-Type: application/x-ndjson\`, each as it comes, while answers come
  back; or all at once as an array. \`curl -N -T . -X POST\` sends what is typed; \`dswarm call\` does all of this.
- **Services by type name**: a peer that provides a service in the DHT is found and called without its key. One that does not answer is
  left out, and the call goes to another unless it may have been seen:

  \`\`\`
  $ curl -k --json '{"payload":"aGk="}' https://localhost:34213/api/services/dswarm.example.v1.EchoService/Echo
  {"payload":"aGk="}
  \`\`\`

- **Clients** of Connect's protocol and of gRPC-Web call \`/api/dswarm.v1.NodeService/<Method>\`. For a method that the node does not serve they get
  \`unimplemented\`, with HTTP status 404. Connect's conformance suite runs against these routes ([conformance.md](conformance.md)).
`;

/** The whole text of docs/api.md. */
export function apiDocs(): string {
  const document = documentOfAll();
  const operations = Object.entries(objectOf(document["paths"])).flatMap(([route, item]) =>
    Object.entries(objectOf(item)).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${route}`,
      operation: objectOf(operation),
    })),
  );
  const groups = Map.groupBy(operations, ({ operation }) => textOf(listOf(operation["tags"])[0]));
  const sections = [...groups]
    // One a method, which the short routes tell already.
    .filter(([tag]) => tag !== "Connect's protocol")
    .map(([tag, group]) => `## ${tag}\n\n${group.map(operationText).join("\n")}`);
  const schemas = Object.entries(objectOf(objectOf(document["components"])["schemas"]));
  const messages = schemas.map(([name, schema]) => schemaText(name, objectOf(schema)));
  return [introduction, ...sections, "## Messages\n", ...messages].join("\n");
}

const never = () => Promise.reject(new Error("nothing is called here"));

function documentOfAll(): JsonObject {
  const config = resolveApiOptions({
    services: [createServiceImplSpec<typeof NodeService>(NodeService, {})],
    gateway: { schemas: { schema: never }, transport: () => ({ unary: never, stream: never }) },
    swarm: { list: never, find: never },
  });
  const reporter = new FaultReporter(config.counters, config.logger);
  const routes = [
    ...shortRoutes(config, reporter),
    ...connectRoutes(config, reporter),
    ...nodeRoutes(config, reporter),
  ];
  return openApi([...routes, ...indexRoutes(config, routes)], comments, version);
}

interface Operation {
  readonly name: string;
  readonly operation: JsonObject;
}

function operationText({ name, operation }: Operation): string {
  const parameters = listOf(operation["parameters"]).map(objectOf);
  const rows = parameters.map((each) =>
    row(`\`${textOf(each["name"])}\` in ${textOf(each["in"])}`, objectOf(each["schema"]), each["description"]),
  );
  const request = typeOfContent(objectOf(operation["requestBody"]));
  const answer = typeOfContent(objectOf(objectOf(operation["responses"])["200"]));
  const parts = [request === "" ? "" : `Body: ${request}. `, answer === "" ? "" : `Answer: ${answer}.`].join("").trim();
  return [
    `### ${name}\n`,
    `${textOf(operation["summary"])}\n`,
    ...(rows.length === 0 ? [] : [table(rows)]),
    ...(parts === "" ? [] : [`${parts}\n`]),
  ].join("\n");
}

function typeOfContent(body: JsonObject): string {
  const { "application/json": json, "application/x-ndjson": lines } = objectOf(body["content"]);
  const schema = objectOf(objectOf(json)["schema"]);
  if (schema["$ref"] !== undefined) return typeOf(schema);
  const [result] = listOf(objectOf(objectOf(lines)["schema"])["oneOf"]);
  const each = objectOf(objectOf(objectOf(result)["properties"])["result"]);
  return each["$ref"] === undefined ? "" : `a stream of ${typeOf(each)}`;
}

function schemaText(name: string, schema: JsonObject): string {
  const rows = Object.entries(objectOf(schema["properties"])).map(([field, of]) =>
    row(`\`${field}\``, objectOf(of), objectOf(of)["description"]),
  );
  const description = textOf(schema["description"]);
  const text = description.includes("\n") ? `\`\`\`\n${description}\n\`\`\`` : description;
  return [`### ${name}\n`, `${text}\n`, ...(rows.length === 0 ? [] : [table(rows)])].join("\n");
}

type Row = readonly [name: string, type: string, text: string];

/** A table with its columns in line, as the formatter has them. */
function table(rows: readonly Row[]): string {
  const all: readonly Row[] = [["name", "type", "what"], ...rows];
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  const [head = "", ...body] = all.map(line);
  return `${[head, line(widths.map((width) => "-".repeat(width))), ...body].join("\n")}\n`;
}

function row(name: string, schema: JsonObject, description: JsonObject[string] | undefined): Row {
  return [name, typeOf(schema), textOf(description).replaceAll("|", "\\|").replaceAll("\n", " ").trim()];
}

function typeOf(schema: JsonObject): string {
  const { $ref, type, format, contentEncoding, items, additionalProperties } = schema;
  if ($ref !== undefined) {
    const name = textOf($ref).replace(/^.*\//, "");
    return `[${name}](#${name.toLowerCase().replaceAll(".", "")})`;
  }
  if (type === "array") return `array of ${typeOf(objectOf(items))}`;
  if (typeof additionalProperties === "object") return `object of ${typeOf(objectOf(additionalProperties))}`;
  return [format, contentEncoding, type].map(textOf).find((text) => text !== "") ?? "JSON";
}

if (process.argv[1] === import.meta.filename) writeFileSync(path, apiDocs());
