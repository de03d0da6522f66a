// The flags that `start` and `swarm` share, and what they mean to a node and to a process that runs one.
import { join } from "node:path";
import type { CreateNodeOptions } from "../create-node.ts";
import type { Logger } from "../util/log.ts";

/** Log levels, the least telling first. */
export const logLevels = ["silent", "error", "warn", "info", "debug"] as const;

/** How much is logged. */
export type LogLevel = (typeof logLevels)[number];

/** The flags as the command line gives them. */
export interface NodeFlags {
  readonly network: string;
  readonly host: string;
  readonly port: number;
  readonly dataDir?: string;
  readonly bootstrap: readonly string[];
  readonly discovery: boolean;
  readonly udpPort?: number;
  readonly logLevel: LogLevel;
  readonly json?: boolean;
}

/** What holds where a flag is not given; the same as for `createNode`. */
export const flagDefaults = Object.freeze({ network: "dev", host: "127.0.0.1", port: 0 });

/** The flags of one node of a swarm: ports one after the other, a data directory each. */
export function memberFlags(flags: NodeFlags, index: number): NodeFlags {
  return {
    ...flags,
    port: flags.port === 0 ? 0 : flags.port + index - 1,
    ...(flags.dataDir !== undefined && { dataDir: join(flags.dataDir, `${index}`) }),
  };
}

/** What the flags mean to `createNode`. */
export function nodeOptionsOf(flags: NodeFlags, logger: Logger): CreateNodeOptions {
  const { network, host, port, dataDir, bootstrap, discovery, udpPort } = flags;
  return {
    network,
    host,
    port,
    bootstrap,
    logger,
    discovery: discovery && (udpPort === undefined ? {} : { udpPort }),
    ...(dataDir !== undefined && { dataDir }),
  };
}

/** The flags as arguments again, each in one piece so that no value can be read as a flag. */
export function argumentsOf(flags: NodeFlags): string[] {
  return [
    `--network=${flags.network}`,
    `--host=${flags.host}`,
    `--port=${flags.port}`,
    `--log-level=${flags.logLevel}`,
    ...(flags.dataDir === undefined ? [] : [`--data-dir=${flags.dataDir}`]),
    ...flags.bootstrap.map((address) => `--bootstrap=${address}`),
    ...(flags.discovery ? [] : ["--no-discovery"]),
    ...(flags.udpPort === undefined ? [] : [`--udp-port=${flags.udpPort}`]),
  ];
}
