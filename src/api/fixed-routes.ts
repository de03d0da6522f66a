// The routes that no schema declares: the gateway, metrics, health, and what tells of all routes.
import type { JsonObject } from "@bufbuild/protobuf";
import type { SwarmDirectory } from "../node/swarm-directory.ts";
import { version } from "../util/version.ts";
import { sendText } from "./answer.ts";
import { docsPage, docsPageHeaders } from "./docs-page.ts";
import type { FaultReporter } from "./fault.ts";
import { nodeIdPattern, typeNamePattern } from "./field-rules.ts";
import { forwardedPath, forwardToNodes } from "./forward.ts";
import { answerGateway, gatewayPath, providersPath } from "./gateway.ts";
import { textOf } from "./json-values.ts";
import { createMetrics } from "./metrics.ts";
import { jsonContent, openApi, streamContent } from "./openapi.ts";
import type { ApiConfig } from "./options.ts";
import type { Gateway } from "./peer-access.ts";
import { processMetrics } from "./process-metrics.ts";
import type { Route } from "./routes.ts";

/** Where the page is that shows the OpenAPI document. It tells nothing of the node. */
export const docsPath = "/api/docs";

/** Says that the node runs, to a supervisor that has no token. It tells nothing of the node. */
export const healthPath = "/healthz";

const json = jsonContent({ type: "object" });
const text = (type: string): JsonObject => ({ [type]: { schema: { type: "string" } } });

function get(path: string, operation: JsonObject, answer: Route["answer"]): Route {
  return { httpMethod: "GET", template: path, path, operation, answer };
}

function answers(description: string, content: JsonObject): JsonObject {
  return { 200: { description, content } };
}

function inPath(name: string, description: string, pattern?: string): JsonObject {
  const schema = { type: "string", ...(pattern !== undefined && { pattern }) };
  return { name, in: "path", required: true, description, schema };
}

/** Routes about the node, besides those of its services. */
export function nodeRoutes(config: ApiConfig, reporter: FaultReporter): Route[] {
  const metrics = createMetrics(config);
  const { gateway, swarm, maxBodyBytes } = config;
  const routes = [
    // Below /api it is forwarded to the other nodes of a swarm, too.
    ...(["/metrics", "/api/metrics"] as const).map((path) =>
      get(
        path,
        {
          operationId: path === "/metrics" ? "metrics" : "apiMetrics",
          summary: "Figures for Prometheus, of the node and of its process.",
          responses: answers("Prometheus' text format.", text("text/plain")),
        },
        async (_, response) => {
          const texts = await Promise.all([metrics, processMetrics()].map((registry) => registry.metrics()));
          response.type(metrics.contentType).send(texts.join(""));
        },
      ),
    ),
    get(
      healthPath,
      {
        operationId: "healthz",
        summary: "Says that the node runs. It needs no token.",
        security: [],
        responses: answers("It does.", json),
      },
      (_, response) => sendText(response, 200, `{"status":"SERVING"}`),
    ),
  ];
  return [
    ...routes,
    ...(gateway === undefined ? [] : gatewayRoutes(gateway, maxBodyBytes, reporter)),
    ...(swarm === undefined ? [] : forwardingRoutes(swarm, reporter)),
  ];
}

