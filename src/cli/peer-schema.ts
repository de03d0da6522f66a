// The services of a peer with their schemas, as a running node tells them.
import { createFileRegistry, type DescService, fromBinary, type Registry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { withWellKnownTypes } from "../node/well-known-types.ts";
import { CliError } from "./cli-error.ts";
import { printable } from "./text.ts";

/** A service, and the types that its messages may hold. */
export interface ServiceSchema {
  readonly service: DescService;
  readonly registry: Registry;
}

/**
 * The service of a name among those of a peer.
 * @throws CliError that names those there are
 */
export function serviceNamed(name: string, services: readonly ServiceInfo[]): ServiceSchema {
  const info = services.find((service) => service.name === name);
  if (info === undefined) {
    const names = services.map((service) => printable(service.name)).join(", ");
    throw new CliError(`the peer does not serve ${printable(name)}; it serves ${names === "" ? "nothing" : names}`);
  }
  if (info.error !== undefined) throw new CliError(`no schema of ${printable(name)}: ${printable(info.error.message)}`);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, info.descriptors));
  const service = registry.getService(name);
  if (service === undefined) throw new CliError(`the schema of ${printable(name)} does not declare it`);
  return { service, registry: withWellKnownTypes(registry) };
}
