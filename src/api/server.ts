// /api: JSON over HTTP(S) for the owner of a node, and the dashboard at /.
//
//     request ─► access ─► rate limit ─► dashboard's files
//                                    ─► short routes ─────────► implementation
//                                    └─► Connect's protocol ──►
import type { RequestListener } from "node:http";
import { Code } from "@connectrpc/connect";
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import { addressShare } from "../util/address-share.ts";
import { RateLimiter } from "../util/rate-limiter.ts";
import { Access, type Refusal } from "./access.ts";
import { refuse, sendFault } from "./answer.ts";
import { connectRoutes } from "./connect-routes.ts";
import { Fault, FaultReporter } from "./fault.ts";
import { docsPath, healthPath, indexRoutes, nodeRoutes } from "./fixed-routes.ts";
import { reportGoneClients } from "./gone-clients.ts";
import { type ApiConfig, type ApiOptions, resolveApiOptions } from "./options.ts";
import { isPage, servePages } from "./pages.ts";
import { addRoutes, answerUnrouted, shortRoutes } from "./routes.ts";

/** What tells nothing of the node. */
const tokenless: ReadonlySet<string> = new Set([docsPath, healthPath]);
const maxRememberedClients = 1000;

const refusals: Readonly<Record<Refusal | "rate", Fault>> = {
  target: new Fault(Code.InvalidArgument, "the request target must be a path"),
  client: new Fault(Code.PermissionDenied, "without a token only this machine may call"),
  token: new Fault(Code.Unauthenticated, "a bearer token is needed, and the right one", {
    status: 401,
    headers: { "WWW-Authenticate": "Bearer" },
  }),
  host: new Fault(Code.PermissionDenied, "the Host header does not name this node; its owner may add host names"),
  origin: new Fault(Code.PermissionDenied, "pages of other origins may not call"),
  site: new Fault(Code.PermissionDenied, "pages of other sites may not call"),
  rate: new Fault(Code.ResourceExhausted, "too many requests", { headers: { "Retry-After": "1" } }),
};

/**
 * Makes the listener of HTTP requests. It answers every path: 404 beyond /api and the
 * dashboard. It sees no upgrades; whoever makes the
 * server checks those, and bounds slow clients (Node's `headersTimeout` and `requestTimeout` do by default).
 * @throws RangeError, TypeError for bad options; the listener throws TypeError at its first request where google.api.http annotations
 *   of the services cannot be served
 */
export function createApi(options: ApiOptions): RequestListener {
  const config = resolveApiOptions(options);
  // With the first request: of the nodes of a swarm most are never asked, and the routes take milliseconds and memory.
  let app: Express | undefined;
  return (request, response) => {
    app ??= createApp(config);
    app(request, response);
  };
}

function createApp(config: ApiConfig): Express {
  const reporter = new FaultReporter(config.counters, config.logger);
  const app = express();
  app.disable("x-powered-by");
  app.enable("case sensitive routing");
  reportGoneClients(app);
  app.use(guard(config));
  if (config.pages !== undefined) app.use(servePages(config.pages));
  const routes = [
    ...shortRoutes(config, reporter),
    ...connectRoutes(config, reporter),
    ...nodeRoutes(config, reporter),
  ];
  addRoutes(app, [...indexRoutes(config, routes), ...routes], reporter);
  app.use(answerUnrouted);
  // Express knows error handlers by their four parameters.
  app.use((thrown: unknown, _request: Request, response: Response, _next: NextFunction): void => {
    sendFault(response, reporter.report(faultOfExpress(thrown) ?? thrown, undefined));
  });
  return app;
}

function guard({ token, hosts, pages, requestsPerSecond, requestBurst, counters, logger, clock }: ApiConfig) {
  const access = new Access(token, hosts);
  const limiter = new RateLimiter(clock, {
    perSecond: requestsPerSecond,
    burst: requestBurst,
    maxKeys: maxRememberedClients,
  });
  return (request: Request, response: Response, next: NextFunction): void => {
    counters.add("api.requests");
    response.setHeader("Cache-Control", "no-store");
    response.setHeader("X-Content-Type-Options", "nosniff");
    const { remoteAddress, localAddress } = request.socket;
    const refusal =
      access.refusalOf(
        {
          remoteAddress,
          localAddress,
          encrypted: "encrypted" in request.socket,
          target: request.url,
          headers: request.headersDistinct,
        },
        !tokenless.has(request.path) && (pages === undefined || !isPage(request.path)),
      ) ?? (limiter.take(addressShare(remoteAddress ?? "")) ? undefined : "rate");
    if (refusal === undefined) {
      next();
      return;
    }
    counters.add(`api.refused.${refusal}`);
    logger.debug({ event: "api_refused", why: refusal, remoteAddress });
    refuse(response, refusals[refusal]);
  };
}

/** Express throws URIError for a capture that is not percent-encoded UTF-8. */
function faultOfExpress(thrown: unknown): Fault | undefined {
  return thrown instanceof URIError
    ? new Fault(Code.InvalidArgument, "the path is not percent-encoded UTF-8", { cause: thrown })
    : undefined;
}
