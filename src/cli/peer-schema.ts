// The services of a peer with their schemas, as a running node tells them.
import { createFileRegistry, type DescService, fromBinary, type Registry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type CallOptions, Code, ConnectError } from "@connectrpc/connect";
import type { ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { withWellKnownTypes } from "../node/well-known-types.ts";
import type { NodeClient } from "./api-client.ts";
import { CliError } from "./cli-error.ts";
import { printable } from "./text.ts";

/** A service, and the types that its messages may hold. */
export interface ServiceSchema {
  readonly service: DescService;
  readonly registry: Registry;
}

/**
 * A service of a peer, as the node that is asked tells it.
 * @throws CliError that names those there are, where the peer does not serve it; ConnectError
 */
export async function askService(
  client: NodeClient,
  id: string,
  service: string,
  options: CallOptions,
): Promise<ServiceInfo> {
  try {
    const { services } = await client.listServices({ id, service }, options);
    const info = services.find(({ name }) => name === service);
    if (info !== undefined) return info;
  } catch (error) {
    if (!(error instanceof ConnectError && error.code === Code.NotFound)) throw error;
  }
  // That the peer is not there at all, this one says.
  const { services, leftOut } = await client.listServices({ id }, options);
  const names = [...services.map(({ name }) => printable(name)), ...(leftOut === 0 ? [] : [`${leftOut} more`])];
  const served = names.length === 0 ? "nothing" : names.join(", ");
  throw new CliError(`the peer does not serve ${printable(service)}; it serves ${served}`);
}

/** A service that some peer provides. @throws ConnectError */
export async function askProvided(client: NodeClient, service: string, options: CallOptions): Promise<ServiceInfo> {
  const { service: info } = await client.describeService({ service }, options);
  if (info === undefined) throw new CliError("what answers there is no node of this version of dswarm");
  return info;
}

/**
 * The schema of a service.
 * @throws CliError where there is none
 */
export function schemaOf(info: ServiceInfo): ServiceSchema {
  const { name } = info;
  if (info.error !== undefined) throw new CliError(`no schema of ${printable(name)}: ${printable(info.error.message)}`);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, info.descriptors));
  const service = registry.getService(name);
  if (service === undefined) throw new CliError(`the schema of ${printable(name)} does not declare it`);
  return { service, registry: withWellKnownTypes(registry) };
}