function gatewayRoutes(gateway: Gateway, maxBodyBytes: number, reporter: FaultReporter): Route[] {
  const timeout = "Time in milliseconds that the call may take. Without it 30000; a stream of answers has no limit.";
  const metadata =
    "Metadata for the peer, under the name that follows the prefix; of names that end in -bin base64. No other header reaches it.";
  const answerMetadata =
    "What the peer sends beside it are headers Grpc-Metadata-* and Grpc-Trailer-*; after a stream the trailers are metadata in its last line or event.";
  const service = inPath("service", "Type name of the service.", typeNamePattern);
  const method = inPath("method", "Name of the method in the service.", "^[A-Za-z_][A-Za-z0-9_]*$");
  const id = inPath(
    "id",
    "The peer, in any text form of a NodeId; as base64url it needs no percent-encoding.",
    nodeIdPattern,
  );
  const inHeaders = [
    {
      name: "Connect-Timeout-Ms",
      in: "header",
      description: timeout,
      schema: { type: "integer", minimum: 1, maximum: 9_999_999_999 },
    },
    {
      name: "Grpc-Metadata-*",
      in: "header",
      description: metadata,
      schema: { type: "string" },
    },
  ];
  const call = {
    requestBody: {
      content: {
        ...jsonContent({ description: "The request. Of a method that takes a stream of them: an array." }),
        "application/x-ndjson": {
          schema: {
            description: "The requests of a method that takes a stream of them, a line each, sent on as they come.",
          },
        },
      },
    },
    responses: {
      200: {
        description: `The answer, or answers. ${answerMetadata}`,
        content: { ...jsonContent({}), ...streamContent({}) },
      },
    },
  };
  const answer = answerGateway(gateway, maxBodyBytes, reporter);
  const ofPeer: Route = {
    httpMethod: "POST",
    template: "/api/peers/{id}/{service}/{method}",
    path: gatewayPath,
    operation: {
      operationId: "gateway",
      summary: "Calls any method of any service of any peer, by the schema that the peer tells.",
      parameters: [id, service, method, ...inHeaders],
      ...call,
    },
    answer,
  };
  if (gateway.providers === undefined) return [ofPeer];
  const ofProvider: Route = {
    httpMethod: "POST",
    template: "/api/services/{service}/{method}",
    path: providersPath,
    operation: {
      operationId: "callProvider",
      summary:
        "Calls any method of a service by its type name: of a peer that provides it in the DHT, whichever answers.",
      parameters: [service, method, ...inHeaders],
      ...call,
    },
    answer,
  };
  return [ofPeer, ofProvider];
}

function forwardingRoutes(swarm: SwarmDirectory, reporter: FaultReporter): Route[] {
  const answer = forwardToNodes(swarm, reporter);
  return ["GET", "POST", "PUT", "DELETE"].map((httpMethod) => ({
    httpMethod,
    template: "/api/nodes/{id}/{path}",
    path: forwardedPath,
    operation: {
      operationId: `forward${httpMethod}`,
      summary: "The API of another node that was started together with this one: what it has at /api/{path}.",
      parameters: [
        inPath("id", "The node, in any text form of a NodeId.", nodeIdPattern),
        inPath("path", "What follows /api/ on the other node, slashes as they are, and a query."),
      ],
      responses: answers("What the other node answers.", jsonContent({})),
    },
    answer,
  }));
}

/**
 * Routes that tell of all routes, themselves included: a list, an OpenAPI document, and a page that shows it.
 * @param others all other routes
 */
export function indexRoutes({ comments, pages }: ApiConfig, others: readonly Route[]): Route[] {
  // Once a node, and not before somebody asks.
  let made: Promise<JsonObject> | undefined;
  const document = (): Promise<JsonObject> => (made ??= comments().then((texts) => openApi(all, texts, version)));
  const own: Route[] = [
    get(
      "/api",
      { operationId: "list", summary: "Lists the routes.", responses: answers("The routes.", json) },
      (_, response) => sendText(response, 200, JSON.stringify({ routes: all.map(listed) })),
    ),
    get(
      "/api/openapi.json",
      {
        operationId: "openapi",
        summary: "Describes the routes: this document.",
        responses: answers("OpenAPI 3.1.", json),
      },
      async (_, response) => sendText(response, 200, JSON.stringify(await document())),
    ),
    get(
      docsPath,
      {
        operationId: "docs",
        summary: "Shows this document.",
        security: [],
        responses: answers("A page.", text("text/html")),
      },
      async (_, response) => {
        const page = docsPage(await document(), pages !== undefined);
        response.set(docsPageHeaders).type("html").send(page);
      },
    ),
  ];
  const all: readonly Route[] = [...others, ...own];
  return own;
}

function listed({ httpMethod, template, rpc, operation }: Route): JsonObject {
  const route = { method: httpMethod, path: template };
  if (rpc === undefined) return { ...route, about: textOf(operation?.["summary"]) };
  const name = `${rpc.parent.typeName}/${rpc.name}`;
  return { ...route, rpc: name, ...(rpc.methodKind === "unary" ? {} : { kind: rpc.methodKind }) };
}
