// The services of a peer with their schemas, as a running node tells them.
import { createFileRegistry, type DescService, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ServiceInfo } from "../../gen/dswarm/v1/node_pb.ts";
import { CliError } from "./cli-error.ts";
import { printable } from "./text.ts";

/**
 * The service of a name among those of a peer.
 * @throws CliError that names those there are
 */
export function serviceNamed(name: string, services: readonly ServiceInfo[]): DescService {
  const info = services.find((service) => service.name === name);
  if (info === undefined) {
    const names = services.map((service) => printable(service.name)).join(", ");
    throw new CliError(`the peer does not serve ${printable(name)}; it serves ${names === "" ? "nothing" : names}`);
  }
  if (info.error !== undefined) throw new CliError(`no schema of ${printable(name)}: ${printable(info.error.message)}`);
  const service = createFileRegistry(fromBinary(FileDescriptorSetSchema, info.descriptors)).getService(name);
  if (service === undefined) throw new CliError(`the schema of ${printable(name)} does not declare it`);
  return service;
}
