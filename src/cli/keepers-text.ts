// What an answer says of the nodes that keep a record.
import { counted } from "./text.ts";

/** "3 other nodes and this one", "1 other node", "this node alone: it knew no peer". */
export function keepersText({ replicas, keptHere }: { readonly replicas: number; readonly keptHere: boolean }): string {
  if (replicas === 0) return "this node alone: it knew no peer";
  return `${counted(replicas, "other node")}${keptHere ? " and this one" : ""}`;
}
