// The flags that `start` and `swarm` share, and what they mean to a node and to a process that runs one.
import { join } from "node:path";
import type { CreateNodeOptions } from "../create-node.ts";
import type { Logger } from "../util/log.ts";
import { readTokenFile } from "./token-file.ts";

/** Log levels, the least telling first. */
export const logLevels = ["silent", "error", "warn", "info", "debug"] as const;

/** How much is logged. */
export type LogLevel = (typeof logLevels)[number];

/** The flags as the command line gives them. */
export interface NodeFlags {
  readonly network: string;
  readonly host: string;
  readonly port: number;
  readonly httpPort?: number;
  readonly tokenFile?: string;
  readonly dataDir?: string;
  readonly replaceDamaged?: boolean;
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
    port: nthPort(flags.port, index),
    ...(flags.httpPort !== undefined && { httpPort: nthPort(flags.httpPort, index) }),
    ...(flags.dataDir !== undefined && { dataDir: join(flags.dataDir, `${index}`) }),
  };
}

function nthPort(first: number, index: number): number {
  return first === 0 ? 0 : first + index - 1;
}

/**
 * What the flags mean to `createNode`.
 * @throws CliError when the token file is not usable
 */
export function nodeOptionsOf(flags: NodeFlags, logger: Logger): CreateNodeOptions {
  const { network, host, port, httpPort, tokenFile, dataDir, replaceDamaged, bootstrap, discovery, udpPort } = flags;
  return {
    network,
    host,
    port,
    bootstrap,
    logger,
    discovery: discovery && (udpPort === undefined ? {} : { udpPort }),
    ...(httpPort !== undefined && { httpPort }),
    ...(tokenFile !== undefined && { api: { token: readTokenFile(tokenFile) } }),
    ...(dataDir !== undefined && { dataDir }),
    ...(replaceDamaged === true && { replaceDamaged }),
  };
}

/** The flags as arguments again, each in one piece so that no value can be read as a flag. */
export function argumentsOf(flags: NodeFlags): string[] {
  return [
    `--network=${flags.network}`,
    `--host=${flags.host}`,
    `--port=${flags.port}`,
    `--log-level=${flags.logLevel}`,
    ...(flags.httpPort === undefined ? [] : [`--http-port=${flags.httpPort}`]),
    ...(flags.tokenFile === undefined ? [] : [`--token-file=${flags.tokenFile}`]),
    ...(flags.dataDir === undefined ? [] : [`--data-dir=${flags.dataDir}`]),
    ...(flags.replaceDamaged === true ? ["--replace-damaged"] : []),
    ...flags.bootstrap.map((address) => `--bootstrap=${address}`),
    ...(flags.discovery ? [] : ["--no-discovery"]),
    ...(flags.udpPort === undefined ? [] : [`--udp-port=${flags.udpPort}`]),
  ];
}
