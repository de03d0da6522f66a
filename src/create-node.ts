// A whole node: what startNode makes, with the API on its port.
import { createServiceImplSpec } from "@connectrpc/connect";
import { NodeService } from "../gen/dswarm/v1/node_pb.ts";
import type { ApiOptions } from "./api/options.ts";
import { type DswarmNode, startNode } from "./node/node.ts";
import { createNodeService } from "./node/node-service.ts";
import type { NodeOptions } from "./node/options.ts";
import {
  type Check,
  type Checks,
  checkArray,
  checkBooleanOr,
  checkNumber,
  checkObject,
  checkOptions,
  checkText,
} from "./util/arguments.ts";

/** Settings of a node with its API, all optional. */
export interface CreateNodeOptions extends NodeOptions {
  /** The API on the node's port, for this machine only unless there is a token; false is none. @default true */
  readonly api?:
    | Pick<ApiOptions, "token" | "hosts" | "swarm" | "pages" | "maxBodyBytes" | "requestsPerSecond" | "requestBurst">
    | boolean;
}

const checkApi: Check = (name, value) => checkOptions(name, value, checks);
const checks: Checks<Exclude<CreateNodeOptions["api"], boolean | undefined>> = {
  token: checkText,
  hosts: checkArray(checkText),
  swarm: checkObject,
  pages: checkText,
  maxBodyBytes: checkNumber,
  requestsPerSecond: checkNumber,
  requestBurst: checkNumber,
};

/**
 * Starts a node: makes or reads its key, takes a port, announces itself, and serves /dht to peers and /api to its owner.
 * @throws DswarmError `bind_failed`, `interface_unknown`, `discovery_failed`, `data_dir_in_use`, `data_dir_invalid`,
 *   `key_file_invalid`, `storage_failed`, `database_damaged`, `address_invalid`, `node_id_invalid`; RangeError and TypeError for other bad options
 */
export async function createNode(given: CreateNodeOptions = {}): Promise<DswarmNode> {
  checkObject("options", given);
  const { api = true, ...options } = given;
  checkBooleanOr(checkApi)("api", api);
  if (api === false) return startNode(options);
  // Only now: Express and its kin take as long to load as all the rest.
  const [{ createApi }, { dashboardDirectory }] = await Promise.all([
    import("./api/server.ts"),
    import("./api/pages.ts"),
  ]);
  return startNode(options, (node) =>
    createApi({
      pages: dashboardDirectory(),
      ...(api !== true && api),
      services: [
        createServiceImplSpec<typeof NodeService>(
          NodeService,
          createNodeService(node, api === true ? undefined : api.swarm),
        ),
      ],
      gateway: {
        schemas: node.schemas,
        transport: (id, check) => node.transport(id, { check }),
        providers: {
          schemas: node.providedSchemas,
          transport: (typeName, check) => node.providerTransport(typeName, { check }),
        },
      },
      comments: () => import("../gen/dswarm/v1/comments.ts").then(({ comments }) => comments),
      gauges: {
        peers: () => node.peers.size,
        connections: () => node.connections,
        contacts: () => node.dht.table.size,
        records: () => node.dht.store.size,
        record_bytes: () => node.dht.store.bytes,
        calls_open: () => node.load.streams,
        handlers_running: () => node.load.running,
        unread_bytes: () => node.load.unreadBytes,
        unsent_bytes: () => node.load.unsentBytes,
        held_bytes: () => node.load.heldBytes,
        uptime_seconds: () => (node.config.clock.now() - node.startedAt) / 1000,
      },
      calls: node.calls,
      counters: node.counters,
      logger: node.config.logger,
      clock: node.config.clock,
    }),
  );
}
