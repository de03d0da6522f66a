// What of the flags can only be checked together, or with code that is not worth loading for `--help`.
import { parsePeerAddress } from "../identity/peer-address.ts";
import { messageOf } from "../util/errors.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { NodeFlags } from "./node-flags.ts";

const highestPort = 65_535;

/**
 * Checks the flags of a swarm.
 * @param nodes how many nodes have these flags
 * @throws CliError with exit code 2
 */
export function checkNodeFlags({ bootstrap, discovery, port, httpPort = 0 }: NodeFlags, nodes = 1): void {
  for (const address of bootstrap) {
    try {
      parsePeerAddress(address);
    } catch (error) {
      throw new CliError(`--bootstrap ${address}: ${messageOf(error)}`, exitCodes.usage);
    }
  }
  for (const [flag, first] of [
    ["--port", port],
    ["--http-port", httpPort],
  ] as const) {
    if (first + nodes - 1 <= highestPort) continue;
    const highest = highestPort - nodes + 1;
    throw new CliError(`${flag} ${first}: ${nodes} nodes from there on need ${highest} at most`, exitCodes.usage);
  }
  if (nodes > 1 && !discovery && bootstrap.length === 0) {
    throw new CliError("--no-discovery: the nodes cannot find one another; add --bootstrap ADDRESS", exitCodes.usage);
  }
}
