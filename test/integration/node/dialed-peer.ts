// A peer without a port: nobody can dial it, and it is there only by the connection that it has opened itself. It serves what a
// test gives it, a reflection that lies among that.
import type { TestContext } from "node:test";
import {
  createFileRegistry,
  type DescService,
  fromJson,
  type JsonObject,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { ReflectionService } from "../../../gen/dswarm/v1/reflection_pb.ts";
import { dial } from "../../../src/channel/dial.ts";
import { networkKeyOf, resolveChannelOptions } from "../../../src/channel/options.ts";
import { generateKeyPair, type KeyPair } from "../../../src/identity/keys.ts";
import type { NodeId } from "../../../src/identity/node-id.ts";
import { RpcConnection } from "../../../src/rpc/mux.ts";
import { resolveRpcOptions } from "../../../src/rpc/params.ts";
import { ServiceRegistry } from "../../../src/rpc/serve.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { Counters } from "../../../src/util/counters.ts";
import { silentLogger } from "../../../src/util/log.ts";

/** What a peer is there for. */
export interface DialedPeer {
  readonly id: NodeId;
  readonly keys: KeyPair;
  readonly registry: ServiceRegistry;
  readonly connection: RpcConnection;
}

/** Connects to a node. Who wants to call the peer waits until the node has noticed. */
export async function dialIn(
  t: TestContext,
  node: { readonly id: NodeId; readonly port: number },
  network: string,
  keys: KeyPair = generateKeyPair(),
): Promise<DialedPeer> {
  const link = await dial({
    address: { id: node.id, host: "127.0.0.1", port: node.port },
    keys,
    networkKey: networkKeyOf(network),
    config: resolveChannelOptions(),
    clock: systemClock,
  });
  const registry = new ServiceRegistry({ clock: systemClock, logger: silentLogger, counters: new Counters() });
  const connection = new RpcConnection(link, { config: resolveRpcOptions(), clock: systemClock, acceptor: registry });
  t.after(() => connection.close());
  return { id: keys.id, keys, registry, connection };
}

/** Lets a peer tell a schema by reflection: whatever it is, of whatever is asked. */
export function tell(
  { registry }: DialedPeer,
  files: (service: string) => MessageInitShape<typeof FileDescriptorSetSchema>,
  services: string[] = [],
): void {
  registry.serve(ReflectionService, {
    listServices: () => ({ services }),
    getDescriptors: ({ service }) => ({ files: files(service) }),
  });
}

/** Files out of the JSON of google.protobuf.FileDescriptorProto. */
export function filesOf(...files: readonly JsonObject[]): FileDescriptorSet {
  return fromJson(FileDescriptorSetSchema, { file: [...files] });
}

/** The service of a name in files that are well formed. */
export function serviceIn(files: FileDescriptorSet, name: string): DescService {
  const service = createFileRegistry(files).getService(name);
  if (service === undefined) throw new Error(`no ${name} in the files`);
  return service;
}

/** Serves a method by a name that only the test knows. */
export function implementation(methods: Readonly<Record<string, unknown>>): Partial<ServiceImpl<DescService>> {
  return methods as Partial<ServiceImpl<DescService>>;
}
