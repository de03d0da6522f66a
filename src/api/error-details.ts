// Details of errors that peers answer, decoded by the schema of the service that was called. What a peer sends is bounded here,
// as it may be anything.
import { fromBinary, type JsonValue, type Registry, toJson } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { checkMessageCost } from "../rpc/message-cost.ts";

/** Details that are decoded at most; an error says what matters in a few. */
const maxDecoded = 32;
/** Cells that each may take, as `checkMessageCost` counts them: 256 KiB, roughly. */
const maxCells = 32_768;

type Details = ConnectError["details"];

/**
 * Details with their JSON as `debug`, as Connect's protocol has it. Those of a type that the registry lacks, that do not decode,
 * or that have no form in JSON stay as they are; so do those after the first 32.
 */
export function decodedDetails(details: Details, registry: Registry): Details {
  return details.map((detail, index) => {
    if ("desc" in detail || index >= maxDecoded) return detail;
    const debug = decoded(detail.type, detail.value, registry);
    return debug === undefined ? detail : { ...detail, debug };
  });
}

function decoded(type: string, value: Uint8Array, registry: Registry): JsonValue | undefined {
  const schema = registry.getMessage(type);
  if (schema === undefined) return undefined;
  try {
    checkMessageCost(schema, value, { maxCells, registry });
    return toJson(schema, fromBinary(schema, value), { registry });
  } catch {
    // The error itself matters more, and its bytes are still there.
    return undefined;
  }
}
