// Which node of the swarm is looked at: the address of the page names it, so that it can be kept, sent on and gone back to.
import { useEffect, useState } from "preact/hooks";
import type { SwarmNode } from "../../gen/dswarm/v1/node_pb.ts";
import { pathId } from "./id-space.ts";

/** The node that is looked at. */
interface ChosenNode {
  /** Its id; undefined where the address names none of the nodes. */
  readonly chosen: string | undefined;
  /** Whether the address names one that is not, or no more, among them. */
  readonly isGone: boolean;
  readonly choose: (id: string) => void;
}

/** Follows the address, in which "#" and base64url name the node. */
export function useChosenNode(nodes: readonly SwarmNode[]): ChosenNode {
  const [named, setNamed] = useState(namedNow);
  useEffect(() => {
    const onChange = (): void => setNamed(namedNow());
    addEventListener("hashchange", onChange);
    return () => removeEventListener("hashchange", onChange);
  }, []);
  const chosen = nodes.find(({ id }) => pathId(id) === named)?.id;
  return {
    chosen,
    isGone: named !== "" && nodes.length > 0 && chosen === undefined,
    choose: (id) => location.assign(`#${pathId(id)}`),
  };
}

function namedNow(): string {
  return location.hash.slice(1);
}
