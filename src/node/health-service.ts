// grpc.health.v1.Health: whether the services of a node can be called
// (https://github.com/grpc/grpc/blob/master/doc/health-checking.md).
import { EventEmitter, once } from "node:events";
import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import { type Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { DswarmError } from "../util/errors.ts";

/** The health of a node's services. */
export interface HealthBook {
  /** Says whether a service can be called; "" is the node as a whole. Services can, unless it was said that they cannot. */
  set(typeName: string, serving: boolean): void;
  /** Whether a service can be called; "" is the node as a whole. Undefined where there is none of that name. */
  isServing(typeName: string): boolean | undefined;
  /** To be called when a service was added or withdrawn. */
  servicesChanged(): void;
  /** Nothing can be called any more: tells those who watch, and ends their calls. */
  close(): void;
  readonly implementation: ServiceImpl<typeof Health>;
}

/** @param isServed whether there is a service of a type name */
export function createHealthBook(isServed: (typeName: string) => boolean): HealthBook {
  /** Services that cannot be called. Bounded by what the node's owner says. */
  const down = new Set<string>();
  const changes = new EventEmitter<{ change: [] }>();
  let isClosed = false;
  // One listener a watching peer, bounded by the calls that peers may have running.
  changes.setMaxListeners(0);
  const statusOf = (typeName: string): Status => {
    if (typeName !== "" && !isServed(typeName)) return Status.SERVICE_UNKNOWN;
    return isClosed || down.has(typeName) ? Status.NOT_SERVING : Status.SERVING;
  };
  return {
    set(typeName, serving) {
      if (serving) down.delete(typeName);
      else down.add(typeName);
      changes.emit("change");
    },
    isServing(typeName) {
      const status = statusOf(typeName);
      return status === Status.SERVICE_UNKNOWN ? undefined : status === Status.SERVING;
    },
    servicesChanged: () => void changes.emit("change"),
    close() {
      isClosed = true;
      changes.emit("change");
    },
    implementation: {
      check({ service }) {
        const status = statusOf(service);
        if (status === Status.SERVICE_UNKNOWN) throw new ConnectError("not served here", Code.NotFound);
        return { status };
      },
      async *watch({ service }, { signal }) {
        for (let told: Status | undefined; ; ) {
          const status = statusOf(service);
          if (status !== told) yield { status };
          told = status;
          if (isClosed) throw new DswarmError("node_closed").toConnectError();
          if (statusOf(service) === told) await once(changes, "change", { signal });
        }
      },
    },
  };
}
